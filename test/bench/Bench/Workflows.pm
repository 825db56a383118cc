# What workflows cost: one with one activity, a step beside the length of its history,
# many runs asleep on timers, many signals to one run.
#
# Clients are pgbench, which sends what a worker would, by the SQL calls alone.  A whole
# workflow is compared with the commits that it takes at least.
package Bench::Workflows;

use strict;
use warnings;

use Bench qw(median);
use Bench::Race qw(middle);
use Bench::Scenario qw(number table verdict);
use Carp 'croak';
use Exporter 'import';
use Time::HiRes qw(sleep time);

our @EXPORT_OK =
  qw(workflows workflow_text workflow_verdicts workflow_plots);

# By all that a worker can do about it.
my @WHOLE = (
	{ key => 'commits', name => 'six commits alone', contestant => 'floor', script => 'commits_6' },
	{ key => 'workflow', name => 'workflow', short => 'workflow', contestant => 'workflow' },
	{
		key => 'sticky',
		name => 'workflow, cached by its worker',
		short => 'cached',
		contestant => 'workflow',
		script => 'workflow_sticky'
	},
	{
		key => 'eager',
		name => 'workflow, its activity started at once',
		short => 'eager',
		contestant => 'workflow',
		script => 'workflow_eager'
	});

my %WHOLE = (
	title => 'A workflow with one activity',
	script => 'workflow',
	tasks => 1,
	closes => 1,
	seconds => 16,
	warmup => 4,
	turn => \&whole,
	turn_seconds => \&Bench::Race::turn_seconds,
	text => \&whole_text,
	verdicts => \&whole_verdicts);

use constant {
	MOST_US => 1000,	# of CPU beyond six commits
	MOST_WAL => 10_000,
	MOST_GROWTH => 1.5,	# of a step, by a hundred times the events
	MOST_SECONDS => 10,	# until all that has fired is completed
	SETTLE_SECONDS => 20,	# at most, until an idle server has done what was left
	MOST_IDLE_MS => 1,	# of CPU in a second, where nothing happens
	MOST_LAG_MS => 1000	# from a signal to the task that shows it
};

my @WORKFLOWS = (
	{ %WHOLE, name => 'workflow', clients => 8, sync => 'on', entries => \@WHOLE },
	{ %WHOLE, name => 'workflow_off', clients => 4, sync => 'off', entries => \@WHOLE },
	{
		name => 'workflow_steps',
		title => 'A step of a workflow that its worker has cached',
		clients => 1,
		sync => 'off',
		runs => 50,
		steps => 10,
		turn => \&steps,
		turn_seconds => sub { 5 + $_[1]{events} / 500 },
		text => \&steps_text,
		verdicts => \&steps_verdicts,
		entries => [
			map { { key => "events_$_", name => number($_) . ' events', events => $_ } }
			  (100, 1_000, 10_000)
		]
	},
	{
		name => 'workflow_timers',
		title => 'Runs asleep on timers, of which many fire in one second',
		clients => 4,
		sync => 'on',
		asleep => 100_000,
		fire => 10_000,
		idle_seconds => 15,
		most_rounds => 1,
		turn => \&timers,
		turn_seconds => sub { 120 },
		text => \&timers_text,
		verdicts => \&timers_verdicts,
		entries => [
			{ key => 'single', name => 'completed one at a time', script => 'workflow_fired' },
			{ key => 'batches', name => 'completed in batches of 10', script => 'workflow_fired_10' }
		]
	},
	{
		name => 'workflow_signals',
		title => 'Signals to one run, 1,000 in a second',
		clients => 4,
		sync => 'on',
		rate => 1000,
		seconds => 9,	# a run takes 10,000
		turn => \&signals,
		turn_seconds => sub { 15 },
		text => \&signals_text,
		verdicts => \&signals_verdicts,
		entries => [
			{ key => 'alone', name => 'each by itself', script => 'workflow_signal' },
			{ key => 'blocks', name => 'each in a transaction with an INSERT', script => 'workflow_signal_in' }
		]
	});

