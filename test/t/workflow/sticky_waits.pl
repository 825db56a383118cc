# A worker of workflows sleeps until there is a task in its private queue or in the normal
# one, by one call or one channel for both; as long as it sleeps it is alive, and gets what
# its workflows have to do.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use TaskqWait;
use Test::More;

my $node = activity_node('main');
my $both = "wait_for_tasks('{host:1,orders}', kinds => '{workflow,workflow}', normal_names => '{orders,NULL}')";

# takes what there is in a queue, and says that it has the run cached
sub step
{
	my ($queue, $sticky_for) = @_;

	return sql($node, "SELECT count(*), min(failed_cause) FROM taskq.poll_workflow_task('$queue', 'host', sticky_for => '$sticky_for') p,
		taskq.complete_workflow_task(p.task_token, '[]', sticky_task_queue => 'host:1', sticky_schedule_to_start_timeout => '1 h')");
}

# the normal queue
my $session = begin_wait($node, $both);
sql($node, "SELECT FROM taskq.start_workflow('orders', 'Order', workflow_id => 'o')");
is_woken($session, 'orders', 'a new workflow');
is(step('orders', ''), '1|', 'its first task');

# the private one, of a worker that has never polled it: it is alive because it waits
$session = begin_wait($node, $both);
sql($node, "SELECT taskq.signal_workflow('o', 's')");
is_woken($session, 'host:1', 'a workflow that the worker has cached');
is(step('orders', ''), '0|', 'its task is not in the normal queue');
is(step('host:1', 'orders'), '1|', '... but in that of the worker');

# a channel for both
my $listener = $node->background_psql('postgres');
my $channel = sql($node, "SELECT taskq.listen('host', '{host:1,orders}', 'workflow', '{orders,NULL}')");

$listener->query_safe("LISTEN $channel");
$session = begin_wait($node, $both);
sql($node, "SELECT taskq.signal_workflow('o', 's')");
my $heard = hear($listener, qr/"host:1"/, '');
like($heard, qr/"$channel" with payload "host:1"/, 'the listener hears of the private queue by its name');
sql($node, "SELECT FROM taskq.start_workflow('orders', 'Order', workflow_id => 'p')");
$heard = hear($listener, qr/"orders"/, $heard);
like($heard, qr/"$channel" with payload "orders"/, '... and of the normal one');
is_woken($session, 'host:1', 'who waits is told, too');
is(step('host:1', 'orders'), '1|', 'the task is there');
is(sql($node, "SELECT taskq.unlisten('host', '{host:1}', 'workflow', '{orders}')"), '', 'unlisten');
$listener->quit;

done_testing();
