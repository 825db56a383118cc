# A recorded history of Temporal's, read backwards: what clients, workers and
# timers must have done that it came about, in the order of the times at which
# it happened. Done to the model, that has to give the history again.
package TaskqRecording;

use strict;
use warnings;

use JSON::PP;
use List::Util qw(first max);
use POSIX qw(ceil);
use TaskqWorkflowModel;

# Attributes of which the model knows nothing: of the worker's program, and
# what the recorded calls had and those of the model don't.
my @foreign = qw(workerVersion sdkMetadata meteringMetadata
  historySizeBytes requestId originalExecutionRunId firstExecutionRunId
  workflowExecutionTimeout workflowRunTimeout header useWorkflowBuildId
  inheritBuildId prevAutoResetPoints workflowTaskTimeout
  workflowExecutionExpirationTime);

# What a start only hands on.
my @handed_on = qw(continuedExecutionRunId continuedFailure initiator
  lastCompletionResult memo searchAttributes priority);

use constant AT_ONCE => 2000;    # microseconds

# The events of a file: type, attributes, time and id.
sub events_of
{
	my ($file) = @_;
	my $json = JSON::PP->new;
	my @events;

	open(my $handle, '<', $file) or die "$file: $!";
	local $/;
	foreach my $event (@{ $json->decode(<$handle>)->{events} })
	{
		my $attributes = first { /EventAttributes$/ } keys %$event;
		my ($type) = lc($event->{eventType}) =~ /^event_type_(\w+)/;

		push @events,
		  {
			type => $type,
			event_id => $event->{eventId},
			attributes => $event->{$attributes} // {},
			time => time_of($event->{eventTime})
		  };
	}
	return @events;
}

# Microseconds within the day: recordings are short. One that passes midnight
# goes on.
sub time_of
{
	my ($day, $h, $m, $s) = $_[0] =~ /-(\d\d)T(\d\d):(\d\d):([\d.]+)Z/ or die $_[0];

	return int(1e6 * (86400 * $day + 3600 * $h + 60 * $m + $s));
}

# An event as it is compared.
sub plain
{
	my ($event) = @_;
	my %attributes = %{ $event->{attributes} };

	delete @attributes{@foreign};
	return { %$event, attributes => \%attributes };
}

my %command_of = (
	activity_task_scheduled => 'SCHEDULE_ACTIVITY_TASK',
	activity_task_cancel_requested => 'REQUEST_CANCEL_ACTIVITY_TASK',
	timer_started => 'START_TIMER',
	timer_canceled => 'CANCEL_TIMER',
	marker_recorded => 'RECORD_MARKER',
	upsert_workflow_search_attributes => 'UPSERT_WORKFLOW_SEARCH_ATTRIBUTES',
	workflow_properties_modified => 'MODIFY_WORKFLOW_PROPERTIES',
	workflow_execution_completed => 'COMPLETE_WORKFLOW_EXECUTION',
	workflow_execution_failed => 'FAIL_WORKFLOW_EXECUTION',
	workflow_execution_canceled => 'CANCEL_WORKFLOW_EXECUTION',
	workflow_execution_continued_as_new =>
	  'CONTINUE_AS_NEW_WORKFLOW_EXECUTION');

# The command that an event came from.
sub command
{
	my ($event) = @_;
	my %attributes = %{ $event->{attributes} };

	delete @attributes{qw(workflowTaskCompletedEventId retryState
		  newExecutionRunId)};
	delete @attributes{qw(startedEventId identity)}
	  if $event->{type} eq 'timer_canceled';
	return [ $command_of{ $event->{type} }, \%attributes ];
}

# Play a recording. Returns the state that the model ends with.
sub play
{
	my (@events) = @_;
	my $self = bless { events => \@events, token => 0 };
	my @steps = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] }
	  map { $self->step($_) } @events;

	foreach my $step (@steps)
	{
		my ($time, undef, $do) = @$step;

		$self->{world} = {
			now => [ $time, $time ],
			alive => sub { return }
		};
		$do->();
	}
	return $self->{run};
}

# When an event's cause happened, and what it was.
sub step
{
	my ($self, $event) = @_;
	my $type = $event->{type};
	my $a = $event->{attributes};
	my $do;

	if ($type eq 'workflow_task_timed_out')
	{
		return [ $event->{time}, $event->{event_id},
			sub { $self->fire('task') } ];
	}
	if ($type eq 'workflow_task_scheduled')
	{
		return [ $event->{time}, $event->{event_id},
			sub { $self->scheduled($event) } ];
	}
	$do = $self->can("on_$type") or return;
	return [ $event->{time}, $event->{event_id}, sub { $self->$do($a, $event) } ];
}

# Take the one outcome of a call that has to succeed.
sub take
{
	my ($self, $outcome) = @_;

	die 'refused' unless $outcome;
	die "refused: $outcome->[0]->{state}" if $outcome->[0]->{state};
	$self->{run} = $outcome->[1];
	if ($outcome->[2])
	{
		TaskqWorkflowModel::deliver($self->{run}, $self->{world},
			$outcome->[2]);
	}
	return $outcome->[0]->{value};
}

