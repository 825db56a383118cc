# A restore brings the rows of runs before those of their timers. A run whose timer is due
# in between waits for it: the timer fires as soon as it is there, once.

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

	return sql($node, "SELECT FROM taskq.start_workflow('q', 'w', workflow_id => '$id');
		SELECT failed_cause FROM taskq.poll_workflow_task('q') t, taskq.complete_workflow_task(t.task_token, jsonb_build_array(taskq.command_start_timer('t', '$after')));
		SELECT taskq.workflow_run('$id')") =~ s/\s//gr;
}

sub fired
{
	my ($run) = @_;

	return "(SELECT count(*) FROM taskq.workflow_events WHERE run_id = $run AND event_type = 'timer_fired')";
}

my $early = run_with_timer('early', '2 s');
sql($node, 'CREATE TABLE kept AS SELECT * FROM taskq.run_timer; DELETE FROM taskq.run_timer');

# a later one has fired: so the worker has come to the first
my $late = run_with_timer('late', '2 s');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($late) . ' = 1'), 'others fire');
is(sql($node, 'SELECT ' . fired($early)), '0', 'what is not there does not');

sql($node, 'INSERT INTO taskq.run_timer SELECT * FROM kept');
ok($node->poll_query_until('postgres', 'SELECT ' . fired($early) . ' = 1'), 'it fires when it has come');
is(sql($node, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"), 't', 'the runs are what their histories say');

done_testing();
