# Several sessions do random things to the same few workflows while timers fire
# and tasks time out. After each round, and while others still work, every
# history is a possible one and agrees with the row of its run; and what was
# sent to a run, in or outside a transaction that committed, is in its history
# once. TASKQ_SEED repeats what is tried, not in which order it happens.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqWorkflowJudge;
use Test::More;

use constant {
	ROUNDS => 5,
	SESSIONS => 5,
	CALLS => 200,
};

my $seed = $ENV{TASKQ_SEED} || 20261130;
diag("TASKQ_SEED=$seed");
srand($seed);

my $json = JSON::PP->new;
my $node = taskq_node(
	'main',
	'log_statement = none',
	'log_min_messages = warning',
	'max_prepared_transactions = 20',
	"taskq.retention = '100d'",
	"log_line_prefix = '%m [%p] %b %a '",
	'fsync = off');

# What the sessions note in the transactions of their calls. A call that has
# nothing to do does nothing.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION taskq;
	CREATE TABLE sent (run_id bigint, request_id text PRIMARY KEY);
	CREATE SEQUENCE request;
	CREATE TABLE tasks (task_token uuid PRIMARY KEY, n serial);
	CREATE TABLE attempts (task_token uuid PRIMARY KEY, n serial);

	CREATE FUNCTION a_run() RETURNS bigint LANGUAGE sql AS $$
	  SELECT run_id FROM (SELECT run_id FROM taskq.workflows
	      WHERE status = 'running' ORDER BY run_id DESC LIMIT 8) s
	  ORDER BY random() LIMIT 1 $$;
	CREATE FUNCTION a_task() RETURNS uuid LANGUAGE sql AS $$
	  SELECT task_token FROM
	    (SELECT task_token FROM tasks ORDER BY n DESC LIMIT 4) s
	  ORDER BY random() LIMIT 1 $$;
	CREATE FUNCTION an_attempt() RETURNS uuid LANGUAGE sql AS $$
	  SELECT task_token FROM
	    (SELECT task_token FROM attempts ORDER BY n DESC LIMIT 4) s
	  ORDER BY random() LIMIT 1 $$;

	CREATE FUNCTION send() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
	  run bigint := a_run();
	  request text := nextval('request');
	BEGIN
	  IF run IS NOT NULL THEN
	    PERFORM taskq.signal_workflow(
	      (SELECT workflow_id FROM taskq.workflows WHERE run_id = run),
	      's', '1', run_id => run, request_id => request);
	    INSERT INTO sent VALUES (run, request);
	  END IF;
	END $$;

	CREATE FUNCTION some_commands() RETURNS jsonb LANGUAGE sql AS $$
	  SELECT coalesce(jsonb_agg(command), '[]') FROM (
	    SELECT CASE WHEN r < 0.45 THEN jsonb_build_object(
	        'commandType', 'COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK',
	        'scheduleActivityTaskCommandAttributes', jsonb_build_object(
	          'activityId', 'a' || floor(r * 1000),
	          'activityType', '{"name": "A"}'::jsonb,
	          'taskQueue', '{"name": "a"}'::jsonb,
	          'startToCloseTimeout', '0.400s',
	          'retryPolicy', '{"initialInterval": "0.030s", "maximumAttempts": 2}'::jsonb))
	      WHEN r < 0.85 THEN jsonb_build_object(
	        'commandType', 'COMMAND_TYPE_START_TIMER',
	        'startTimerCommandAttributes', jsonb_build_object(
	          'timerId', 't' || floor(r * 1000),
	          'startToFireTimeout', '0.0' || floor(r * 90) || 's'))
	      ELSE '{"commandType": "COMMAND_TYPE_RECORD_MARKER",
	        "recordMarkerCommandAttributes": {"markerName": "m"}}'::jsonb END AS command
	    FROM (SELECT random() AS r
	      FROM generate_series(1, (random() * 3)::int)) n
	    UNION ALL
	    SELECT jsonb_build_object(
	        'commandType', 'COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK',
	        'requestCancelActivityTaskCommandAttributes',
	        jsonb_build_object('scheduledEventId', '5'))
	    WHERE random() < 0.05
	    UNION ALL
	    SELECT '{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION",
	      "completeWorkflowExecutionCommandAttributes": {}}'
	    WHERE random() < 0.03
	    UNION ALL
	    SELECT '{"commandType": "COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
	      "continueAsNewWorkflowExecutionCommandAttributes": {"workflowType": {"name": "T"}}}'
	    WHERE random() < 0.01) c $$;

	CREATE FUNCTION finish(token uuid, queue text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
	  answer record;
	BEGIN
	  IF token IS NULL THEN
	    RETURN;
	  END IF;
	  SELECT * INTO answer FROM taskq.complete_workflow_task(token, some_commands(),
	    sticky_task_queue => CASE WHEN random() < 0.5 THEN queue END,
	    sticky_schedule_to_start_timeout => '0.1 s',
	    force_new_task => random() < 0.1, return_new_task => random() < 0.2,
	    identity => queue);
	  INSERT INTO tasks SELECT (answer.new_task).task_token
	  WHERE (answer.new_task).task_token IS NOT NULL;
	END $$;
});

