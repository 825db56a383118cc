# Judges what was told to clients of workflows (test/history/workflow_client.c, read by
# TaskqHistory.pm) by the histories of the runs in the end. Demands are made by
# what is ok; what is unknown only excuses.
#
# Whatever is given to a run has a mark, that only this has: a signal's input, the marker
# of a completed task, the result of an activity, the reason of a cancellation. So
# what is lost, or there twice, is found by its mark.
package TaskqRunJudge;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(any max uniq);

our @EXPORT = qw(judge_runs);

use constant TASK_TIMEOUT => 1_000_000;
use constant MAX_SHOWN => 20;

# The event that closes a run of a status, and the status that a command leads to.
my %closed_by = map { $_ => "workflow_execution_$_" } qw(completed failed canceled terminated continued_as_new timed_out);
my %closes = (complete => 'completed', fail => 'failed', cancel => 'canceled', continue => 'continued_as_new');

# Events that end something which another event has begun.
my %ends = (
	(map { $_ => 'task' } qw(workflow_task_completed workflow_task_failed workflow_task_timed_out)),
	(map { $_ => 'timer' } qw(timer_fired timer_canceled)),
	(map { $_ => 'activity' } qw(activity_task_completed activity_task_failed activity_task_timed_out activity_task_canceled)));

# What is wrong, as texts. "final" is what a client reads when everything is done:
#	runs	[run_id, workflow_id, status, what replay() says]
#	events	[run_id, event_id, type, mark, number of the event that it ends, early, continues], by run and event
#	sent	[mark]: rows written together with signals
sub judge_runs
{
	my ($facts, $final) = @_;
	my $self = bless { runs => {}, tokens => {}, marks => {}, problems => [] }, __PACKAGE__;

	$self->note_fact($_) foreach @$facts;
	$self->take_final($final);
	$self->judge_marks($final);
	foreach my $run (sort { $a->{run} <=> $b->{run} } values %{ $self->{runs} })
	{
		$self->judge_kept($run);
		$self->judge_history($run) if $run->{final};
		$self->judge_handed_out($run);
		$self->judge_answer($run, $_) foreach @{ $run->{answers} };
		$self->judge_operations($run);
		$self->judge_reads($run);
	}
	return $self->shown;
}

sub shown
{
	my ($self) = @_;
	my @problems = uniq @{ $self->{problems} };
	my $more = @problems - MAX_SHOWN;

	splice @problems, MAX_SHOWN, $more, "... and $more more" if $more > 0;
	return @problems;
}

sub wrong
{
	my ($self, $run, $what, @facts) = @_;

	push @{ $self->{problems} },
	  "workflow run $run->{run} (" . ($run->{final} ? $run->{final}->{id} : '?') . "): $what"
	  . join('', map { ", $_->{call} $_->{client}/$_->{n}" } @facts);
	return;
}

# ---- what clients were told ------------------------------------------------

sub run
{
	my ($self, $run) = @_;

	return $self->{runs}->{$run} //=
	  { run => $run, handed_out => [], answers => [], operations => [], reads => [], events => [] };
}

sub note_fact
{
	my ($self, $fact) = @_;
	my $call = $fact->{call};

	push @{ $self->{marks}->{ $fact->{mark} } }, $fact if defined $fact->{mark};
	if ($call eq 'start')
	{
		$self->{started}->{ $fact->{ids}->[0] } = 1;
		push @{ $self->run($fact->{rows}->[0]->[0])->{starts} }, $fact if $fact->{how} eq 'ok';
	}
	elsif ($call eq 'poll_workflow')
	{
		foreach my $row (@{ $fact->{rows} })
		{
			last if $fact->{how} ne 'ok';
			my %task = (fact => $fact, t0 => $fact->{t0}, t1 => $fact->{t1});

			@task{qw(run attempt token started)} = @$row;
			push @{ $self->run($task{run})->{handed_out} }, \%task;
			push @{ $self->{tokens}->{ $task{token} } }, \%task;
		}
	}
	elsif ($call =~ /^(?:complete|fail|release)_workflow$/)
	{
		push @{ $self->run($fact->{run})->{answers} }, $fact;
	}
	elsif ($call =~ /^(?:request_cancel|terminate|delete)$/)
	{
		push @{ $self->run($fact->{run})->{operations} }, $fact;
	}
	elsif ($call eq 'outcome')
	{
		push @{ $self->run($fact->{run})->{reads} }, $fact;
	}
	elsif ($call !~ /^(?:signal|taken_back|poll_activity|complete_activity|fail_activity)$/)
	{
		die "what is $call?";
	}
	return;
}

