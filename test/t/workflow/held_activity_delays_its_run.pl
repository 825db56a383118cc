# A transaction has taken an activity of a workflow, or has heartbeated it, and stays open, prepared
# even. The time-out of that run waits for it; other runs, their timers and signals do not, and the
# run itself goes on until then.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 10');

# A run with an activity, that times out after a while.
sub run_with_activity
{
	my ($id, $after) = @_;

	sql($node, "SELECT FROM taskq.start_workflow('$id', 'W', workflow_id => '$id', run_timeout => '$after');
		SELECT FROM taskq.poll_workflow_task('$id') t, taskq.complete_workflow_task(t.task_token,
			jsonb_build_array(taskq.command_schedule_activity('A', start_to_close_timeout => '1 h', activity_id => 'a', task_queue => '$id')))");
	return;
}

sub status
{
	my ($id) = @_;

	return "(SELECT status FROM taskq.workflows WHERE workflow_id = '$id')";
}

sub is_soon
{
	my ($id, $status, $name) = @_;

	return ok($node->poll_query_until('postgres', 'SELECT ' . status($id) . " = '$status'"), $name);
}

for my $how (qw(taken beaten beaten_prepared prepared))
{
	my $other = $node->background_psql('postgres');
	my $token = '';

	run_with_activity("held $how", '20 s');
	$token = sql($node, "SELECT task_token FROM taskq.poll('held $how')") if $how =~ /beaten/;
	$other->query_safe('BEGIN');
	$other->query_safe($token eq '' ? "SELECT FROM taskq.poll('held $how')" : "SELECT FROM taskq.heartbeat('$token', '1')");
	if ($how =~ /prepared/)
	{
		$other->query_safe('CREATE TABLE written_' . $how . ' ()');
		$other->query_safe("PREPARE TRANSACTION '$how'");
	}

	# its time is over
	sql($node, "UPDATE taskq.open SET alarm = now(), deadline = now() WHERE activity_id = 'held $how'");
	run_with_activity("free $how", '1 s');
	is_soon("free $how", 'timed_out', "$how: another run times out");
	is(sql($node, 'SELECT ' . status("held $how")), 'running', '... and that one waits');
	sql($node, "SELECT FROM taskq.signal_workflow('held $how', 's')");
	ok($node->poll_query_until('postgres', "SELECT (pending_task).state = 'scheduled' FROM taskq.workflows WHERE workflow_id = 'held $how'"), '... but hears signals');

	$how =~ /prepared/ ? sql($node, "COMMIT PREPARED '$how'") : $other->query_safe('COMMIT');
	is_soon("held $how", 'timed_out', '... until the transaction has ended');
	$other->quit;
}
is(sql($node, 'SELECT count(*) FROM taskq.open'), '0', 'nothing is left');
is(sql($node, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"), 't', 'the runs are what their histories say');

done_testing();