# All of them; smaller on demand.
sub workflows
{
	my ($smoke, $seconds) = @_;
	my %less = $smoke ? (runs => 5, steps => 4, asleep => 2_000, fire => 400, idle_seconds => 2) : ();

	$seconds //= 2 if $smoke;
	%less = (%less, seconds => $seconds, warmup => 1 + int($seconds / 10)) if $seconds;
	return map {
		my $workflow = $_;
		+{
			%$workflow,
			(map { ($_ => $less{$_}) } grep { $workflow->{$_} } keys %less),
			entries => [ map { +{%$_} } @{ $workflow->{entries} } ]
		}
	} @WORKFLOWS;
}

# ---- a whole workflow ----------------------------------------------------

sub whole
{
	my ($bench, $workflow, $entry) = @_;

	return Bench::Race::turn($bench, $workflow, $entry);
}

# Costs of an entry beyond those of the commits, by the rounds' medians.
sub beyond
{
	my ($rounds, $key, $measure) = @_;

	return median(map { $_->{$key}{$measure} - $_->{commits}{$measure} }
		  grep { $_->{$key} && $_->{commits} } @$rounds);
}

sub whole_text
{
	my ($workflow, $rounds) = @_;

	return table(
		[
			'', 'workflows/s', 'CPU µs', 'beyond the commits', 'of server and client',
			'beyond the commits', 'WAL bytes', 'ms'
		],
		map {
			my $key = $_->{key};
			[
				$_->{name},
				number(middle($rounds, $key, 'per_second')),
				number(middle($rounds, $key, 'cpu_us')),
				number(beyond($rounds, $key, 'cpu_us')),
				number(middle($rounds, $key, 'own_cpu_us')),
				number(beyond($rounds, $key, 'own_cpu_us')),
				number(middle($rounds, $key, 'wal')),
				sprintf('%.2f', middle($rounds, $key, 'latency_ms'))
			]
		} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} });
}

sub whole_verdicts
{
	my ($workflow, $rounds) = @_;

	return if !$rounds->[0]{workflow} || !$rounds->[0]{commits};
	my $title = "$workflow->{title}, synchronous_commit $workflow->{sync}";
	return (
		verdict("$title: CPU µs beyond six commits", beyond($rounds, 'workflow', 'cpu_us'), 'most', MOST_US, '%.0f'),
		verdict("$title: WAL bytes", middle($rounds, 'workflow', 'wal'), 'most', MOST_WAL, '%.0f'));
}

# ---- a step, by the length of the history --------------------------------

# Run n becomes as long as asked for, by markers, and waits then.
my $LENGTHEN = q{
	CREATE OR REPLACE PROCEDURE lengthen(run int, events int) LANGUAGE plpgsql AS $$
	DECLARE
		task taskq.workflow_task;
		history_length bigint;
		markers int;
	BEGIN
		PERFORM taskq.start_workflow('q', 'email', workflow_id => 'w' || run);
		COMMIT;
		SELECT * INTO STRICT task FROM taskq.poll_workflow_task('q');
		COMMIT;
		LOOP
			markers := least(events - task.started_event_id - 1, 2000);
			PERFORM taskq.complete_workflow_task(task.task_token,
				(SELECT jsonb_agg(taskq.command_record_marker('m', '{"n": 1}')) FROM generate_series(1, markers)),
				sticky_task_queue => 'worker', sticky_schedule_to_start_timeout => '1 hour',
				force_new_task => markers = 2000);
			COMMIT;
			EXIT WHEN markers < 2000;
			SELECT * INTO STRICT task FROM taskq.poll_workflow_task('worker', sticky_for => 'q');
			COMMIT;
		END LOOP;
	END $$};

sub steps
{
	my ($bench, $workflow, $entry) = @_;

	$bench->reset('workflow');
	my $session = $bench->session('taskq');
	$session->query('SET synchronous_commit = off');
	$session->query($LENGTHEN);
	for my $run (0 .. $workflow->{runs} - 1)
	{
		$session->query(q(SELECT count(*) FROM taskq.poll_workflow_task('worker', sticky_for => 'q')));
		$session->query("CALL lengthen($run, $entry->{events})");
	}
	$session->query('VACUUM ANALYZE');
	$session->query('CHECKPOINT');
	my %option = (
		script => 'taskq/workflow_step.sql',
		sync => $workflow->{sync},
		define => { n => 0, runs => $workflow->{runs} });
	$bench->pgbench(%option, transactions => $workflow->{runs});	# pages are written whole
	my $run = $bench->pgbench(%option, transactions => $workflow->{runs} * $workflow->{steps});
	my $length = $session->query('SELECT min(next_event_id) - 1 FROM taskq.open WHERE scope = -1');
	$session->quit;
	return {
		tasks => $run->{tx},
		events => $length,
		per_second => $run->{tps},
		wal => $run->{wal} / $run->{tx},
		map { ($_ => $run->{$_}) } qw(cpu_us own_cpu_us latency_ms)
	};
}