sub take_final
{
	my ($self, $final) = @_;
	my %first;

	foreach my $row (@{ $final->{runs} })
	{
		my %row;
		@row{qw(run id status replayed)} = @$row;
		my $run = $self->run($row{run});

		$run->{final} = \%row;
		$self->wrong($run, "nobody started \"$row{id}\"") unless $self->{started}->{ $row{id} };
		$self->wrong($run, 'does not move') if $row{status} eq 'running';
		$self->wrong($run, "replay: $row{replayed}") if $row{replayed} ne '';
	}
	foreach my $row (@{ $final->{events} })
	{
		my %event;
		@event{qw(run id type mark ref early continues)} = @$row;
		my $run = $self->run($event{run});

		push @{ $run->{events} }, \%event;
		$self->wrong($run, "\"$run->{final}->{id}\" was started twice")
		  if $event{id} == 1 && $event{continues} eq '' && $run->{final} && $first{ $run->{final}->{id} }++;
	}
	return;
}

# ---- marks -----------------------------------------------------------------

# What is demanded of a mark by the calls that gave it: at least and at most so often.
sub bounds
{
	my (@facts) = @_;
	my ($least, $most) = (0, 0);

	foreach my $fact (@facts)
	{
		next if $fact->{how} eq 'failed' || $fact->{call} eq 'taken_back';
		next if $fact->{call} eq 'complete_workflow' && $fact->{how} eq 'ok' && $fact->{rows}->[0]->[0] ne '';
		$most = 1;
		$least = 1
		  if $fact->{how} eq 'ok' && $fact->{call} !~ /^(?:request_cancel|delete|fail_activity)$/;
	}
	return ($least, $most);
}

