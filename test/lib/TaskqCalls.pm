# Every call that there is, as the catalog has it, with arguments with which it
# succeeds: for what has to hold of all of them, those of tomorrow included.
#
# Each is called in a world of its own: a queue with one activity in each state
# of interest.  What a call has done can be told from the world's state, and
# compared with what another one did in its world.
package TaskqCalls;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prepare_worlds make_worlds every_call call_in);

# The activity that a function is about, where it is not the one that waits (if
# it takes runs) or runs (if it takes tokens).
my %about = (
	complete_by_id => 'started', fail_by_id => 'started', fail_with_by_id => 'started', heartbeat_by_id => 'started',
	report_canceled => 'canceling', report_canceled_by_id => 'canceling',
	unpause => 'paused', unpause_many => 'paused',
	retry => 'closed', retry_many => 'closed', wait_for_close => 'closed');

# Arguments by name; ones in angle brackets are of the world. What is optional
# is left out, but for those first.
my @given = qw(run_id start_to_close_timeout options activity_id activity_ids);
my %by_name = (
	task_queue => "'<queue>'", task_queues => "'{<queue>}'", activity_type => "'new'",
	activity_ids => "'{<queue> new}'", start_to_close_timeout => "'1 h'",
	options => q('{"priority": 2}'), config => q('{"max_started": 3}'), policy => q('{"jitter": 0.5}'),
	role => "'grantee'", access => "'worker'", node => '0', inputs => "'{1}'",
	results => "'{1}'", failure => q('{"message": "no"}'), failures => q('{"{}"}'), identities => 'NULL', listener => "'somebody'", args => "'{1}'::jsonb[]", run_uuid => "taskq.run_uuid(<scheduled>)", identity => "'somebody'");

# Can only be called in a database that has never been used; ends only if somebody
# works (test/t/calls/execute.pl); or is about functions (test/t/worker/functions_*.pl),
# which would work in the worlds.
my %apart = map { $_ => 1 } qw(set_node execute register_function unregister_function record_heartbeat);

# world(queue) makes one and returns what is in it; states(queues) tells what has
# become of them, a line each.
my $functions = <<'SQL';
CREATE ROLE grantee;
CREATE FUNCTION world_run(queue text, kind text) RETURNS bigint LANGUAGE sql AS $$
	SELECT run_id FROM taskq.schedule(queue, kind, '{"in": 1}', queue || ' ' || kind, start_to_close_timeout => '1 h',
		retry_policy => taskq.retry_policy(initial_interval => '1 h'))
$$;
CREATE FUNCTION world(queue text, OUT scheduled bigint, OUT started bigint, OUT canceling bigint, OUT paused bigint, OUT closed bigint,
	OUT started_token uuid, OUT canceling_token uuid)
LANGUAGE plpgsql AS $$
BEGIN
	started := world_run(queue, 'started');
	started_token := (SELECT task_token FROM taskq.poll(queue));
	canceling := world_run(queue, 'canceling');
	canceling_token := (SELECT task_token FROM taskq.poll(queue));
	PERFORM taskq.request_cancel(run_id => canceling);
	paused := world_run(queue, 'paused');
	PERFORM taskq.pause(run_id => paused);
	closed := world_run(queue, 'closed');
	PERFORM taskq.terminate(run_id => closed);
	scheduled := world_run(queue, 'scheduled');
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
	)
	SELECT concat_ws('; ', runs.told, counts.told)
	FROM unnest(queues) WITH ORDINALITY q(task_queue, n) LEFT JOIN runs USING (task_queue) LEFT JOIN counts USING (task_queue) ORDER BY n
$$;
SQL
my @columns = qw(scheduled started canceling paused closed started_token canceling_token);

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
		next if $argument eq '' || $optional eq 't' && !grep { $_ eq $argument } @given;
		my $value = $argument eq 'activity_id' ? ($name eq 'schedule' ? "'<queue> new'" : next)
		  : $by_name{$argument}
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
