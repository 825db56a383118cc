# Delayed tasks are notified when they become due, not when they are
# scheduled: start delays and retries, also those from before anyone listened.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');

# two that nobody listens for yet, so the worker has to find them itself
$node->safe_psql(
	'postgres',
	"SELECT FROM taskq.schedule('q', 'first', start_to_close_timeout => '1h', start_delay => '2s');
	 SELECT FROM taskq.schedule('q', 'second', start_to_close_timeout => '1h', start_delay => '3s')");

my $session = $node->background_psql('postgres');
my $channel = $session->query_safe("SELECT taskq.channel('q')");
$session->query_safe("LISTEN $channel");

# Hear of the queue, and have a task of that type when we do.
sub heard_and_polled
{
	my ($type, $what) = @_;
	my $polled;

	# a channel that is new is notified once for nothing
	do
	{
		hear($session, qr/"$channel"/) =~ /"$channel"/
		  or return fail("$what: nothing heard");
		$polled = $node->safe_psql('postgres',
			"SELECT activity_type FROM taskq.poll('q')");
	} while ($polled eq '');
	is($polled, $type, $what);
	return;
}

heard_and_polled('first', 'the first becomes due');
heard_and_polled('second', 'the one after it is looked up');

$node->safe_psql('postgres',
	"SELECT FROM taskq.schedule('q', 'third', start_to_close_timeout => '1h', start_delay => '1s')");
heard_and_polled('third', 'scheduled while we listen');

$node->safe_psql(
	'postgres',
	"SELECT FROM taskq.schedule('q', 'retried', start_to_close_timeout => '1h',
		retry_policy => taskq.retry_policy(initial_interval => '1s'))");
heard_and_polled('retried', 'a task without delay');
is( $node->safe_psql(
		'postgres',
		"SELECT taskq.fail_by_id(run_id => run_id, message => 'no')
		   FROM taskq.activities WHERE activity_type = 'retried'"),
	'in_progress',
	'it fails and will be retried');
heard_and_polled('retried', 'the retry becomes due');

# also after the worker was replaced, which had it all in its head
$node->safe_psql('postgres',
	"SELECT FROM taskq.schedule('q', 'fourth', start_to_close_timeout => '1h', start_delay => '2s')");
my $pid = worker_pid($node, 'postgres');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
heard_and_polled('fourth', 'a new worker knows, too');

$session->quit;
done_testing();
