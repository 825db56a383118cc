# Several sessions do random things to the same few activities while the
# worker fires short timeouts. After each round, and while others still work,
# everything that must hold of every activity at any time holds. TASKQ_SEED
# repeats what is tried, not in which order it happens.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

use constant {
	ROUNDS => 8,
	SESSIONS => 6,
	CALLS => 250,
};

my $seed = $ENV{TASKQ_SEED} || 20261120;
diag("TASKQ_SEED=$seed");
srand($seed);

my $node = taskq_node(
	'main',
	'log_statement = none',
	'log_min_messages = warning',
	"log_line_prefix = '%m [%p] %b %a '",
	"taskq.heartbeat_flush = '100ms'",
	'fsync = off');

# What the sessions note in the transactions of their calls, and what the
# checks remember.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION taskq;
	CREATE TABLE scheduled (run_id bigint PRIMARY KEY);
	CREATE TABLE deleted (run_id bigint PRIMARY KEY);
	CREATE TABLE attempts (
	  run_id bigint, attempt int, started_time timestamptz,
	  task_token uuid UNIQUE, n serial,
	  UNIQUE (run_id, attempt, started_time));
	CREATE TABLE first_seen (run_id bigint PRIMARY KEY, schedule_time timestamptz);
	CREATE TABLE closed_seen (run_id bigint PRIMARY KEY, seen text);
	CREATE FUNCTION a_run() RETURNS bigint LANGUAGE sql AS $$
	  SELECT run_id FROM
	    (SELECT run_id FROM scheduled ORDER BY run_id DESC LIMIT 12) s
	  ORDER BY random() LIMIT 1 $$;
	CREATE FUNCTION a_token() RETURNS uuid LANGUAGE sql AS $$
	  SELECT task_token FROM
	    (SELECT task_token FROM attempts ORDER BY n DESC LIMIT 6) s
	  ORDER BY random() LIMIT 1 $$;
	INSERT INTO scheduled SELECT run_id
	  FROM taskq.schedule_many('q1', 't', ARRAY['1', '2', '3']::jsonb[],
	    start_to_close_timeout => '1s');
	INSERT INTO attempts SELECT run_id, attempt, started_time, task_token
	  FROM taskq.poll('q1', max_tasks => 2);
});

# ---- what sessions do ----------------------------------------------------

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

sub ms { return "'" . int(rand($_[0])) . " ms'" }

sub an_id { return "'a" . int(rand(5)) . "'" }

# Which activity an operator means.
sub target
{
	return chance(0.5)
	  ? 'run_id => (SELECT a_run())'
	  : 'activity_id => ' . an_id();
}

sub token { return 'task_token => (SELECT a_token())' }

sub schedule_call
{
	my @options = ('task_queue => ' . pick(q('q1'), q('q2')),
		q(activity_type => 't'));

	push @options, 'activity_id => ' . an_id() if chance(0.7);
	push @options, 'start_to_close_timeout => ' . ms(400);
	push @options, q(schedule_to_close_timeout => '900 ms')
	  if chance(0.2);
	push @options, 'schedule_to_start_timeout => ' . ms(500) if chance(0.2);
	push @options, 'heartbeat_timeout => ' . ms(200) if chance(0.3);
	push @options, 'start_delay => ' . ms(60) if chance(0.2);
	push @options, 'priority => ' . pick(1, 3, 5) if chance(0.3);
	push @options, q(fairness_key => ') . pick(qw(x y)) . q(')
	  if chance(0.3);
	push @options,
		'retry_policy => taskq.retry_policy(initial_interval => '
	  . ms(30)
	  . ', maximum_attempts => '
	  . pick(0, 1, 2, 4) . ')';
	push @options, q(request_id => 'r) . int(rand(20)) . q(')
	  if chance(0.2);
	push @options, q(id_conflict_policy => 'use_existing') if chance(0.3);

	# a zero would be a timeout that is not set
	my $arguments = join(', ', @options);
	$arguments =~ s/'0 ms'/'1 ms'/g;
	return "INSERT INTO scheduled SELECT run_id
		FROM taskq.schedule($arguments) WHERE created";
}

