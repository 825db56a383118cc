# What an activity does, stated a second time: a model of the state machine
# to compare taskq with. It knows no SQL and no clock. Who drives it says
# what was called and between which two instants, gets the answer to expect,
# and then compares the columns that taskq shows with "expected".
#
# An instant is a sum of terms of which each is known to lie in a range; once
# taskq shows a column that depends on it, the range shrinks to that value
# ("pin"), and so does everything else that was computed from it. Instants and
# durations are microseconds; a duration of 0 is one that is not set.
package TaskqModel;

use strict;
use warnings;

use List::Util qw(max min first);

use constant SECOND => 1_000_000;

# ---- instants ------------------------------------------------------------

sub between
{
	my ($lo, $hi) = @_;

	return { terms => [ { lo => $lo, hi => $hi } ], add => 0 };
}

sub plus
{
	my ($instant, $more) = @_;

	return {
		terms =>
		  [ @{ $instant->{terms} }, ref $more ? @{ $more->{terms} } : () ],
		add => $instant->{add} + (ref $more ? $more->{add} : $more)
	};
}

sub lo
{
	my ($instant) = @_;
	my $sum = $instant->{add};

	$sum += $_->{lo} for @{ $instant->{terms} };
	return $sum;
}

sub hi
{
	my ($instant) = @_;
	my $sum = $instant->{add};

	$sum += $_->{hi} for @{ $instant->{terms} };
	return $sum;
}

# taskq shows this value for the instant: is that possible? If so, remember.
sub pin
{
	my ($instant, $value) = @_;
	my @open = grep { $_->{lo} < $_->{hi} } @{ $instant->{terms} };
	my $rest = $value - $instant->{add};

	return 0 if $value < lo($instant) || $value > hi($instant);
	return 1 if @open != 1;
	$rest -= $_->{lo} for grep { $_ != $open[0] } @{ $instant->{terms} };
	@{ $open[0] }{qw(lo hi)} = ($rest, $rest);
	return 1;
}

# taskq shows that the instant is not after this value.
sub pin_not_after
{
	my ($instant, $value) = @_;
	my @open = grep { $_->{lo} < $_->{hi} } @{ $instant->{terms} };

	return 0 if lo($instant) > $value;
	return 1 if @open != 1 || hi($instant) <= $value;
	$open[0]->{hi} -= hi($instant) - $value;
	return 1;
}

sub latest
{
	my ($a, $b) = @_;

	return $b if hi($a) <= lo($b);
	return $a if hi($b) <= lo($a);
	return between(max(lo($a), lo($b)), max(hi($a), hi($b)));
}

# ---- the model -----------------------------------------------------------

sub new
{
	my ($class) = @_;

	return bless { runs => {}, open => {}, tokens => {}, ambiguous => 0 },
	  $class;
}

# Is instant a before b? If their ranges don't tell, say so: the caller has
# to forget the run.
sub is_before
{
	my ($self, $a, $b) = @_;

	return 1 if hi($a) < lo($b);
	return 0 if lo($a) >= hi($b);
	$self->{ambiguous} = 1;
	return lo($a) + hi($a) < lo($b) + hi($b);
}

sub run { return $_[0]->{runs}->{ $_[1] } }

sub runs
{
	my ($self) = @_;

	return
	  map { $self->{runs}->{$_} } sort { $a <=> $b } keys %{ $self->{runs} };
}

sub is_open { return $_[0]->{state} =~ /^(?:S|R|CR|PR|RR|P)$/ }

sub in_progress { return $_[0]->{state} =~ /^(?:R|CR|PR|RR)$/ }

sub open_runs
{
	my ($self) = @_;
	my $open = $self->{open};

	delete @$open{ grep { !is_open($open->{$_}) } keys %$open };
	return map { $open->{$_} } sort { $a <=> $b } keys %$open;
}

# The run that an activity id without a run id means.
sub latest_run
{
	my ($self, $activity_id) = @_;
	my @same =
	  grep { defined $_->{activity_id} && $_->{activity_id} eq $activity_id }
	  $self->runs;

	return (first { is_open($_) } @same) // $same[-1];
}

sub find
{
	my ($self, $args) = @_;
	my ($id, $run_id) = @$args{qw(activity_id run_id)};
	my $run;

	return $self->latest_run($id) unless defined $run_id;
	$run = $self->run($run_id) or return undef;
	return undef
	  if defined $id && (!defined $run->{activity_id} || $run->{activity_id} ne $id);
	return $run;
}

sub forget
{
	my ($self, $run) = @_;

	delete $self->{runs}->{ $run->{run_id} };
	delete $self->{open}->{ $run->{run_id} };
	return;
}

# ---- answers -------------------------------------------------------------

# What to expect of a call: an SQLSTATE ('' for none) with a pattern for the
# message, or a value. Where two things are wrong and the contract doesn't say
# which comes first, "or" is the other one.
sub ok { return { state => '', value => $_[0] } }

sub refused
{
	my ($state, $message) = @_;

	return { state => $state, message => $message };
}

sub not_found { return refused('TQ001', qr/not found/) }

sub invalid { return refused('22023', $_[0]) }

sub precondition { return refused('TQ003', $_[0]) }

# ---- options -------------------------------------------------------------

my @timeouts = qw(schedule_to_close_timeout schedule_to_start_timeout
  start_to_close_timeout heartbeat_timeout);

