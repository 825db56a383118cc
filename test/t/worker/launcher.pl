# Every database that has the extension gets a worker, without configuration,
# and only as long as it has it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(a b c);
ok(wait_served($node), 'databases without the extension have no worker');

$node->safe_psql('a', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'a'), 'CREATE EXTENSION starts a worker');

$node->safe_psql('b', 'BEGIN; CREATE EXTENSION taskq; ROLLBACK');
$node->safe_psql('c', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'a', 'c'),
	'CREATE EXTENSION that is rolled back does not');

my $pid = worker_pid($node, 'a');
$node->safe_psql('a', 'BEGIN; DROP EXTENSION taskq; ROLLBACK');
is(worker_pid($node, 'a'), $pid, 'DROP EXTENSION rolled back: it stays');

$node->safe_psql('a', 'DROP EXTENSION taskq');
ok(wait_served($node, 'c'), 'DROP EXTENSION: it leaves');

$node->safe_psql('a', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'a', 'c'), 'created again, started again');

$pid = worker_pid($node, 'a');
$node->safe_psql('a',
	'BEGIN; DROP EXTENSION taskq; CREATE EXTENSION taskq; COMMIT');
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = 'a' AND pid <> $pid"
	),
	'replaced in one transaction: another worker');

$node->safe_psql('c', 'DROP EXTENSION taskq CASCADE');
ok(wait_served($node, 'a'), 'DROP EXTENSION with whatever depends on it: the worker leaves');

$node->safe_psql('a', 'DROP EXTENSION taskq');
ok(wait_served($node), 'none is left');
unlike(slurp_file($node->logfile), qr/(FATAL|ERROR|PANIC): /,
	'none of this is worth an error in the log');

done_testing();
