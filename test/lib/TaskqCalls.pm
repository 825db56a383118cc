# Every call that there is, as the catalog has it, with arguments with which it
# succeeds: for what has to hold of all of them, those of tomorrow included.
#
# Each is called in a world of its own: a queue with one activity in each state
# of interest, and queues of workflows with runs in each.  What a call has done can be
# told from the world's state, and compared with what another one did in its world.
package TaskqCalls;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prepare_worlds make_worlds every_call call_in);

# The activity or run that a function is about, where it is not the one that waits (if
# it takes runs) or runs (if it takes tokens).
my %about = (
	complete_by_id => 'started', fail_by_id => 'started', fail_with_by_id => 'started', heartbeat_by_id => 'started',
	report_canceled => 'canceling', report_canceled_by_id => 'canceling',
	unpause => 'paused', unpause_many => 'paused',
	retry => 'closed', retry_many => 'closed', wait_for_close => 'closed',
	(map { $_ => 'idle' } qw(request_cancel_workflow terminate_workflow delete_workflow workflow_history workflow_outcome describe_workflow replay signal_workflow)),
	reset_sticky => 'cached',
	(map { $_ => 'task' } qw(complete_workflow_task fail_workflow_task release_workflow_task)),
	wait_for_workflow => 'ended');

# Arguments by name; ones in angle brackets are of the world. What is optional
# is left out, but for those first.
my @given = qw(run_id start_to_close_timeout options activity_ids);
my %by_name = (
	task_queue => "'<queue>'", task_queues => "'{<queue>}'", activity_type => "'new'",
	activity_ids => "'{<queue> new}'", start_to_close_timeout => "'1 h'",
	options => q('{"priority": 2}'), config => q('{"max_started": 3}'), policy => q('{"jitter": 0.5}'),
	role => "'grantee'", access => "'worker'", node => '0', inputs => "'{1}'",
	results => "'{1}'", failure => q('{"message": "no"}'), failures => q('{"{}"}'), identities => 'NULL', listener => "'somebody'", args => "'{1}'::jsonb[]", run_uuid => "taskq.run_uuid(<scheduled>)", identity => "'somebody'",
	workflow_id => "'<queue> idle'", workflow_type => "'new'", signal_name => "'s'", timer_id => "'new'", start_to_fire => "'1 h'",
	scheduled_event_id => '5', marker_name => "'m'", search_attributes => q('{"CustomKeyword": "x"}'), memo => q('{"a": 1}'), message => "'no'",
	payloads => q('{"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}]}'),
	cause => "'WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE'", sticky_task_queue => "'<queue> sticky'",
	commands => q(jsonb_build_array(taskq.command_start_timer('t', '1 h'), taskq.command_schedule_activity('new', start_to_close_timeout => '1 h', activity_id => 'new', task_queue => '<queue> a'))),
	completions => q(ARRAY[jsonb_build_object('task_token', '<task_token>'::uuid, 'commands', jsonb_build_array(taskq.command_complete('1')))]));

# Arguments of one function, as above, optional ones too.
my $execution = '"workflowExecution": {"workflowId": "<queue> idle"}';
my $new_workflow = '"workflowId": "<queue> new", "workflowType": {"name": "new"}, "taskQueue": {"name": "<queue> w"}';
my %new_workflow = (task_queue => "'<queue> w'", workflow_id => "'<queue> new'");
my %of_function = (
	schedule => { activity_id => "'<queue> new'" },
	pending_activity => { activity_id => "'act'" },
	poll_workflow_task => { task_queue => "'<queue> w'" },
	start_workflow => {%new_workflow},
	signal_with_start_workflow => { %new_workflow, signal_name => "'s'" },
	reset_sticky => { workflow_id => "'<queue> cached'" },
	start_workflow_request => { request => "'{$new_workflow}'" },
	signal_with_start_workflow_request => { request => "'{$new_workflow, \"signalName\": \"s\"}'" },
	signal_workflow_request => { request => "'{$execution, \"signalName\": \"s\"}'" },
	request_cancel_workflow_request => { request => "'{$execution}'" },
	terminate_workflow_request => { request => "'{$execution}'" });

# Can only be called in a database that has never been used; ends only if somebody
# works (test/t/calls/execute.pl); or is about functions (test/t/worker/functions_*.pl),
# which would work in the worlds.
my %apart = map { $_ => 1 } qw(set_node execute register_function unregister_function record_heartbeat);

