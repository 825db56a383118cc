# A history of 51,200 events, or of 50 MB, is full: what goes beyond ends the run, be it a
# completion or what comes from outside. Nothing that was acknowledged is lost. The administrator
# hears of long histories before.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $most = 51200;
my $node = activity_node('main');

sql($node, q{
	CREATE FUNCTION fill(w text, n bigint, more boolean DEFAULT true) RETURNS text LANGUAGE sql AS $$
		SELECT concat_ws(', ', coalesce(failed_cause, 'ok'), failed_message, CASE WHEN closed THEN 'closed' END)
		FROM taskq.poll_workflow_task(w) t, taskq.complete_workflow_task(t.task_token,
			(SELECT jsonb_agg(c) FROM taskq.command_record_marker('m') c, generate_series(1, n)), force_new_task => more) $$;
	CREATE FUNCTION events(w text) RETURNS bigint LANGUAGE sql AS $$
		SELECT history_length FROM taskq.workflows WHERE workflow_id = w $$;
	CREATE FUNCTION last_events(w text, n int) RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM (SELECT * FROM taskq.workflow_history(taskq.workflow_run(w), newest_first => true) LIMIT n) e $$;
	CREATE FUNCTION ended(w text) RETURNS text LANGUAGE sql AS $$
		SELECT status || ': ' || (attributes ->> 'reason') FROM taskq.workflows r, taskq.workflow_history(r.run_id, newest_first => true)
		WHERE workflow_id = w ORDER BY event_id DESC LIMIT 1 $$;
});

my $full = 'Workflow history size / count exceeds limit.';
my $refused = "WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND, $full, closed";

# ---- events ------------------------------------------------------------------

# Runs that are nearly full; the events of a task are three.
for my $id (qw(exact beyond outside closing))
{
	sql($node, "SELECT FROM taskq.start_workflow('$id', 'W', workflow_id => '$id')");
	my $log = -s $node->logfile;

	is(sql($node, "SELECT fill('$id', 10000)"), 'ok', '10,000 events');
	is(sql($node, "SELECT fill('$id', 10000)"), 'ok', '... and as many');
	$node->wait_for_log(qr/history of workflow "$id", run \d+, has become long: 2\d{4} events, \d+ bytes/, $log);
	is(sql($node, "SELECT fill('$id', 10000)"), 'ok', '... and as many') for 1 .. 3;
	is(() = slurp_file($node->logfile, $log) =~ /has become long/g, 1, 'the log has it once');
}

# the task's Started and Completed come before those of the commands
my $room = $most - 2 - sql($node, "SELECT events('exact')");
is(sql($node, "SELECT fill('exact', $room, false)"), 'ok', 'a history may be full');
is(sql($node, "SELECT events('exact')"), $most, "... which has $most events");
is(sql($node, "SELECT status FROM taskq.workflows WHERE workflow_id = 'exact'"), 'running', '... and the run goes on');
is(sql($node, "SELECT taskq.replay(taskq.workflow_run('exact'))"), 't', '... as its history says');

is(sql($node, "SELECT fill('beyond', $room + 1, false)"), $refused, 'a completion that goes beyond ends the run');
is(sql($node, "SELECT ended('beyond')"), "terminated: $full", '... which is terminated');
is(sql($node, "SELECT last_events('beyond', 4)"), 'workflow_task_scheduled workflow_task_started workflow_task_completed workflow_execution_terminated', '... and has none of its commands done');
is(sql($node, "SELECT taskq.replay(taskq.workflow_run('beyond'))"), 't', '... as its history says');

