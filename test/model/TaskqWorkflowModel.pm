# What a workflow run does, stated a second time: its history and what is
# pending, to compare taskq with. It knows no SQL. Who drives it says what was
# called and when, and compares what taskq shows.
#
# Some things happen by themselves: a timer fires, mail that was committed is
# put into the history. When, and in which order, is left open. So what is
# known of a run is a set of states, each of which is legal; a call has
# outcomes, each with the answer to expect and the state that follows; and what
# is seen leaves those states over that agree with it.
#
# An instant is a pair of microseconds between which it lies. A duration of 0 is
# one that is not set.
package TaskqWorkflowModel;

use strict;
use warnings;

use JSON::PP;
use List::Util qw(max min first);
use MIME::Base64;
use Storable;

use constant {
	SECOND => 1_000_000,
	TASK_TIMEOUT => 10_000_000,
	MAX_TASK_TIMEOUT => 120_000_000,
	BACKOFF => 1_000_000,		# between runs of a chain, at least
	MANY => 1_000,				# states of a run that are too many to follow
};

# Time-outs that are retried, as policies name them.
my %retried_timeouts = (
	TIMEOUT_TYPE_START_TO_CLOSE => 'TemporalTimeout:StartToClose',
	TIMEOUT_TYPE_HEARTBEAT => 'TemporalTimeout:Heartbeat');

my $json = JSON::PP->new->canonical->allow_nonref;

# ---- values --------------------------------------------------------------

# What an attribute is compared with where it can't be known: any value, none
# or any value, one of several, a duration in a range.
sub any { return { '*' => 'any' } }

sub perhaps { return { '*' => 'perhaps' } }

sub among { return { '*' => 'among', values => [@_] } }

sub duration_in { return { '*' => 'duration', lo => $_[0], hi => $_[1] } }

# An object of which only these keys are compared.
sub object_with { return { '*' => 'with', keys => {@_} } }

sub seconds
{
	my ($us) = @_;
	my ($whole, $rest) = (int($us / SECOND), $us % SECOND);

	return $whole . 's' unless $rest;
	return sprintf('%d.%03ds', $whole, $rest / 1000) unless $rest % 1000;
	return sprintf('%d.%06ds', $whole, $rest);
}

