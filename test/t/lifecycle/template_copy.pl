# CREATE DATABASE ... TEMPLATE copies open activities: they go on in the copy,
# with a worker of its own, and independently of the original.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';

my ($held, $token) = start($node, 'held');
my ($running) = start($node, 'running',
	"start_to_close_timeout => '1 s', $once");
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
ok(wait_served($node, qw(copy postgres)), 'the copy has a worker');

for my $database (qw(postgres copy))
{
	ok( $node->poll_query_until(
			$database,
			"SELECT status = 'timed_out' FROM taskq.activities WHERE run_id = $running"),
		"$database: timers fire");
	$node->safe_psql($database, "SELECT taskq.complete('$token', '\"$database\"')");
	is( $node->safe_psql($database, "SELECT result FROM taskq.outcome($held)"),
		"\"$database\"",
		"$database: the token is valid");
}

done_testing();