# world(queue) makes one and returns what is in it; states(queues) tells what has
# become of them, a line each.  What was sent to a run in a transaction block the
# worker hands over soon: settle() waits until only runs with a started task have mail.
my $functions = <<'SQL';
CREATE ROLE grantee;
CREATE FUNCTION world_run(queue text, kind text) RETURNS bigint LANGUAGE sql AS $$
	SELECT run_id FROM taskq.schedule(queue, kind, '{"in": 1}', queue || ' ' || kind, start_to_close_timeout => '1 h',
		retry_policy => taskq.retry_policy(initial_interval => '1 h'))
$$;
CREATE FUNCTION world_workflow(queue text, kind text, OUT run bigint, OUT token uuid) LANGUAGE plpgsql AS $$
BEGIN
	run := (SELECT run_id FROM taskq.start_workflow(queue || ' w', kind, '{"in": 1}', queue || ' ' || kind, task_timeout => '2 min'));
	token := (SELECT task_token FROM taskq.poll_workflow_task(queue || ' w'));
END
$$;
CREATE FUNCTION world(queue text, OUT scheduled bigint, OUT started bigint, OUT canceling bigint, OUT paused bigint, OUT closed bigint,
	OUT started_token uuid, OUT canceling_token uuid, OUT idle bigint, OUT task bigint, OUT task_token uuid, OUT ended bigint, OUT cached bigint)
LANGUAGE plpgsql AS $$
DECLARE
	token uuid;
BEGIN
	started := world_run(queue, 'started');
	started_token := (SELECT t.task_token FROM taskq.poll(queue) t);
	canceling := world_run(queue, 'canceling');
	canceling_token := (SELECT t.task_token FROM taskq.poll(queue) t);
	PERFORM taskq.request_cancel(run_id => canceling);
	paused := world_run(queue, 'paused');
	PERFORM taskq.pause(run_id => paused);
	closed := world_run(queue, 'closed');
	PERFORM taskq.terminate(run_id => closed);
	scheduled := world_run(queue, 'scheduled');
	-- waits for an activity and a timer
	SELECT * FROM world_workflow(queue, 'idle') INTO idle, token;
	PERFORM taskq.complete_workflow_task(token, jsonb_build_array(
		taskq.command_schedule_activity('act', start_to_close_timeout => '1 h', activity_id => 'act', task_queue => queue || ' a'),
		taskq.command_start_timer('timer', '1 h')));
	-- has a task in the sticky queue of a worker
	SELECT * FROM world_workflow(queue, 'cached') INTO cached, token;
	PERFORM taskq.poll_workflow_task(queue || ' sticky', sticky_for => queue || ' w');
	PERFORM taskq.complete_workflow_task(token, '[]', sticky_task_queue => queue || ' sticky', sticky_schedule_to_start_timeout => '1 h');
	PERFORM taskq.signal_workflow(queue || ' cached', 's');
	SELECT * FROM world_workflow(queue, 'task') INTO task, task_token;
	SELECT * FROM world_workflow(queue, 'ended') INTO ended, token;
	PERFORM taskq.complete_workflow_task(token, jsonb_build_array(taskq.command_complete('1')));
	PERFORM taskq.start_workflow(queue || ' w', 'waiting', workflow_id => queue || ' waiting', task_timeout => '2 min');