sub judge_marks
{
	my ($self, $final) = @_;
	my %sent = map { $_->[0] => 1 } @{ $final->{sent} };
	my %found;

	foreach my $run (values %{ $self->{runs} })
	{
		foreach my $event (@{ $run->{events} })
		{
			push @{ $found{ $event->{mark} } }, [ $run, $event ] if $event->{mark} ne '';
		}
	}
	foreach my $mark (sort keys %found)
	{
		my ($run, $event) = @{ $found{$mark}->[0] };

		$self->wrong($run, "nobody gave it $mark ($event->{type})") unless $self->{marks}->{$mark};
	}
	foreach my $mark (sort keys %{ $self->{marks} })
	{
		my @facts = @{ $self->{marks}->{$mark} };
		my $of = $facts[0]->{run} // (map { $_->{rows}->[0]->[0] } grep { $_->{call} eq 'start' && $_->{how} eq 'ok' } @facts)[0];
		my ($least, $most) = bounds(@facts);
		# the result of a completion is its mark, too, but not that of an event
		my $count = @{ $found{$mark} // [] };

		next if !defined $of || $of eq '' || deletes($self->run($of));
		my $run = $self->run($of);
		$self->wrong($run, "$mark is lost", @facts) if $count < $least;
		$self->wrong($run, "$mark is there $count times", @facts) if $count > $most;
		$self->wrong($run, "$mark came to run $_->[0]->{run}", @facts)
		  foreach grep { $_->[0] != $run } @{ $found{$mark} // [] };
		next unless any { $_->{durable} } @facts;
		$self->wrong($run, "$mark and its row are not together", @facts) if !!$count ne !!$sent{$mark};
	}
	return;
}

# Calls that may have deleted a run.
sub deletes
{
	my ($run) = @_;

	return grep { $_->{call} eq 'delete' && $_->{how} ne 'failed' } @{ $run->{operations} };
}

# ---- runs ------------------------------------------------------------------

sub judge_kept
{
	my ($self, $run) = @_;
	my @deleted = grep { $_->{how} eq 'ok' } deletes($run);

	$self->wrong($run, 'is lost', @{ $run->{starts} }) if $run->{starts} && !$run->{final} && !deletes($run);
	$self->wrong($run, 'is back after its deletion', @deleted) if $run->{final} && @deleted;
	foreach my $start (@{ $run->{starts} // [] })
	{
		$self->wrong($run, 'is another workflow', $start)
		  if $run->{final} && $run->{final}->{id} ne $start->{ids}->[0];
	}
	return;
}

# Numbered without gaps, from the start to the close, nothing ended twice or too early.
sub judge_history
{
	my ($self, $run) = @_;
	my @events = @{ $run->{events} };
	my $close = $closed_by{ $run->{final}->{status} };
	my (%ended, %type);
	my $n = 0;

	if (!@events)
	{
		$self->wrong($run, 'has no history');
		return;
	}
	foreach my $event (@events)
	{
		my $what = $ends{ $event->{type} };

		$self->wrong($run, "event $event->{id} where $n is next") if $event->{id} != ++$n;
		$type{ $event->{id} } = $event->{type};
		$self->wrong($run, "$event->{type} (event $event->{id}) was early") if $event->{early} eq 't';
		next unless $what && $event->{ref} ne '';
		$self->wrong($run, "event $event->{ref} ($what) has two ends") if $ended{"$what $event->{ref}"}++;
		$self->wrong($run, "event $event->{id} ends what nobody has begun") unless $type{ $event->{ref} };
	}
	$self->wrong($run, "begins with $events[0]->{type}") if $events[0]->{type} ne 'workflow_execution_started';
	$self->wrong($run, "is $run->{final}->{status}, and ends with $events[-1]->{type}")
	  if defined $close && $events[-1]->{type} ne $close;
	pop @events;
	my %closing = reverse %closed_by;
	$self->wrong($run, "goes on after $_->{type}") foreach grep { $closing{ $_->{type} } } @events;
	return;
}

# ---- tasks -----------------------------------------------------------------

sub judge_handed_out
{
	my ($self, $run) = @_;
	my %seen;

	foreach my $task (sort { $a->{t1} <=> $b->{t1} } @{ $run->{handed_out} })
	{
		my $twin = $seen{"$task->{started} $task->{attempt}"};
		my @same = @{ $self->{tokens}->{ $task->{token} } };

		$self->wrong($run, "task $task->{started}, attempt $task->{attempt}, was handed out twice", $twin->{fact}, $task->{fact})
		  if $twin
		  && !any { $_->{call} eq 'release_workflow' && $_->{how} ne 'failed' && $_->{token} eq $twin->{token} } @{ $run->{answers} };
		$seen{"$task->{started} $task->{attempt}"} = $task;
		$self->wrong($run, 'a token was given twice', map { $_->{fact} } @same) if @same > 1;
	}
	return;
}

# Does the history have an end of that task?
sub has_end
{
	my ($run, $type, $started) = @_;

	return any { $_->{type} eq $type && $_->{ref} eq $started } @{ $run->{events} };
}

# What one answer to a task has left; no token is good twice, or when it is old.
sub judge_answer
{
	my ($self, $run, $answer) = @_;
	my ($task) = @{ $self->{tokens}->{ $answer->{token} } // [] };
	my ($cause, $closed) = @{ $answer->{rows}->[0] // [] };
	my $final = $run->{final};

	return $self->judge_refusal($run, $answer, $task) if $answer->{how} eq 'failed';
	return if $answer->{how} ne 'ok';
	$self->wrong($run, 'a token was accepted twice', $_, $answer)
	  foreach grep { $_ != $answer && $_->{how} eq 'ok' && $_->{token} eq $answer->{token} && $_->{t0} < $answer->{t0} } @{ $run->{answers} };
	foreach my $later (@{ $run->{handed_out} })
	{
		$self->wrong($run, 'an old token was accepted', $later->{fact}, $answer)
		  if $later->{token} ne $answer->{token}
		  && $later->{t1} < $answer->{t0}
		  && $task
		  && $later->{t0} > $task->{t1};
	}
	return if !$final || $answer->{call} eq 'release_workflow';
	if ($answer->{call} eq 'fail_workflow')
	{
		$self->wrong($run, 'a failed task is lost', $answer)
		  if $answer->{attempt} == 1 && !has_end($run, 'workflow_task_failed', $answer->{started});
		return;
	}
	return if $cause ne '';
	$self->wrong($run, 'a completed task is lost', $answer)
	  unless has_end($run, 'workflow_task_completed', $answer->{started});
	$self->wrong($run, "was closed, and is $final->{status}", $answer)
	  if $answer->{closes} ne '' && ($closed ne 't' || $final->{status} ne $closes{ $answer->{closes} });
	return;
}

# A token is good until a timer, or somebody else, has ended the task.
sub judge_refusal
{
	my ($self, $run, $answer, $task) = @_;

	return if !$task || $answer->{state} ne 'TQ001' || $answer->{t1} >= $task->{t0} + TASK_TIMEOUT;
	return if any { $_ != $answer && $_->{how} ne 'failed' && $_->{token} eq $answer->{token} } @{ $run->{answers} };
	return if any { $_->{call} ne 'request_cancel' && $_->{how} ne 'failed' && $_->{t0} < $answer->{t1} } @{ $run->{operations} };
	return if $run->{final} && $run->{final}->{status} eq 'timed_out';
	$self->wrong($run, 'a token was refused early', $task->{fact}, $answer);
	return;
}

# ---- operations and reads --------------------------------------------------

sub judge_operations
{
	my ($self, $run) = @_;
	my $final = $run->{final} or return;
	my $canceled = any { $_->{type} eq 'workflow_execution_cancel_requested' } @{ $run->{events} };

	foreach my $operation (grep { $_->{how} eq 'ok' } @{ $run->{operations} })
	{
		$self->wrong($run, "is $final->{status}", $operation)
		  if $operation->{call} eq 'terminate' && $final->{status} ne 'terminated';
		# a closed run takes none, silently; this one was open afterwards
		$self->wrong($run, 'a cancel request is lost', $operation)
		  if $operation->{call} eq 'request_cancel'
		  && !$canceled
		  && any { $_->{t0} > $operation->{t1} } @{ $run->{handed_out} };
	}
	return;
}

# Answers and operations that have closed the run, as far as was acknowledged.
sub closing
{
	my ($run) = @_;

	return grep {
		     $_->{how} eq 'ok'
		  && ($_->{call} eq 'terminate'
			|| $_->{call} eq 'complete_workflow' && ($_->{rows}->[0]->[1] // '') eq 't')
	} @{ $run->{operations} }, @{ $run->{answers} };
}

sub judge_reads
{
	my ($self, $run) = @_;
	my $final = $run->{final};

	foreach my $read (@{ $run->{reads} })
	{
		my ($status) = @{ $read->{rows}->[0] // [] };

		if ($read->{how} eq 'failed')
		{
			$self->wrong($run, 'could not be found', $read)
			  if $read->{state} eq 'TQ001' && $run->{starts} && $run->{starts}->[0]->{t1} < $read->{t0} && !deletes($run);
			next;
		}
		next if $read->{how} ne 'ok';
		if ($status eq 'running')
		{
			$self->wrong($run, 'was seen open after it was closed', $_, $read)
			  foreach grep { $_->{t1} < $read->{t0} } closing($run);
			next;
		}
		$self->wrong($run, "was seen $status, and is $final->{status}", $read) if $final && $status ne $final->{status};
	}
	return;
}

1;
