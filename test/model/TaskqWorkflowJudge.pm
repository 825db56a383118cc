# Can this be the history of a workflow run? Judged from the events alone, in
# their order, without knowing what was done: for tests in which several did
# things at once.
package TaskqWorkflowJudge;

use strict;
use warnings;

# What workers are to be told of: after these there is a task.
my $news = qr/^(?:workflow_execution_(?:signaled|cancel_requested)|timer_fired
  |activity_task_(?:started|completed|failed|timed_out|canceled))$/x;
my $end =
  qr/^workflow_execution_(?:completed|failed|canceled|terminated|timed_out|continued_as_new)$/;

# Events are hashes of event_id, type and attributes. Returns what is pending:
# activities and timers (by the ids of their events), the task (none, scheduled,
# started, or hidden: one that leaves no trace until it succeeds); and in
# "wrong" what can't be.
sub judge
{
	my (@events) = @_;
	my $self = bless {
		task => 'none',
		activities => {},
		timers => {},
		requests => {},
		cancels => {},
		events => \@events,
		wrong => []
	};

	for my $i (0 .. $#events)
	{
		my $event = $events[$i];
		my $on = $self->can("on_$event->{type}");

		$self->{at} = $event->{event_id};
		$self->wrong("not event " . ($i + 1)) if $event->{event_id} != $i + 1;
		$self->wrong('after the end') if $self->{ended};
		$self->wrong('not the first')
		  if ($i == 0) != ($event->{type} eq 'workflow_execution_started');
		$self->order($event);
		$on->($self, $event->{attributes}, $event) if $on;
		$self->{ended} = 1 if $event->{type} =~ $end;
	}
	$self->check_ended;
	$self->wrong('nobody is told of what happened last')
	  if $self->{untold} && !$self->{ended};
	return $self;
}

sub wrong
{
	my ($self, $text) = @_;
	my $event = $self->{events}->[ $self->{at} - 1 ];

	push @{ $self->{wrong} },
	  "event $self->{at}" . ($event ? " $event->{type}" : '') . ": $text";
	return;
}

# What may stand after what.
sub order
{
	my ($self, $event) = @_;
	my ($type, $a) = @$event{qw(type attributes)};
	my $by = $a->{workflowTaskCompletedEventId};

	$self->wrong('while a task is started')
	  if $self->{task} eq 'started'
	  && $type !~ /^workflow_task_(?:completed|failed|timed_out)$/;
	if (defined $by)
	{
		$self->wrong('not right behind the task that it is from')
		  if !$self->{commands} || $by != ($self->{completed} // 0);
	}
	elsif ($type ne 'workflow_task_completed')
	{
		delete $self->{commands};
	}
	$self->wrong('before somebody is told of what happened')
	  if $self->{untold}
	  && $type !~ $news
	  && $type ne 'workflow_task_scheduled';
	$self->check_ended
	  if $self->{ending} && !defined $by && $type !~ $news;
	$self->{untold} = 1
	  if $type =~ $news
	  && $self->{task} eq 'none'
	  && ($self->{began} || !$self->{delayed});
	return;
}

sub on_workflow_execution_started
{
	my ($self, $a) = @_;

	$self->{delayed} = ($a->{firstWorkflowTaskBackoff} // '0s') ne '0s';
	return;
}

sub on_workflow_task_scheduled
{
	my ($self, $a, $event) = @_;

	$self->wrong("while one is $self->{task}")
	  if $self->{task} !~ /^(?:none|hidden)$/;
	$self->wrong('not the first attempt, and none has failed')
	  if $a->{attempt} > 1 && $self->{task} ne 'hidden';
	$self->{task} = 'scheduled';
	$self->{began} = 1;
	$self->{scheduled} = $event->{event_id};
	$self->{is_sticky} = $a->{taskQueue}->{kind} =~ /STICKY/;
	delete $self->{untold};
	return;
}

sub on_workflow_task_started
{
	my ($self, $a, $event) = @_;

	$self->wrong('of no task that is scheduled')
	  if $self->{task} ne 'scheduled'
	  || $a->{scheduledEventId} != ($self->{scheduled} // 0);
	$self->{task} = 'started';
	$self->{started} = $event->{event_id};
	return;
}

sub finish_task
{
	my ($self, $a) = @_;

	$self->wrong('of no task that is started')
	  if $self->{task} ne 'started'
	  || $a->{scheduledEventId} != ($self->{scheduled} // 0)
	  || ($a->{startedEventId} // 0) != ($self->{started} // 0);
	return;
}

sub on_workflow_task_completed
{
	my ($self, $a, $event) = @_;

	$self->finish_task($a);
	$self->{task} = 'none';
	$self->{completed} = $event->{event_id};
	$self->{commands} = 1;
	return;
}

sub on_workflow_task_failed
{
	my ($self, $a) = @_;

	$self->finish_task($a);
	$self->{task} = 'hidden';
	return;
}

sub on_workflow_task_timed_out
{
	my ($self, $a) = @_;

	if ($a->{timeoutType} =~ /START_TO_CLOSE/)
	{
		$self->finish_task($a);
		$self->{task} = 'hidden';
		return;
	}
	$self->wrong('of no task that waits on a sticky queue')
	  if $self->{task} ne 'scheduled'
	  || !$self->{is_sticky}
	  || $a->{scheduledEventId} != ($self->{scheduled} // 0)
	  || $a->{startedEventId};
	$self->{task} = 'none';
	$self->{untold} = 1;
	return;
}

sub on_workflow_execution_signaled
{
	my ($self, $a) = @_;
	my $request = $a->{requestId} // return;

	$self->wrong('a request that was carried out before')
	  if $self->{requests}->{$request}++;
	return;
}

sub on_workflow_execution_cancel_requested
{
	my ($self) = @_;

	$self->wrong('again') if $self->{cancel_requested}++;
	return;
}

# Somebody else has the id now: what had it before has ended while the task was
# started, and that only waits to be told.
sub has_to_end
{
	my ($self, $what, @ids) = @_;

	$self->wrong('an id twice in one task')
	  if grep { $_ > ($self->{completed} // 0) } @ids;
	push @{ $self->{ending} }, map { [ $what, $_ ] } @ids;
	return;
}

sub check_ended
{
	my ($self) = @_;

	foreach my $one (@{ $self->{ending} // [] })
	{
		my ($what, $id) = @$one;

		$self->wrong("the id of event $id was used again before its end")
		  if $self->{$what}->{$id};
	}
	delete $self->{ending};
	return;
}

sub on_activity_task_scheduled
{
	my ($self, $a, $event) = @_;

	$self->has_to_end('activities', grep {
		$self->{activities}->{$_}->{id} eq $a->{activityId}
	} keys %{ $self->{activities} });
	$self->{activities}->{ $event->{event_id} } = { id => $a->{activityId} };
	return;
}

sub on_activity_task_started
{
	my ($self, $a, $event) = @_;
	my $activity = $self->{activities}->{ $a->{scheduledEventId} };

	$self->wrong('of no activity that is pending')
	  if !$activity || $activity->{started};
	$activity->{started} = $event->{event_id};
	return;
}

sub on_activity_task_cancel_requested
{
	my ($self, $a, $event) = @_;
	my $scheduled = $self->{events}->[ $a->{scheduledEventId} - 1 ];

	$self->wrong('of no activity')
	  if !$scheduled || $scheduled->{type} ne 'activity_task_scheduled';
	push @{ $self->{cancels}->{ $a->{scheduledEventId} } },
	  $event->{event_id};
	return;
}

sub on_activity_task_completed { return $_[0]->activity_ended($_[1]) }

sub on_activity_task_failed { return $_[0]->activity_ended($_[1]) }

sub on_activity_task_timed_out { return $_[0]->activity_ended($_[1]) }

sub on_activity_task_canceled
{
	my ($self, $a) = @_;
	my $cancels = $self->{cancels}->{ $a->{scheduledEventId} } // [];

	$self->wrong('nobody asked for that')
	  unless grep { $_ == ($a->{latestCancelRequestedEventId} // 0) }
	  @$cancels;
	return $self->activity_ended($a);
}

sub activity_ended
{
	my ($self, $a) = @_;
	my $activity = delete $self->{activities}->{ $a->{scheduledEventId} };

	$self->wrong('of no activity that is pending') unless $activity;
	$self->wrong('of another attempt')
	  if $activity
	  && ($activity->{started} // 0) != ($a->{startedEventId} // 0);
	return;
}

sub on_timer_started
{
	my ($self, $a, $event) = @_;

	$self->has_to_end('timers', grep {
		$self->{timers}->{$_} eq $a->{timerId}
	} keys %{ $self->{timers} });
	$self->{timers}->{ $event->{event_id} } = $a->{timerId};
	return;
}

sub timer_ended
{
	my ($self, $a) = @_;
	my $id = delete $self->{timers}->{ $a->{startedEventId} };

	$self->wrong('of no timer that is pending')
	  if !defined $id || $id ne $a->{timerId};
	return;
}

sub on_timer_fired { return $_[0]->timer_ended($_[1]) }

sub on_timer_canceled { return $_[0]->timer_ended($_[1]) }

1;
