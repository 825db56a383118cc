# The next task that a completion asks for counts as running like one that was polled:
# it takes the place that the task before leaves, and where max_started has no room it waits
# for a poll. Whatever is committed or rolled back, the numbers stay right.

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

sub configure
{
	my ($max) = @_;

	sql($node, qq(SELECT taskq.configure_queue('q', '{"max_started": $max}', kind => 'workflow')));
	return;
}

# A workflow with a task that its worker has.
sub started
{
	my ($id) = @_;

	sql($node, "SELECT FROM taskq.start_workflow('q', 'W', workflow_id => '$id', task_timeout => '2 min')");
	return polled();
}

sub polled
{
	return sql($node, "SELECT task_token FROM taskq.poll_workflow_task('q')");
}

# The end of a task, and the next one.
sub next_task
{
	my ($token) = @_;

	return "SELECT (new_task).task_token FROM taskq.complete_workflow_task('$token', '[]', force_new_task => true, return_new_task => true)";
}

sub running
{
	return sql($node, "SELECT started_count FROM taskq.task_queues WHERE task_queue = 'q' AND kind = 'workflow'");
}

configure(2);
my $a = started('a');
my $b = started('b');
is(started('c'), '', 'two tasks run, a third has no place');
isnt($a = sql($node, next_task($a)), '', 'the next task of a run takes the place of the one before');
is(running(), '2', 'as many run');
is(polled(), '', '... and there is no place for another');

sql($node, "BEGIN; " . next_task($a) . "; ROLLBACK");
is(running(), '2', 'as many after a rollback');
isnt($a = sql($node, next_task($a)), '', '... whose place was given back');
isnt($a = (split /\n/, sql($node, "BEGIN; " . next_task($a) . "; SAVEPOINT s; SELECT FROM taskq.release_workflow_task('$b'); ROLLBACK TO s; COMMIT"))[0], '', 'likewise in a block');
is(running(), '2', 'as many run');

configure(1);
is(sql($node, next_task($a)), '', 'where more run than may, the next one waits');
is(running(), '1', 'one less runs');
is(polled(), '', '... which is as many as may');
is(sql($node, "SELECT string_agg(workflow_id, ' ' ORDER BY workflow_id) FROM taskq.workflows WHERE (pending_task).state = 'scheduled'"), 'a c', 'two wait');
sql($node, "SELECT FROM taskq.complete_workflow_task('$b', jsonb_build_array(taskq.command_complete()))");
isnt(polled(), '', 'they are polled when there is a place');
is(running(), '1', 'the numbers are right');
is(sql($node, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"), 't', 'the runs are what their histories say');

done_testing();