is(sql($node, "SELECT closed FROM taskq.poll_workflow_task('closing') t, taskq.complete_workflow_task(t.task_token,
	(SELECT jsonb_agg(c) FROM taskq.command_record_marker('m') c, generate_series(1, $room)) || taskq.command_complete())"), 't', 'a completion that closes the run may go beyond');
is(sql($node, "SELECT status FROM taskq.workflows WHERE workflow_id = 'closing'"), 'completed', '... and the run is completed');

# ---- what comes from outside --------------------------------------------------

sql($node, "SELECT FROM taskq.signal_workflow('exact', 's')");
is(sql($node, "SELECT ended('exact')"), "terminated: $full", 'a signal that goes beyond ends the run');
is(sql($node, "SELECT last_events('exact', 3)"), 'workflow_execution_signaled workflow_task_scheduled workflow_execution_terminated', '... and is in its history');
is(sql($node, "SELECT taskq.replay(taskq.workflow_run('exact'))"), 't', '... which is right');

# one that is kept open by somebody ends with the next step
is(sql($node, "SELECT fill('outside', $room, false)"), 'ok', 'another one is full');
my $other = $node->background_psql('postgres');
$other->query_safe("BEGIN; SELECT FROM taskq.signal_workflow('outside', 'of a transaction')");
sql($node, "SELECT FROM taskq.signal_workflow('outside', 's')");
is(sql($node, "SELECT status FROM taskq.workflows WHERE workflow_id = 'outside'"), 'running', 'a run that is kept open does not end');
$other->query_safe('COMMIT');
$other->quit;
ok($node->poll_query_until('postgres', "SELECT status = 'terminated' FROM taskq.workflows WHERE workflow_id = 'outside'"), '... until the transaction has ended');
is(sql($node, "SELECT ended('outside')"), "terminated: $full", '... for that reason');
is(sql($node, "SELECT count(*) FROM taskq.workflow_history(taskq.workflow_run('outside'), $most) WHERE event_type = 'workflow_execution_signaled'"), '2', '... with both signals');
is(sql($node, "SELECT taskq.replay(taskq.workflow_run('outside'))"), 't', '... as its history says');

# ---- bytes --------------------------------------------------------------------

sql($node, "SELECT FROM taskq.start_workflow('bytes', 'W', workflow_id => 'bytes')");
my ($log, $sent) = (-s $node->logfile, 0);
my $answer = '';
while ($sent < 60 && $answer eq '')
{
	(undef, undef, $answer) = $node->psql('postgres', "SELECT taskq.signal_workflow('bytes', 's', to_jsonb(repeat('x', 1500000)))");
	$sent++ if $answer eq '';
}
like($answer, qr/workflow execution already completed/, 'signals end a run when its history is larger than 50 MB');
is(sql($node, "SELECT ended('bytes')"), "terminated: $full", '... for that reason');
is(sql($node, "SELECT count(*) FROM taskq.workflow_history(taskq.workflow_run('bytes')) WHERE event_type = 'workflow_execution_signaled'"), $sent, '... with all that were taken');
is(sql($node, "SELECT history_size_bytes BETWEEN 50 * 1024 * 1024 AND 55 * 1024 * 1024 FROM taskq.workflows WHERE workflow_id = 'bytes'"), 't', '... and not much larger');
is(() = slurp_file($node->logfile, $log) =~ /history of workflow "bytes", .* has become long/g, 1, 'the log has it');

# and a completion
sql($node, "SELECT FROM taskq.start_workflow('more', 'W', workflow_id => 'more')");
sql($node, "SELECT FROM taskq.signal_workflow('more', 's', to_jsonb(repeat('x', 1500000)))") for 1 .. $sent - 1;
is(sql($node, "SELECT status FROM taskq.workflows WHERE workflow_id = 'more'"), 'running', 'what makes it nearly so large does not');
is(sql($node, q{SELECT concat_ws(', ', failed_cause, failed_message, CASE WHEN closed THEN 'closed' END) FROM taskq.poll_workflow_task('more') t,
	taskq.complete_workflow_task(t.task_token, jsonb_build_array(taskq.command_record_marker('m', jsonb_build_object('d', repeat('x', 1000000)))))}), $refused, 'a completion that goes beyond does');
is(sql($node, "SELECT last_events('more', 3)"), 'workflow_task_started workflow_task_completed workflow_execution_terminated', '... and has none of its commands done');
is(sql($node, "SELECT history_size_bytes <= 50 * 1024 * 1024 FROM taskq.workflows WHERE workflow_id = 'more'"), 't', '... so the history is no larger');
is(sql($node, "SELECT taskq.replay(taskq.workflow_run('more'))"), 't', '... and is right');

done_testing();
