# An error in a chore is logged and tried again; the worker
# stays, and so do its other chores.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', "taskq.retention = '1s'");

$node->safe_psql('postgres', 'CREATE EXTENSION taskq');
$node->safe_psql('postgres',
	"SELECT taskq.schedule('q', 't', start_to_close_timeout => '1h'); SELECT FROM taskq.poll('q')");
ok(wait_served($node, 'postgres'), 'there is a worker');
my $pid = worker_pid($node, 'postgres');

my $offset = -s $node->logfile;
$node->safe_psql('postgres',
	'ALTER TABLE taskq.instance RENAME COLUMN leaf_since TO gone');
$node->wait_for_log(
	qr/ERROR:  column "leaf_since" does not exist.*CONTEXT:.*taskq worker for database "postgres", chore "retention"/s,
	$offset);
$offset = -s $node->logfile;
$node->wait_for_log(qr/ERROR:  column "leaf_since" does not exist/, $offset);
is(worker_pid($node, 'postgres'), $pid, 'the worker is still the same');

my $session = $node->background_psql('postgres');
my $channel = $session->query_safe("SELECT taskq.channel('q')");
$session->query_safe("LISTEN $channel");
$node->safe_psql('postgres', "SELECT taskq.schedule('q', 't', start_to_close_timeout => '1h')");
like(hear($session, qr/notification "$channel"/),
	qr/notification "$channel"/, 'notifications still come');
$session->quit;

$node->safe_psql('postgres',
	'ALTER TABLE taskq.instance RENAME COLUMN gone TO leaf_since');
$offset = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND pid <> $pid"),
	'a new worker');
unlike(slurp_file($node->logfile, $offset),
	qr/ERROR:/, 'nothing is wrong any more');

done_testing();
