# A restore brings the rows of runs before those of their timers. A run whose timer is due
# in between waits for it: the timer fires as soon as it is there, once. What else happens to the
# run meanwhile makes no difference.

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

# A run with a timer.
sub run_with_timer
{
	my ($id, $after) = @_;

	return sql($node, "SELECT FROM taskq.start_workflow('$id', 'w', workflow_id => '$id');
		SELECT failed_cause FROM taskq.poll_workflow_task('$id') t, taskq.complete_workflow_task(t.task_token, jsonb_build_array(taskq.command_start_timer('t', '$after')));
		SELECT taskq.workflow_run('$id')") =~ s/\s//gr;
}

sub fired
{
	my ($run) = @_;

	return "(SELECT count(*) FROM taskq.workflow_events WHERE run_id = $run AND event_type = 'timer_fired')";
}

my $early = run_with_timer('early', '1 day');
my $signalled = run_with_timer('signalled', '1 day');
my $two = run_with_timer('two', '1 day');
sql($node, "SELECT FROM taskq.signal_workflow('two', 's');
	SELECT FROM taskq.poll_workflow_task('two') t, taskq.complete_workflow_task(t.task_token, jsonb_build_array(taskq.command_start_timer('other', '1 day')))");

# their timers go, but for one, and are due
sql($node, "BEGIN;
	CREATE TABLE kept AS SELECT run_id, timer_id, started_event_id, now() AS fire_time FROM taskq.run_timer WHERE timer_id = 't';
	DELETE FROM taskq.run_timer WHERE timer_id = 't';
	UPDATE taskq.open SET timer_due = now(), alarm = now() WHERE scope = -1;
	COMMIT");
sql($node, "SELECT FROM taskq.signal_workflow('signalled', 's')");
ok($node->poll_query_until('postgres', "SELECT (pending_task).state = 'scheduled' FROM taskq.workflows WHERE run_id = $signalled"), 'a run whose timer is not there takes a signal');

# a later one has fired: so the worker has come to the others
my $late = run_with_timer('late', '1 s');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($late) . ' = 1'), 'others fire');
is(sql($node, 'SELECT ' . fired($_)), '0', 'what is not there does not') for $early, $signalled, $two;

sql($node, 'INSERT INTO taskq.run_timer SELECT * FROM kept');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($early) . ' = 1'), 'it fires when it has come');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($signalled) . ' = 1'), '... of a run that was signalled, too');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($two) . ' = 1'), '... and of one that had another timer already');
is(sql($node, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"), 't', 'the runs are what their histories say');

done_testing();