sub on_workflow_execution_started
{
	my ($self, $a, $event) = @_;
	my %more;
	my $signal = $self->{events}->[1];

	foreach my $key (@handed_on)
	{
		$more{$key} = $a->{$key} if exists $a->{$key};
	}
	$self->{run} = TaskqWorkflowModel::start(
		{
			workflow_id => $a->{workflowId},
			workflow_type => $a->{workflowType}->{name},
			task_queue => $a->{taskQueue}->{name},
			task_timeout => TaskqWorkflowModel::us($a->{workflowTaskTimeout}),
			run_timeout =>
			  TaskqWorkflowModel::us($a->{workflowRunTimeout} // '0s'),
			backoff =>
			  TaskqWorkflowModel::us($a->{firstWorkflowTaskBackoff} // '0s'),
			backoff_shown => $a->{firstWorkflowTaskBackoff} // '',
			chain_end => $a->{workflowExecutionExpirationTime}
			  && [ (time_of($a->{workflowExecutionExpirationTime})) x 2 ],
			input => $a->{input},
			identity => $a->{identity},
			attempt => $a->{attempt},
			retry_policy => $a->{retryPolicy}
			  && TaskqWorkflowModel::policy_of($a->{retryPolicy}),
			more => \%more
		},
		$self->{world},
		$signal && $signal->{type} eq 'workflow_execution_signaled'
		? signal_of($signal->{attributes})
		: undef);
	return;
}

sub signal_of
{
	my ($a) = @_;
	my %more = %$a;

	delete @more{ @foreign, qw(signalName input identity) };
	return {
		signal_name => $a->{signalName},
		input => $a->{input},
		identity => $a->{identity},
		request_id => $a->{requestId},
		more => \%more
	};
}

sub on_workflow_execution_signaled
{
	my ($self, $a, $event) = @_;

	# the one of signal-with-start came with the start
	return if $event->{event_id} == 2;
	return $self->take(
		TaskqWorkflowModel::signal($self->{run}, $self->{world},
			signal_of($a)));
}

sub on_workflow_execution_cancel_requested
{
	my ($self, $a) = @_;

	return $self->take(
		TaskqWorkflowModel::request_cancel(
			$self->{run}, $self->{world},
			{ identity => $a->{identity}, reason => $a->{cause} }));
}

sub on_workflow_execution_terminated
{
	my ($self, $a) = @_;

	return $self->take(
		TaskqWorkflowModel::terminate($self->{run}, $self->{world}, $a));
}

sub on_workflow_execution_timed_out { return $_[0]->fire('run') }

sub on_timer_fired { return $_[0]->fire_together($_[2]) }

sub on_activity_task_timed_out { return $_[0]->fire_together($_[2]) }

# The times that are over with this one; those that came before it are gone.
sub fire_together
{
	my ($self, $event) = @_;
	my @after = @{ $self->{events} }[ $event->{event_id} .. $#{ $self->{events} } ];
	my @fired;

	return if $self->{fired}->{ $event->{event_id} };
	foreach my $other ($event, @after)
	{
		last
		  if $other->{type} !~ /^(?:timer_fired|activity_task_timed_out)$/
		  || $other->{time} - $event->{time} > AT_ONCE;
		$self->{fired}->{ $other->{event_id} } = 1;
		push @fired, $other;
	}
	$self->{run} = TaskqWorkflowModel::fire($self->{run}, $self->{world},
		map { [ undef, $self->deadline_of($_) ] } @fired);
	return;
}

sub deadline_of
{
	my ($self, $event) = @_;
	my $a = $event->{attributes};

	return $event->{type} eq 'timer_fired'
	  ? ('timer', $a->{timerId})
	  : $self->time_out_of($a);
}

sub fire
{
	my ($self, @what) = @_;

	$self->{run} =
	  TaskqWorkflowModel::fire($self->{run}, $self->{world}, [ undef, @what ]);
	return;
}

# A task that was put off begins to wait; one that had failed several times
# before has done so by now.
sub scheduled
{
	my ($self, $event) = @_;
	my $attempt = $event->{attributes}->{attempt};

	return $self->fire('first_task') if $self->{run}->{first_task};
	foreach ($self->{run}->{attempt} .. $attempt - 1)
	{
		$self->poll('somebody');
		$self->fail_somebody;
	}
	return;
}

# A history doesn't say on which queue a worker got a task. One that fails on the
# sticky queue is followed by another first attempt.
sub poll
{
	my ($self, $identity, $id) = @_;
	my $task = $self->{run}->{task};
	my @after = @{ $self->{events} }[ ($id // 0) .. $#{ $self->{events} } ];
	my $next = first { $_->{type} eq 'workflow_task_scheduled' } @after;
	my $is_sticky =
	  $task->{sticky} && !($next && $next->{attributes}->{attempt} > 1);

	return $self->take(
		TaskqWorkflowModel::poll(
			$self->{run},
			$self->{world},
			{
				task_queue => $is_sticky
				? $task->{sticky}
				: $self->{run}->{options}->{task_queue},
				identity => $identity,
				token => ++$self->{token}
			}));
}

sub on_workflow_task_started
{
	my ($self, $a, $event) = @_;

	return if $self->{run}->{task}->{state} eq 'started';
	return $self->poll($a->{identity}, $event->{event_id});
}

sub on_workflow_task_failed
{
	my ($self, $a, $event) = @_;
	my $token = $self->{token};

	# that is said by whoever closed the run
	return if ($a->{cause} // '') =~ /FORCE_CLOSE/;
	$self->take(
		TaskqWorkflowModel::fail_task(
			$self->{run}, $self->{world}, { %$a, token => $token }));
	$self->fail_hidden($event);
	return;
}

# A first attempt with the patience of a later one: those between have failed
# before what made it a first one.
sub fail_hidden
{
	my ($self, $event) = @_;
	my @after = @{ $self->{events} }[ $event->{event_id} .. $#{ $self->{events} } ];
	my $next = first { $_->{type} eq 'workflow_task_scheduled' } @after;
	my $patience = $next && $next->{attributes}->{attempt} == 1
	  ? TaskqWorkflowModel::us($next->{attributes}->{startToCloseTimeout})
	  - $self->{run}->{options}->{task_timeout}
	  : 0;

	return if $patience <= 0;
	foreach (2 .. 3 + max(0, ceil(log($patience / 5e6) / log(2))))
	{
		$self->poll('somebody');
		$self->fail_somebody;
	}
	return;
}

sub fail_somebody
{
	my ($self) = @_;

	$self->take(
		TaskqWorkflowModel::fail_task(
			$self->{run},
			$self->{world},
			{
				token => $self->{token},
				cause => 'X',
				identity => 'somebody'
			}));
	return;
}

# What came of the completion: its commands, whether another task was asked for,
# and whether it was returned. On which queue later tasks are says whether the
# worker asked for that.
sub on_workflow_task_completed
{
	my ($self, $a, $event) = @_;
	my $id = $event->{event_id};
	my @after = @{ $self->{events} }[ $id .. $#{ $self->{events} } ];
	my @commands = grep {
		($_->{attributes}->{workflowTaskCompletedEventId} // 0) == $id
	} @after;
	my $next = first { $_->{type} eq 'workflow_task_scheduled' } @after;
	my $started = first { $_->{type} eq 'workflow_task_started' } @after;
	my $queue = $next && $next->{attributes}->{taskQueue};
	my %args = (
		token => $self->{token},
		identity => $a->{identity},
		commands => [ map { command($_) } @commands ]);

	$args{sticky} = { queue => $queue->{name}, timeout => 5_000_000 }
	  if $queue && $queue->{kind} =~ /STICKY/;
	$args{force} = 1
	  if $next && $next->{event_id} == $id + @commands + 1;
	if ($started
		&& $started->{attributes}->{requestId} =~ /^request-from/
		&& $started->{event_id} == $next->{event_id} + 1)
	{
		$args{return} = 1;
		$args{new_token} = ++$self->{token};
	}
	return $self->take(
		TaskqWorkflowModel::complete_task($self->{run}, $self->{world},
			\%args));
}

# An attempt of an activity that is told of has failed as often before as its
# number says.
sub on_activity_task_started
{
	my ($self, $a) = @_;
	my $scheduled = $a->{scheduledEventId};
	my $activity = $self->{run}->{activities}->{$scheduled};

	$self->{run} = TaskqWorkflowModel::copy($self->{run});
	$activity = $self->{run}->{activities}->{$scheduled};
	$activity->{attempt} = $a->{attempt};
	$activity->{due} = $self->{world}->{now};
	$activity->{last_failure} = $a->{lastFailure};
	return $self->take(
		TaskqWorkflowModel::start_activity(
			$self->{run},
			$self->{world},
			{
				scheduled => $scheduled,
				token => "a$scheduled",
				identity => $a->{identity}
			}));
}

sub ends
{
	my ($self, $method, $a) = @_;

	return $self->take(
		$method->(
			$self->{run}, $self->{world},
			{ %$a, token => "a$a->{scheduledEventId}" }));
}

sub on_activity_task_completed
{
	return $_[0]->ends(\&TaskqWorkflowModel::complete_activity, $_[1]);
}

sub on_activity_task_failed
{
	return $_[0]->ends(\&TaskqWorkflowModel::fail_activity, $_[1]);
}

sub on_activity_task_canceled
{
	my ($self, $a) = @_;

	# one that nobody has begun is canceled by the command
	return unless $a->{startedEventId};
	return $self->ends(\&TaskqWorkflowModel::cancel_reported, $a);
}

sub time_out_of
{
	my ($self, $a) = @_;
	my $info = $a->{failure}->{timeoutFailureInfo};
	my ($type) = $info->{timeoutType} =~ /^TIMEOUT_TYPE_(\w+)/;
	my $scheduled = $a->{scheduledEventId};
	my $activity = $self->{run}->{activities}->{$scheduled};

	$activity->{beat} = $self->{world}->{now}
	  if $info->{lastHeartbeatDetails};
	return ($type, $scheduled);
}

1;
