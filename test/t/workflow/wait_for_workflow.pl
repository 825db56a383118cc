# CALL taskq.wait_for_workflow: returns when the workflow is closed, with all runs that
# it goes on as, whoever closes it, with how it ended; at the timeout with the status
# as it is.

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

my $node = activity_node('main', 'max_prepared_transactions = 5');
my @sessions;

sub wait_in
{
	my ($named) = @_;

	push @sessions, begin_wait($node, "wait_for_workflow($named, timeout => '600 s')");
	return $sessions[-1];
}

# A new workflow; its run.
sub begin
{
	my ($id, $options) = @_;

	$options //= '';
	return sql($node, "SELECT run_id FROM taskq.start_workflow('$id', 't', workflow_id => '$id' $options)");
}

# Answer the next task of a workflow, when there is one.
sub answer
{
	my ($id, $commands) = @_;

	return sql($node, "CALL taskq.wait_for_task('$id', '120 s', kind => 'workflow');
		SELECT taskq.complete_workflow_task(
		(SELECT task_token FROM taskq.poll_workflow_task('$id')), jsonb_build_array($commands))");
}

# What is waited for by its id and by its run wakes with the same.
sub closes
{
	my ($id, $wanted, $close, $options) = @_;
	my $run = begin($id, $options);
	my @waiters = map { wait_in($_) } "'$id'", "run_id => $run";

	$close->($id) if $close;
	is_woken($_, $wanted, $id) for @waiters;
	is(sql($node, "CALL taskq.wait_for_workflow('$id')"), $wanted, "$id: closed already, at once");
	return;
}

my $fail = "taskq.command_fail('x')";
my $again = "taskq.command_continue_as_new(input => '1')";

closes('completed', 'completed|{"a": 1}|', sub { answer($_[0], q(taskq.command_complete('{"a": 1}'))) });
closes('failed', 'failed||{"kind": "application", "message": "x"}', sub { answer($_[0], $fail) });
closes('canceled', 'canceled|"bye"|', sub {
	sql($node, "SELECT taskq.request_cancel_workflow('$_[0]')");
	answer($_[0], q(taskq.command_cancel('"bye"'))) });
closes('terminated', 'terminated||',
	sub { sql($node, "SELECT taskq.terminate_workflow('$_[0]', reason => 'enough')") });
closes('timed out', 'timed_out||',
	undef, ", run_timeout => '2 s'");
closes('continued', 'completed|3|', sub {
	answer($_[0], $_) for $again, $again, 'taskq.command_complete(\'3\')' });
closes('retried', 'completed|2|', sub {
	answer($_[0], $fail);
	answer($_[0], q(taskq.command_complete('2'))) }, ", retry_policy => taskq.retry_policy(initial_interval => '10 ms')");

# a rollback wakes nobody for nothing, a prepared transaction does
my $run = begin('later');
my $waiter = wait_in("'later'");
sql($node, "BEGIN; SELECT taskq.terminate_workflow('later'); ROLLBACK");
sql($node, "BEGIN; SELECT taskq.terminate_workflow('later'); PREPARE TRANSACTION 'p'");
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait_for_workflow%' AND state = 'active'"),
	1, 'still waiting');
is(sql($node, "SELECT count(*) FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) FROM pg_stat_activity
	WHERE query LIKE 'CALL taskq.wait_for_workflow%'"), 0, 'without a snapshot');
sql($node, "COMMIT PREPARED 'p'");
is_woken($waiter, 'terminated||', 'COMMIT PREPARED');

# deleted
$run = begin('deleted');
$waiter = wait_in("'deleted'");
sql($node, "SELECT taskq.delete_workflow('deleted')");
$waiter->query_until(qr/done/, '');
like($waiter->{stderr}, qr/not there any more/, 'deleted while waited for');

# how it stands when the time is up
my $open = begin('open');
is(sql($node, "CALL taskq.wait_for_workflow('open', timeout => '0')"), 'running||', 'timeout 0: as it is');
is(sql($node, "CALL taskq.wait_for_workflow('open', timeout => '50 ms')"), 'running||', 'the time is up: as it is');
answer('open', $again);
is(sql($node, "CALL taskq.wait_for_workflow('open', timeout => '0')"), 'running||', 'as the last run is');
is(sql($node, "CALL taskq.wait_for_workflow(run_id => $open, timeout => '0')"),
	'running||', 'waited for by the first');

for my $case (
	[ "'none'", 'TQ001', 'a workflow that does not exist' ],
	[ 'run_id => -1', 'TQ001', 'a run that does not exist' ],
	[ "'open', run_id => $run", 'TQ001', 'a run of another' ],
	[ "'open', timeout => NULL", '22023', 'timeout NULL' ],
	[ "'open', timeout => '-1 s'", '22023', 'negative timeout' ],
	[ '', '22004', 'neither' ])
{
	is(sqlstate($node, "CALL taskq.wait_for_workflow($case->[0])"), $case->[1], $case->[2]);
}
is(sqlstate($node, "BEGIN; CALL taskq.wait_for_workflow('open')"), '25001', 'in a transaction block');

eval { $_->quit } for @sessions;
$node->stop;
done_testing();