END
$$;
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM taskq.run_inbox JOIN taskq.open USING (run_id) WHERE state <> 2) LOOP
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
CREATE FUNCTION states(queues text[]) RETURNS SETOF text LANGUAGE sql ROWS 1000 AS $$
	WITH counts AS MATERIALIZED (
		SELECT task_queue, concat_ws(' ', 'counts', backlog_count, delayed_count, started_count, paused_count, config) AS told
		FROM taskq.task_queues
	), runs AS MATERIALIZED (
		SELECT task_queue, string_agg(concat_ws(' ', activity_type, status, run_state, 'attempt', attempt, 'transitions', state_transition_count,
			'heartbeats', total_heartbeat_count, heartbeat_details, result, failure->>'message', 'priority', priority), '; '
			ORDER BY activity_type, run_id) AS told
		FROM taskq.activities GROUP BY 1
	), mail AS MATERIALIZED (
		SELECT run_id, count(*) AS n FROM taskq.run_inbox GROUP BY 1
	), workflows AS MATERIALIZED (
		SELECT w.task_queue, string_agg(concat_ws(' ', workflow_type, w.status, (w.pending_task).state, (w.pending_task).attempt, replace(o.task_queue, left(w.task_queue, -2), '*'),
			'pending', w.pending_activities, w.pending_timers, 'sticky', replace(sticky_task_queue, left(w.task_queue, -2), '*'), w.result, w.failure->>'message', 'mail', mail.n,
			(SELECT string_agg(h.event_type, ' ' ORDER BY h.event_id) FROM taskq.workflow_history(w.run_id) h)), '; ' ORDER BY workflow_type, w.run_id) AS told
		FROM taskq.workflows w LEFT JOIN mail USING (run_id) LEFT JOIN taskq.open o USING (run_id)
		WHERE w.task_queue IN (SELECT queue || ' w' FROM unnest(queues) queue)
		GROUP BY 1
	)
	SELECT concat_ws('; ', runs.told, counts.told, acts.told, workflows.told)
	FROM unnest(queues) WITH ORDINALITY q(task_queue, n) LEFT JOIN runs USING (task_queue) LEFT JOIN counts USING (task_queue)
	LEFT JOIN runs acts ON acts.task_queue = q.task_queue || ' a' LEFT JOIN workflows ON workflows.task_queue = q.task_queue || ' w' ORDER BY n
$$;
SQL
my @columns = qw(scheduled started canceling paused closed started_token canceling_token idle task task_token ended cached);

# To be called once.
sub prepare_worlds
{
	my ($node) = @_;

	return $node->safe_psql('postgres', $functions);
}

# Worlds with these queues.
sub make_worlds
{
	my ($node, @queues) = @_;
	my @rows = split /\n/,
	  $node->safe_psql('postgres', join '', map { "SELECT * FROM world('$_');\n" } @queues);

	return map {
		my %world = (queue => $_);
		@world{@columns} = split /\|/, shift @rows;
		\%world;
	} @queues;
}

# All calls: { name, kind (f, p or v), text }.
sub every_call
{
	my ($node) = @_;
	my (%call, @order);

	for my $row (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT p.oid, proname, prokind, a.n > pronargs - pronargdefaults, a.name, format_type(p.proargtypes[a.n - 1], NULL)
FROM pg_proc p LEFT JOIN LATERAL (
	SELECT row_number() OVER (ORDER BY i) AS n, name FROM unnest(p.proargnames) WITH ORDINALITY names(name, i)
	WHERE coalesce(p.proargmodes[i], 'i') IN ('i', 'b', 'v')) a ON true
WHERE p.pronamespace = 'taskq'::regnamespace AND obj_description(p.oid, 'pg_proc') NOT LIKE 'internal%'
ORDER BY proname, p.oid, a.n
SQL
	{
		my ($oid, $name, $kind, $optional, $argument, $type) = split /\|/, $row, -1;
		my $about = $about{$name};

		next if $apart{$name};
		push @order, $oid unless $call{$oid};
		$call{$oid} //= { name => $name, kind => $kind, arguments => [] };
		my $own = $of_function{$name}->{$argument};

		next if $argument eq '' || $optional eq 't' && !defined $own && !grep { $_ eq $argument } @given;
		my $value = $own // $by_name{$argument}
		  // ($type =~ /^uuid/ ? "'<" . ($about // 'started') . "_token>'"
			: $type =~ /^bigint/ ? "'<" . ($about // 'scheduled') . ">'"
			: 'NULL');
		$value =~ s/^'(<.*>)'$/'{$1}'/ if $type =~ /\[\]/;
		push @{ $call{$oid}{arguments} }, ($argument eq 'args' ? 'VARIADIC ' : '') . "$argument => $value" . ($name eq 'node_of' ? "::$type" : '');
	}
	for my $call (values %call)
	{
		my $invoked = "taskq.$call->{name}(" . join(', ', @{ $call->{arguments} }) . ')';

		$call->{text} = $call->{kind} eq 'p' ? "CALL $invoked" : "SELECT * FROM $invoked";
	}
	my @views = split /\n/, $node->safe_psql('postgres',
		"SELECT relname FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'v' ORDER BY 1");
	return ((map { $call{$_} } @order),
		map { { name => $_, kind => 'v', text => "SELECT * FROM taskq.$_" } } @views);
}

# The text of a call in a world.
sub call_in
{
	my ($call, $world) = @_;

	return $call->{text} =~ s/<(\w+)>/$world->{$1}/gr;
}

1;
