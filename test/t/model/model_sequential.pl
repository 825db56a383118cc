# A long random sequence of calls has the answers and leaves the rows that
# TaskqModel.pm predicts. One session works, the background worker fires the
# timers; both have a clock that the test moves, so that timeouts of hours
# take no time. TASKQ_SEED repeats a sequence, TASKQ_STEPS is its length.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Open2;
use JSON::PP;
use List::Util qw(max shuffle uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable qw(dclone);
use Taskq;
use TaskqModel;
use Test::More;
use Time::HiRes qw(sleep);

use constant {
	STEPS => 4000,
	MANY_OPEN => 14,
	SECOND => TaskqModel::SECOND,
	MAX_PROBLEMS => 5,
	RUNS => qr/R/,				# states of a running attempt
};

my $seed = $ENV{TASKQ_SEED} || 20261120;
my $steps = $ENV{TASKQ_STEPS} || STEPS;
diag("TASKQ_SEED=$seed");
srand($seed);

my $json = JSON::PP->new->canonical->allow_nonref->allow_blessed;
my $model = TaskqModel->new;

# ---- the session ---------------------------------------------------------

my $NULL = "\x1e";
my $node = taskq_node('main', "taskq.retention = '10000d'",
	'log_min_messages = warning', 'log_statement = none', 'fsync = off');
my $stderr_file = $node->basedir . '/psql.err';
my ($from_psql, $to_psql);
open(my $saved_stderr, '>&', \*STDERR) or die $!;
open(STDERR, '>', $stderr_file) or die $!;
my $psql_pid = open2($from_psql, $to_psql, 'psql', '-XqAt', '-F', "\x1f",
	'-P', "null=$NULL", '-d', $node->connstr('postgres'));
open(STDERR, '>&', $saved_stderr) or die $!;

# Run statements; returns the SQLSTATE of the last one ('' for success), its
# message, and what all of them returned, as rows of fields.
sub ask
{
	my ($sql) = @_;
	my @rows;

	print $to_psql "$sql;\n\\echo \@\@ :SQLSTATE :LAST_ERROR_MESSAGE\n";
	$to_psql->flush;
	while (defined(my $line = <$from_psql>))
	{
		chomp $line;
		if ($line =~ /^@@ (\S+) (.*)/)
		{
			return ($1 eq '00000' ? '' : $1, $2, \@rows);
		}
		push @rows,
		  [ map { $_ eq $NULL ? undef : $_ } split(/\x1f/, $line, -1) ];
	}
	die "psql ended: " . slurp_file($stderr_file);
}

sub ask_safe
{
	my ($sql) = @_;
	my ($state, $message, $rows) = ask($sql);

	die "$sql: $state $message" if $state;
	return $rows;
}

$SIG{ALRM} = sub { die 'the session hangs' };
alarm(10 * $PostgreSQL::Test::Utils::timeout_default);

# ---- literals ------------------------------------------------------------

sub text
{
	my ($value) = @_;

	return 'NULL' unless defined $value;
	$value =~ s/'/''/g;
	return "'$value'";
}

sub jsonb
{
	my ($value) = @_;

	return 'NULL' unless defined $value;
	return text($json->encode($value)) . '::jsonb';
}

sub span
{
	my ($us) = @_;

	return defined $us ? $us / SECOND . ' s' : undef;
}

# interval as jsonb shows it
sub clock_face
{
	my ($us) = @_;
	my $s = $us / SECOND;

	return sprintf('%02d:%02d:%02d', $s / 3600, $s / 60 % 60, $s % 60);
}

sub policy
{
	my ($policy) = @_;
	my $types = $policy->{non_retryable_error_types};

	return 'taskq.retry_policy('
	  . join(
		', ',
		(
			map { "$_ => " . text(span($policy->{$_})) }
			  grep { defined $policy->{$_} }
			  qw(initial_interval maximum_interval)
		),
		(
			map { "$_ => $policy->{$_}" }
			  grep { defined $policy->{$_} }
			  qw(backoff_coefficient maximum_attempts jitter)
		),
		$types
		? 'non_retryable_error_types => ARRAY['
		  . join(', ', map { text($_) } @$types)
		  . ']::text[]'
		: ()) . ')';
}

my %literal = (
	(map { $_ => \&jsonb } qw(input header result details cause
		  search_attributes last_heartbeat_details options)),
	(map { $_ => sub { text(span($_[0])) } }
		  qw(schedule_to_close_timeout schedule_to_start_timeout
		  start_to_close_timeout heartbeat_timeout start_delay jitter
		  next_retry_delay delay)),
	(map { $_ => sub { $_[0] // 'NULL' } } qw(run_id priority fairness_weight
		  max_tasks)),
	(map { $_ => sub { $_[0] ? 'true' : 'false' } } qw(non_retryable
		  skip_backoff keep_paused reset_heartbeat restore_original_options
		  restore_original)),
	retry_policy => \&policy);

# Arguments in named notation; those that are undefined are left out.
sub arguments
{
	my ($args) = @_;
	my %shown = %$args;

	$shown{options} = options_json($shown{options}) if $shown{options};
	return join(
		', ',
		map { "$_ => " . ($literal{$_} // \&text)->($shown{$_}) }
		  grep { defined $shown{$_} }
		  sort keys %shown);
}

# A mask of update_options: durations are strings there.
sub options_json
{
	my ($mask) = @_;
	my $durations = qr/timeout$|delay$|_interval$/;
	my %shown = %$mask;

	foreach my $key (keys %shown)
	{
		if (ref $shown{$key})
		{
			$shown{$key} = options_json($shown{$key})
			  if ref $shown{$key} eq 'HASH';
		}
		elsif (defined $shown{$key} && $key =~ $durations)
		{
			$shown{$key} = span($shown{$key});
		}
	}
	return \%shown;
}

# Effective options as update_options returns them.
sub options_answer
{
	my ($o) = @_;
	my $p = $o->{retry_policy};
	my $types = $p->{non_retryable_error_types};

	return {
		(
			map { $_ => $o->{$_} } qw(task_queue priority fairness_key
			  fairness_weight)
		),
		(
			map { $_ => $o->{$_} ? clock_face($o->{$_}) : undef }
			  qw(schedule_to_close_timeout schedule_to_start_timeout
			  start_to_close_timeout heartbeat_timeout start_delay)
		),
		retry_policy => {
			(
				map { $_ => $p->{$_} } qw(backoff_coefficient
				  maximum_attempts jitter)
			),
			(
				map { $_ => clock_face($p->{$_}) } qw(initial_interval
				  maximum_interval)
			),
			non_retryable_error_types => @$types ? $types : undef
		}
	};
}

# ---- observing -----------------------------------------------------------

my @jsonb_columns = qw(input header result failure last_failure
  heartbeat_details search_attributes);
my @plain_columns = qw(run_id activity_id activity_type task_queue status
  run_state attempt retry_state last_worker_identity priority fairness_key
  fairness_weight cancel_reason summary);
my @instant_columns = qw(last_heartbeat_time schedule_time execution_time
  expiration_time first_started_time last_started_time
  last_attempt_complete_time next_attempt_schedule_time close_time);
my @interval_columns = qw(current_retry_interval execution_duration
  schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout
  heartbeat_timeout start_delay);
my %computed_columns = (
	transitions => 'state_transition_count',
	heartbeat_count => 'total_heartbeat_count',
	initial_interval => q{us((retry_policy ->> 'initial_interval')::interval)},
	maximum_interval => q{us((retry_policy ->> 'maximum_interval')::interval)},
	backoff_coefficient => q{retry_policy ->> 'backoff_coefficient'},
	maximum_attempts => q{retry_policy ->> 'maximum_attempts'},
	jitter => q{retry_policy ->> 'jitter'},
	non_retryable_error_types =>
	  q{coalesce((SELECT string_agg(e, ' ') FROM jsonb_array_elements_text(nullif(retry_policy -> 'non_retryable_error_types', 'null')) e), '')},
);
my @columns = (
	@jsonb_columns, @plain_columns, @instant_columns, @interval_columns,
	sort keys %computed_columns);
my $select = 'SELECT '
  . join(', ',
	@jsonb_columns, @plain_columns,
	(map { "us($_)" } @instant_columns, @interval_columns),
	map { $computed_columns{$_} } sort keys %computed_columns);

my @poll_jsonb = qw(input header heartbeat_details);
my @poll_plain = qw(task_token run_id activity_id activity_type task_queue
  attempt priority fairness_key);
my @poll_us = qw(scheduled_time current_attempt_scheduled_time started_time
  schedule_to_close_timeout start_to_close_timeout heartbeat_timeout);
my @poll_columns = (@poll_jsonb, @poll_plain, @poll_us);
my $select_poll = 'SELECT '
  . join(', ', @poll_jsonb, @poll_plain, map { "us($_)" } @poll_us);

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION taskq;
	CREATE FUNCTION us(timestamptz) RETURNS bigint LANGUAGE sql STABLE
	  AS $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;
	CREATE FUNCTION us(interval) RETURNS bigint LANGUAGE sql STABLE
	  AS $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;
});
ask_safe('SET plan_cache_mode = force_generic_plan');
ask_safe("PREPARE observe(bigint[]) AS $select
	FROM taskq.activities WHERE run_id = ANY(\$1) ORDER BY run_id");
ask_safe(
	'PREPARE pulse(bigint[]) AS
	SELECT run_id, state_transition_count, total_heartbeat_count
	FROM taskq.activities WHERE run_id = ANY($1) ORDER BY run_id');

sub named
{
	my ($names, $json_names, $fields) = @_;
	my %row;

	@row{@$names} = @$fields;
	foreach my $name (@$json_names)
	{
		$row{$name} = $json->decode($row{$name}) if defined $row{$name};
	}
	return \%row;
}

sub ids { return "'{" . join(',', @_) . "}'" }

# The clock as it was last read: what is done next is done later.
my $clock;

sub read_clock
{
	$clock = ask_safe('SELECT us(taskq.clock())')->[0]->[0];
	return $clock;
}

sub observe
{
	my @rows;

	return () unless @_;
	@rows = @{ ask_safe('EXECUTE observe(' . ids(@_) . ')') };
	return map { named(\@columns, \@jsonb_columns, $_) } @rows;
}

# ---- random values -------------------------------------------------------

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

my $MINUTE = 60 * SECOND;
my $HOUR = 60 * $MINUTE;

sub some_duration
{
	return pick(10 * $MINUTE, 20 * $MINUTE, $HOUR, 2 * $HOUR, 3 * $HOUR,
		10 * $HOUR);
}

sub some_json
{
	return pick(
		{ n => int(rand(1000)) },
		[ 1, 'two', { three => [] } ],
		"it's text",
		int(rand(10)),
		{ nested => { list => [ 'x', 'y' ], quote => 'a"b\\c' } });
}

sub maybe
{
	my ($p, $value) = @_;

	return chance($p) ? $value->() : undef;
}

sub some_policy
{
	my $initial = pick(10 * $MINUTE, 10 * $MINUTE, $HOUR, 2 * $HOUR);

	return {
		initial_interval => $initial,
		maximum_interval =>
		  maybe(0.6, sub { $initial * pick(1, 2, 10) }),
		backoff_coefficient => maybe(0.7, sub { pick(1, 1.5, 2, 3) }),
		maximum_attempts => maybe(0.6, sub { pick(0, 1, 2, 3, 5) }),
		jitter => maybe(0.15, sub { 0.5 }),
		non_retryable_error_types => maybe(
			0.4,
			sub {
				[
					grep { chance(0.4) } 'E1', 'TemporalTimeout:StartToClose',
					'TemporalTimeout:Heartbeat'
				];
			})
	};
}

sub some_queue { return pick(qw(q1 q1 q2 q3)) }

sub some_identity { return maybe(0.7, sub { pick(qw(w1 w2 w3)) }) }

sub some_request { return maybe(0.3, sub { 'c' . int(rand(4)) }) }

sub some_priority { return pick(0, 1, 2, 3, 5, 7) }

sub some_options
{
	my $o = {
		task_queue => some_queue(),
		start_delay => maybe(0.2, \&some_duration),
		heartbeat_timeout => maybe(0.35, \&some_duration),
		schedule_to_start_timeout => maybe(0.25, \&some_duration),
		retry_policy => maybe(0.7, \&some_policy),
		priority => maybe(0.3, \&some_priority),
		fairness_key => maybe(0.3, sub { pick(qw(a b)) }),
		fairness_weight => maybe(0.2, sub { pick(0.5, 2) }),
	};

	$o->{start_to_close_timeout} = some_duration() if chance(0.7);
	$o->{schedule_to_close_timeout} = some_duration() * pick(1, 1, 3)
	  if !$o->{start_to_close_timeout} || chance(0.4);
	return $o;
}

# One thing wrong.
sub spoil
{
	my ($o) = @_;
	my $policy = { initial_interval => $HOUR, maximum_interval => $HOUR };

	pick(
		sub { $o->{schedule_to_close_timeout} = -$HOUR },
		sub { $o->{heartbeat_timeout} = -$HOUR },
		sub { $o->{priority} = -1 },
		sub { $o->{start_delay} = -$HOUR },
		sub {
			$o->{start_to_close_timeout} = $o->{schedule_to_close_timeout} = 0;
		},
		sub {
			$o->{retry_policy} = { %$policy, maximum_interval => $MINUTE };
		},
		sub {
			$o->{retry_policy} = { %$policy, backoff_coefficient => 0.5 };
		},
		sub { $o->{retry_policy} = { %$policy, maximum_attempts => -1 } }
	)->();
	return;
}

# The run of the last call: what happens to one run in a row goes deeper.
my $focus = 0;

# Which activity to talk to: mostly an open one, and mostly one in a state
# that the operation is for.
sub some_target
{
	my ($states) = @_;
	my @open = $model->open_runs;
	my @suitable = grep { $_->{state} =~ $states } @open;
	my ($run, $how, @focused);

	return { run_id => 999_999_999 } if chance(0.02) || !@open;
	return { activity_id => 'unknown' } if chance(0.01);
	@focused = grep { $_->{run_id} == $focus } @suitable;
	$run =
	    @focused && chance(0.6) ? $focused[0]
	  : @suitable && chance(0.6) ? pick(@suitable)
	  : @open && chance(0.8) ? pick(@open)
	  : pick($model->runs);
	return { run_id => $run->{run_id}, activity_id => 'unknown' }
	  if chance(0.02);
	$how = pick(qw(run id both));
	return { run_id => $run->{run_id} }
	  if $how eq 'run' || !defined $run->{activity_id};
	return {
		activity_id => $run->{activity_id},
		$how eq 'both' ? (run_id => $run->{run_id}) : ()
	};
}

my @tokens;

sub some_token
{
	my ($states) = @_;
	my @running = grep { TaskqModel::in_progress($_) } $model->open_runs;
	my @suitable = grep { $_->{state} =~ $states } @running;
	my @focused = grep { $_->{run_id} == $focus } @suitable;

	return '12345678-1234-1234-1234-123456789abc' if chance(0.03) || !@tokens;
	return $focused[0]->{token} if @focused && chance(0.6);
	return pick(@suitable)->{token} if @suitable && chance(0.6);
	return pick(@running)->{token} if @running && chance(0.8);
	return pick(@tokens);
}

# By token, or (a few) by id.
sub some_attempt
{
	my ($by_id, $states) = @_;

	return ($by_id, some_target($states)) if chance(0.2);
	return ('', { task_token => some_token($states) });
}

# ---- operations ----------------------------------------------------------

my $step = 0;
my (@problems, %history, %done, %answers);
my $in_transaction = 0;
my $before_transaction;

sub problem
{
	my ($text, $run) = @_;
	my @log = $run ? @{ $history{ $run->{run_id} } // [] } : ();

	@log = @log[ -30 .. -1 ] if @log > 30;
	push @problems, "step $step: $text"
	  . ($run ? " (run $run->{run_id})\n  " . join("\n  ", @log) : '');
	diag($problems[-1]);
	die 'too many problems' if @problems >= MAX_PROBLEMS;
	return;
}

# Forget a run that cannot be followed any further.
sub drop
{
	my ($run) = @_;

	ask_safe("SELECT taskq.delete(run_id => $run->{run_id})");
	$model->forget($run);
	return;
}

# Call a function and compare its answer. Returns what is expected, the rows
# and the instant of the call.
sub call
{
	my ($name, $args, $expect, $sql) = @_;
	my $earliest = $clock;
	my $savepoint = $in_transaction ? 'SAVEPOINT s;' : '';
	my ($state, $message, $rows, $now, $expected);

	$sql //= "SELECT * FROM taskq.$name(" . arguments($args) . ')';
	($state, $message, $rows) = ask("$savepoint $sql");
	if ($in_transaction)
	{
		ask_safe($state ? 'ROLLBACK TO s' : 'RELEASE s');
	}
	$now = TaskqModel::between($earliest, read_clock());
	$expected = $expect->($now, $rows, $state);
	$expected = { %$expected, %{ $expected->{or} } }
	  if $expected->{or} && $expected->{or}->{state} eq $state;
	$done{$name}++;
	$answers{ $state || 'success' }++;
	if (   $expected->{state} ne $state
		|| $expected->{message} && $message !~ $expected->{message})
	{
		problem("$sql: expected "
			  . ($expected->{state} || 'success')
			  . ($expected->{message} ? " $expected->{message}" : '')
			  . ", got "
			  . ($state ? "$state $message" : 'success'),
			$expected->{run});
		foreach my $run ($expected->{run} // ())
		{
			drop($run);
		}
	}
	return ($expected, $rows, $now, $sql);
}

# Look at these runs, and check that all others are as they were.
sub check
{
	my (@run_ids) = @_;
	my $seen_from = $clock;
	my @rows = observe(@run_ids);
	my %rows = map { $_->{run_id} => $_ } @rows;
	my $read = TaskqModel::between($seen_from, read_clock());
	my @others =
	  grep { !$rows{ $_->{run_id} } } $model->open_runs;
	my $pulse;

	foreach my $run_id (@run_ids)
	{
		my $run = $model->run($run_id);
		my $row = $rows{$run_id};

		if ($run && $row)
		{
			my @wrong = $model->compare($run, $row, $read);

			next unless @wrong;
			problem(join("\n  ", 'row:', @wrong), $run);
			drop($run);
		}
		elsif ($run)
		{
			problem('a run has vanished', $run);
			$model->forget($run);
		}
		elsif ($row)
		{
			problem("run $run_id should be gone");
		}
	}
	$pulse = join(
		' ',
		map { join(':', @$_) } @{
			ask_safe('EXECUTE pulse('
				  . ids(map { $_->{run_id} } @others)
				  . ')')
		});
	problem("another run has changed: $pulse")
	  if $pulse ne join(' ',
		map { "$_->{run_id}:$_->{transitions}:$_->{heartbeat_count}" }
		  @others);
	return;
}

sub log_call
{
	my ($run_id, $sql, $expected) = @_;

	$focus = $run_id;
	push @{ $history{$run_id} },
	  "$step: $sql -> "
	  . ($expected->{state} || 'success')
	  . ($in_transaction ? ' (in transaction)' : '');
	return;
}

# A call that means one run.
sub call_run
{
	my ($name, $method, $args, $answer) = @_;
	my ($run, $expected, $rows, $now, $sql);

	$run =
	  defined $args->{task_token}
	  ? $model->run($model->{tokens}->{ $args->{task_token} }->{run_id} // -1)
	  : $model->find($args);
	($expected, $rows, $now, $sql) = call(
		$name, $args,
		sub {
			my ($instant) = @_;

			return { %{ $model->$method($args, $instant) }, run => $run };
		});
	log_call($run->{run_id}, $sql, $expected) if $run;
	if ($model->{ambiguous})
	{
		$model->{ambiguous} = 0;
		drop($run) if $model->run($run->{run_id});
		return;
	}
	$answer->($expected->{value}, $rows->[0])
	  if $answer && !$expected->{state} && $rows->[0];

	# The worker may be about to fire what has just become overdue.
	check($run ? $run->{run_id} : ())
	  if $in_transaction || !$run || !$model->overdue($run, $now);
	return;
}

sub do_schedule
{
	my $options = some_options();
	my $args = {
		%$options,
		activity_type => pick(qw(t1 t2)),
		input => maybe(0.7, \&some_json),
		header => maybe(0.2, \&some_json),
		summary => maybe(0.2, sub { "it's a summary" }),
		search_attributes => maybe(0.2, sub { { city => 'x' } }),
		activity_id => maybe(0.6, sub { 'a' . int(rand(8)) }),
		request_id => maybe(0.3, sub { 'r' . int(rand(6)) }),
		id_reuse_policy => maybe(
			0.4,
			sub {
				pick(
					qw(allow_duplicate allow_duplicate_failed_only
					  reject_duplicate));
			}),
		id_conflict_policy =>
		  maybe(0.4, sub { pick(qw(fail use_existing)) }),
	};

	spoil($args) if chance(0.05);
	created('schedule', 'schedule', $args);
	return;
}

sub do_retry
{
	my @closed = grep { !TaskqModel::is_open($_) } $model->runs;
	my $run_id =
	  @closed && chance(0.8) ? pick(@closed)->{run_id} : some_target(RUNS)->{run_id};

	created('retry', 'retry', { run_id => $run_id }) if defined $run_id;
	return;
}

sub created
{
	my ($name, $method, $args) = @_;
	my ($expected, $rows, $now, $sql) =
	  call($name, $args, sub { return $model->$method($args, $_[0]) });
	my $value = $expected->{value};
	my ($run_id, $activity_id, $created);

	return if $expected->{state} || !$rows->[0];
	($run_id, $activity_id, $created) = @{ $rows->[0] };
	if (($created eq 't') != $value->{created}
		|| !$value->{created} && $run_id != $value->{run_id})
	{
		problem("$sql: created $created, run $run_id");
		return;
	}
	$model->born($value->{run}, $run_id, $now) if $value->{created};
	log_call($run_id, $sql, $expected);
	problem("$sql: activity id")
	  unless TaskqModel::same($activity_id,
		$model->run($run_id)->{activity_id});
	check($run_id);
	return;
}

sub due_runs
{
	return
	  grep { $_->{state} eq 'S' && TaskqModel::lo($_->{dispatch}) <= $clock }
	  $model->open_runs;
}

sub do_poll
{
	my @due = due_runs();
	my $args = {
		task_queue => @due && chance(0.8)
		? pick(@due)->{options}->{task_queue}
		: some_queue(),
		identity => pick(qw(w1 w2 w3)),
		max_tasks => pick(1, 1, 1, 2, 5)
	};
	my ($wrong, @polled);
	my ($expected, $rows, $now, $sql) = call(
		'poll', $args,
		sub {
			my ($instant, $fields) = @_;

			@polled = map { named(\@poll_columns, \@poll_jsonb, $_) } @$fields;
			$wrong = $model->poll($args, $instant, \@polled);
			return TaskqModel::ok();
		},
		"$select_poll FROM taskq.poll(" . arguments($args) . ')');

	delivered($sql, $expected, $wrong, @polled);
	return;
}

# What a poll returned has been compared.
sub delivered
{
	my ($sql, $expected, $wrong, @polled) = @_;

	push @tokens, map { $_->{task_token} } @polled;
	foreach my $row (@polled)
	{
		log_call($row->{run_id}, $sql, $expected);
	}
	if ($wrong)
	{
		problem("$sql: $wrong", $polled[0]);
		drop($_) foreach map { $model->run($_->{run_id}) // () } @polled;
		return;
	}
	$done{'started attempts'} += @polled;
	check(map { $_->{run_id} } @polled);
	return;
}

# A call with many tokens is as many calls, but a stale token is no error.
sub do_many
{
	my $name = pick(qw(complete_many fail_many heartbeat_many release_many
		  complete_and_poll));
	my ($method) = $name =~ /^([a-z]+)/;
	my @calls =
	  map { some_call($method, some_token(RUNS)) } 1 .. pick(1, 2, 2, 3, 4);
	my $values =
		$method eq 'fail' ? 'message => ' . text('many')
	  : $method eq 'release' ? 'identity => NULL'
	  : ($method eq 'complete' ? 'results' : 'details')
	  . ' => ARRAY['
	  . join(', ',
		map { jsonb($_->{ $method eq 'complete' ? 'result' : 'details' }) }
		  @calls)
	  . ']::jsonb[]';
	my $poll = {
		task_queue => some_queue(),
		identity => 'w1',
		max_tasks => pick(1, 2)
	};
	my ($wrong, @expected, @polled, @runs);
	my $sql = "taskq.$name(task_tokens => ARRAY["
	  . join(', ', map { text($_->{task_token}) } @calls)
	  . "]::uuid[], $values"
	  . ($name =~ /poll/ ? ', ' . arguments($poll) : '') . ')';

	if ($name =~ /poll/)
	{
		$_->{identity} = $poll->{identity} foreach @calls;
	}
	@runs = uniq(
		grep { $model->run($_) }
		map { $model->{tokens}->{ $_->{task_token} }->{run_id} // -1 } @calls);
	my ($expected, $rows, $now) = call(
		$name,
		{},
		sub {
			my ($instant, $fields) = @_;

			my $each = sub {
				return TaskqModel::between(TaskqModel::lo($instant),
					TaskqModel::hi($instant));
			};

			@expected = map { $model->$method($_, $each->()) } @calls;
			if ($name =~ /poll/)
			{
				@polled =
				  map { named(\@poll_columns, \@poll_jsonb, $_) } @$fields;
				$wrong = $model->poll($poll, $each->(), \@polled);
			}
			return TaskqModel::ok();
		},
		($name =~ /poll/ ? $select_poll : 'SELECT *') . " FROM $sql");

	log_call($_, $sql, $expected) foreach @runs;
	if ($model->{ambiguous})
	{
		$model->{ambiguous} = 0;
		drop($_) foreach map { $model->run($_) // () } @runs;
	}
	if ($name =~ /poll/)
	{
		delivered($sql, $expected, $wrong, @polled);
	}
	else
	{
		many_answered($sql, \@calls, \@expected, $rows);
	}
	check(
		grep {
			my $run = $model->run($_);
			$in_transaction || $run && !$model->overdue($run, $now)
		} @runs);
	return;
}

sub some_call
{
	my ($method, $token) = @_;
	my %call = (task_token => $token);

	$call{message} = 'many' if $method eq 'fail';
	$call{result} = maybe(0.7, \&some_json) if $method eq 'complete';
	$call{details} = maybe(0.7, \&some_json) if $method eq 'heartbeat';
	return \%call;
}

sub many_answered
{
	my ($sql, $calls, $expected, $rows) = @_;

	foreach my $i (0 .. $#$calls)
	{
		my $answer = $expected->[$i];
		my $value = $answer->{value};
		my @wanted = (
			$calls->[$i]->{task_token}, $answer->{state} ? 'f' : 't',
			ref $value ? @$value : $value // ());
		my @got = grep { defined $_ } @{ $rows->[$i] // [] };

		splice(@got, 2) if $answer->{state};
		problem("$sql: expected @wanted, got @got") if "@wanted" ne "@got";
	}
	problem("$sql: rows") if @$rows != @$calls;
	return;
}

sub do_complete
{
	my ($suffix, $args) = some_attempt('_by_id', RUNS);

	call_run(
		"complete$suffix",
		'complete',
		{
			%$args,
			result => maybe(0.7, \&some_json),
			identity => some_identity()
		});
	return;
}

sub do_fail
{
	my ($suffix, $args) = some_attempt('_by_id', RUNS);
	my $delay = maybe(0.15, sub { pick(15 * $MINUTE, 5 * $HOUR) });

	$delay = -$HOUR if chance(0.03);
	$args = {
		%$args,
		message => maybe(0.8, sub { "it's broken" }),
		error_type => maybe(0.5, sub { pick(qw(E1 E2)) }),
		details => maybe(0.3, \&some_json),
		stack_trace => maybe(0.2, sub { 'main.c:1' }),
		cause => maybe(0.1, sub { { message => 'deeper' } }),
		non_retryable => chance(0.1),
		next_retry_delay => $delay,
		last_heartbeat_details => maybe(0.15, \&some_json),
		identity => some_identity()
	};
	call_run(
		"fail$suffix",
		'fail', $args,
		sub {
			my ($retry_state, $row) = @_;

			problem("fail: expected $retry_state, got $row->[0]")
			  if $retry_state ne $row->[0];
		});
	return;
}

sub do_release
{
	my $delay = maybe(0.3, sub { pick(0, 15 * $MINUTE, 5 * $HOUR) });

	$delay = -$HOUR if chance(0.03);
	call_run(
		'release',
		'release',
		{
			task_token => some_token(RUNS),
			delay => $delay,
			last_heartbeat_details => maybe(0.15, \&some_json),
			identity => some_identity()
		});
	return;
}

sub do_report_canceled
{
	my ($suffix, $args) = some_attempt('_by_id', qr/^CR/);

	call_run(
		"report_canceled$suffix",
		'report_canceled',
		{
			%$args,
			details => maybe(0.5, \&some_json),
			identity => some_identity()
		});
	return;
}

sub do_heartbeat
{
	my ($suffix, $args) = some_attempt('_by_id', RUNS);

	call_run(
		"heartbeat$suffix",
		'heartbeat',
		{
			%$args,
			details => maybe(0.8, \&some_json),
			identity => some_identity()
		},
		sub {
			my ($flags, $row) = @_;

			problem("heartbeat: expected @$flags, got @$row")
			  if "@$flags" ne "@$row";
		});
	return;
}

sub request
{
	my ($states, %more) = @_;

	return {
		%{ some_target($states) },
		identity => some_identity(),
		request_id => some_request(),
		%more
	};
}

sub reason { return (reason => maybe(0.5, sub { "that's why" })) }

sub do_request_cancel
{
	call_run('request_cancel', 'request_cancel', request(qr/^(?:R|PR|RR)$/, reason()));
	return;
}

sub do_terminate
{
	call_run('terminate', 'terminate', request(RUNS, reason()));
	return;
}

sub do_pause
{
	call_run('pause', 'pause', request(qr/^[SR]$/, reason()));
	return;
}

sub some_jitter
{
	return chance(0.03) ? -$MINUTE : maybe(0.2, sub { 30 * $MINUTE });
}

sub do_unpause
{
	my $jitter = some_jitter();

	call_run(
		'unpause',
		'unpause',
		request(
			qr/^P/,
			reason(),
			jitter => $jitter,
			skip_backoff => !$jitter && chance(0.2)));
	return;
}

sub do_reset
{
	call_run(
		'reset', 'reset',
		request(
			qr/^(?:PR|P|R)$/,
			keep_paused => chance(0.3),
			reset_heartbeat => chance(0.3),
			restore_original_options => chance(0.3),
			jitter => some_jitter()));
	return;
}

sub do_update_options
{
	my $from = some_options();
	my %args = (restore_original => chance(0.2));
	my @keys;

	unless ($args{restore_original} && chance(0.9))
	{
		$from->{start_to_close_timeout} //= undef;
		$from->{schedule_to_close_timeout} //= undef;
		@keys = shuffle(sort keys %$from);
		@keys = grep { $_ ne 'start_delay' || chance(0.2) } @keys;
		splice(@keys, pick(0, 1, 1, 2, 3));
		$args{options} = { map { $_ => $from->{$_} } @keys };
		$args{options}->{task_queue} //= 'q1'
		  if exists $args{options}->{task_queue};
	}
	if ($args{options} && $args{options}->{retry_policy})
	{
		my $policy = $args{options}->{retry_policy};

		# what it depends on is given as well
		$policy->{maximum_interval} //= 10 * $policy->{initial_interval};
		delete @$policy{ grep { !defined $policy->{$_} } keys %$policy };
		delete @$policy{qw(initial_interval maximum_interval)}
		  if chance(0.4) && keys %$policy > 2;
	}
	call_run(
		'update_options',
		'update_options',
		request(qr/^(?:S|P|R|PR)$/, %args),
		sub {
			my ($options, $row) = @_;
			my $answer = $json->decode($row->[0]);
			my $expected = options_answer($options);
			my $types = $answer->{retry_policy}->{non_retryable_error_types};

			$answer->{retry_policy}->{non_retryable_error_types} = undef
			  if $types && !@$types;
			problem('update_options: expected '
				  . TaskqModel::show($expected)
				  . ', got '
				  . TaskqModel::show($answer))
			  unless TaskqModel::same($expected, $answer);
		});
	return;
}

sub do_delete
{
	my $args = some_target(qr/^CR/);

	call_run('delete', 'delete', $args);
	return;
}

sub do_read
{
	my @all = $model->runs;
	my ($run, $expected, $rows);

	return unless @all;
	$run = pick(@all);
	$expected = TaskqModel::expected($run);
	$rows = ask_safe("SELECT * FROM taskq.outcome($run->{run_id})");
	problem('outcome', $run)
	  unless TaskqModel::same($expected->{status}, $rows->[0]->[0])
	  && TaskqModel::same($expected->{retry_state}, $rows->[0]->[3])
	  && TaskqModel::same($expected->{result}, decoded($rows->[0]->[1]))
	  && TaskqModel::same($expected->{failure}, decoded($rows->[0]->[2]));
	return unless defined $run->{activity_id};
	$run = $model->latest_run($run->{activity_id});
	$rows = ask_safe(
		"SELECT run_id FROM taskq.describe(" . text($run->{activity_id}) . ')');
	problem('describe', $run) if $rows->[0]->[0] != $run->{run_id};
	return;
}

sub decoded { return defined $_[0] ? $json->decode($_[0]) : undef }

# ---- transactions --------------------------------------------------------

sub begin
{
	ask_safe('BEGIN');
	$in_transaction = 1 + int(rand(5));
	$before_transaction = dclone([ $model, \%history ]);
	return;
}

sub end
{
	$in_transaction = 0;
	if (chance(0.5))
	{
		ask_safe('ROLLBACK');
		$model = $before_transaction->[0];
		%history = %{ $before_transaction->[1] };
		check(map { $_->{run_id} } $model->open_runs);
		$done{rollback}++;
	}
	else
	{
		ask_safe('COMMIT');
		$done{commit}++;
	}
	settle();
	return;
}

# ---- time ----------------------------------------------------------------

my $offset = 0;

# Let the worker fire what is overdue, and compare.
sub settle
{
	my $now = TaskqModel::between($clock, $clock);
	my @fired;

	foreach my $run ($model->open_runs)
	{
		while (my $timer = $model->overdue($run, $now))
		{
			my ($type, $deadline) = @$timer;

			last if $model->{ambiguous};
			unless (wait_until_changed($run))
			{
				problem("the worker did not fire $type", $run);
				drop($run);
				last;
			}
			read_clock();
			$model->fire($run, $type,
				TaskqModel::between(TaskqModel::lo($deadline), $clock));
			log_call($run->{run_id}, "timer $type", TaskqModel::ok());
			$done{"timer $type"}++;
			push @fired, $run->{run_id};
		}
		if ($model->{ambiguous})
		{
			$model->{ambiguous} = 0;
			drop($run) if $model->run($run->{run_id});
		}
	}
	if (@fired)
	{
		await_commit();
		check(grep { $model->run($_) } uniq(@fired));
	}
	return;
}

# What a commit has changed can be seen a moment before polls are told of it.
sub await_commit
{
	until (ask_safe("SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'taskq worker' AND datname = current_database() AND xact_start IS NOT NULL")
		  ->[0][0] == 0)
	{
		sleep(0.001);
	}
	return;
}

sub wait_until_changed
{
	my ($run) = @_;
	my $rounds = 100 * $PostgreSQL::Test::Utils::timeout_default;

	$rounds /= 6;
	while ($rounds-- > 0)
	{
		my ($row) = observe($run->{run_id});

		return 1 if $row && $row->{transitions} > $run->{transitions};
		sleep(0.01);
	}
	return 0;
}

# Move the clock, of the session and of the worker, to where nothing is just
# about to happen.
sub advance
{
	my (@instants, $target);

	foreach my $run ($model->open_runs)
	{
		push @instants, map { $_->[1] } TaskqModel::deadlines($run);
		push @instants, $run->{dispatch} if $run->{state} eq 'S';
		push @instants, TaskqModel::first_dispatch($run);
	}
	@instants = sort { TaskqModel::lo($a) <=> TaskqModel::lo($b) } @instants;
	$target = $clock + pick(0, 5 * $MINUTE, 5 * $MINUTE, 30 * $MINUTE, $HOUR, 3 * $HOUR);
	foreach my $instant (@instants)
	{
		$target = max($target, TaskqModel::hi($instant) + 5 * SECOND)
		  if TaskqModel::lo($instant) < $target + 4 * $MINUTE;
	}
	$offset += $target - $clock;
	ask_safe('SET taskq.clock_offset = ' . $offset / 1000);
	ask_safe('ALTER SYSTEM SET taskq.clock_offset = ' . $offset / 1000);
	ask_safe('SELECT pg_reload_conf()');
	read_clock();
	settle();
	return;
}

# ---- the run -------------------------------------------------------------

my @operations = (
	[ 14, \&do_schedule ],
	[ 22, \&do_poll ],
	[ 3, \&do_complete ],
	[ 16, \&do_fail ],
	[ 4, \&do_report_canceled ],
	[ 5, \&do_release ],
	[ 9, \&do_heartbeat ],
	[ 6, \&do_request_cancel ],
	[ 1, \&do_terminate ],
	[ 4, \&do_many ],
	[ 7, \&do_pause ],
	[ 8, \&do_unpause ],
	[ 7, \&do_reset ],
	[ 9, \&do_update_options ],
	[ 1, \&do_delete ],
	[ 3, \&do_retry ],
	[ 2, \&do_read ],
	[ 11, sub { $in_transaction ? do_poll() : advance() } ],
	[ 1, sub { begin() unless $in_transaction } ]);
my @weighted = map { ($_->[1]) x $_->[0] } @operations;

# Most of the time, something else instead of what cannot succeed.
sub worthwhile
{
	my ($operation) = @_;
	my @open = $model->open_runs;
	my @of_workers = (
		\&do_complete, \&do_fail, \&do_heartbeat, \&do_many,
		\&do_release, \&do_report_canceled);

	$operation = \&do_poll
	  if chance(0.8)
	  && !(grep { TaskqModel::in_progress($_) } @open)
	  && grep { $_ == $operation } @of_workers;
	$operation = $in_transaction ? \&do_schedule : pick(\&do_schedule, \&advance)
	  if $operation == \&do_poll && !due_runs() && chance(0.8);
	$operation = \&do_terminate
	  if $operation == \&do_schedule && @open > MANY_OPEN;
	return $operation;
}

eval {
	read_clock();
	while ($step++ < $steps || time_left())
	{
		worthwhile(pick(@weighted))->();
		if ($in_transaction)
		{
			end() if --$in_transaction == 0;
		}
		else
		{
			settle();
		}
	}
	end() if $in_transaction;
	check(map { $_->{run_id} } $model->runs);
	1;
} or do
{
	push @problems, "step $step: $@";
	diag($problems[-1]);
};

note(join(', ', map { "$_ $done{$_}" } sort keys %done));
note(join(', ', map { "$_ $answers{$_}" } sort keys %answers));
$step--;
is(scalar(@problems), 0, "$step steps of seed $seed are as predicted");
is( ask_safe('SELECT count(*) FROM taskq.activities')->[0]->[0],
	scalar($model->runs),
	'there are no other activities') unless @problems;

close($to_psql);
waitpid($psql_pid, 0);
unlike(
	slurp_file($stderr_file),
	qr/WARNING:(?!  activity not found for ID)|FATAL|PANIC|server closed/,
	'no warnings but of stale tokens');
$node->stop;
unlike(
	slurp_file($node->logfile),
	qr/(?:WARNING|FATAL|PANIC):(?!  terminating|  activity not found for ID)/,
	'nothing above an error in the log');
done_testing();