# How much more a step costs with the events of that entry: the median of the rounds.
sub growth
{
	my ($rounds, $key, $measure) = @_;

	return median(map { $_->{$key}{$measure} / $_->{events_100}{$measure} }
		  grep { $_->{$key} && $_->{events_100} } @$rounds);
}

sub steps_text
{
	my ($workflow, $rounds) = @_;

	return table(
		[ '', 'steps/s', 'CPU µs of server and client', '× 100 events', 'ms', 'WAL bytes' ],
		map {
			my $key = $_->{key};
			[
				$_->{name},
				number(middle($rounds, $key, 'per_second')),
				number(middle($rounds, $key, 'own_cpu_us')),
				sprintf('%.2f', growth($rounds, $key, 'own_cpu_us')),
				sprintf('%.2f', middle($rounds, $key, 'latency_ms')),
				number(middle($rounds, $key, 'wal'))
			]
		} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} });
}

sub steps_verdicts
{
	my ($workflow, $rounds) = @_;

	return if !$rounds->[0]{events_10000};
	return verdict("$workflow->{title}: at 10,000 events, × at 100, by CPU of server and client",
		growth($rounds, 'events_10000', 'own_cpu_us'),
		'most', MOST_GROWTH);
}

# ---- timers --------------------------------------------------------------

# Make runs that sleep, by the hundred, until about that instant; CPU us for one.
sub fall_asleep
{
	my ($bench, $runs, $until) = @_;
	my %option = (script => 'taskq/workflow_asleep.sql', sync => 'off');
	my $run = $bench->pgbench(
		%option,
		clients => 2,
		transactions => $runs / 200,
		define => { until => $until, each => 100 });

	# what one has hidden from the other for a moment
	$bench->pgbench(%option, transactions => 2, define => { until => $until, each => 0 });
	return 1e6 * $run->{own_cpu} / $runs;
}

# What was done before is done: the server lets a second pass without a tick.
sub settle
{
	my ($bench) = @_;

	for (1 .. SETTLE_SECONDS)
	{
		my $cpu = $bench->server_cpu;

		sleep 1;
		last if $bench->server_cpu == $cpu;
	}
	return;
}

# CPU ms per second of all processes of the server while nobody asks for anything.
sub idle
{
	my ($bench, $seconds) = @_;
	my $cpu = $bench->server_cpu;

	sleep $seconds;
	return 1000 * ($bench->server_cpu - $cpu) / $seconds;
}

sub closed_runs
{
	return join ' UNION ALL ', map { "SELECT close_time FROM taskq.closed_run_$_" } 0 .. 7;
}

sub timers
{
	my ($bench, $workflow, $entry) = @_;
	my %turn = (tasks => $workflow->{fire});

	$bench->reset('workflow');
	settle($bench);
	$turn{empty_ms} = idle($bench, $workflow->{idle_seconds});
	$bench->sql('ALTER TABLE taskq.open SET (autovacuum_enabled = off)');
	$turn{asleep_us} = fall_asleep($bench, $workflow->{asleep} - $workflow->{fire}, time + 86_400);
	my $rate = 1e-6 * $turn{asleep_us} * $workflow->{fire} * 4;
	my $at = int(time + $rate + $workflow->{idle_seconds} + SETTLE_SECONDS + 10);
	fall_asleep($bench, $workflow->{fire}, $at);
	$bench->sql('ALTER TABLE taskq.open RESET (autovacuum_enabled)');
	$bench->sql('VACUUM ANALYZE');
	$bench->sql('CHECKPOINT');
	settle($bench);
	my $left = $at - 1 - time;
	$turn{idle_ms} = idle($bench, $left) if $left > 1;
	my $run = $bench->pgbench(
		script => "taskq/$entry->{script}.sql",
		sync => $workflow->{sync},
		clients => $workflow->{clients},
		seconds => 2 * MOST_SECONDS);
	my ($closed, $seconds) = split /\|/,
	  $bench->sql('SELECT count(*), extract(epoch FROM max(close_time)) - ' . $at
		  . ' FROM (' . closed_runs() . ') AS closed');
	return {
		%turn,
		closed => $closed,
		fired_seconds => $closed == $workflow->{fire} ? $seconds : undef,
		per_second => $closed / ($seconds || 1),
		cpu_us => 1e6 * $run->{cpu} / $closed,
		own_cpu_us => 1e6 * $run->{own_cpu} / $closed,
		wal => $run->{wal} / $closed
	};
}

