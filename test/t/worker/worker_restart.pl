# Launcher and workers come back after whatever ends them, and a new launcher
# leaves running workers alone.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', 'restart_after_crash = on');

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(a b);
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(a b);
ok(wait_served($node, qw(a b)), 'two workers');

my $a = worker_pid($node, 'a');
my $b = worker_pid($node, 'b');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($a)");
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = 'a' AND pid <> $a"
	),
	'a terminated worker is replaced');
is(worker_pid($node, 'b'), $b, 'the other one goes on');

$a = worker_pid($node, 'a');
my $launcher = launcher_pid($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq launcher' AND pid <> $launcher"),
	'a terminated launcher is replaced');
is(worker_pid($node, 'a') . ' ' . worker_pid($node, 'b'),
	"$a $b", 'the workers go on');

$a = worker_pid($node, 'a');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($a)");
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = 'a' AND pid <> $a"
	),
	'the new launcher replaces workers that it did not start');

my $offset = -s $node->logfile;
kill 'KILL', worker_pid($node, 'a');
$node->wait_for_log(qr/database system is ready to accept connections/,
	$offset);
ok(wait_served($node, qw(a b)), 'all come back after a crash of the server');

$node->restart;
ok(wait_served($node, qw(a b)), 'and after a restart');

done_testing();
