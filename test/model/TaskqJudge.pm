# Judges a history (TaskqHistory.pm) by itself and by what is to be read in the
# end. It knows nothing else, in particular nothing of the server's tables.
# Demands are made by what is ok; what is unknown only excuses.
package TaskqJudge;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(any max min uniq);
use TaskqHistory;

our @ISA = qw(TaskqHistory);
our @EXPORT = qw(judge);

use constant MS => 1000;
use constant MAX_SHOWN => 20;

# What is known of the kinds that the client schedules, in microseconds.
my %kinds = (
	plain => { attempt => 900 * MS, backoff => 50 * MS },
	once => { attempt => 700 * MS },
	beat => { attempt => 5000 * MS, beat => 500 * MS, backoff => 50 * MS },
	delayed =>
	  { attempt => 900 * MS, backoff => 300 * MS, delay => 400 * MS },
	unstarted => { closes => 600 * MS },
	bounded => { closes => 1200 * MS },
	operated => { attempt => 900 * MS, backoff => 50 * MS });

# What is wrong with a history, as texts. "final" is what a client reads when
# everything is done:
#	activities	[run_id, id, status, attempt, result, message, cancel_reason,
#				priority, details, early]
#	done		[run_id, attempt, result]: rows written together with completions
#	beats		[details]: rows written together with heartbeats
sub judge
{
	my ($facts, $final) = @_;
	my $self = TaskqJudge->new($facts);

	$self->{problems} = [];
	$self->take_final($final);
	$self->judge_done($final);
	foreach my $run (sort { $a->{run} <=> $b->{run} } values %{ $self->{runs} })
	{
		my $id = ($run->{final} // $run->{scheduled} // {})->{id};

		@$run{qw(id scheduling)} = ($id, $self->{ids}->{ $id // '' });
		$run->{kind} = $kinds{ $run->{scheduling}->{kind} // '' } // {};
		$run->{was_reset} = any { $_->{call} eq 'reset' && $_->{how} ne 'failed' }
		@{ $run->{operations} };
		$run->{deletes} =
		  [ grep { $_->{call} eq 'delete' && $_->{how} ne 'failed' }
			  @{ $run->{operations} } ];
		$self->judge_kept($run);
		$self->judge_handed_out($run);
		$self->judge_reports($run);
		$self->judge_refusals($run);
		$self->judge_times($run);
		$self->judge_beats($run);
		$self->judge_reads($run);
		$self->judge_operations($run);
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
	  "run $run->{run} (" . ($run->{id} // '?') . "): $what"
	  . join('', map { ", $_->{call} $_->{client}/$_->{n}" } @facts);
	return;
}

sub take_final
{
	my ($self, $final) = @_;
	my %by_id;

	foreach my $row (@{ $final->{activities} })
	{
		my %row;
		@row{
			qw(run id status attempt result message cancel_reason priority
			  details early)
		} = @$row;
		my $run = $self->run($row{run});

		@$run{qw(final id)} = (\%row, $row{id});
		$self->wrong($run, "nobody scheduled \"$row{id}\"")
		  unless $self->{ids}->{ $row{id} };
		$self->wrong($run, "\"$row{id}\" was scheduled twice") if $by_id{ $row{id} }++;
		$self->wrong($run, "is still $row{status}")
		  if $row{status} =~ /^(?:running|paused)$/;
		$self->wrong($run, 'a timer was early, by the server\'s clock')
		  if $row{early} eq 't';
	}
	return;
}

# Rows that were written in the transactions of completions and heartbeats are
# there exactly with these.
sub judge_done
{
	my ($self, $final) = @_;
	my (%done, %beats);

	foreach my $row (@{ $final->{done} })
	{
		my ($run_id, $attempt, $result) = @$row;
		my $run = $self->run($run_id);

		$self->wrong($run, 'was done twice') if $done{$run_id}++;
		$self->wrong($run, "was done, but is not completed with $result")
		  if $run->{final} && $run->{final}->{result} ne $result;
	}
	$beats{ $_->[0] } = 1 foreach @{ $final->{beats} };
	foreach my $fact (@{ $self->{facts} })
	{
		next if $fact->{how} ne 'ok';
		$self->wrong($self->run($fact->{run}), 'a row is lost', $fact)
		  if $fact->{call} eq 'complete' && !$done{ $fact->{run} };
		$self->wrong($self->run($fact->{run}), 'a row is lost', $fact)
		  if $fact->{call} eq 'heartbeat'
		  && $fact->{durable} == 2
		  && !$beats{ $fact->{details} };
	}
	return;
}

# Nothing acknowledged is lost: the run itself, and how far it had come.
sub judge_kept
{
	my ($self, $run) = @_;
	my $final = $run->{final};

	$self->wrong($run, 'is lost')
	  if $run->{scheduled} && !$final && !@{ $run->{deletes} };
	$self->wrong($run, "is \"$final->{id}\" in the end")
	  if $run->{scheduled} && $final && $final->{id} ne $run->{scheduled}->{id};
	return if !$final || $run->{was_reset};
	foreach my $task (@{ $run->{handed_out} })
	{
		$self->wrong($run, "attempt $task->{attempt} is lost", $task->{fact})
		  if $task->{attempt} > $final->{attempt};
	}
	return;
}

# Nothing is handed out twice, nor after it was closed, nor while it is paused.
sub judge_handed_out
{
	my ($self, $run) = @_;
	my %seen;

	foreach my $task (@{ $run->{handed_out} })
	{
		my $twin = $seen{ $task->{attempt} };

		$self->wrong($run, "attempt $task->{attempt} was handed out twice",
			$twin->{fact}, $task->{fact})
		  if $twin
		  && !$run->{was_reset}
		  && !any {
			     $_->{call} eq 'release'
			  && $_->{how} ne 'failed'
			  && $_->{token} eq $twin->{token}
		  }
		@{ $run->{reports} };
		$seen{ $task->{attempt} } = $task;
		my @same = @{ $self->{tokens}->{ $task->{token} } };
		$self->wrong($run, 'a token was given twice', map { $_->{fact} } @same)
		  if @same > 1;
		foreach my $close (closing($run))
		{
			$self->wrong($run, 'was handed out after it was closed',
				$close->{fact}, $task->{fact})
			  if $task->{t0} > $close->{t1};
		}
	}
	return;
}

# Reports and operations that have closed the run, as far as was acknowledged.
sub closing
{
	my ($run) = @_;

	return (
		(
			grep {
				     $_->{how} eq 'ok'
				  && $_->{call} ne 'release'
				  && ($_->{call} ne 'fail'
					|| $_->{answer}->[0] ne 'in_progress')
			} @{ $run->{reports} }),
		map { { %$_, fact => $_ } }
		  grep { $_->{how} eq 'ok' && $_->{call} =~ /^(?:terminate|delete)$/ }
		  @{ $run->{operations} });
}

# An attempt ends once, an old token is worth nothing, and the result stays.
sub judge_reports
{
	my ($self, $run) = @_;
	my $final = $run->{final};
	my @accepted = grep { $_->{how} eq 'ok' } @{ $run->{reports} };
	my %ended;

	foreach my $report (@accepted)
	{
		my $twin = $ended{ $report->{token} };

		$self->wrong($run, "attempt $report->{attempt} was ended twice",
			$twin->{fact}, $report->{fact})
		  if $twin;
		$ended{ $report->{token} } = $report;
		$self->judge_report($run, $report) if $final;
		next if $run->{was_reset};
		foreach my $task (@{ $run->{handed_out} })
		{
			$self->wrong($run, 'an old token was accepted',
				$task->{fact}, $report->{fact})
			  if $task->{attempt} > $report->{attempt}
			  && ($report->{call} !~ /^(?:fail|release)$/
				|| $task->{t1} < $report->{t0});
		}
	}
	return if !$final || $final->{status} ne 'completed';
	my @winners = grep {
			 $_->{call} eq 'complete'
		  && $_->{how} ne 'failed'
		  && $_->{result} eq $final->{result}
	} @{ $run->{reports} };
	$self->wrong($run, "nobody has given it its result $final->{result}")
	  unless @winners;
	$self->wrong($run, 'an old token has completed it', $winners[0]->{fact})
	  if @winners
	  && !$run->{was_reset}
	  && $winners[0]->{attempt} != $final->{attempt};
	return;
}

# What one accepted report has left.
sub judge_report
{
	my ($self, $run, $report) = @_;
	my $final = $run->{final};
	my $kept;

	if ($report->{call} eq 'complete')
	{
		$kept = $final->{status} eq 'completed'
		  && $final->{result} eq $report->{result};
	}
	elsif ($report->{call} eq 'report_canceled')
	{
		$kept = $final->{status} eq 'canceled';
	}
	elsif ($report->{call} eq 'release')
	{
		$kept = 1;
	}
	elsif ($report->{answer}->[0] ne 'in_progress')
	{
		$kept = $final->{status} eq 'failed'
		  && $final->{message} eq $report->{message};
	}
	else
	{
		$kept = $run->{was_reset}
		  || $final->{attempt} > $report->{attempt};
	}
	$self->wrong($run,
		"a report is lost: it is $final->{status}, attempt $final->{attempt}",
		$report->{fact})
	  unless $kept;
	return;
}

# The earliest end of an attempt, as far as its timeouts go: the last heartbeat
# that counts for certain, and was begun before the given instant, puts one off.
sub earliest_timeout
{
	my ($run, $task, $before) = @_;
	my $kind = $run->{kind};
	my $beat = max($task->{t0},
		map { $_->{t0} }
		  grep { $_->{how} eq 'ok' && $_->{token} eq $task->{token} && $_->{t1} < $before }
		  @{ $run->{beats} });

	return min($task->{t0} + ($kind->{attempt} // 0),
		$kind->{beat} ? $beat + $kind->{beat} : ());
}

# A token that was handed out is good until somebody else, or a timer, has
# ended the attempt.
sub judge_refusals
{
	my ($self, $run) = @_;

	foreach my $call (@{ $run->{reports} }, @{ $run->{beats} })
	{
		my ($task) = @{ $self->{tokens}->{ $call->{token} } // [] };

		next
		  if !$task || $call->{how} ne 'failed' || $call->{state} ne 'TQ001';
		next
		  if any {
				 $_->{how} ne 'failed'
			  && $_->{t0} < $call->{t1}
			  && ( $_->{token}
				? $_->{token} eq $call->{token}
				: $_->{call} =~ /^(?:terminate|delete)$/)
		  }
		  @{ $run->{reports} }, @{ $run->{operations} };
		next if $call->{t1} >= earliest_timeout($run, $task, $call->{t0});
		$self->wrong($run, 'a token was refused early', $task->{fact},
			$call->{fact} // $call);
	}
	return;
}

# No timer is early: neither a start delay, nor a back-off, nor a timeout.
sub judge_times
{
	my ($self, $run) = @_;
	my $kind = $run->{kind};
	my %attempt = map { $_->{attempt} => $_ } @{ $run->{handed_out} };
	my $begun = $run->{scheduling} ? $run->{scheduling}->{t0} : 0;

	$self->wrong($run, 'a start delay was cut short', $attempt{1}->{fact})
	  if $attempt{1} && $attempt{1}->{t1} < $begun + ($kind->{delay} // 0);
	foreach my $read (@{ $run->{reads} })
	{
		$self->wrong($run, 'timed out early', $read)
		  if $kind->{closes}
		  && $read->{how} eq 'ok'
		  && $read->{rows}->[0]->[0] eq 'timed_out'
		  && $read->{t1} < $begun + $kind->{closes};
	}
	return if $run->{was_reset};
	foreach my $task (@{ $run->{handed_out} })
	{
		my $before = $attempt{ $task->{attempt} - 1 } or next;
		my $end = min(
			earliest_timeout($run, $before, $task->{t0}),
			map { $_->{t0} } grep {
				     $_->{call} eq 'fail'
				  && $_->{how} ne 'failed'
				  && $_->{token} eq $before->{token}
			} @{ $run->{reports} });

		$self->wrong($run, "attempt $task->{attempt} was early",
			$before->{fact}, $task->{fact})
		  if $task->{t1} < $end + ($kind->{backoff} // 0);
	}
	return;
}

# The next attempt gets the details of the last heartbeat: at least of the last
# one that was as good as written.
sub judge_beats
{
	my ($self, $run) = @_;
	my $final = $run->{final};

	return if $run->{was_reset};
	foreach my $reader (@{ $run->{handed_out} },
		$final ? { %$final, token => '', t1 => 9**15 } : ())
	{
		my @allowed = ('');

		foreach my $beat (@{ $run->{beats} })
		{
			next
			  if $beat->{how} eq 'failed'
			  || $beat->{token} eq $reader->{token}
			  || $beat->{t0} > $reader->{t1};
			@allowed = () if $beat->{durable} && $beat->{how} eq 'ok';
			push @allowed, $beat->{details};
		}
		$self->wrong(
			$run,
			"heartbeat details are \"$reader->{details}\", not \"$allowed[0]\"",
			$reader->{fact} // ())
		  unless any { $_ eq $reader->{details} } @allowed;
	}
	return;
}

# Once it is seen closed it stays as it is; and what was acknowledged is seen.
sub judge_reads
{
	my ($self, $run) = @_;
	my $final = $run->{final};

	foreach my $read (@{ $run->{reads} })
	{
		my ($status, $result, $message) = @{ $read->{rows}->[0] // [] };

		if ($read->{how} eq 'failed')
		{
			$self->wrong($run, 'could not be found', $read)
			  if $read->{state} eq 'TQ001'
			  && $run->{scheduled}
			  && $run->{scheduled}->{t1} < $read->{t0}
			  && !@{ $run->{deletes} };
			next;
		}
		next if $read->{how} ne 'ok';
		if ($status =~ /^(?:running|paused)$/)
		{
			$self->wrong($run, 'was seen open after it was closed',
				$_->{fact}, $read)
			  foreach grep { $_->{t1} < $read->{t0} } closing($run);
			next;
		}
		next if !$final;
		$self->wrong(
			$run,
			"was seen $status ($result), and is $final->{status} ($final->{result})",
			$read)
		  if $status ne $final->{status} || $result ne $final->{result};
	}
	return;
}

# What operators were told holds.
sub judge_operations
{
	my ($self, $run) = @_;
	my $final = $run->{final};
	my ($paused, $unpaused);

	foreach my $operation (@{ $run->{operations} })
	{
		my ($call, $value) = @$operation{qw(call value)};

		$unpaused = $operation if $call eq 'unpause' && !$unpaused;
		next if $operation->{how} ne 'ok';
		$paused = $operation if $call eq 'pause';
		if ($call eq 'delete')
		{
			$self->wrong($run, 'is back after its deletion', $operation) if $final;
			next;
		}
		next if !$final;
		$self->wrong($run, "is $final->{status} ($final->{message})", $operation)
		  if $call eq 'terminate'
		  && ($final->{status} ne 'terminated' || $final->{message} ne $value);
		$self->wrong($run, "has cancel reason \"$final->{cancel_reason}\"", $operation)
		  if $call eq 'request_cancel' && $final->{cancel_reason} ne $value;
		$self->wrong($run, "has priority \"$final->{priority}\"", $operation)
		  if $call eq 'update_options' && $final->{priority} ne $value;
	}
	return if !$paused;
	foreach my $task (@{ $run->{handed_out} })
	{
		$self->wrong($run, 'was handed out while it was paused', $paused, $task->{fact})
		  if $task->{t0} > $paused->{t1}
		  && (!$unpaused || $task->{t1} < $unpaused->{t0});
	}
	return;
}

1;