# A number, or that there is none.
sub ms
{
	my ($value) = @_;

	return defined $value ? sprintf('%.1f', $value) : 'not measured';
}

sub timers_text
{
	my ($workflow, $rounds) = @_;

	return table(
		[
			number($workflow->{fire}) . ' of ' . number($workflow->{asleep}) . ' fire',
			'all completed after s', 'CPU µs for one', 'CPU ms per second, all asleep', 'without runs',
			'CPU µs to start one, and have it sleep'
		],
		map {
			my $key = $_->{key};
			[
				$_->{name},
				ms(middle($rounds, $key, 'fired_seconds')),
				number(middle($rounds, $key, 'own_cpu_us')),
				ms(middle($rounds, $key, 'idle_ms')),
				ms(middle($rounds, $key, 'empty_ms')),
				number(middle($rounds, $key, 'asleep_us'))
			]
		} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} });
}

# What runs that sleep add to an idle server.
sub by_sleep
{
	my ($rounds, $key) = @_;

	return median(map { $_->{$key}{idle_ms} - $_->{$key}{empty_ms} }
		  grep { defined $_->{$key}{idle_ms} } @$rounds);
}

sub timers_verdicts
{
	my ($workflow, $rounds) = @_;
	my $asleep = number($workflow->{asleep}) . ' runs asleep';

	return map {
		(
			verdict("$asleep: CPU ms per second of the server, beyond one without runs",
				by_sleep($rounds, $_->{key}), 'most', MOST_IDLE_MS, '%.1f'),
			verdict(number($workflow->{fire}) . " timers fire, $_->{name}: seconds until all are",
				middle($rounds, $_->{key}, 'fired_seconds'), 'most', MOST_SECONDS, '%.1f'))
	} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} };
}

# ---- signals -------------------------------------------------------------

# Of a run: how many signals it has, its steps, those of them that were failures, and how
# long after a signal the task began that showed it.
my $SEEN = q{
	WITH events AS (
		SELECT event_type, event_time, min(event_time) FILTER (WHERE event_type = 'workflow_task_started')
			OVER (ORDER BY event_id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS seen
		  FROM taskq.workflow_history(%s)),
	lags AS (
		SELECT 1000 * extract(epoch FROM seen - event_time) AS ms FROM events
		 WHERE event_type = 'workflow_execution_signaled')
	SELECT (SELECT count(*) FROM lags),
		(SELECT count(*) FROM events WHERE event_type = 'workflow_task_completed'),
		(SELECT count(*) FROM events WHERE event_type IN ('workflow_task_failed', 'workflow_task_timed_out')),
		(SELECT count(*) FROM lags WHERE ms IS NULL),
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), max(ms)
	  FROM lags};

sub signals
{
	my ($bench, $workflow, $entry) = @_;

	$bench->reset('workflow');
	my $session = $bench->session('taskq');
	$session->query('CREATE TABLE IF NOT EXISTS effects (id bigserial PRIMARY KEY, input jsonb)');
	my $run_id = $session->query(q(SELECT run_id FROM taskq.start_workflow('q', 'cart', workflow_id => 'w')));
	my $deadlocks = q(SELECT deadlocks FROM pg_stat_database WHERE datname = current_database());
	my $before = $session->query($deadlocks);
	my %option = (sync => $workflow->{sync});
	my $worker = $bench->start_pgbench(
		%option,
		script => 'taskq/workflow_signaled.sql',
		seconds => $workflow->{seconds} + 3);
	my $run = $bench->pgbench(
		%option,
		script => "taskq/$entry->{script}.sql",
		clients => $workflow->{clients},
		rate => $workflow->{rate},
		seconds => $workflow->{seconds});
	$bench->finish($worker);
	my %turn;
	@turn{qw(seen steps failed unseen p50_ms p99_ms max_ms)} = split /\|/, $session->query(sprintf $SEEN, $run_id);
	sleep 1;
	my $after = $session->query($deadlocks);
	$session->quit;
	return {
		%turn,
		tasks => $run->{tx},
		lost => $run->{tx} - $turn{seen} + $turn{unseen},
		deadlocks => $after - $before,
		per_second => $run->{tps},
		cpu_us => $run->{cpu_us},
		own_cpu_us => $run->{own_cpu_us},
		wal => $run->{wal} / $run->{tx}
	};
}