# ---- what sessions do ----------------------------------------------------

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

sub a_poll
{
	my ($i) = @_;
	my $queue = pick("'q'", "'q'", "'st$i', sticky_for => 'q'");

	return "taskq.poll_workflow_task($queue, identity => 'st$i', max_tasks => "
	  . pick(1, 1, 2) . ')';
}

# Of two transactions that report about the same two attempts one would wait for the
# other, and he for it, so each reports about one.
my $reported;

sub report
{
	my ($call) = @_;

	return sub { return $reported++ ? 'SELECT send()' : "SELECT taskq.$call" };
}

my @locking = (
	[
		5,
		sub {
			"SELECT run_id FROM taskq.start_workflow('q', 'T', workflow_id => 'w"
			  . int(rand(6))
			  . "', task_timeout => '0.5 s', id_conflict_policy => 'use_existing'"
			  . pick('', '', ", run_timeout => '2 s'", ", start_delay => '50 ms'")
			  . ')';
		}
	],
	[
		14,
		sub { 'INSERT INTO tasks SELECT task_token FROM ' . a_poll($_[0]) }
	],
	[
		14,
		sub {
			"SELECT finish(task_token, 'st$_[0]') FROM " . a_poll($_[0]);
		}
	],
	[ 16, sub { "SELECT finish(a_task(), 'st$_[0]')" } ],
	[
		3,
		sub {
			"SELECT taskq.fail_workflow_task(a_task(), 'WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR')";
		}
	],
	[ 2, sub { 'SELECT taskq.release_workflow_task(a_task())' } ],
	[ 1, sub { 'SELECT taskq.terminate_workflow(run_id => a_run())' } ],
	[
		1,
		sub {
			'SELECT taskq.reset_sticky(workflow_id, run_id => run_id)
			FROM taskq.workflows WHERE run_id = a_run()';
		}
	]);
my @sending = (
	[ 14, sub { 'SELECT send()' } ],
	[ 1, sub { 'SELECT taskq.request_cancel_workflow(run_id => a_run())' } ],
	[
		10,
		sub {
			"INSERT INTO attempts SELECT task_token FROM taskq.poll('a', max_tasks => 2)";
		}
	],
	[ 8, report("complete(an_attempt(), '1')") ],
	[ 3, report("fail(an_attempt(), 'broken')") ],
	[ 1, report('report_canceled(an_attempt())') ]);
my @weighted_locking = map { ($_->[1]) x $_->[0] } @locking;
my @weighted_sending = map { ($_->[1]) x $_->[0] } @sending;

# A session's script. A transaction locks one run, or it sends: what does both
# in any order may wait for one that does so in another.
sub script
{
	my ($i) = @_;
	my @lines = (
		'\set VERBOSITY sqlstate',
		'SELECT setseed(' . rand() . ');',
		'SET client_min_messages = error;');

	foreach my $n (1 .. CALLS)
	{
		my $sends = chance(0.45);
		$reported = 0;
		my @calls =
		  map { pick($sends ? @weighted_sending : @weighted_locking)->($i) }
		  1 .. ($sends ? pick(1, 2, 3) : 1);
		my $sleep = 'SELECT pg_sleep(' . rand(0.01) . ');';
		my $end = pick(
			'COMMIT', 'COMMIT', 'ROLLBACK',
			"PREPARE TRANSACTION 'p$i.$n'; SELECT pg_sleep(0.002); "
			  . pick(qw(COMMIT ROLLBACK))
			  . " PREPARED 'p$i.$n'");

		push @lines,
		  chance(0.6) ? (map { "$_;" } @calls)
		  : chance(0.3)
		  ? "BEGIN; SAVEPOINT s; $calls[0]; ROLLBACK TO s; $sleep COMMIT;"
		  : ('BEGIN;', (map { "$_;" } @calls), "$sleep $end;");
	}
	return join("\n", @lines) . "\n";
}

# ---- what must hold ------------------------------------------------------

# One look at all runs: their rows, what is pending of them, their histories.
my $look = q{
	SELECT jsonb_build_object('run_id', run_id, 'status', status,
	  'history_length', history_length, 'timers', pending_timers,
	  'activities', (SELECT coalesce(jsonb_agg(scheduled_event_id), '[]')
	    FROM taskq.activities a WHERE a.workflow_run_id = w.run_id AND close_time IS NULL),
	  'events', (SELECT jsonb_agg(jsonb_build_object('event_id', event_id,
	      'type', event_type, 'attributes', attributes) ORDER BY event_id)
	    FROM taskq.workflow_history(w.run_id)))
	FROM taskq.workflows w ORDER BY run_id};
my %said;

