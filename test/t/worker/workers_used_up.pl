# Running out of worker processes or of slots is logged once, with a hint, and
# over as soon as there is room.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', 'max_worker_processes = 3',
	'max_logical_replication_workers = 0', 'max_parallel_workers = 0');

# the launcher, and two workers
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(a b c);
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(a b);
ok(wait_served($node, qw(a b)), 'two databases are served');

my $offset = -s $node->logfile;
$node->safe_psql('c', 'CREATE EXTENSION taskq');
$node->wait_for_log(qr/out of background worker slots.*max_worker_processes/s,
	$offset);
is($node->safe_psql('postgres', served_databases()),
	'a b', 'the third has to wait');

$node->safe_psql('b', 'DROP EXTENSION taskq');
ok(wait_served($node, qw(a c)), 'it is served when another one is dropped');
is( count_matches(slurp_file($node->logfile), qr/out of background worker/),
	1, 'logged once');

$node->append_conf('postgresql.conf',
	"max_worker_processes = 20\ntaskq.max_databases = 1");
$offset = -s $node->logfile;
$node->restart;
$node->wait_for_log(qr/no slot for some of the databases.*taskq\.max_databases/s,
	$offset);
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker'"),
	'one slot, one worker');

my $served = $node->safe_psql('postgres', served_databases());
my ($other) = grep { $_ ne $served } qw(a c);
$node->safe_psql($served, 'DROP EXTENSION taskq');
ok(wait_served($node, $other), 'the slot goes to the other database');

done_testing();