sub signals_text
{
	my ($workflow, $rounds) = @_;

	return table(
		[
			'', 'signals/s', 'steps', 'signals a step', 'until it is seen, p50 ms', 'p99', 'longest',
			'CPU µs, with its steps', 'WAL bytes', 'lost', 'deadlocks', 'failed steps'
		],
		map {
			my $key = $_->{key};
			my %middle = map { ($_ => middle($rounds, $key, $_)) }
			  qw(per_second steps seen p50_ms p99_ms max_ms own_cpu_us wal lost deadlocks failed);
			[
				$_->{name},
				number($middle{per_second}),
				number($middle{steps}),
				sprintf('%.1f', $middle{seen} / ($middle{steps} || 1)),
				(map { sprintf '%.1f', $middle{$_} } qw(p50_ms p99_ms max_ms)),
				map { number($middle{$_}) } qw(own_cpu_us wal lost deadlocks failed)
			]
		} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} });
}

# The worst of all rounds.
sub worst
{
	my ($rounds, $key, $measure) = @_;

	return (sort { $b <=> $a } map { $_->{$key}{$measure} } @$rounds)[0];
}

sub signals_verdicts
{
	my ($workflow, $rounds) = @_;

	return map {
		my $entry = $_;
		my $title = "$workflow->{title}, $entry->{name}";
		(
			(
				map { verdict("$title: $_", worst($rounds, $entry->{key}, $_), 'most', 0, '%.0f') }
				  qw(lost deadlocks)
			),
			verdict("$title: ms until one is seen, p99", worst($rounds, $entry->{key}, 'p99_ms'), 'most', MOST_LAG_MS, '%.0f'))
	} grep { $rounds->[0]{ $_->{key} } } @{ $workflow->{entries} };
}

# ---- what is said of them ------------------------------------------------

# A workload of the name as it is here, with its subs, which results do not have.
sub named
{
	my ($name) = @_;
	my ($workflow) = grep { $_->{name} eq $name } @WORKFLOWS;

	return $workflow // croak "no workload $name";
}

# What a workload has measured, as Markdown.
sub workflow_text
{
	my ($workflow, $rounds) = @_;

	return named($workflow->{name})->{text}->($workflow, $rounds);
}

sub workflow_verdicts
{
	my ($workflow, $rounds) = @_;

	return named($workflow->{name})->{verdicts}->($workflow, $rounds);
}

# From results by name: what a workflow costs beyond its commits, and steps.
sub workflow_plots
{
	my ($results) = @_;
	my @whole = grep { $results->{$_} } qw(workflow workflow_off);
	my $steps = $results->{workflow_steps};
	my @entries = grep { $_->{key} ne 'commits' } @WHOLE;

	return (
		@whole
		? {
			file => 'workflows',
			title => 'CPU of a workflow with one activity, beyond six commits',
			y => 'µs',
			line => MOST_US,
			groups => [ map { $_->{short} } @entries ],
			bars => [
				map {
					my $result = $results->{$_};
					{
						name => "synchronous_commit $result->{workload}{sync}",
						values => [ map { beyond($result->{rounds}, $_->{key}, 'cpu_us') } @entries ]
					}
				} @whole
			]
		  }
		: (),
		$steps
		? {
			file => 'workflow_steps',
			title => 'CPU of a step of a cached workflow, by the length of its history',
			y => 'µs, server and client',
			groups => [ map { $_->{name} } @{ $steps->{workload}{entries} } ],
			bars => [
				{
					name => 'signal, activity and two workflow tasks',
					values => [ map { middle($steps->{rounds}, $_->{key}, 'own_cpu_us') } @{ $steps->{workload}{entries} } ]
				}
			]
		  }
		: ());
}

1;