sub violations
{
	my ($quiet) = @_;
	my @found;

	foreach my $line (
		split /\n/,
		$node->safe_psql('postgres',
			"BEGIN ISOLATION LEVEL REPEATABLE READ; $look; COMMIT"))
	{
		my $run = $json->decode($line);
		my $judged = TaskqWorkflowJudge::judge(@{ $run->{events} });
		my @wrong = @{ $judged->{wrong} };

		push @wrong,
		  "the history has " . @{ $run->{events} } . " events, not $run->{history_length}"
		  if @{ $run->{events} } != $run->{history_length};
		push @wrong, "status is $run->{status}"
		  if ($run->{status} eq 'running') != !$judged->{ended};
		push @wrong, pending_differs($run, $judged) if !$judged->{ended};
		push @found, map { "run $run->{run_id}: $_" } @wrong;
	}
	return join("\n", grep { !$said{$_}++ } @found);
}

# Each pending thing has its event; one that has ended may wait to be told.
sub pending_differs
{
	my ($run, $judged) = @_;
	my @strangers =
	  grep { !$judged->{activities}->{$_} } @{ $run->{activities} };
	my @wrong;

	push @wrong, "activities @strangers are pending without their events"
	  if @strangers;
	push @wrong, "$run->{timers} timers are pending"
	  if $run->{timers} > keys %{ $judged->{timers} };
	return @wrong;
}

# The rows say what the histories say.
sub replays
{
	my ($rc, $stdout, $stderr) = $node->psql('postgres',
		q{SELECT count(*) FILTER (WHERE NOT taskq.replay(run_id)) FROM taskq.workflows});

	return "$stdout $stderr";
}

# ---- the rounds ----------------------------------------------------------

my %states;

for (my $round = 1; $round <= ROUNDS || time_left(); $round++)
{
	my (@running, @errors, $found);

	foreach my $i (1 .. SESSIONS)
	{
		my $file = $node->basedir . "/script_$i.sql";

		open(my $handle, '>', $file) or die $!;
		print $handle script($i);
		close($handle);
		push @running,
		  IPC::Run::start(
			[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $file ],
			'>',
			'/dev/null',
			'2>',
			\$errors[ $i - 1 ],
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	$found = violations();
	$_->finish foreach @running;
	is($found, '', "round $round: nothing impossible meanwhile");
	is(violations(), '', "round $round: nothing impossible afterwards");
	is(replays(), '0 ', "round $round: the rows say what the histories say");
	foreach my $i (1 .. SESSIONS)
	{
		my @seen = $errors[ $i - 1 ] =~ /(?:ERROR|FATAL):  (.*)/g;
		my @unexpected =
		  grep { !/^(?:TQ00[123]|22004|22023|25P02|42704)$/ } @seen;

		$states{$_}++ foreach @seen;
		is("@unexpected", '', "round $round: SQLSTATEs of session $i")
		  or diag($errors[ $i - 1 ]);
	}
}
note(
	join(', ', map { "$_ $states{$_}" } sort keys %states),
	"\n",
	$node->safe_psql(
		'postgres',
		q{SELECT string_agg(concat(status, ' ', n), ', ' ORDER BY status)
		  FROM (SELECT status, count(*) AS n FROM taskq.workflows GROUP BY 1) s}
	),
	', signals ',
	$node->safe_psql('postgres', 'SELECT count(*) FROM sent'));

# ---- the end -------------------------------------------------------------

# What was sent arrives once; nothing else does.
my $missing = q{
	SELECT count(*) FROM (
	  (SELECT run_id, request_id FROM sent)
	  EXCEPT ALL
	  (SELECT run_id, attributes ->> 'requestId' FROM taskq.workflows w,
	    LATERAL taskq.workflow_history(w.run_id) h
	  WHERE event_type = 'workflow_execution_signaled')) m};

$node->psql('postgres',
	"SELECT taskq.terminate_workflow(run_id => run_id) FROM taskq.workflows WHERE status = 'running'",
	on_error_stop => 0);
ok( $node->poll_query_until(
		'postgres',
		q{SELECT count(*) = 0 FROM taskq.workflows WHERE status = 'running'}),
	'all are closed at last');
is(violations(), '', 'nothing impossible at the end');
is($node->safe_psql('postgres', $missing), '0', 'no signal is lost');
is( $node->safe_psql(
		'postgres', q{
		SELECT (SELECT count(*) FROM taskq.workflows w,
		    LATERAL taskq.workflow_history(w.run_id) h
		  WHERE event_type = 'workflow_execution_signaled')
		  - (SELECT count(*) FROM sent)}),
	'0',
	'no signal came from nowhere, or twice');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM taskq.activities WHERE close_time IS NULL'),
	'0', 'no activity has outlived its workflow');
is( $node->safe_psql(
		'postgres', q{SELECT count(*) FROM taskq.poll_workflow_task('q', max_tasks => 100)}),
	'0',
	'no task has either');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'no crash');
unlike(
	$log,
	qr/taskq (?:worker|launcher) .*(?:WARNING|ERROR|FATAL):(?!  terminating)/,
	'no complaint from the worker');
done_testing();