sub poll_call
{
	return 'INSERT INTO attempts SELECT run_id, attempt, started_time, task_token
		FROM taskq.poll(' . pick(q('q1'), q('q2')) . ', max_tasks => '
	  . pick(1, 1, 2, 4) . ')';
}

sub tokens
{
	return 'ARRAY[' . join(', ', ('a_token()') x pick(1, 2, 3)) . ']';
}

sub reset_call
{
	return "SELECT taskq.reset(${\target()}, keep_paused => "
	  . pick(qw(true false))
	  . ', reset_heartbeat => '
	  . pick(qw(true false))
	  . ', restore_original_options => '
	  . pick(qw(true false)) . ')';
}

sub update_call
{
	my $options = pick(
		'{"task_queue": "q2"}',
		'{"priority": 2}',
		'{"start_to_close_timeout": "250 ms"}',
		'{"schedule_to_start_timeout": "100 ms"}',
		'{"heartbeat_timeout": null}',
		'{"retry_policy": {"initial_interval": "5 ms", "maximum_interval": "5 ms"}}'
	);

	return chance(0.2)
	  ? "SELECT taskq.update_options(${\target()}, restore_original => true)"
	  : "SELECT taskq.update_options(${\target()}, options => '$options')";
}

my @calls = (
	[ 16, \&schedule_call ],
	[ 22, \&poll_call ],
	[
		6,
		sub {
			"SELECT taskq.complete(${\token()}, result => '1')";
		}
	],
	[
		1,
		sub {
			"SELECT taskq.complete_by_id(${\target()}, result => '2')";
		}
	],
	[
		8,
		sub {
			"SELECT taskq.fail(${\token()}, message => 'broken', non_retryable => "
			  . pick(qw(true false false false)) . ')';
		}
	],
	[ 2, sub { "SELECT taskq.fail_by_id(${\target()}, message => 'broken')" } ],
	[ 3, sub { "SELECT taskq.report_canceled(${\token()})" } ],
	[
		4,
		sub {
			"SELECT taskq.release(${\token()}"
			  . pick('', ", delay => '20 ms'", q(, last_heartbeat_details => '{"at": 3}')) . ')';
		}
	],
	[
		8,
		sub {
			"SELECT * FROM taskq.heartbeat(${\token()}, details => "
			  . pick(q('{"at": 1}'), q('{"at": 2}'), q(to_jsonb(repeat('x', 1000)))) . ')';
		}
	],
	[
		2,
		sub {
			"SELECT * FROM taskq.complete_many(${\tokens()}, NULL)";
		}
	],
	[ 2, sub { "SELECT * FROM taskq.heartbeat_many(${\tokens()})" } ],
	[ 1, sub { "SELECT * FROM taskq.release_many(${\tokens()})" } ],
	[ 2, sub { "SELECT * FROM taskq.fail_many(${\tokens()}, 'broken')" } ],
	[ 3, sub { "SELECT taskq.request_cancel(${\target()})" } ],
	[ 1, sub { "SELECT taskq.terminate(${\target()})" } ],
	[ 4, sub { "SELECT taskq.pause(${\target()})" } ],
	[ 5, sub { "SELECT taskq.unpause(${\target()})" } ],
	[ 3, \&reset_call ],
	[ 4, \&update_call ],
	[
		2,
		sub {
			'INSERT INTO scheduled SELECT run_id FROM taskq.retry((SELECT a_run()))';
		}
	],
	[
		1,
		sub {
			'WITH gone AS MATERIALIZED (SELECT a_run() AS run_id)
			INSERT INTO deleted SELECT run_id FROM gone,
			LATERAL taskq.delete(run_id => gone.run_id)';
		}
	]);
my @weighted = map { ($_->[1]) x $_->[0] } @calls;

# A session's script: calls, most of them alone, some in a transaction that
# takes a while or is rolled back.
sub script
{
	my ($i) = @_;
	my @lines = (
		'\set VERBOSITY sqlstate',
		'SELECT setseed(' . rand() . ');',
		'SET client_min_messages = error;');

	push @lines, q(SET default_transaction_isolation = 'repeatable read';)
	  if $i == 1;
	foreach (1 .. CALLS)
	{
		my $call = pick(@weighted)->();
		my $sleep = 'SELECT pg_sleep(' . rand(0.01) . ');';
		my $end = pick(qw(COMMIT COMMIT ROLLBACK));

		push @lines,
			chance(0.75) ? "$call;"
		  : chance(0.3)
		  ? "BEGIN; SAVEPOINT s; $call; ROLLBACK TO s; $sleep COMMIT;"
		  : "BEGIN; $call; $sleep $end;";
	}
	return join("\n", @lines) . "\n";
}

# ---- what must hold ------------------------------------------------------

# Each of these finds nothing.
my %never = (
	'two open runs of an activity id' =>
	  'SELECT activity_id FROM taskq.activities
		WHERE close_time IS NULL AND activity_id IS NOT NULL
		GROUP BY activity_id HAVING count(*) > 1',
	'a run twice' =>
	  'SELECT run_id FROM taskq.activities GROUP BY run_id HAVING count(*) > 1',
	'open with an outcome, or closed without one' => q(
		SELECT run_id FROM taskq.activities
		WHERE CASE
		  WHEN close_time IS NULL THEN status NOT IN ('running', 'paused')
		    OR run_state IS NULL OR failure IS NOT NULL OR result IS NOT NULL
		    OR retry_state IS NOT NULL OR execution_duration IS NOT NULL
		  WHEN status = 'completed' THEN failure IS NOT NULL
		    OR run_state IS NOT NULL OR retry_state IS NOT NULL
		  ELSE status IN ('running', 'paused') OR failure IS NULL
		    OR result IS NOT NULL OR run_state IS NOT NULL END),
	'status and run_state that do not agree' => q(
		SELECT run_id FROM taskq.activities
		WHERE (status = 'paused') <> (run_state IS NOT DISTINCT FROM 'paused')),
	'more attempts than allowed' => q(
		SELECT run_id FROM taskq.activities
		WHERE (retry_policy ->> 'maximum_attempts')::int > 0
		  AND attempt > (retry_policy ->> 'maximum_attempts')::int),
	'schedule_time changed' =>
	  'SELECT run_id FROM taskq.activities JOIN first_seen f USING (run_id)
		WHERE activities.schedule_time <> f.schedule_time',
	'a closed run changed' =>
	  'SELECT run_id FROM taskq.activities a JOIN closed_seen USING (run_id)
		WHERE a::text <> seen',
	'a closed run vanished' =>
	  'SELECT run_id FROM closed_seen
		WHERE run_id NOT IN (SELECT run_id FROM taskq.activities)
		  AND run_id NOT IN (SELECT run_id FROM deleted)',
	'closed before something else happened' =>
	  'SELECT run_id, status, close_time, last_attempt_complete_time,
		  last_started_time, last_heartbeat_time
		FROM taskq.activities
		WHERE close_time < greatest(schedule_time, first_started_time,
		  last_started_time, last_attempt_complete_time, last_heartbeat_time)',
	'scheduled, not deleted, and not to be seen' =>
	  'SELECT run_id FROM scheduled EXCEPT SELECT run_id FROM deleted
		EXCEPT SELECT run_id FROM taskq.activities',
	'to be seen, but never scheduled or deleted' =>
	  'SELECT run_id FROM taskq.activities EXCEPT
		(SELECT run_id FROM scheduled EXCEPT SELECT run_id FROM deleted)',
	'an attempt in progress that nobody was given' => q(
		SELECT run_id FROM taskq.activities a
		WHERE run_state IN ('started', 'cancel_requested', 'pause_requested')
		  AND NOT EXISTS (SELECT FROM attempts t
		    WHERE t.run_id = a.run_id AND t.attempt = a.attempt
		      AND t.started_time = a.last_started_time)),
	'heartbeats of nothing' =>
	  'SELECT run_id FROM taskq.heartbeat_state
		WHERE run_id NOT IN (SELECT run_id FROM taskq.open)');

# Run all of it on one snapshot; returns what was found and not said before.
my %said;

sub violations
{
	my $union = join(
		"\nUNION ALL\n",
		map { "(SELECT '$_: run ' || q::text FROM ($never{$_}) q LIMIT 3)" }
		  sort keys %never);

	return join("\n",
		grep { !$said{$_}++ } split /\n/, $node->safe_psql('postgres', $union));
}

# A token is good as long as its attempt is in progress, and never again. The
# heartbeats lock what they find.
sub token_violations
{
	return $node->safe_psql(
		'postgres', q{
		BEGIN;
		CREATE TEMPORARY TABLE beats AS SELECT task_token, ok
		  FROM taskq.heartbeat_many((SELECT array_agg(task_token) FROM attempts));
		SELECT ok, a.run_id FROM beats JOIN attempts t USING (task_token)
		  LEFT JOIN taskq.activities a
		    ON a.run_id = t.run_id AND a.attempt = t.attempt
		      AND a.last_started_time = t.started_time
		      AND run_state IN ('started', 'cancel_requested', 'pause_requested')
		  WHERE ok <> (a.run_id IS NOT NULL);
		COMMIT;
	});
}

sub remember
{
	$node->safe_psql(
		'postgres', q{
		INSERT INTO first_seen SELECT run_id, schedule_time
		  FROM taskq.activities ON CONFLICT DO NOTHING;
		INSERT INTO closed_seen SELECT run_id, a::text
		  FROM taskq.activities a WHERE close_time IS NOT NULL
		  ON CONFLICT DO NOTHING;
	});
	return;
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
			[
				'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $file
			],
			'>',
			'/dev/null',
			'2>',
			\$errors[ $i - 1 ],
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	$found = violations();
	remember();
	$_->finish foreach @running;
	is($found, '', "round $round: nothing impossible meanwhile");
	is(violations(), '', "round $round: nothing impossible afterwards");
	is(token_violations(), '', "round $round: tokens");
	remember();
	foreach my $i (1 .. SESSIONS)
	{
		my @seen = $errors[ $i - 1 ] =~ /(?:ERROR|FATAL):  (.*)/g;
		my @unexpected =
		  grep { !/^(?:TQ00[123]|22023|25P02)$/ && !($i == 1 && $_ eq '40001') }
		  @seen;

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
		  FROM (SELECT status, count(*) AS n FROM taskq.activities GROUP BY 1) s}
	),
	', attempts ',
	$node->safe_psql('postgres', 'SELECT count(*) FROM attempts'));

# ---- the end -------------------------------------------------------------

# a run may close by itself before it is terminated
$node->psql(
	'postgres',
	'SELECT taskq.terminate(run_id => run_id) FROM taskq.open', on_error_stop => 0);
ok( $node->poll_query_until(
		'postgres', q{
		SELECT count(*) = 0 FROM taskq.activities WHERE close_time IS NULL}
	),
	'all are closed at last');
is(violations(), '', 'nothing impossible at the end');
is( $node->safe_psql(
		'postgres', 'SELECT count(*) FROM taskq.heartbeat_many(
			(SELECT array_agg(task_token) FROM attempts)) WHERE ok'),
	'0',
	'no token is good any more');
is( $node->safe_psql(
		'postgres',
		'SELECT (SELECT count(*) FROM scheduled)
		  - (SELECT count(*) FROM deleted)
		  - (SELECT count(*) FROM taskq.activities)'),
	'0',
	'scheduled = open + closed + deleted');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'no crash');
unlike(
	$log,
	qr/taskq (?:worker|launcher) .*(?:WARNING|ERROR|FATAL):(?!  terminating)/,
	'no complaint from the worker');
done_testing();