# Microseconds of a duration in protobuf's form, rounded down.
sub us
{
	my ($text) = @_;
	my ($sign, $whole, $rest) = $text =~ /^(-?)(\d+)(?:\.(\d+))?s$/
	  or die "no duration: $text";
	my $us = $whole * SECOND + substr(($rest // '') . '000000', 0, 6);

	return $sign ? -$us : $us;
}

# One JSON value as payloads.
sub payloads
{
	my ($value) = @_;

	return {
		payloads => [
			{
				metadata => { encoding => encode_base64('json/plain', '') },
				data => encode_base64($json->encode($value), '')
			}
		]
	};
}

# Does a value that taskq shows agree with the one that is expected?
sub agrees
{
	my ($expected, $value) = @_;

	if (ref $expected eq 'HASH' && exists $expected->{'*'})
	{
		my $how = $expected->{'*'};

		return 1 if $how eq 'perhaps';
		return 0 unless defined $value;
		return 1 if $how eq 'any';
		if ($how eq 'with')
		{
			return ref $value eq 'HASH'
			  && !grep { !agrees($expected->{keys}->{$_}, $value->{$_}) }
			  keys %{ $expected->{keys} };
		}
		return scalar grep { $_ eq $value } @{ $expected->{values} }
		  if $how eq 'among';
		return us($value) >= $expected->{lo} && us($value) <= $expected->{hi};
	}
	return !defined $expected && !defined $value
	  unless defined $expected && defined $value;
	$_ = JSON::PP::is_bool($_) ? 0 + $_ : $_ foreach $expected, $value;
	return 0 if ref $expected ne ref $value;
	if (ref $expected eq 'HASH')
	{
		my %keys = (%$expected, %$value);

		return !grep { !agrees($expected->{$_}, $value->{$_}) } keys %keys;
	}
	if (ref $expected eq 'ARRAY')
	{
		return @$expected == @$value
		  && !grep { !agrees($expected->[$_], $value->[$_]) } 0 .. $#$expected;
	}
	return "$expected" eq "$value";
}

sub show { return $json->encode($_[0]) }

# ---- instants ------------------------------------------------------------

sub later { return [ $_[0]->[0] + $_[1], $_[0]->[1] + $_[1] ] }

sub certainly_over { return $_[0]->[1] <= $_[1]->[0] }

sub perhaps_over { return $_[0]->[0] <= $_[1]->[1] }

# ---- states --------------------------------------------------------------

# The options of a run: task_queue, workflow_type, workflow_id, input,
# identity (of who started it, so not of a successor), backoff_shown ('' if it
# is not), chain_end (when the time of all runs is over), task_timeout, run_timeout, retry_policy (of the model of
# activities' form), start_delay; and of the chain it belongs to: attempt,
# first_run, continued_run, initiator, failure.
sub new_run
{
	my ($options, $now) = @_;
	my %o = %$options;
	my $given = $o{task_timeout};
	my $timeout = $given || TASK_TIMEOUT;
	my $run = {
		status => 'running',
		events => [],
		buffer => [],
		mail => [],
		activities => {},
		timers => {},
		requests => {},
		attempt => 1,
		previous => 0,
		options => \%o,
		start => $now,
	};

	$timeout = min($timeout, MAX_TASK_TIMEOUT);
	$timeout = min($timeout, $o{run_timeout}) if $o{run_timeout};
	$o{task_timeout} = $timeout;
	append($run, 'workflow_execution_started', started_attributes(\%o));
	if ($o{backoff})
	{
		$run->{first_task} = later($now, $o{backoff});
	}
	$run->{deadline} =
	  later($now, $o{run_timeout} + ($o{backoff} // 0))
	  if $o{run_timeout};
	return $run;
}

sub started_attributes
{
	my ($o) = @_;
	my %attributes = (
		workflowType => { name => $o->{workflow_type} },
		taskQueue => normal_queue($o->{task_queue}),
		workflowTaskTimeout => seconds($o->{task_timeout}),
		originalExecutionRunId => any(),
		firstExecutionRunId => any(),
		attempt => $o->{attempt} // 1,
		workflowId => $o->{workflow_id},
		%{ $o->{more} // {} });

	my $backoff = $o->{backoff_shown} // seconds($o->{backoff} // 0);

	$attributes{firstWorkflowTaskBackoff} = $backoff if $backoff ne '';
	$attributes{input} = $o->{input} if $o->{input};
	$attributes{identity} = $o->{identity} if defined $o->{identity};
	$attributes{workflowRunTimeout} = seconds($o->{run_timeout})
	  if $o->{run_timeout};
	$attributes{retryPolicy} = policy_attributes($o->{retry_policy})
	  if $o->{retry_policy};
	return %attributes;
}

sub policy_attributes
{
	my ($policy) = @_;

	return {
		initialInterval => seconds($policy->{initial_interval}),
		backoffCoefficient => $policy->{backoff_coefficient},
		maximumInterval => seconds($policy->{maximum_interval}),
		$policy->{maximum_attempts}
		? (maximumAttempts => $policy->{maximum_attempts})
		: (),
		@{ $policy->{non_retryable_error_types} // [] }
		? (nonRetryableErrorTypes => $policy->{non_retryable_error_types})
		: ()
	};
}

# A policy as a command or a request has it, with the defaults filled in.
sub policy_of
{
	my ($given) = @_;
	my %policy = (
		initial_interval => us($given->{initialInterval} // '0s') || SECOND,
		backoff_coefficient => $given->{backoffCoefficient} || 2,
		maximum_attempts => $given->{maximumAttempts} // 0,
		non_retryable_error_types => $given->{nonRetryableErrorTypes} // []);

	$policy{maximum_interval} =
	  us($given->{maximumInterval} // '0s')
	  || 100 * $policy{initial_interval};
	return \%policy;
}

sub policy_interval
{
	my ($policy, $n) = @_;

	return min($policy->{maximum_interval},
		int($policy->{initial_interval} *
			  $policy->{backoff_coefficient}**($n - 1)));
}

sub normal_queue { return { name => $_[0], kind => 'TASK_QUEUE_KIND_NORMAL' } }

# A state of its own, so that the one it was copied from can be kept. Events are
# never changed.
sub copy
{
	my ($run) = @_;
	my %copy = %$run;

	$copy{$_} = [ @{ $run->{$_} } ] foreach qw(events buffer mail);
	$copy{$_} = $run->{$_} && { %{ $run->{$_} } }
	  foreach qw(task sticky requests started);
	foreach my $what (qw(activities timers))
	{
		$copy{$what} =
		  { map { $_ => { %{ $run->{$what}->{$_} } } }
			  keys %{ $run->{$what} } };
	}
	return \%copy;
}

sub is_running { return $_[0]->{status} eq 'running' }

sub fingerprint
{
	my ($run) = @_;

	local $Storable::canonical = 1;
	return Storable::freeze({ %$run, options => undef });
}

sub distinct
{
	my %seen;

	return grep { !$seen{ fingerprint($_) }++ } @_;
}

# ---- the history ---------------------------------------------------------

# The next event; returns its id.
sub append
{
	my ($run, $type, %attributes) = @_;

	push @{ $run->{events} },
	  { type => $type, attributes => \%attributes };
	return scalar @{ $run->{events} };
}

# An event that had been waiting: what it says of another that waited with it
# is known now.
sub append_arrived
{
	my ($run, $event) = @_;
	my %attributes = %{ $event->{attributes} };
	my $scheduled = $event->{started_of};
	my $id;

	$attributes{startedEventId} = $run->{started}->{$scheduled}
	  if $scheduled && $run->{started}->{$scheduled};
	$id = append($run, $event->{type}, %attributes);
	$run->{started}->{ $event->{starts} } = $id if $event->{starts};
	return;
}

# Something happened that the workflow's code did not do. While a task is
# started that waits.
sub arrive
{
	my ($run, $world, @events) = @_;

	if ($run->{task} && $run->{task}->{state} eq 'started')
	{
		push @{ $run->{buffer} },
		  map { { seq => $world->{seq} // 0, %$_ } } @events;
		return;
	}
	append_arrived($run, $_) foreach @events;
	schedule_task($run, $world) unless $world->{together};
	return;
}

# What happens in one go has one task at its end.
sub together
{
	my ($run, $world, $what) = @_;
	my $before = @{ $run->{events} };

	$what->({ %$world, together => 1 });
	schedule_task($run, $world)
	  if @{ $run->{events} } > $before && !$world->{together};
	return;
}

# What waited is put behind the rest, in the order in which it was sent, which
# is not that of the commits; but what closes an activity last, and what came of a
# command behind that. Returns how many there were.
sub flush
{
	my ($run, $in_order) = @_;
	my @waiting = sort { $a->{seq} <=> $b->{seq} } @{ $run->{buffer} };

	@waiting =
	  ((grep { !$_->{closes} } @waiting), (grep { $_->{closes} } @waiting))
	  unless $in_order;
	$run->{buffer} = [];
	append_arrived($run, $_) foreach @waiting;
	return scalar @waiting;
}

# ---- workflow tasks ------------------------------------------------------

# How long attempt number n may take.
sub task_timeout
{
	my ($run, $n) = @_;
	my $timeout = $run->{options}->{task_timeout};
	my $more;

	return [ $timeout, $timeout ] if $n < 4;
	$more = min(5 * SECOND * 2**($n - 4), 600 * SECOND);
	return [ int($timeout + 0.8 * $more), $timeout + $more ];
}

sub scheduled_attributes
{
	my ($run, $attempt, $sticky, $patience_of) = @_;
	my ($lo, $hi) = @{ task_timeout($run, $patience_of // $attempt) };
	my $queue = $run->{options}->{task_queue};

	return (
		taskQueue => $sticky
		? {
			name => $sticky,
			kind => 'TASK_QUEUE_KIND_STICKY',
			normalName => $queue
		  }
		: normal_queue($queue),
		startToCloseTimeout => $lo == $hi
		? seconds($lo)
		: duration_in($lo, $hi),
		attempt => $attempt);
}

# A task, if there is none and the time for one has come. Attempts after the
# first leave no trace while they go on.
sub schedule_task
{
	my ($run, $world) = @_;
	my $sticky = $run->{sticky};
	my $task;

	return if $run->{task} || $run->{first_task} || !is_running($run);
	$task = $run->{task} = {
		state => 'scheduled',
		attempt => $run->{attempt},
		at => $world->{now},
		where => 'normal',
	};
	if ($run->{attempt} > 1)
	{
		$task->{transient} = 1;
		$task->{events} = @{ $run->{events} };
		return;
	}
	$task->{scheduled} = append($run, 'workflow_task_scheduled',
		scheduled_attributes($run, 1, $sticky && $sticky->{queue}));
	if ($sticky)
	{
		my $alive = $world->{alive}->($sticky->{queue});

		$task->{sticky} = $sticky->{queue};
		$task->{where} =
		  !defined $alive ? 'either' : $alive ? 'sticky' : 'normal';
		$task->{deadline} = later($world->{now}, $sticky->{timeout})
		  if $sticky->{timeout};
	}
	return;
}

# A worker takes the task. What has come since the last attempt failed makes
# another first attempt of it.
sub start_task
{
	my ($run, $world, $identity) = @_;
	my $task = $run->{task};
	my $n = $task->{attempt};

	# how long it may take has been said before
	if ($task->{transient} && $task->{events} != @{ $run->{events} })
	{
		$run->{attempt} = $task->{attempt} = 1;
		delete $task->{transient};
		$task->{scheduled} = append($run, 'workflow_task_scheduled',
			scheduled_attributes($run, 1, undef, $n));
	}
	$task->{started} = @{ $run->{events} } + ($task->{transient} ? 2 : 1);
	$task->{identity} = $identity;
	append(
		$run, 'workflow_task_started',
		scheduledEventId => "$task->{scheduled}",
		identity => $identity,
		requestId => any(),
		historySizeBytes => any()) unless $task->{transient};
	$task->{state} = 'started';
	$task->{lasts} = task_timeout($run, $n);
	$task->{deadline} = [
		$world->{now}->[0] + $task->{lasts}->[0],
		$world->{now}->[1] + $task->{lasts}->[1]
	];
	delete $task->{events};
	return;
}

# The two events of an attempt after the first, as the worker is shown them, or
# as they are kept when it has done its work.
sub transient_events
{
	my ($run) = @_;
	my $task = $run->{task};

	return (
		{
			type => 'workflow_task_scheduled',
			attributes => { scheduled_attributes($run, $task->{attempt}) }
		},
		{
			type => 'workflow_task_started',
			attributes => {
				scheduledEventId => '' . ($task->{started} - 1),
				identity => $task->{identity},
				requestId => any(),
				historySizeBytes => any()
			}
		});
}

sub task_reference
{
	my ($task) = @_;

	return (
		scheduledEventId => '' . ($task->{scheduled} // $task->{started} - 1),
		$task->{started} ? (startedEventId => "$task->{started}") : ());
}

# The task is over without success, and there will be another attempt, on the
# normal queue. It is another first one if the run still had a sticky queue.
sub task_failed
{
	my ($run, $world, $type, %attributes) = @_;
	my $task = $run->{task};

	append($run, $type, task_reference($task), %attributes)
	  unless $task->{transient};
	delete $run->{task};
	$run->{attempt}++ if $task->{started} && !$run->{sticky};
	delete $run->{sticky};
	$run->{attempt} = 1 if flush($run);
	schedule_task($run, $world);
	return;
}

sub cause { return "WORKFLOW_TASK_FAILED_CAUSE_$_[0]" }

# ---- closing -------------------------------------------------------------

sub close_run
{
	my ($run, $status, $type, %attributes) = @_;

	append($run, $type, %attributes);
	$run->{status} = $status;
	$run->{$_} = {} foreach qw(activities timers requests);
	$run->{$_} = [] foreach qw(buffer mail);
	delete @$run{qw(task sticky first_task deadline started)};
	return;
}

# Closed from outside: the worker whose task is started will not be heard any
# more.
sub force_close
{
	my ($run, $status, $type, %attributes) = @_;
	my $task = $run->{task};

	append(
		$run, 'workflow_task_failed',
		task_reference($task),
		cause => cause('FORCE_CLOSE_COMMAND'),
		identity => 'history-service')
	  if $task && $task->{state} eq 'started' && !$task->{transient};
	flush($run);
	close_run($run, $status, $type, %attributes);
	return;
}

# The run that comes after this one.
sub succeed
{
	my ($run, $world, $options) = @_;

	$run->{next} = { options => $options, at => $world->{now} } if $options;
	return;
}

# Is there another run after this one has failed or timed out? Returns the
# retry state and the options of the next run.
sub retry_run
{
	my ($run, $failure, $now) = @_;
	my $o = $run->{options};
	my $policy = $o->{retry_policy} or return 'RETRY_POLICY_NOT_SET';
	my $attempt = $o->{attempt} // 1;
	my $details = $failure->{applicationFailureInfo} // {};
	my $timeout = $failure->{timeoutFailureInfo};
	my $interval;

	return 'NON_RETRYABLE_FAILURE'
	  if $details->{nonRetryable}
	  || $failure->{terminatedFailureInfo}
	  || $failure->{canceledFailureInfo}
	  || $timeout && !$retried_timeouts{ $timeout->{timeoutType} // '' }
	  || grep { $_ eq ($timeout
			? $retried_timeouts{ $timeout->{timeoutType} }
			: $details->{type} // '') }
	  @{ $policy->{non_retryable_error_types} // [] };
	return 'MAXIMUM_ATTEMPTS_REACHED'
	  if $policy->{maximum_attempts} && $attempt >= $policy->{maximum_attempts};
	$interval =
	    $details->{nextRetryDelay}
	  ? min(us($details->{nextRetryDelay}), $policy->{maximum_interval})
	  : policy_interval($policy, $attempt);
	return 'TIMEOUT'
	  if $o->{chain_end} && !perhaps_over(later($now, $interval), $o->{chain_end});
	return (
		'IN_PROGRESS',
		{
			%$o,
			identity => undef,
			attempt => $attempt + 1,
			backoff => $interval,
			backoff_shown => undef,
			more => {
				continuedExecutionRunId => any(),
				initiator => 'CONTINUE_AS_NEW_INITIATOR_RETRY',
				continuedFailure => $failure
			}
		});
}

# ---- mail ----------------------------------------------------------------

# What was sent inside a transaction, and is committed now, waits until somebody
# locks the run. Letters are put into the history in order of their numbers. To
# send, signal and the like return [answer, state, letter]: the state lacks what
# the letter says.
sub send_mail
{
	my ($run, @letters) = @_;

	my $copy = copy($run);

	push @{ $copy->{mail} }, @letters;
	return $copy;
}

# All of it, or that many letters.
sub drain
{
	my ($run, $world, $count) = @_;
	my @mail = sort { $a->{seq} <=> $b->{seq} } @{ $run->{mail} };

	$run->{mail} = [ splice(@mail, $count // @mail) ];
	together(
		$run, $world,
		sub {
			my ($world) = @_;

			deliver($run, $world, $_) foreach @mail;
		});
	return;
}

sub deliver
{
	my ($run, $world, $letter) = @_;

	if ($letter->{what} eq 'cancel')
	{
		return if $run->{cancel_requested};
		$run->{cancel_requested} = 1;
	}
	arrive($run, { %$world, seq => $letter->{seq} // $world->{seq} },
		@{ $letter->{events} });
	return;
}

# What somebody said outside a transaction is told at once.
sub told
{
	my ($world, $outcome) = @_;
	my ($answer, $state, $letter) = @$outcome;
	my $run;

	return [ $answer, $state ] unless $letter;
	$run = copy($state);
	together(
		$run, $world,
		sub {
			my ($world) = @_;

			drain($run, $world);
			deliver($run, $world, $letter);
		});
	return [ $answer, $run ];
}

# ---- what clients do -----------------------------------------------------

sub ok { return { state => '', value => $_[0] } }

sub refused { return { state => $_[0], message => $_[1] } }

sub signal_letter
{
	my ($args) = @_;

	return {
		what => 'signal',
		request_id => $args->{request_id},
		events => [
			{
				type => 'workflow_execution_signaled',
				attributes => {
					signalName => $args->{signal_name},
					identity => $args->{identity},
					requestId => $args->{request_id} // perhaps(),
					$args->{input} ? (input => $args->{input}) : (),
					%{ $args->{more} // {} }
				}
			}
		]
	};
}

sub cancel_letter
{
	my ($args) = @_;

	return {
		what => 'cancel',
		events => [
			{
				type => 'workflow_execution_cancel_requested',
				attributes => {
					identity => $args->{identity},
					defined $args->{reason} ? (cause => $args->{reason}) : ()
				}
			}
		]
	};
}

# May a signal be sent, and is it a new one? Returns the answer if it is not.
sub signal_answered
{
	my ($run, $args) = @_;

	return refused('TQ001') unless is_running($run);
	return ok()
	  if defined $args->{request_id}
	  && $run->{requests}->{ $args->{request_id} };
	$run->{requests}->{ $args->{request_id} } = 1
	  if defined $args->{request_id};
	return;
}

sub signal
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $answer = signal_answered($run, $args);

	return [ $answer, $state ] if $answer;
	return [ ok(), $run, signal_letter($args) ];
}

sub request_cancel
{
	my ($state, $world, $args) = @_;

	return [ ok(), $state ] unless is_running($state);
	return [ ok(), $state, cancel_letter($args) ];
}

sub terminate
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);

	return [ refused('TQ001'), $state ] unless is_running($run);
	drain($run, $world);
	force_close($run, 'terminated', 'workflow_execution_terminated',
		identity => $args->{identity},
		defined $args->{reason} ? (reason => $args->{reason}) : (),
		$args->{details} ? (details => $args->{details}) : ());
	return [ ok(), $run ];
}

# Another run of the same id takes the place of this one.
sub replaced
{
	my ($state, $world) = @_;

	return terminate(
		$state, $world,
		{
			reason => 'TerminateIfRunning WorkflowIdReusePolicy',
			details => any(),
			identity => any()
		});
}

# A run begins; with a signal, if there is one.
sub start
{
	my ($options, $world, $signal) = @_;
	my $run = new_run($options, $world->{now});

	if ($signal)
	{
		signal_answered($run, $signal);
		append_arrived($run, $_)
		  foreach @{ signal_letter($signal)->{events} };
	}
	schedule_task($run, $world);
	return $run;
}

# ---- what workers of workflows do ----------------------------------------

sub holds
{
	my ($run, $token) = @_;
	my $task = $run->{task};

	return
		 is_running($run)
	  && $task
	  && $task->{state} eq 'started'
	  && defined $task->{token}
	  && $task->{token} eq $token;
}

# Could the task be had from this queue? Returns 2 if it must.
sub is_offered
{
	my ($run, $queue) = @_;
	my $task = $run->{task};
	my $normal;

	return 0 unless $task && $task->{state} eq 'scheduled';
	$normal = $run->{options}->{task_queue} eq $queue;
	return 0 unless $normal || ($task->{sticky} // '') eq $queue;
	return 1 if $task->{where} eq 'either';
	return ($task->{where} eq 'normal') == $normal ? 2 : 0;
}

# A poll has returned this task. It writes nothing, so it need not bring in the
# mail. From the normal queue, it was polled by a worker that need not be the
# sticky one.
sub poll
{
	my ($state, $world, $args) = @_;
	my $drained = copy($state);

	return unless is_running($state);
	return polled($drained, $world, $args) unless @{ $state->{mail} };
	drain($drained, $world);
	return (polled($drained, $world, $args),
		polled(copy($state), $world, $args));
}

sub polled
{
	my ($run, $world, $args) = @_;

	return unless is_offered($run, $args->{task_queue});
	$run->{task}->{before} = copy($run);
	if ($args->{task_queue} eq $run->{options}->{task_queue})
	{
		delete $run->{sticky};
	}
	else
	{
		$run->{task}->{from_sticky} = 1;
	}
	start_task($run, $world, $args->{identity});
	$run->{task}->{token} = $args->{token};
	return [ ok(task_row($run)), $run ];
}

# What a worker is given with a task that is started.
sub task_row
{
	my ($run) = @_;
	my $task = $run->{task};
	my @events = @{ $run->{events} };

	return {
		attempt => $task->{attempt},
		previous_started_event_id => $run->{previous},
		started_event_id => $task->{started},
		first => $task->{from_sticky} ? $run->{previous} + 1 : 1,
		events => \@events,
		transient => $task->{transient} ? [ transient_events($run) ] : undef
	};
}

# As if never polled; but that a task became another first attempt may stay. What
# came meanwhile comes now or soon; whether in its own order or as after a task
# is left open.
sub release
{
	my ($state, $world, $args) = @_;
	my (@outcomes, $drained);

	return [ refused('TQ001'), $state ] unless holds($state, $args->{token});
	$drained = copy($state);
	drain($drained, $world);
	foreach my $before (before_poll($drained))
	{
		push @outcomes, as_mail($before);
		foreach my $in_order (1, 0)
		{
			my $run = copy($before);

			flush($run, $in_order);
			push @outcomes, $run;
		}
	}
	return map { [ ok(), $_ ] } @outcomes;
}

# The state from before the task was started, with what happened since.
sub before_poll
{
	my ($run) = @_;
	my $task = $run->{task};
	my $before = copy($run);
	my @states = ($before);

	$before->{$_} = copy($task->{before})->{$_}
	  foreach qw(events task sticky attempt);
	if ($before->{task}->{transient} && !$task->{transient})
	{
		my $first = copy($before);

		$first->{attempt} = 1;
		$first->{task} = {
			state => 'scheduled',
			attempt => 1,
			at => $task->{at},
			where => 'normal',
			scheduled => append($first, 'workflow_task_scheduled',
				scheduled_attributes($first, 1))
		};
		push @states, $first;
	}
	return @states;
}

# What waited for the end of a task waits for somebody to lock the run.
sub as_mail
{
	my ($run) = @_;
	my $copy = copy($run);

	$copy->{mail} =
	  [ { what => 'events', seq => 0, events => $copy->{buffer} } ]
	  if @{ $copy->{buffer} };
	$copy->{buffer} = [];
	return $copy;
}

sub fail_task
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);

	return [ refused('TQ001'), $state ] unless holds($run, $args->{token});
	drain($run, $world);
	task_failed(
		$run, $world,
		'workflow_task_failed',
		cause => $args->{cause},
		identity => $args->{identity},
		$args->{failure} ? (failure => $args->{failure}) : ());
	return [ ok(), $run ];
}

# Commands that end the run.
my %closing = map { $_ => 1 } qw(COMPLETE_WORKFLOW_EXECUTION
  FAIL_WORKFLOW_EXECUTION CANCEL_WORKFLOW_EXECUTION
  CONTINUE_AS_NEW_WORKFLOW_EXECUTION);

my %apply = (
	SCHEDULE_ACTIVITY_TASK => \&schedule_activity,
	REQUEST_CANCEL_ACTIVITY_TASK => \&cancel_activity,
	START_TIMER => \&start_timer,
	CANCEL_TIMER => \&cancel_timer,
	RECORD_MARKER => \&record_marker,
	UPSERT_WORKFLOW_SEARCH_ATTRIBUTES => \&upsert,
	MODIFY_WORKFLOW_PROPERTIES => \&modify_properties,
	COMPLETE_WORKFLOW_EXECUTION => \&complete_run,
	FAIL_WORKFLOW_EXECUTION => \&fail_run,
	CANCEL_WORKFLOW_EXECUTION => \&cancel_run,
	CONTINUE_AS_NEW_WORKFLOW_EXECUTION => \&continue_as_new,
);

# The worker has done its work: args are token, identity, commands (a list of
# [type, attributes]), sticky (queue and timeout), force, return.
sub complete_task
{
	my ($state, $world, $args) = @_;
	my @commands = @{ $args->{commands} };
	my ($run, $failed, $waits, @outcomes);

	my @refused;

	# which of them is said is left open
	push @refused, [ refused('TQ001'), $state ]
	  unless holds($state, $args->{token});
	push @refused, [ refused('22023', qr/unknown|command/i), $state ]
	  if grep { !$apply{ $_->[0] } } @commands;
	push @refused, [ refused('22023', qr/invalid command sequence/), $state ]
	  if grep { $closing{ $_->[0] } } @commands[ 0 .. $#commands - 1 ];
	return @refused if @refused;
	$run = copy($state);
	drain($run, $world);
	$waits = @{ $run->{buffer} };
	$failed = apply_commands($run, $world, $args);
	return completion_failed($state, $world, $args, $failed) if $failed;
	push @outcomes, accepted($run, $world, $args);

	# only timers waited, and all of them have been canceled: whether that is
	# unseen news is left open
	push @outcomes,
	  completion_failed($state, $world, $args,
		[ 'UNHANDLED_COMMAND', 'UnhandledCommand' ])
	  if $waits && grep { $closing{ $_->[0] } } @commands;
	return @outcomes;
}

sub accepted
{
	my ($run, $world, $args) = @_;
	my $row = finish_completion($run, $world, $args);
	my $unstuck;

	return [ ok($row), $run ]
	  unless $row->{new_task} && $run->{task}->{where} ne 'sticky';

	# whether a task that is returned was had from the sticky queue, of which
	# nobody may know any more, is left open
	$unstuck = copy($run);
	delete $unstuck->{sticky};
	return ([ ok($row), $run ], [ ok($row), $unstuck ]);
}

# All that the commands did is undone.
sub completion_failed
{
	my ($state, $world, $args, $failed) = @_;
	my $run = copy($state);

	drain($run, $world);
	return [ refused('22023'), $state ]
	  if $run->{task}->{attempt} > 1 && $failed->[0] ne 'UNHANDLED_COMMAND';
	task_failed(
		$run, $world,
		'workflow_task_failed',
		cause => cause($failed->[0]),
		failure => { message => $failed->[1], serverFailureInfo => {} },
		identity => $args->{identity});
	return [ ok({ failed_cause => $failed->[0], closed => 0 }), $run ];
}

# The events of a completion. Returns why it fails, or nothing.
sub apply_commands
{
	my ($run, $world, $args) = @_;
	my $task = $run->{task};
	my $waits = @{ $run->{buffer} };

	if ($task->{transient})
	{
		append($run, $_->{type}, %{ $_->{attributes} })
		  foreach transient_events($run);
		$task->{scheduled} = $task->{started} - 1;
	}
	$world = {
		%$world,
		identity => $args->{identity},
		completed => append(
			$run, 'workflow_task_completed',
			task_reference($task),
			identity => $args->{identity})
	};
	foreach my $command (@{ $args->{commands} })
	{
		my ($type, $attributes) = @$command;
		my $failed;

		return [ 'UNHANDLED_COMMAND', 'UnhandledCommand' ]
		  if $closing{$type} && $waits;
		$failed = $apply{$type}->($run, $world, $attributes);
		return $failed if $failed;
		$waits = grep { !$_->{by_command} } @{ $run->{buffer} };
	}
	return;
}

sub finish_completion
{
	my ($run, $world, $args) = @_;
	my $task = $run->{task};

	return { closed => 1 } unless is_running($run);
	$run->{previous} = $task->{started};
	$run->{attempt} = 1;
	delete $run->{task};
	delete $run->{sticky};
	$run->{sticky} = $args->{sticky} if $args->{sticky};
	schedule_task($run, $world) if flush($run) || $args->{force};
	if ($run->{task} && $args->{return})
	{
		$run->{task}->{before} = copy($run);
		$run->{task}->{from_sticky} = 1 if $run->{task}->{sticky};
		start_task($run, $world, $args->{identity});
		$run->{task}->{token} = $args->{new_token};
		return { closed => 0, new_task => task_row($run) };
	}
	return { closed => 0 };
}

# ---- commands ------------------------------------------------------------

# Each appends its events, or returns why it can't.

sub by { return (workflowTaskCompletedEventId => "$_[0]->{completed}") }

sub invalid_state
{
	my ($cause, $name, $action, $what) = @_;

	return [
		$cause,
		"$name: invalid history builder state for action: $action, $what"
	];
}

sub schedule_activity
{
	my ($run, $world, $given) = @_;
	my $id = $given->{activityId} // '';
	my %attributes = %$given;
	my $bad = 'BAD_SCHEDULE_ACTIVITY_ATTRIBUTES';
	my $policy = policy_of($given->{retryPolicy} // {});
	my $r = $run->{options}->{run_timeout} // 0;
	my ($event_id, $timeouts);

	return [ $bad, any() ]
	  if $id eq '' || !($given->{activityType} // {})->{name};
	$timeouts = activity_timeouts($given, $r)
	  or return [
		$bad,
		'BadScheduleActivityAttributes: a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity.'
		  . " ActivityId=$id ActivityType=$given->{activityType}->{name}"
	  ];
	return invalid_state(
		'SCHEDULE_ACTIVITY_DUPLICATE_ID', 'ScheduleActivityDuplicateId',
		'add-activitytask-scheduled-event', "ActivityID: $id")
	  if grep { $_->{activity_id} eq $id } values %{ $run->{activities} };
	delete $attributes{requestEagerExecution};
	$event_id = append(
		$run, 'activity_task_scheduled',
		%attributes,
		taskQueue => normal_queue(
			($given->{taskQueue} // {})->{name}
			  || $run->{options}->{task_queue}),
		by($world),
		retryPolicy => policy_attributes($policy),
		map { $_ => seconds($timeouts->{$_}) } keys %$timeouts);
	$run->{activities}->{$event_id} = {
		activity_id => $id,
		task_queue => $run->{events}->[-1]->{attributes}->{taskQueue}->{name},
		timeouts => $timeouts,
		policy => $policy,
		state => 'scheduled',
		attempt => 1,
		at => $world->{now},
		due => $world->{now},
	};
	return;
}

# Timeouts as they are stored; nothing if none is set that has to be.
sub activity_timeouts
{
	my ($given, $r) = @_;
	my %t = map { $_ => us($given->{$_} // '0s') }
	  qw(scheduleToCloseTimeout scheduleToStartTimeout startToCloseTimeout
	  heartbeatTimeout);
	my $s2c = $t{scheduleToCloseTimeout};

	if ($s2c)
	{
		$t{$_} = $t{$_} ? min($t{$_}, $s2c) : $s2c
		  foreach qw(scheduleToStartTimeout startToCloseTimeout);
	}
	else
	{
		return unless $t{startToCloseTimeout};
		$t{scheduleToCloseTimeout} = $r;
		$t{scheduleToStartTimeout} ||= $r;
	}
	if ($r)
	{
		$_ = min($_, $r) foreach values %t;
	}
	$t{heartbeatTimeout} = min($t{heartbeatTimeout}, $t{startToCloseTimeout});
	return \%t;
}

# What ends an activity that nobody has begun is written after the events of
# the other commands.
sub cancel_activity
{
	my ($run, $world, $given) = @_;
	my $scheduled = $given->{scheduledEventId} // 0;
	my $activity = $run->{activities}->{$scheduled};
	my $id;

	return invalid_state(
		'BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES',
		'BadRequestCancelActivityAttributes',
		'add-activitytask-cancel-requested-event',
		"ScheduledEventID: $scheduled")
	  unless $activity
	  ? !( $activity->{state} eq 'started' && $activity->{cancel_requested} )
	  : grep { $_->{closes} && $_->{closes} == $scheduled }
	  @{ $run->{buffer} };
	$id = append(
		$run, 'activity_task_cancel_requested',
		scheduledEventId => "$scheduled",
		by($world));
	return unless $activity;
	$activity->{cancels} = [ @{ $activity->{cancels} // [] }, "$id" ];
	$activity->{cancel_requested} = 1;
	return if $activity->{state} eq 'started';
	delete $run->{activities}->{$scheduled};
	push @{ $run->{buffer} },
	  {
		type => 'activity_task_canceled',
		by_command => 1,
		seq => 9**9**9,
		closes => $scheduled,
		attributes => {
			details => payloads('ACTIVITY_ID_NOT_STARTED'),
			latestCancelRequestedEventId => "$id",
			scheduledEventId => "$scheduled",
			identity => $world->{identity}
		}
	  };
	return;
}

sub start_timer
{
	my ($run, $world, $given) = @_;
	my $id;
	my $bad = 'BAD_START_TIMER_ATTRIBUTES';

	return [
		$bad,
		'BadStartTimerAttributes: StartTimerCommandAttributes is not set on StartTimerCommand.'
	  ]
	  unless $given;
	$id = $given->{timerId} // '';
	return [ $bad,
		'BadStartTimerAttributes: TimerId is not set on StartTimerCommand.' ]
	  if $id eq '';
	return [
		$bad,
		"BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=$id"
	  ]
	  if us($given->{startToFireTimeout}) < 0;
	return invalid_state('START_TIMER_DUPLICATE_ID', 'StartTimerDuplicateId',
		'add-timer-started-event', "TimerID: $id")
	  if $run->{timers}->{$id};
	$run->{timers}->{$id} = {
		started => append($run, 'timer_started', %$given, by($world)),
		fires => later($world->{now}, us($given->{startToFireTimeout}))
	};
	return;
}

# A timer that has fired, but only waits to be told, has not fired.
sub cancel_timer
{
	my ($run, $world, $given) = @_;
	my $id = $given->{timerId} // '';
	my $timer = delete $run->{timers}->{$id};
	my $started = $timer && $timer->{started};

	unless ($timer)
	{
		my $fired =
		  first { $_->{fired} && $_->{fired}->{id} eq $id }
		  @{ $run->{buffer} };

		return invalid_state(
			'BAD_CANCEL_TIMER_ATTRIBUTES', 'BadCancelTimerAttributes',
			'add-timer-canceled-event', "TimerID: $id")
		  unless $fired;
		$started = $fired->{fired}->{started};
		$run->{buffer} = [ grep { $_ != $fired } @{ $run->{buffer} } ];
	}
	append(
		$run, 'timer_canceled',
		timerId => $id,
		startedEventId => "$started",
		identity => $world->{identity},
		by($world));
	return;
}

sub record_marker
{
	my ($run, $world, $given) = @_;

	return [ 'BAD_RECORD_MARKER_ATTRIBUTES', any() ]
	  if ($given->{markerName} // '') eq '';
	append($run, 'marker_recorded', %$given, by($world));
	return;
}

sub upsert
{
	my ($run, $world, $given) = @_;

	append($run, 'upsert_workflow_search_attributes', %$given, by($world));
	return;
}

sub modify_properties
{
	my ($run, $world, $given) = @_;

	append($run, 'workflow_properties_modified', %$given, by($world));
	return;
}

sub complete_run
{
	my ($run, $world, $given) = @_;

	close_run($run, 'completed', 'workflow_execution_completed', %$given,
		by($world));
	return;
}

sub fail_run
{
	my ($run, $world, $given) = @_;
	my ($retry_state, $next);

	return [
		'BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES',
		'BadFailWorkflowExecutionAttributes: Failure is not set on FailWorkflowExecutionCommand.'
	  ]
	  unless $given->{failure};
	($retry_state, $next) = retry_run($run, $given->{failure}, $world->{now});
	close_run(
		$run, 'failed', 'workflow_execution_failed', %$given,
		retryState => "RETRY_STATE_$retry_state",
		$next ? (newExecutionRunId => any()) : (),
		by($world));
	succeed($run, $world, $next);
	return;
}

sub cancel_run
{
	my ($run, $world, $given) = @_;

	close_run($run, 'canceled', 'workflow_execution_canceled', %$given,
		by($world));
	return;
}

sub continue_as_new
{
	my ($run, $world, $given) = @_;
	my $o = $run->{options};
	my %next = %$o;
	my $lived = [
		$world->{now}->[0] - $run->{start}->[1],
		$world->{now}->[1] - $run->{start}->[0]
	];

	delete @next{qw(backoff input identity retry_policy)};
	$next{input} = $given->{input} if $given->{input};
	$next{workflow_type} = $given->{workflowType}->{name}
	  if $given->{workflowType};
	$next{retry_policy} = policy_of($given->{retryPolicy})
	  if $given->{retryPolicy};
	$next{attempt} = 1;
	$next{more} = {
		continuedExecutionRunId => any(),
		initiator => 'CONTINUE_AS_NEW_INITIATOR_WORKFLOW',
	};
	$next{backoff_range} = [ max(0, BACKOFF - $lived->[1]),
		max(0, BACKOFF - $lived->[0]) ];
	close_run(
		$run, 'continued_as_new',
		'workflow_execution_continued_as_new', %$given,
		newExecutionRunId => any(),
		workflowType => { name => $next{workflow_type} },
		taskQueue => normal_queue($o->{task_queue}),
		$o->{run_timeout}
		? (workflowRunTimeout => seconds($o->{run_timeout}))
		: (),
		workflowTaskTimeout => seconds($o->{task_timeout}),
		by($world));
	succeed($run, $world, \%next);
	return;
}

# ---- activities ----------------------------------------------------------

# Which activity a token is of, if its attempt is in progress.
sub activity_of
{
	my ($run, $token) = @_;

	return first {
		my $activity = $run->{activities}->{$_};

		$activity->{state} eq 'started' && $activity->{token} eq $token
	}
	keys %{ $run->{activities} };
}

sub start_activity
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $activity = $run->{activities}->{ $args->{scheduled} };

	return unless is_running($run) && $activity;
	return
	  if $activity->{state} ne 'scheduled'
	  || !perhaps_over($activity->{due}, $world->{now});
	@$activity{qw(state token identity started beat)} =
	  ('started', $args->{token}, $args->{identity}, $world->{now}, undef);
	return [ ok({ attempt => $activity->{attempt} }), $run ];
}

# The two events that tell of an activity that has ended.
sub closing_events
{
	my ($activity, $scheduled, $type, %attributes) = @_;
	my @events;

	push @events,
	  {
		type => 'activity_task_started',
		starts => $scheduled,
		attributes => {
			scheduledEventId => "$scheduled",
			identity => $activity->{identity},
			requestId => any(),
			attempt => $activity->{attempt},
			$activity->{last_failure}
			? (lastFailure => $activity->{last_failure})
			: ()
		}
	  }
	  if $activity->{state} eq 'started';
	push @events,
	  {
		type => $type,
		closes => $scheduled,
		$activity->{state} eq 'started' ? (started_of => $scheduled) : (),
		attributes => { scheduledEventId => "$scheduled", %attributes }
	  };
	return @events;
}

# What an activity's end is for its run: a letter.
sub activity_ended
{
	my ($run, $scheduled, $type, %attributes) = @_;
	my $activity = delete $run->{activities}->{$scheduled};

	return {
		what => 'close',
		events =>
		  [ closing_events($activity, $scheduled, $type, %attributes) ]
	};
}

sub complete_activity
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $scheduled = activity_of($run, $args->{token})
	  or return [ refused('TQ001'), $state ];

	return [
		ok(), $run,
		activity_ended(
			$run, $scheduled,
			'activity_task_completed',
			$args->{result} ? (result => $args->{result}) : (),
			identity => $args->{identity})
	];
}

sub cancel_reported
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $scheduled = activity_of($run, $args->{token})
	  or return [ refused('TQ001'), $state ];
	my $activity = $run->{activities}->{$scheduled};

	return [ refused('TQ003'), $state ]
	  unless $activity->{cancel_requested};
	return [
		ok(), $run,
		activity_ended(
			$run, $scheduled,
			'activity_task_canceled',
			# asked for twice: which of them is left open
			latestCancelRequestedEventId => among(@{ $activity->{cancels} }),
			$args->{details} ? (details => $args->{details}) : (),
			identity => $args->{identity})
	];
}

# Is there another attempt? Returns the retry state.
sub retry_activity
{
	my ($activity, $world, $failure, $shown) = @_;
	my $policy = $activity->{policy};
	my $details = $failure->{applicationFailureInfo} // {};
	my $s2c = $activity->{timeouts}->{scheduleToCloseTimeout};
	my $interval =
	    $details->{nextRetryDelay}
	  ? us($details->{nextRetryDelay})
	  : policy_interval($policy, $activity->{attempt});
	my $due;

	return 'CANCEL_REQUESTED' if $activity->{cancel_requested};
	return 'NON_RETRYABLE_FAILURE'
	  if $details->{nonRetryable}
	  || grep { $_ eq ($details->{type} // '') }
	  @{ $policy->{non_retryable_error_types} };
	return 'MAXIMUM_ATTEMPTS_REACHED'
	  if $policy->{maximum_attempts}
	  && $activity->{attempt} >= $policy->{maximum_attempts};
	$due = later($world->{now}, $interval);
	return 'TIMEOUT'
	  if $s2c && perhaps_over(later($activity->{at}, $s2c), $due);
	$activity->{due} = $due;
	$activity->{attempt}++;
	$activity->{state} = 'scheduled';
	$activity->{last_failure} = $shown // $failure;
	delete @$activity{qw(token started beat)};
	return 'IN_PROGRESS';
}

sub fail_activity
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $scheduled = activity_of($run, $args->{token})
	  or return [ refused('TQ001'), $state ];
	my $activity = $run->{activities}->{$scheduled};
	my $retry_state = retry_activity($activity, $world, $args->{failure},
		$args->{failure_shown});

	return [ ok(lc $retry_state), $run ] if $retry_state eq 'IN_PROGRESS';
	return [
		ok(lc $retry_state),
		$run,
		activity_ended(
			$run, $scheduled, 'activity_task_failed',
			failure => $args->{failure_shown} // $args->{failure},
			retryState => "RETRY_STATE_$retry_state",
			identity => $args->{identity})
	];
}

sub heartbeat
{
	my ($state, $world, $args) = @_;
	my $run = copy($state);
	my $scheduled = activity_of($run, $args->{token})
	  or return [ refused('TQ001'), $state ];
	my $activity = $run->{activities}->{$scheduled};

	$activity->{beat} = $world->{now};
	return [ ok($activity->{cancel_requested} ? 't' : 'f'), $run ];
}

my %timeout_names = (
	START_TO_CLOSE => 'StartToClose',
	SCHEDULE_TO_START => 'ScheduleToStart',
	SCHEDULE_TO_CLOSE => 'ScheduleToClose',
	HEARTBEAT => 'Heartbeat');

# The events of it: none if there is another attempt.

sub activity_timed_out
{
	my ($run, $world, $scheduled, $type) = @_;
	my $activity = $run->{activities}->{$scheduled};
	my $failure = {
		message => "activity $timeout_names{$type} timeout",
		source => 'Server',
		timeoutFailureInfo => { timeoutType => "TIMEOUT_TYPE_$type" }
	};
	my $retry_state =
	    $type eq 'SCHEDULE_TO_START' ? 'TIMEOUT'
	  : $type eq 'SCHEDULE_TO_CLOSE'
	  ? $activity->{cancel_requested}
		  ? 'CANCEL_REQUESTED'
		  : 'TIMEOUT'
	  : retry_activity($activity, $world, $failure);

	return if $retry_state eq 'IN_PROGRESS';
	if ($retry_state eq 'TIMEOUT' && $type ne 'SCHEDULE_TO_START')
	{
		$failure = {
			message =>
			  'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying',
			source => 'Server',
			timeoutFailureInfo =>
			  { timeoutType => 'TIMEOUT_TYPE_SCHEDULE_TO_CLOSE' }
		};
	}
	$failure->{cause} = $activity->{last_failure} if $activity->{last_failure};
	# of this attempt, or an earlier one
	$failure->{timeoutFailureInfo}->{lastHeartbeatDetails} = perhaps();
	return @{
		activity_ended(
			$run, $scheduled, 'activity_task_timed_out',
			failure => $failure,
			retryState => "RETRY_STATE_$retry_state")->{events}
	};
}

# ---- what happens by itself ----------------------------------------------

# What the clock has made due, or may have: [instant, kind, what, must it].
# Timers of the workflow are in the order in which they are to fire.
sub deadlines
{
	my ($run) = @_;
	my $task = $run->{task};
	my @deadlines;

	return unless is_running($run);
	push @deadlines,
	  map { [ $run->{timers}->{$_}->{fires}, 'timer', $_ ] }
	  keys %{ $run->{timers} };
	push @deadlines, [ $run->{first_task}, 'first_task' ]
	  if $run->{first_task};
	push @deadlines, [ $run->{deadline}, 'run' ] if $run->{deadline};
	push @deadlines, [ $task->{deadline}, 'task' ]
	  if $task
	  && $task->{deadline}
	  && ($task->{state} eq 'started' || $task->{sticky});
	foreach my $scheduled (keys %{ $run->{activities} })
	{
		push @deadlines,
		  activity_deadlines($run->{activities}->{$scheduled}, $scheduled);
	}
	return @deadlines;
}

sub activity_deadlines
{
	my ($activity, $scheduled) = @_;
	my %t = %{ $activity->{timeouts} };
	my @deadlines;

	if ($activity->{state} eq 'scheduled')
	{
		push @deadlines,
		  [
			later($activity->{due}, $t{scheduleToStartTimeout}),
			'SCHEDULE_TO_START', $scheduled
		  ]
		  if $t{scheduleToStartTimeout};
		return @deadlines;
	}
	push @deadlines,
	  [
		later($activity->{started}, $t{startToCloseTimeout}),
		'START_TO_CLOSE', $scheduled
	  ];
	push @deadlines,
	  [
		later(
			$activity->{beat} // $activity->{started},
			$t{heartbeatTimeout}),
		'HEARTBEAT',
		$scheduled
	  ]
	  if $t{heartbeatTimeout};
	return @deadlines;
}

# Which of them may go first? A timer of the workflow only if none is to fire
# before it, and one of an activity's likewise.
sub next_due
{
	my ($run, $now) = @_;
	my @due = grep { perhaps_over($_->[0], $now) } deadlines($run);
	my @next;

	foreach my $one (@due)
	{
		my $before = first {
				 same_clock($_, $one)
			  && $_->[0]->[1] <= $one->[0]->[0]
			  && ($_->[0]->[0] < $one->[0]->[0]
				|| $_->[1] eq 'timer'
				&& $run->{timers}->{ $_->[2] }->{started} <
				$run->{timers}->{ $one->[2] }->{started})
		}
		@due;

		push @next, $one unless $before;
	}
	return @next;
}

sub same_clock
{
	my ($a, $b) = @_;

	return 1 if $a->[1] eq 'timer' && $b->[1] eq 'timer';
	return defined $a->[2] && defined $b->[2] && $a->[2] eq $b->[2]
	  if $a->[1] =~ /^[A-Z]/ && $b->[1] =~ /^[A-Z]/;
	return 0;
}

# Is nothing left that has to happen? A task that may have gone to the normal
# queue may still have its time on the sticky one.
sub is_settled
{
	my ($run, $now) = @_;

	return 0 if @{ $run->{mail} };
	return
	  !grep { certainly_over($_->[0], $now) && !may_stay($run, $_) }
	  deadlines($run);
}

sub may_stay
{
	my ($run, $deadline) = @_;

	return
		 $deadline->[1] eq 'task'
	  && $run->{task}->{state} eq 'scheduled'
	  && $run->{task}->{where} ne 'sticky';
}

# What of activities is over at once begins before all of it ends.
sub fire
{
	my ($state, $world, @deadlines) = @_;
	my $run = copy($state);
	my (undef, $kind) = @{ $deadlines[0] };

	together(
		$run, $world,
		sub {
			my ($world) = @_;
			my @ends;

			drain($run, $world);
			foreach my $deadline (@deadlines)
			{
				my (undef, $kind, $what) = @$deadline;

				fire_timer($run, $world, $what) if $kind eq 'timer';
				push @ends, activity_timed_out($run, $world, $what, $kind)
				  if $kind =~ /^[A-Z]/;
			}
			arrive($run, $world, (grep { $_->{starts} } @ends),
				(grep { !$_->{starts} } @ends))
			  if @ends;
		});
	if ($kind eq 'first_task')
	{
		delete $run->{first_task};
		schedule_task($run, $world);
	}
	elsif ($kind eq 'run')
	{
		time_out_run($run, $world);
	}
	elsif ($kind eq 'task')
	{
		task_failed($run, $world, 'workflow_task_timed_out',
			timeoutType => 'TIMEOUT_TYPE_'
			  . ($run->{task}->{started}
				? 'START_TO_CLOSE'
				: 'SCHEDULE_TO_START'));
	}
	return $run;
}

sub fire_timer
{
	my ($run, $world, $id) = @_;
	my $timer = delete $run->{timers}->{$id};

	arrive(
		$run, $world,
		{
			type => 'timer_fired',
			fired => { id => $id, started => $timer->{started} },
			attributes => {
				timerId => $id,
				startedEventId => "$timer->{started}"
			}
		});
	return;
}

sub time_out_run
{
	my ($run, $world) = @_;
	my $end = $run->{options}->{chain_end};
	my ($retry_state, $next) =
	  $end && perhaps_over($end, $world->{now})
	  ? 'TIMEOUT'
	  : retry_run(
		$run,
		{
			message => 'workflow timeout',
			source => 'Server',
			timeoutFailureInfo =>
			  { timeoutType => 'TIMEOUT_TYPE_START_TO_CLOSE' }
		},
		$world->{now});

	force_close(
		$run, 'timed_out', 'workflow_execution_timed_out',
		retryState => "RETRY_STATE_$retry_state",
		$next ? (newExecutionRunId => any()) : ());
	succeed($run, $world, $next);
	return;
}

# All states that can be reached from these by what happens by itself. Some of
# that may happen in one go: a state in between, without the task that it owes,
# is none of them.
sub reachable
{
	my ($world, @states) = @_;
	my %seen = map { fingerprint($_) => 1 } @states;
	my @todo = @states;

	while (my $run = shift @todo)
	{
		foreach my $state (steps($run, $world))
		{
			next if $seen{ fingerprint($state) }++;
			push @states, $state unless $state->{owes};
			push @todo, $state;
			die 'too many states' if @states > MANY;
		}
	}
	return @states;
}

# What may happen next, alone or as the first or next of several.
sub steps
{
	my ($run, $world) = @_;
	my @next;

	if ($run->{owes})
	{
		my $paid = copy($run);

		delete $paid->{owes};
		schedule_task($paid, $world);
		push @next, $paid;
	}
	foreach my $in_one_go (0, 1)
	{
		my %now = (%$world, together => $in_one_go);

		next if $run->{owes} && !$in_one_go;
		if (@{ $run->{mail} })
		{
			my $drained = copy($run);

			drain($drained, \%now, 1);
			push @next, owing($run, $drained, $in_one_go);
		}
		foreach my $due (next_due($run, $world->{now}))
		{
			next if $in_one_go && $due->[1] !~ /^(?:timer|[A-Z_]+)$/;
			push @next,
			  owing($run, fire($run, \%now, $due), $in_one_go);
		}
	}
	return @next;
}

sub owing
{
	my ($before, $after, $in_one_go) = @_;

	$after->{owes} = 1
	  if $in_one_go
	  && is_running($after)
	  && !$after->{task}
	  && !$after->{first_task}
	  && @{ $after->{events} } > @{ $before->{events} };
	return $after;
}

# ---- what is to be seen --------------------------------------------------

# What differs between a state and the events that taskq shows, from some event
# on, or nothing.
sub differs
{
	my ($run, $seen, $from) = @_;
	my @events = @{ $run->{events} };

	for my $i (($from // 1) - 1 .. max($#events, $#$seen))
	{
		my $id = $i + 1;
		my ($expected, $event) = ($events[$i], $seen->[$i]);

		return "event $id: none expected, $event->{type} "
		  . show($event->{attributes})
		  unless $expected;
		return "event $id: expected $expected->{type} "
		  . show($expected->{attributes})
		  . ', there is none'
		  unless $event;
		next
		  if ($event->{event_id} // $id) == $id
		  && $event->{type} eq $expected->{type}
		  && agrees($expected->{attributes}, $event->{attributes});
		return "event $id: expected $expected->{type} "
		  . show($expected->{attributes})
		  . ', there is '
		  . ($event->{event_id} // $id)
		  . " $event->{type} "
		  . show($event->{attributes});
	}
	return;
}

1;