sub default_policy
{
	return {
		initial_interval => SECOND,
		backoff_coefficient => 2,
		maximum_interval => 100 * SECOND,
		maximum_attempts => 0,
		non_retryable_error_types => [],
		jitter => 0
	};
}

# Defaults for what a policy leaves open. Returns a pattern for what is wrong
# with it, or nothing.
sub complete_policy
{
	my ($policy) = @_;

	$policy->{initial_interval} ||= SECOND;
	$policy->{backoff_coefficient} ||= 2;
	$policy->{maximum_interval} ||= 100 * $policy->{initial_interval};
	$policy->{maximum_attempts} //= 0;
	$policy->{non_retryable_error_types} //= [];
	$policy->{jitter} //= 0;
	return qr/maximum_attempts cannot be negative/
	  if $policy->{maximum_attempts} < 0;
	return if $policy->{maximum_attempts} == 1;
	return qr/invalid initial_interval/ if $policy->{initial_interval} < 0;
	return qr/backoff_coefficient cannot be less than 1/
	  if $policy->{backoff_coefficient} < 1;
	return qr/invalid maximum_interval/ if $policy->{maximum_interval} < 0;
	return qr/maximum_interval cannot be less than initial_interval/
	  if $policy->{maximum_interval} < $policy->{initial_interval};
	return;
}

# Let timeouts be what they are stored as. Returns what is wrong, or nothing.
sub normalise
{
	my ($o) = @_;
	my ($s2c, $s2s, $stc, $hb);

	$o->{$_} //= 0 for @timeouts, 'start_delay';
	($s2c, $s2s, $stc, $hb) = @$o{@timeouts};
	return qr/invalid schedule_to_close_timeout/ if $s2c < 0;
	return qr/invalid schedule_to_start_timeout/ if $s2s < 0;
	return qr/invalid start_to_close_timeout/ if $stc < 0;
	return qr/invalid heartbeat_timeout/ if $hb < 0;
	if ($s2c)
	{
		$s2s = $s2s ? min($s2s, $s2c) : $s2c;
		$stc = $stc ? min($stc, $s2c) : $s2c;
	}
	elsif (!$stc)
	{
		return
		  qr/a valid start_to_close_timeout or schedule_to_close_timeout must be set/;
	}
	$hb = min($hb, $stc);
	@$o{@timeouts} = ($s2c, $s2s, $stc, $hb);
	return;
}

sub check_options
{
	my ($o) = @_;
	my $wrong;

	$o->{retry_policy} =
	  $o->{retry_policy} ? { %{ $o->{retry_policy} } } : default_policy();
	$wrong = complete_policy($o->{retry_policy});
	return $wrong if $wrong;
	return qr/priority key can't be negative/
	  if defined $o->{priority} && $o->{priority} < 0;
	return qr/greater than zero/
	  if defined $o->{fairness_weight} && $o->{fairness_weight} < 0;
	$wrong = normalise($o);
	return $wrong if $wrong;
	return qr/invalid start_delay/ if $o->{start_delay} < 0;
	return;
}

sub copy_options
{
	my ($o) = @_;

	return { %$o, retry_policy => { %{ $o->{retry_policy} } } };
}

sub level
{
	my ($run) = @_;

	return min(5, $run->{options}->{priority} || 3);
}

# The back-off after attempt number n: a duration in a range, because of the
# jitter.
sub policy_interval
{
	my ($policy, $n) = @_;
	my $interval = min($policy->{maximum_interval},
		$policy->{initial_interval} *
		  $policy->{backoff_coefficient}**($n - 1));

	return between(int($interval * (1 - $policy->{jitter})), int($interval));
}

# ---- deadlines -----------------------------------------------------------

sub first_dispatch
{
	my ($run) = @_;

	return plus($run->{schedule_time}, $run->{options}->{start_delay});
}

sub expiration
{
	my ($run) = @_;

	return unless $run->{options}->{schedule_to_close_timeout};
	return plus(first_dispatch($run),
		$run->{options}->{schedule_to_close_timeout});
}

# The timers that run: [type, deadline], in the order that decides between
# equal ones.
sub deadlines
{
	my ($run) = @_;
	my $o = $run->{options};
	my @timers;

	return unless is_open($run);
	push @timers,
	  [ 'start_to_close',
		plus($run->{started_time}, $o->{start_to_close_timeout}) ]
	  if in_progress($run) && $o->{start_to_close_timeout};
	push @timers,
	  [ 'schedule_to_start',
		plus($run->{dispatch}, $o->{schedule_to_start_timeout}) ]
	  if $run->{state} eq 'S' && $o->{schedule_to_start_timeout};
	push @timers, [ 'schedule_to_close', expiration($run) ]
	  if $o->{schedule_to_close_timeout};
	push @timers,
	  [ 'heartbeat',
		plus(
			$run->{heartbeat_time}
			? latest($run->{heartbeat_time}, $run->{started_time})
			: $run->{started_time},
			$o->{heartbeat_timeout}) ]
	  if in_progress($run) && $o->{heartbeat_timeout};
	return @timers;
}

# The timer that has to fire first of those that are over at an instant.
sub overdue
{
	my ($self, $run, $now) = @_;
	my $next;

	foreach my $timer (deadlines($run))
	{
		next if $self->is_before($now, $timer->[1]);
		$next = $timer
		  if !$next || $self->is_before($timer->[1], $next->[1]);
	}
	return $next;
}

# ---- pieces of transitions -----------------------------------------------

sub enter
{
	my ($run, $state) = @_;

	$run->{state} = $state;
	$run->{transitions}++;
	return;
}

sub dispatch_at
{
	my ($run, $when) = @_;

	$run->{dispatch} = $when;
	enter($run, 'S');
	return;
}

sub close_run
{
	my ($run, $state, $now, %outcome) = @_;

	enter($run, $state);
	delete $run->{dispatch};
	$run->{close_time} = $now;
	@$run{ keys %outcome } = values %outcome;
	return;
}

sub clear_backoff
{
	my ($run) = @_;

	delete @$run{qw(interval interval_by_worker)};
	return;
}

sub forget_reset
{
	my ($run) = @_;

	delete $run->{reset};
	return;
}

sub jittered
{
	my ($now, $jitter) = @_;

	return $now unless $jitter;
	return plus($now, between(0, $jitter));
}

sub never_started { return !defined $_[0]->{started_time} }

sub restore_options
{
	my ($run) = @_;
	my $delay = $run->{options}->{start_delay};

	$run->{options} = copy_options($run->{original});
	$run->{options}->{start_delay} = $delay unless never_started($run);
	return;
}

sub clear_heartbeat
{
	my ($run) = @_;

	delete @$run{qw(heartbeat_details heartbeat_time)};
	return;
}

sub record_heartbeat
{
	my ($run, $details, $now) = @_;

	$run->{heartbeat_details} = $details;
	$run->{heartbeat_time} = $now;
	$run->{heartbeat_count}++;
	return;
}

# The contract leaves open whether a report of a failure or a heartbeat says
# who the last worker was: either will do.
sub perhaps_worker
{
	my ($run, $identity) = @_;

	$run->{worker} = [ $run->{worker}, $identity ] if defined $identity;
	return;
}

my %timeout_name = (
	schedule_to_start => 'ScheduleToStart',
	start_to_close => 'StartToClose',
	schedule_to_close => 'ScheduleToClose',
	heartbeat => 'Heartbeat');

sub timeout_failure
{
	my ($type, %more) = @_;

	return {
		kind => 'timeout',
		timeout_type => $type,
		message => "activity $timeout_name{$type} timeout",
		%more
	};
}

# What a timeout failure that closes an activity says beyond its type.
sub circumstances
{
	my ($run, $cause) = @_;

	return (
		defined $run->{heartbeat_details}
		? (last_heartbeat_details => $run->{heartbeat_details})
		: (),
		defined $cause ? (cause => $cause) : ());
}

# ---- schedule ------------------------------------------------------------

# Without an answer of taskq's to hand the run id from, created runs get
# their id by "born".
sub schedule
{
	my ($self, $args, $now) = @_;
	my %options = map { $_ => $args->{$_} } @timeouts,
	  qw(task_queue start_delay retry_policy priority fairness_key
	  fairness_weight);
	my $wrong = check_options(\%options);
	my ($id, $current) = ($args->{activity_id});

	return invalid($wrong) if $wrong;
	$current = $self->latest_run($id) if defined $id;
	if ($current)
	{
		my $use = ok({ run_id => $current->{run_id}, created => 0 });
		my $started = refused('TQ002', qr/already started/);

		return $use
		  if defined $args->{request_id}
		  && defined $current->{request_id}
		  && $args->{request_id} eq $current->{request_id};
		if (is_open($current))
		{
			return $use if is_attached($current, $args->{request_id});
			return $started
			  if ($args->{id_conflict_policy} // '') ne 'use_existing';
			attach($current, $args->{request_id});
			return $use;
		}
		my $reuse = $args->{id_reuse_policy} // 'allow_duplicate';
		return $started
		  if $reuse eq 'reject_duplicate'
		  || ($reuse eq 'allow_duplicate_failed_only'
			&& $current->{state} eq 'C');
	}
	return ok(
		{
			created => 1,
			run => {
				(
					map { $_ => $args->{$_} }
					  qw(activity_id request_id activity_type input header
					  summary search_attributes)
				),
				options => \%options,
			}
		});
}

# An open run remembers the last requests that it was the answer to.
sub is_attached
{
	my ($run, $request_id) = @_;

	return defined $request_id
	  && grep { $_ eq $request_id } @{ $run->{attached} // [] };
}

sub attach
{
	my ($run, $request_id) = @_;

	return unless defined $request_id;
	push @{ $run->{attached} }, $request_id;
	shift @{ $run->{attached} } if @{ $run->{attached} } > 50;
	return;
}

sub born
{
	my ($self, $run, $run_id, $now) = @_;

	$run->{run_id} = $run_id;
	$run->{schedule_time} = $now;
	$run->{original} = copy_options($run->{options});
	$run->{attempt} = 1;
	$run->{transitions} = 0;
	$run->{heartbeat_count} = 0;
	$self->{runs}->{$run_id} = $self->{open}->{$run_id} = $run;
	dispatch_at($run, first_dispatch($run));
	return $run;
}

# A closed run again.
sub retry
{
	my ($self, $args, $now) = @_;
	my $old = $self->run($args->{run_id}) or return not_found();
	my $rival;

	return precondition(qr//) if is_open($old) || $old->{state} eq 'C';
	$rival = $self->latest_run($old->{activity_id})
	  if defined $old->{activity_id};
	return refused('TQ002', qr/already started/)
	  if $rival && is_open($rival);
	return ok(
		{
			created => 1,
			run => {
				(
					map { $_ => $old->{$_} }
					  qw(activity_id activity_type input header summary
					  search_attributes)
				),
				options =>
				  { %{ copy_options($old->{options}) }, start_delay => 0 },
			}
		});
}

# ---- poll ----------------------------------------------------------------

# Judge the runs that a poll returned, in order. Returns what is wrong, or
# nothing; the attempts are then started.
sub poll
{
	my ($self, $args, $now, $rows) = @_;
	my %left = map { $_->{run_id} => $_ }
	  grep {
			 $_->{state} eq 'S'
		  && $_->{options}->{task_queue} eq $args->{task_queue}
	  } $self->runs;
	my %returned = map { $_->{run_id} => 1 } @$rows;
	my ($wrong, $previous);

	return 'more rows than asked for' if @$rows > $args->{max_tasks};
	foreach my $row (@$rows)
	{
		my $run = delete $left{ $row->{run_id} }
		  or return "run $row->{run_id} was not to be had";

		return "run $run->{run_id} is not due"
		  if lo($run->{dispatch}) > hi($now);
		foreach my $other (values %left)
		{
			# due for certain, and to be had first
			next if hi($other->{dispatch}) > lo($now);
			return "run $other->{run_id} has a better priority than $run->{run_id}"
			  if level($other) < level($run);
			next
			  if level($other) > level($run)
			  || fairness_key($other) ne fairness_key($run);
			return "run $other->{run_id} is due before $run->{run_id}"
			  if hi($other->{dispatch}) < lo($run->{dispatch});
		}
		$wrong = $self->start($run, $row, $args, $now);
		return $wrong if $wrong;
	}
	return 'there are tasks due'
	  if @$rows < $args->{max_tasks}
	  && grep { hi($_->{dispatch}) <= lo($now) } values %left;
	return;
}

sub fairness_key { return $_[0]->{options}->{fairness_key} // '' }

# A poller takes the attempt; compare what it got.
sub start
{
	my ($self, $run, $row, $args, $now) = @_;
	my $o = $run->{options};
	my %expected = (
		activity_id => $run->{activity_id},
		activity_type => $run->{activity_type},
		task_queue => $o->{task_queue},
		attempt => $run->{attempt},
		priority => $o->{priority},
		fairness_key => $o->{fairness_key},
		(
			map { $_ => $o->{$_} || undef }
			  qw(schedule_to_close_timeout start_to_close_timeout
			  heartbeat_timeout)
		));

	$run->{started_time} = $now;
	$run->{first_started_time} //= $now;
	$run->{worker} = $args->{identity};
	foreach my $column (keys %expected)
	{
		return "poll: $column" unless same($expected{$column}, $row->{$column});
	}
	foreach my $column (qw(input header heartbeat_details))
	{
		return "poll: $column" unless same($run->{$column}, $row->{$column});
	}
	return 'poll: scheduled_time'
	  unless pin($run->{schedule_time}, $row->{scheduled_time});
	return 'poll: current_attempt_scheduled_time'
	  unless pin($run->{dispatch}, $row->{current_attempt_scheduled_time});
	return 'poll: started_time'
	  unless pin($run->{started_time}, $row->{started_time});
	return 'poll: started before it was dispatched'
	  if $row->{started_time} < $row->{current_attempt_scheduled_time};
	return 'poll: a token twice' if $self->{tokens}->{ $row->{task_token} };
	$self->{tokens}->{ $row->{task_token} } =
	  { run_id => $run->{run_id} };
	$run->{token} = $row->{task_token};
	enter($run, 'R');
	return;
}

# ---- reports -------------------------------------------------------------

# The run of a worker's call: by token, only while the attempt runs that the
# token was made for; else by id.
sub holder
{
	my ($self, $args) = @_;
	my $token = $args->{task_token};
	my $run;

	return $self->find($args) unless defined $token;
	return unless $self->{tokens}->{$token};
	$run = $self->run($self->{tokens}->{$token}->{run_id} // -1) or return;
	return unless in_progress($run) && $run->{token} eq $token;
	return $run;
}

sub complete
{
	my ($self, $args, $now) = @_;
	my $run = $self->holder($args);

	return not_found() unless $run && is_open($run);
	unless (in_progress($run))
	{
		$run->{started_time} = $now;
		$run->{first_started_time} //= $now;
	}
	$run->{worker} = $args->{identity} // $run->{worker};
	$run->{complete_time} = $now;
	close_run($run, 'C', $now, result => $args->{result});
	return ok();
}

sub report_canceled
{
	my ($self, $args, $now) = @_;
	my $run = $self->holder($args);

	return not_found() unless $run && in_progress($run);
	return invalid(qr/without activity being request canceled first/)
	  if $run->{state} ne 'CR';
	perhaps_worker($run, $args->{identity});
	$run->{complete_time} = $now;
	close_run(
		$run, 'X', $now,
		failure => canceled_failure(
			$args->{details}, $run->{cancel}->{identity}));
	return ok();
}

sub canceled_failure
{
	my ($details, $identity) = @_;

	return {
		kind => 'canceled',
		message => 'Activity canceled',
		defined $details ? (details => $details) : (),
		defined $identity ? (identity => $identity) : ()
	};
}

sub heartbeat
{
	my ($self, $args, $now) = @_;
	my $run = $self->holder($args);

	return not_found() unless $run && in_progress($run);
	perhaps_worker($run, $args->{identity});
	record_heartbeat($run, $args->{details}, $now);
	return ok(
		[
			$run->{state} eq 'CR' ? 't' : 'f',
			$run->{state} eq 'PR' ? 't' : 'f',
			$run->{state} eq 'RR' ? 't' : 'f'
		]);
}

sub fail
{
	my ($self, $args, $now) = @_;
	my ($run, $failure, $retryable);

	return invalid(qr/next_retry_delay/)
	  if ($args->{next_retry_delay} // 0) < 0;
	$run = $self->holder($args);
	return not_found() unless $run && in_progress($run);

	$retryable = !$args->{non_retryable};
	$retryable = 0
	  if defined $args->{error_type}
	  && grep { $_ eq $args->{error_type} }
	  @{ $run->{options}->{retry_policy}->{non_retryable_error_types} };
	$failure = { kind => 'application' };
	foreach my $key (qw(message details stack_trace cause))
	{
		$failure->{$key} = $args->{$key} if defined $args->{$key};
	}
	$failure->{type} = $args->{error_type} if defined $args->{error_type};
	$failure->{non_retryable} = \1 if $args->{non_retryable};
	$failure->{message} = 'activity task failed without failure details'
	  if keys %$failure == 1;

	record_heartbeat($run, $args->{last_heartbeat_details}, $now)
	  if defined $args->{last_heartbeat_details};
	perhaps_worker($run, $args->{identity});
	return ok(
		$self->attempt_ended(
			$run, $now,
			retryable => $retryable,
			delay => $args->{next_retry_delay},
			last_failure => $failure,
			close => sub { ('F', $failure) }));
}

# An attempt ended without success: what now? Returns the retry state.
sub attempt_ended
{
	my ($self, $run, $now, %end) = @_;
	my $policy = $run->{options}->{retry_policy};
	my ($interval, $next, $why);

	if ($run->{state} eq 'RR')
	{
		$run->{last_failure} = $end{last_failure};
		carry_out_reset($run, $now);
		return 'in_progress';
	}
	$interval =
	  $end{delay}
	  ? between($end{delay}, $end{delay})
	  : policy_interval($policy, $run->{attempt});
	$next = plus($now, $interval);
	if ($run->{state} eq 'CR')
	{
		$why = 'cancel_requested';
	}
	elsif (!$end{retryable})
	{
		$why = 'non_retryable_failure';
	}
	elsif ($policy->{maximum_attempts} > 0
		&& $run->{attempt} >= $policy->{maximum_attempts})
	{
		$why = 'maximum_attempts_reached';
	}
	elsif (expiration($run) && !$self->is_before($next, expiration($run)))
	{
		$why = 'timeout';
	}

	$run->{complete_time} = $now;
	if ($why)
	{
		my ($state, $failure) = $end{close}->($why);

		$run->{last_failure} = $end{last_failure};
		clear_backoff($run);
		close_run(
			$run, $state, $now,
			failure => $failure,
			retry_state => $why);
		return $why;
	}
	$run->{last_failure} = $end{last_failure};
	$run->{attempt}++;
	$run->{interval} = $interval;
	$run->{interval_by_worker} = $end{delay} ? 1 : 0;
	if ($run->{state} eq 'PR')
	{
		delete $run->{dispatch};
		enter($run, 'P');
	}
	else
	{
		dispatch_at($run, $next);
	}
	return 'in_progress';
}

sub carry_out_reset
{
	my ($run, $now) = @_;
	my $reset = delete $run->{reset};

	$run->{complete_time} = $now;
	restore_options($run) if $reset->{restore_original_options};
	clear_heartbeat($run) if $reset->{reset_heartbeat};
	$run->{attempt} = 1;
	clear_backoff($run);
	if ($reset->{land_paused})
	{
		delete $run->{dispatch};
		enter($run, 'P');
	}
	else
	{
		dispatch_at($run, jittered($now, $reset->{jitter}));
	}
	return;
}

# The attempt is handed back: what was asked for is carried out, else it waits
# where it did before, under the same number.
sub release
{
	my ($self, $args, $now) = @_;
	my $delay = $args->{delay} // 0;
	my $run;

	return invalid(qr/invalid delay/) if $delay < 0;
	$run = $self->holder($args);
	return not_found() unless $run && in_progress($run);

	record_heartbeat($run, $args->{last_heartbeat_details}, $now)
	  if defined $args->{last_heartbeat_details};
	perhaps_worker($run, $args->{identity});
	if ($run->{state} eq 'CR')
	{
		my $cancel = $run->{cancel};

		$run->{complete_time} = $now;
		close_run(
			$run, 'X', $now,
			failure => canceled_failure(
				defined $cancel->{reason} ? [ $cancel->{reason} ] : undef,
				$cancel->{identity}));
		return ok();
	}
	if ($delay)
	{
		$run->{complete_time} = $now;
		$run->{interval} = between($delay, $delay);
		$run->{interval_by_worker} = 1;
	}
	if ($run->{state} eq 'RR')
	{
		carry_out_reset($run, $now);
	}
	elsif ($run->{state} eq 'PR')
	{
		delete $run->{dispatch};
		enter($run, 'P');
	}
	else
	{
		$self->dispatch_released($run, $delay, $now);
	}
	return ok();
}

sub dispatch_released
{
	my ($self, $run, $delay, $now) = @_;
	my $wait = $run->{options}->{schedule_to_start_timeout};
	my $when = $delay ? plus($now, $delay) : $run->{dispatch};

	# it was started in time: that timer begins anew, if it would be the first
	$when = $now
	  if !$delay
	  && $wait
	  && !(expiration($run)
		&& $self->is_before(expiration($run), plus($when, $wait)));
	dispatch_at($run, $when);
	return;
}

# ---- timers --------------------------------------------------------------

sub fire
{
	my ($self, $run, $type, $now) = @_;

	if ($type eq 'schedule_to_start' || $type eq 'schedule_to_close')
	{
		my $why = $run->{state} eq 'CR' ? 'cancel_requested' : 'timeout';

		$run->{complete_time} = $now if in_progress($run);
		close_run(
			$run, 'O', $now,
			failure => timeout_failure(
				$type, circumstances($run, $run->{last_failure})),
			retry_state => $why);
		return;
	}

	my $cause = $run->{last_failure};
	my $listed = "TemporalTimeout:$timeout_name{$type}";
	my @types =
	  @{ $run->{options}->{retry_policy}->{non_retryable_error_types} };
	$self->attempt_ended(
		$run, $now,
		retryable => !(grep { $_ eq $listed } @types),
		last_failure => timeout_failure($type),
		close => sub {
			my ($why) = @_;
			my $failure =
			  timeout_failure($why eq 'timeout' ? 'schedule_to_close' : $type,
				circumstances($run, $cause));

			$failure->{message} =
			  'Not enough time to schedule next retry before activity '
			  . 'ScheduleToClose timeout, giving up retrying'
			  if $why eq 'timeout';
			return ('O', $failure);
		});
	return;
}

# ---- control operations --------------------------------------------------

my %state_name = (
	C => 'completed',
	F => 'failed',
	X => 'canceled',
	T => 'terminated',
	O => 'timed_out');

# Was this request already carried out?
sub repeated
{
	my ($recorded, $args) = @_;

	return
		 defined $recorded
	  && defined $args->{request_id}
	  && $recorded eq $args->{request_id};
}

# The id under which a request is recorded; one that was given none is never
# seen again.
sub request_id { return $_[0]->{request_id} // 'anonymous' }

sub request_cancel
{
	my ($self, $args, $now) = @_;
	my $run = $self->find($args) or return not_found();
	my $state = $run->{state};

	return ok() if repeated($run->{cancel}->{request_id}, $args);
	return precondition(qr/activity is in terminal state/)
	  unless is_open($run);
	return precondition(qr/cancellation already requested with request ID/)
	  if $state eq 'CR';
	$run->{cancel} = {
		request_id => request_id($args),
		identity => $args->{identity},
		reason => $args->{reason}
	};
	if (in_progress($run))
	{
		forget_reset($run);
		enter($run, 'CR');
	}
	else
	{
		close_run(
			$run, 'X', $now,
			failure => canceled_failure(
				defined $args->{reason} ? [ $args->{reason} ] : undef,
				$args->{identity}));
	}
	return ok();
}

sub terminate
{
	my ($self, $args, $now) = @_;
	my $run = $self->find($args) or return not_found();

	if ($run->{state} eq 'T')
	{
		return ok() if repeated($run->{terminate_id}, $args);
		return precondition(qr/already terminated with request ID/);
	}
	return precondition(qr/invalid transition from/) unless is_open($run);
	$run->{terminate_id} = request_id($args);

	# The contract doesn't say whether the attempt is complete then.
	$run->{maybe_complete_time} = $now if in_progress($run);
	close_run(
		$run, 'T', $now,
		failure => {
			kind => 'terminated',
			message => $args->{reason} // 'terminated',
			defined $args->{identity} ? (identity => $args->{identity}) : ()
		});
	return ok();
}

sub pause
{
	my ($self, $args, $now) = @_;
	my $run = $self->find($args) or return not_found();

	return ok() if repeated($run->{pause_id}, $args);
	return precondition(qr/non-pausable state/)
	  unless $run->{state} eq 'S' || $run->{state} eq 'R';
	$run->{pause_id} = request_id($args);
	delete $run->{dispatch} if $run->{state} eq 'S';
	enter($run, $run->{state} eq 'S' ? 'P' : 'PR');
	return ok();
}

sub unpause
{
	my ($self, $args, $now) = @_;
	my $run;

	return invalid(qr/invalid jitter/) if ($args->{jitter} // 0) < 0;
	$run = $self->find($args) or return not_found();
	return ok() if repeated($run->{unpause_id}, $args);
	return precondition(qr/terminal state/) unless is_open($run);
	return precondition(qr/non-unpausable state/)
	  unless $run->{state} eq 'P' || $run->{state} eq 'PR';
	$run->{unpause_id} = request_id($args);
	if ($run->{state} eq 'PR')
	{
		enter($run, 'R');
		return ok();
	}

	my $when = jittered($now, $args->{jitter});
	unless ($args->{skip_backoff})
	{
		$when = latest($when, first_dispatch($run)) if never_started($run);
		$when = latest($when, plus($run->{complete_time}, $run->{interval}))
		  if $run->{interval};
	}
	dispatch_at($run, $when);
	return ok();
}

sub reset
{
	my ($self, $args, $now) = @_;
	my $run;

	return invalid(qr/invalid jitter/) if ($args->{jitter} // 0) < 0;
	$run = $self->find($args) or return not_found();
	return ok() if repeated($run->{reset_id}, $args);
	return precondition(qr/activity execution is not running/)
	  unless is_open($run);
	return precondition(
		qr/cannot reset an activity with a pending cancellation/)
	  if $run->{state} eq 'CR';
	return precondition(qr/cannot reset an activity with a pending reset/)
	  if $run->{state} eq 'RR';
	$run->{reset_id} = request_id($args);
	if (in_progress($run))
	{
		$run->{reset} = {
			(
				map { $_ => $args->{$_} }
				  qw(reset_heartbeat restore_original_options jitter)
			),
			land_paused => $args->{keep_paused} && $run->{state} eq 'PR'
		};
		enter($run, 'RR');
		return ok();
	}

	restore_options($run) if $args->{restore_original_options};
	clear_heartbeat($run) if $args->{reset_heartbeat};
	$run->{attempt} = 1;
	clear_backoff($run);
	if ($run->{state} eq 'P' && $args->{keep_paused})
	{
		enter($run, 'P');
		return ok();
	}
	my $when = jittered($now, $args->{jitter});
	$when = latest($when, first_dispatch($run)) if never_started($run);
	dispatch_at($run, $when);
	return ok();
}

sub update_options
{
	my ($self, $args, $now) = @_;
	my $mask = $args->{options};
	my ($run, $options, $wrong);

	return invalid(qr/both options and restore_original/)
	  if $mask && $args->{restore_original};
	return invalid(qr/provided/) if !$mask && !$args->{restore_original};
	return invalid(qr/at least one/) if $mask && !%$mask;
	$run = $self->find($args) or return not_found();
	return ok($run->{options}) if repeated($run->{update_id}, $args);
	return precondition(qr/[Cc]annot update options/)
	  unless $run->{state} =~ /^(?:S|R|PR|P)$/;
	if ($mask)
	{
		$options = merge($run->{options}, $mask);
		$wrong = check_options($options);
		return {
			%{ precondition(qr/cannot update start_delay/) },
			$wrong ? (or => invalid($wrong)) : ()
		  }
		  if ($options->{start_delay} // 0) != ($run->{options}->{start_delay} // 0)
		  && !$self->start_delay_is_open($run, $now);
		return invalid($wrong) if $wrong;
		$run->{options} = $options;
	}
	else
	{
		restore_options($run);
	}
	$run->{update_id} = request_id($args);

	my $policy_touched = !$mask || exists $mask->{retry_policy};
	$run->{interval} =
	  policy_interval($run->{options}->{retry_policy}, $run->{attempt} - 1)
	  if $policy_touched
	  && $run->{interval}
	  && !$run->{interval_by_worker}
	  && !in_progress($run);
	if ($run->{state} eq 'S')
	{
		my $when = $now;

		if ($run->{interval})
		{
			$when =
			  latest($now, plus($run->{complete_time}, $run->{interval}));
		}
		else
		{
			$when = latest($now, first_dispatch($run));
		}
		dispatch_at($run, $when);
	}
	else
	{
		enter($run, $run->{state});
	}
	return ok($run->{options});
}

sub start_delay_is_open
{
	my ($self, $run, $now) = @_;

	return 0 unless never_started($run);
	return 1 if $run->{state} eq 'P';
	return $run->{state} eq 'S'
	  && $self->is_before($now, first_dispatch($run));
}

# The keys of the mask, which unset what they have no value for.
sub merge
{
	my ($options, $mask) = @_;
	my $merged = copy_options($options);

	foreach my $key (keys %$mask)
	{
		if ($key ne 'retry_policy')
		{
			$merged->{$key} = $mask->{$key};
		}
		elsif (!$mask->{$key})
		{
			$merged->{$key} = undef;
		}
		else
		{
			$merged->{$key} = { %{ $merged->{$key} }, %{ $mask->{$key} } };
		}
	}
	return $merged;
}

sub delete
{
	my ($self, $args, $now) = @_;
	my $run = $self->find($args) or return not_found();

	$self->forget($run);
	return ok();
}

# ---- what is to be seen --------------------------------------------------

my %status = (
	S => 'running',
	R => 'running',
	CR => 'running',
	PR => 'running',
	RR => 'running',
	P => 'paused',
	%state_name);
my %run_state = (
	S => 'scheduled',
	R => 'started',
	CR => 'cancel_requested',
	PR => 'pause_requested',
	P => 'paused');

# Columns that have one possible value.
sub expected
{
	my ($run) = @_;
	my $o = $run->{options};
	my $policy = $o->{retry_policy};
	my $run_state = $run_state{ $run->{state} };

	$run_state = $run->{reset}->{land_paused} ? 'pause_requested' : 'started'
	  if $run->{state} eq 'RR';
	return {
		status => $status{ $run->{state} },
		run_state => $run_state,
		heartbeat_count => $run->{heartbeat_count},
		cancel_reason => $run->{cancel}->{reason},
		start_delay => $o->{start_delay} || undef,
		(map { $_ => $o->{$_} || undef } @timeouts),
		(
			map { $_ => $o->{$_} }
			  qw(task_queue priority fairness_key fairness_weight)
		),
		(
			map { $_ => $policy->{$_} }
			  qw(initial_interval backoff_coefficient maximum_interval
			  maximum_attempts jitter)
		),
		non_retryable_error_types =>
		  join(' ', @{ $policy->{non_retryable_error_types} }),
		(
			map { $_ => $run->{$_} }
			  qw(activity_id activity_type attempt input header result failure
			  retry_state last_failure heartbeat_details transitions summary
			  search_attributes)
		),
	};
}

# Compare a run with a row of taskq's, read between two instants. Returns
# what differs.
sub compare
{
	my ($self, $run, $row, $read) = @_;
	my $expected = expected($run);
	my @wrong;
	my $check = sub {
		my ($column, $instant) = @_;
		my $shown = $row->{$column};

		return if !$instant && !defined $shown;
		push @wrong,
		  "$column: expected "
		  . show_instant($instant) . ', got '
		  . ($shown // 'NULL')
		  unless $instant && defined $shown && pin($instant, $shown);
	};

	foreach my $column (sort keys %$expected)
	{
		push @wrong,
		  "$column: expected "
		  . show($expected->{$column})
		  . ', got '
		  . show($row->{$column})
		  unless same($expected->{$column}, $row->{$column});
	}
	$check->('schedule_time', $run->{schedule_time});
	$check->('execution_time', first_dispatch($run));
	$check->('expiration_time', expiration($run));
	$check->('last_started_time', $run->{started_time});
	$check->('first_started_time', $run->{first_started_time});
	$check->('last_heartbeat_time', $run->{heartbeat_time});
	$check->('close_time', $run->{close_time});
	if ($run->{maybe_complete_time})
	{
		my $shown = $row->{last_attempt_complete_time};

		$run->{complete_time} = $run->{maybe_complete_time}
		  if defined $shown && $shown == ($row->{close_time} // -1);
		delete $run->{maybe_complete_time};
	}
	$check->('last_attempt_complete_time', $run->{complete_time});
	push @wrong, $self->compare_dispatch($run, $row, $read);
	push @wrong, compare_worker($run, $row->{last_worker_identity});
	push @wrong, 'execution_duration'
	  if defined $row->{execution_duration}
	  ? $row->{execution_duration} != $row->{close_time} - $row->{schedule_time}
	  : defined $row->{close_time};
	return @wrong;
}

# The next attempt is shown while it is in the future, and its back-off with
# it.
sub compare_dispatch
{
	my ($self, $run, $row, $read) = @_;
	my ($next, $interval) =
	  @$row{qw(next_attempt_schedule_time current_retry_interval)};
	my $dispatch = $run->{state} eq 'S' ? $run->{dispatch} : undef;
	my @wrong;

	if (!defined $next)
	{
		push @wrong,
		  'next_attempt_schedule_time: expected '
		  . show_instant($dispatch)
		  . ', got NULL'
		  if $dispatch && !pin_not_after($dispatch, hi($read));
		push @wrong, 'current_retry_interval without a next attempt'
		  if defined $interval;
		return @wrong;
	}
	return 'next_attempt_schedule_time: expected none' unless $dispatch;
	if ($run->{interval})
	{
		push @wrong,
		  'current_retry_interval: expected '
		  . show_instant($run->{interval})
		  . ', got '
		  . ($interval // 'NULL')
		  unless defined $interval && pin($run->{interval}, $interval);
	}
	elsif (defined $interval)
	{
		push @wrong, 'current_retry_interval: expected none';
	}
	push @wrong,
	  'next_attempt_schedule_time: expected '
	  . show_instant($dispatch)
	  . ", got $next"
	  unless pin($dispatch, $next);
	push @wrong, 'next_attempt_schedule_time is not in the future'
	  if $next < lo($read);
	return @wrong;
}

sub compare_worker
{
	my ($run, $shown) = @_;
	my @queue = ($run->{worker});
	my @allowed;

	while (@queue)
	{
		my $worker = shift @queue;

		if (ref $worker)
		{
			push @queue, @$worker;
		}
		else
		{
			push @allowed, $worker;
		}
	}
	return 'last_worker_identity: got ' . ($shown // 'NULL')
	  unless grep { same($_, $shown) } @allowed;
	$run->{worker} = $shown;
	return;
}

# ---- comparing values ----------------------------------------------------

# Deep equality of what JSON can express; numbers by value, and booleans as
# psql prints them.
sub same
{
	my ($a, $b) = @_;

	return !defined $a && !defined $b unless defined $a && defined $b;
	$a = "$$a" ? 't' : 'f' if ref $a eq 'SCALAR';
	$a = $a ? 't' : 'f' if ref $a eq 'JSON::PP::Boolean';
	$b = $b ? 't' : 'f' if ref $b eq 'JSON::PP::Boolean';
	return 0 if ref $a ne ref $b;
	if (ref $a eq 'HASH')
	{
		return keys %$a == keys %$b
		  && !grep { !exists $b->{$_} || !same($a->{$_}, $b->{$_}) } keys %$a;
	}
	if (ref $a eq 'ARRAY')
	{
		return @$a == @$b && !grep { !same($a->[$_], $b->[$_]) } 0 .. $#$a;
	}
	return 1 if $a eq $b;
	return $a =~ /^-?[\d.]+$/ && $b =~ /^-?[\d.]+$/ && $a == $b;
}

sub show
{
	my ($value) = @_;

	return 'NULL' unless defined $value;
	return $$value ? 'true' : 'false' if ref $value eq 'SCALAR';
	return '[' . join(', ', map { show($_) } @$value) . ']'
	  if ref $value eq 'ARRAY';
	return
	  '{' . join(', ', map { "$_: " . show($value->{$_}) } sort keys %$value) . '}'
	  if ref $value eq 'HASH';
	return "$value";
}

sub show_instant
{
	my ($instant) = @_;

	return 'NULL' unless $instant;
	return lo($instant) == hi($instant)
	  ? lo($instant)
	  : lo($instant) . '..' . hi($instant);
}

1;
