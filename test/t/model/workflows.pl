# A long random sequence of calls about workflows, made by several sessions in
# turn, in and outside transactions, gives the answers and the histories that
# TaskqWorkflowModel.pm predicts. The clock is moved by the test, so that
# timeouts take no time. TASKQ_SEED repeats a sequence, TASKQ_STEPS is its
# length.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use JSON::PP;
use List::Util qw(first max uniq shuffle);
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqSessions;
use TaskqWorkflowModel;
use Test::More;
use Time::HiRes qw(sleep);

use constant {
	STEPS => 1500,
	SESSIONS => 4,
	MANY_OPEN => 6,
	MANY_EVENTS => 90,
	SECOND => TaskqWorkflowModel::SECOND,
	MAX_PROBLEMS => 5,
	PATIENCE => 20,				# seconds until what has to happen has happened
	GLIMPSES => 10,				# looks at what may be about to change
};

my $seed = $ENV{TASKQ_SEED} || 1;
my $steps = $ENV{TASKQ_STEPS} || STEPS;
diag("TASKQ_SEED=$seed");
srand($seed);

my $json = JSON::PP->new->canonical->allow_nonref;

# ---- the server ----------------------------------------------------------

my $node = taskq_node('main', "taskq.retention = '10000d'",
	'max_prepared_transactions = 10', 'log_min_messages = warning',
	'log_statement = none', 'fsync = off');

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION taskq;
	CREATE FUNCTION us(timestamptz) RETURNS bigint LANGUAGE sql STABLE
	  AS $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;
});

my @sessions =
  map { TaskqSessions->new($node, "s$_") } 1 .. SESSIONS;
my $observer = TaskqSessions->new($node, 'observer');

$SIG{ALRM} = sub { die 'a session hangs' };
alarm(20 * $PostgreSQL::Test::Utils::timeout_default);
foreach my $session (@sessions, $observer)
{
	# nothing below has to wait for anybody
	$session->ask_safe("SET lock_timeout = '15s'");
}

# ---- literals ------------------------------------------------------------

sub text
{
	my ($value) = @_;

	return 'NULL' unless defined $value;
	$value =~ s/'/''/g;
	return "'$value'";
}

sub jsonb { return defined $_[0] ? text($json->encode($_[0])) . '::jsonb' : 'NULL' }

sub span { return $_[0] ? text($_[0] / SECOND . ' s') : 'NULL' }

sub bool { return $_[0] ? 'true' : 'false' }

sub arguments
{
	my (%arguments) = @_;

	return join(', ',
		map { "$_ => $arguments{$_}" }
		  grep { defined $arguments{$_} && $arguments{$_} ne 'NULL' }
		  sort keys %arguments);
}

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

# ---- what is known -------------------------------------------------------

my (%runs, @problems, %done, %answers, %polled, %followed);
my ($step, $letters, $requests, $prepared) = (0, 0, 0, 0);
my $clock;						# as it was last read
my $quiet;						# as it was when all had happened
my (@tokens, @activity_tokens);

sub problem
{
	my ($text, $run) = @_;
	my @log = $run ? @{ $run->{log} } : ();

	@log = @log[ -25 .. -1 ] if @log > 25;
	push @problems, "step $step: $text"
	  . ($run
		? " (run $run->{id}, $run->{workflow_id})\n  " . join("\n  ", @log)
		: '');
	diag($problems[-1]);
	$run->{dropped} = 1 if $run;
	die 'too many problems' if @problems >= MAX_PROBLEMS;
	return;
}

sub note_call
{
	my ($run, $text) = @_;

	push @{ $run->{log} }, "$step: $text";
	return;
}

sub read_clock
{
	$clock = $observer->ask_safe('SELECT us(taskq.clock())')->[0]->[0];
	return $clock;
}

# Is somebody known to poll this queue?
sub is_alive
{
	my ($queue) = @_;
	my $last = $polled{$queue} or return 0;
	my ($least, $most) =
	  ((sort { $a <=> $b } ($clock - $last->{clock}) / SECOND,
			time - $last->{time}))[ 0, 1 ];

	return 1 if $most < 7 && !$last->{doubtful};
	return 0 if $least > 13;
	return;
}

sub world
{
	my ($from) = @_;

	# what happens by itself comes after all that was sent
	return {
		now => [ $from, $clock ],
		alive => \&is_alive,
		seq => $letters + 0.5,
	};
}

sub all_runs
{
	return map { $runs{$_} } sort { $a <=> $b } keys %runs;
}

sub is_open
{
	my ($run) = @_;

	return !$run->{dropped}
	  && grep { TaskqWorkflowModel::is_running($_) } @{ $run->{states} };
}

# The latest run of a workflow id that a session can see.
sub latest
{
	my ($s, $workflow_id) = @_;

	return (
		grep {
			$_->{workflow_id} eq $workflow_id
			  && (!$_->{born_in} || $s->{tx} && $_->{born_in} == $s->{tx})
		} all_runs())[-1];
}

# ---- transactions --------------------------------------------------------

# All open transactions, those that are prepared too. What one did to a run
# that it has locked is a set of states; what it did without is kept as what
# happens to the states of the run when it commits.
my @transactions;

sub begin
{
	my ($s) = @_;

	$s->{session}->ask_safe('BEGIN');
	$s->{tx} = {
		owned => {},
		effects => {},
		soft => {},
		ids => {},
		activities => {},
		savepoints => [],
		left => 2 + int(rand(14))
	};
	push @transactions, $s->{tx};
	return;
}

my @parts = qw(owned effects soft ids activities);

sub snapshot
{
	my ($tx) = @_;
	my %copy = map { $_ => { %{ $tx->{$_} } } } @parts;

	$copy{effects}->{$_} = [ @{ $copy{effects}->{$_} } ]
	  foreach keys %{ $copy{effects} };
	return \%copy;
}

sub savepoint
{
	my ($s) = @_;
	my $tx = $s->{tx};

	if (@{ $tx->{savepoints} } && chance(0.6))
	{
		my $before = pop @{ $tx->{savepoints} };

		$s->{session}->ask_safe('ROLLBACK TO SAVEPOINT p' . @{ $tx->{savepoints} });
		$s->{session}->ask_safe('RELEASE SAVEPOINT p' . @{ $tx->{savepoints} });
		unborn($tx, grep { !$before->{owned}->{$_} } keys %{ $tx->{owned} });
		@$tx{@parts} = @$before{@parts};
		$done{'rollback to savepoint'}++;
		check($s, $_) foreach touched($tx);
		return;
	}
	$s->{session}->ask_safe('SAVEPOINT p' . @{ $tx->{savepoints} });
	push @{ $tx->{savepoints} }, snapshot($tx);
	return;
}

sub touched
{
	my ($tx) = @_;

	return grep { $_ && !$_->{dropped} }
	  map { $runs{$_} } uniq(keys %{ $tx->{owned} }, keys %{ $tx->{effects} });
}

# Runs that the transaction began have not begun.
sub unborn
{
	my ($tx, @ids) = @_;

	foreach my $id (@ids)
	{
		next unless $runs{$id} && $runs{$id}->{born_in};
		delete $runs{$id};
		delete $followed{$id};
	}
	return;
}

sub forget_transaction
{
	my ($tx) = @_;

	@transactions = grep { $_ != $tx } @transactions;
	foreach my $s (@sessions)
	{
		delete $s->{tx} if ($s->{tx} // 0) == $tx;
	}
	return;
}

# By whichever session, if it is prepared.
sub end
{
	my ($s, $tx, $commits) = @_;
	my @touched = touched($tx);
	my $name = $tx->{prepared};

	$s->{session}->ask_safe(($commits ? 'COMMIT' : 'ROLLBACK')
		. ($name ? " PREPARED '$name'" : ''));
	$done{ ($commits ? 'commit' : 'rollback') . ($name ? ' prepared' : '') }++;
	forget_transaction($tx);
	if ($commits)
	{
		committed($tx);
	}
	else
	{
		unborn($tx, keys %{ $tx->{owned} });
	}
	read_clock();
	foreach my $run (grep { $runs{ $_->{id} } } @touched)
	{
		note_call($run,
			($commits ? 'COMMIT' : 'ROLLBACK') . ($name ? ' PREPARED' : ''));
		check($s, $run);
	}
	return;
}

sub committed
{
	my ($tx) = @_;

	foreach my $id (keys %{ $tx->{owned} })
	{
		my $run = $runs{$id};

		$run->{states} = $tx->{owned}->{$id};
		delete $run->{born_in};
	}
	foreach my $id (grep { !$tx->{owned}->{$_} } keys %{ $tx->{effects} })
	{
		my $run = $runs{$id};

		# who has locked the run sees what was sent as well
		$run->{states} = affected($run->{states}, $tx->{effects}->{$id});
		befalls_owners($id, $tx->{effects}->{$id});
	}
	return;
}

# Also those states that a savepoint keeps.
sub befalls_owners
{
	my ($id, $effects) = @_;

	foreach my $kept (map { ($_, @{ $_->{savepoints} }) } @transactions)
	{
		$kept->{owned}->{$id} = affected($kept->{owned}->{$id}, $effects)
		  if $kept->{owned}->{$id};
	}
	return;
}

sub affected
{
	my ($states, $effects) = @_;
	my @states = @$states;

	foreach my $effect (@$effects)
	{
		@states = map { $effect->($_) } @states;
	}
	return [ TaskqWorkflowModel::distinct(@states) ];
}

sub prepare
{
	my ($s) = @_;
	my $tx = $s->{tx};

	$tx->{prepared} = 'p' . ++$prepared;
	$s->{session}->ask_safe("PREPARE TRANSACTION '$tx->{prepared}'");
	delete $s->{tx};
	$tx->{left} = 1 + int(rand(8));
	$done{'prepare'}++;
	return;
}

# What another transaction has locked, or may have, is left alone.
sub others
{
	my ($s) = @_;

	return grep { $_ != ($s->{tx} // 0) } @transactions;
}

sub is_free
{
	my ($s, $run) = @_;

	return !$run->{dropped}
	  && (!$run->{born_in} || $run->{born_in} == ($s->{tx} // 0))
	  && !grep {
			 $_->{owned}->{ $run->{id} }
		  || $_->{soft}->{ $run->{id} }
		  || $_->{ids}->{ $run->{workflow_id} }
	  } others($s);
}

# Inside a transaction something can be sent to a run that somebody else has
# locked, but not closed.
sub may_send
{
	my ($s, $run) = @_;

	return 1 if is_free($s, $run);
	return 0 if !$s->{tx} || $run->{dropped} || $run->{born_in};
	return !grep {
			 $_->{soft}->{ $run->{id} }
		  || $_->{ids}->{ $run->{workflow_id} }
		  || grep { !TaskqWorkflowModel::is_running($_) }
		  @{ $_->{owned}->{ $run->{id} } // [] }
	} others($s);
}

# Nobody else has anything in work that a close would have to wait for.
sub may_close
{
	my ($s, $run) = @_;

	return !grep {
		my $tx = $_;

		$tx->{effects}->{ $run->{id} }
		  || grep { /^$run->{id}:/ } keys %{ $tx->{activities} }
	} others($s);
}

sub activity_is_free
{
	my ($s, $run, $scheduled) = @_;

	return !grep { $_->{activities}->{"$run->{id}:$scheduled"} } others($s);
}

# The states of a run as the session sees them.
sub view
{
	my ($s, $run, $world) = @_;
	my $tx = $s->{tx};
	my @states;

	return @{ $tx->{owned}->{ $run->{id} } }
	  if $tx && $tx->{owned}->{ $run->{id} };
	@states = @{ $run->{states} };
	@states = TaskqWorkflowModel::reachable($world, @states)
	  unless grep { $_->{owned}->{ $run->{id} } } @transactions;
	return @states unless $tx && $tx->{effects}->{ $run->{id} };
	return @{ affected(\@states, $tx->{effects}->{ $run->{id} }) };
}

# One of the states, to choose by.
sub some_state
{
	my ($s, $run) = @_;

	return (view($s, $run, world($clock)))[0];
}

# ---- calls ---------------------------------------------------------------

# Run a statement that may fail; returns its SQLSTATE, message and rows.
sub say_in
{
	my ($s, $sql) = @_;
	my ($state, $message, $rows);

	$s->{session}->ask_safe('SAVEPOINT auto') if $s->{tx};
	($state, $message, $rows) = $s->{session}->ask($sql);
	$s->{session}->ask_safe($state ? 'ROLLBACK TO auto' : 'RELEASE auto')
	  if $s->{tx};
	$answers{ $state || 'success' }++;
	return ($state, $message, $rows);
}

# Make a call about a run and compare its answer. "outcomes" gives what a state
# may lead to, "fits" compares rows with a value that is expected. What "locks"
# the run is done to it at once, all else when the transaction commits. Returns
# whether it went as expected.
sub call
{
	my ($s, $run, %o) = @_;
	my $from = $quiet;
	my ($state, $message, $rows) = say_in($s, $o{sql});

	read_clock();
	note_call($run,
			"$s->{session}->{name}: $o{sql} -> "
		  . ($state || 'success')
		  . ($s->{tx} ? ' (in transaction)' : ''));
	$done{ $o{name} }++;
	return judge($s, $run, world($from), $state, $message, $rows, %o);
}

sub judge
{
	my ($s, $run, $world, $state, $message, $rows, %o) = @_;
	my $tx = $s->{tx};
	my ($id, @expected) = $run->{id};
	my $answers = sub {
		my ($answer) = @_;

		return 0 if $answer->{state} ne $state;
		return 0 if $answer->{message} && $message !~ $answer->{message};
		return 1 if $state || !$o{fits};
		return $o{fits}->($answer->{value}, $rows);
	};
	my $becomes = sub {
		my ($before) = @_;
		my @after;

		foreach my $outcome ($o{outcomes}->($before, $world))
		{
			my ($answer, $state, $letter) = @$outcome;

			push @expected, $answer;
			next unless $answers->($answer);
			$letter = { %$letter, seq => $o{seq} } if $letter;
			push @after,
			    !$letter ? $state
			  : $tx ? TaskqWorkflowModel::send_mail($state, $letter)
			  : TaskqWorkflowModel::told($world, [ $answer, $state, $letter ])
			  ->[1];
		}
		return @after;
	};
	my @before = view($s, $run, $world);
	my @after;

	$o{seq} = ++$letters;
	@after = TaskqWorkflowModel::distinct(map { $becomes->($_) } @before);
	if (!@after)
	{
		problem(
			"$o{sql}\n  -> "
			  . ($state ? "$state $message" : 'success ' . $json->encode($rows))
			  . "\n  expected "
			  . join(' or ',
				uniq(map { TaskqWorkflowModel::show(shown($_)) } @expected)),
			$run);
		return 0;
	}
	take_effect($s, $run, $world, $becomes, \@before, \@after, $o{locks})
	  if !$state || !$tx;
	return 1;
}

sub take_effect
{
	my ($s, $run, $world, $becomes, $before, $after, $locks) = @_;
	my $tx = $s->{tx};
	my $id = $run->{id};

	if (!$tx)
	{
		$run->{states} = $after;
		befalls_owners($id, [$becomes]);
	}
	elsif ($locks || $tx->{owned}->{$id})
	{
		# what had happened by itself before is all that does
		$run->{states} =
		  [ TaskqWorkflowModel::reachable($world, @{ $run->{states} }) ]
		  unless grep { $_->{owned}->{$id} } @transactions;
		$tx->{owned}->{$id} = $after;
	}
	elsif (join('', sort map { TaskqWorkflowModel::fingerprint($_) } @$before) eq
		join('', sort map { TaskqWorkflowModel::fingerprint($_) } @$after))
	{
		# nothing is sent; the run may be locked or not
		$tx->{soft}->{$id} = 1;
	}
	else
	{
		push @{ $tx->{effects}->{$id} }, $becomes;
	}
	return;
}

# An answer as it is printed.
sub shown
{
	my ($answer) = @_;
	my $value = $answer->{value};

	$value = { %$value, events => undef }
	  if ref $value eq 'HASH' && $value->{events};
	return { %$answer, message => ($answer->{message} // '') . '', value => $value };
}

# ---- observing -----------------------------------------------------------

my $look = q{
	SELECT (SELECT jsonb_agg(jsonb_build_object('event_id', event_id,
	      'type', event_type, 'attributes', attributes) ORDER BY event_id)
	    FROM taskq.workflow_history(%1$s)),
	  status, history_length, pending_activities, pending_timers,
	  cancel_requested,
	  (SELECT jsonb_object_agg(scheduled_event_id,
	      jsonb_build_object('activity_id', activity_id, 'attempt', attempt))
	    FROM taskq.activities WHERE workflow_run_id = w.run_id
	      AND close_time IS NULL),
	  taskq.replay(%1$s)
	FROM taskq.workflows w WHERE run_id = %1$s};

# What a session sees of a run: a hash, or why it can't be seen.
sub observe
{
	my ($session, $in_transaction, $run) = @_;
	my ($state, $message, $rows, %seen);

	$session->ask_safe('SAVEPOINT auto') if $in_transaction;
	($state, $message, $rows) = $session->ask(sprintf($look, $run->{id}));
	$session->ask_safe($state ? 'ROLLBACK TO auto' : 'RELEASE auto')
	  if $in_transaction;
	return "looking: $state $message" if $state;
	return 'it is not to be seen' unless @$rows;
	@seen{
		qw(events status history_length pending_activities pending_timers
		  cancel_requested activities replay)
	} = @{ $rows->[0] };
	$seen{$_} = defined $seen{$_} ? $json->decode($seen{$_}) : undef
	  foreach qw(events activities);
	$seen{events} //= [];
	$seen{activities} //= {};
	return \%seen;
}

# How a state differs from what is seen, or nothing.
sub differs
{
	my ($state, $seen) = @_;
	my $wrong = TaskqWorkflowModel::differs($state, $seen->{events});
	my %activities = map {
		my $activity = $state->{activities}->{$_};

		$_ => {
			activity_id => $activity->{activity_id},
			attempt => $activity->{attempt}
		}
	} keys %{ $state->{activities} };
	my %expected = (
		status => $state->{status},
		history_length => scalar @{ $state->{events} },
		replay => 't',
		TaskqWorkflowModel::is_running($state)
		? (
			pending_timers => counted(
				scalar keys %{ $state->{timers} },
				grep { $_->{fired} } @{ $state->{buffer} }),
			cancel_requested => cancel_seen($state),
			activities => \%activities)
		: ());

	return $wrong if $wrong;
	foreach my $key (sort keys %expected)
	{
		return "$key: expected "
		  . TaskqWorkflowModel::show($expected{$key}) . ', is '
		  . TaskqWorkflowModel::show($seen->{$key})
		  unless TaskqWorkflowModel::agrees($expected{$key}, $seen->{$key});
	}
	return;
}

# What waits to be told may be counted as pending still.
sub counted
{
	my ($pending, @waiting) = @_;

	return TaskqWorkflowModel::among($pending .. $pending + @waiting);
}

sub cancel_seen
{
	my ($state) = @_;
	my $waits = grep { $_->{type} eq 'workflow_execution_cancel_requested' }
	  @{ $state->{buffer} };

	return TaskqWorkflowModel::among('t', 'f') if $waits;
	return $state->{cancel_requested} ? 't' : 'f';
}

# Compare what is seen of a run with what it may be, by the session if its
# transaction did something to it, and by one that sees what is committed.
sub check
{
	my ($s, $run) = @_;
	my $tx = $s->{tx};

	return if $run->{dropped};
	if ($tx && ($tx->{owned}->{ $run->{id} } || $tx->{effects}->{ $run->{id} }))
	{
		my @left = compare($s->{session}, 1, $run, sub { view($s, $run, $_[0]) });

		return if $run->{dropped};
		$tx->{owned}->{ $run->{id} } = \@left if $tx->{owned}->{ $run->{id} };
	}
	return if $run->{born_in};
	my $locked = grep { $_->{owned}->{ $run->{id} } } @transactions;
	my @left = compare(
		$observer, 0, $run,
		sub {
			return $locked
			  ? @{ $run->{states} }
			  : TaskqWorkflowModel::reachable($_[0], @{ $run->{states} });
		});

	return if $run->{dropped};
	$run->{states} = \@left;
	return;
}

# The states that agree with what is seen.
sub compare
{
	my ($session, $in_transaction, $run, $states) = @_;
	my ($seen, @wrong, @left);

	foreach my $glimpse (1 .. GLIMPSES)
	{
		$seen = observe($session, $in_transaction, $run);
		read_clock();
		@left = ();
		@wrong = ref $seen ? () : $seen;
		foreach my $state (ref $seen ? $states->(world($quiet)) : ())
		{
			my $wrong = differs($state, $seen);

			push @wrong, $wrong if $wrong;
			push @left, $state unless $wrong;
		}
		last if @left;
		sleep(0.02);
	}
	if (!@left)
	{
		problem("$session->{name} sees something else:\n  "
			  . join("\n  ", uniq(@wrong)) . "\n  "
			  . events_seen($seen),
			$run);
		return;
	}
	follow($run, $seen, @left);
	return @left;
}

sub events_seen
{
	my ($seen) = @_;

	return '' unless ref $seen;
	return join("\n  ",
		map { "$_->{event_id} $_->{type} " . TaskqWorkflowModel::show($_->{attributes}) }
		  @{ $seen->{events} });
}

# A run that was closed may have another after it.
sub follow
{
	my ($run, $seen, @states) = @_;
	my $next = $states[0]->{next} or return;
	my $closed = $seen->{events}->[-1]->{attributes};
	my ($tx) = grep { $_->{owned}->{ $run->{id} } } @transactions;
	my ($s) = grep { $_->{tx} && $tx && $_->{tx} == $tx } @sessions;
	my $session = $s ? $s->{session} : $observer;
	my ($id, $first, $options, $us);

	$id = $session->ask_safe(
		"SELECT taskq.run_of('$closed->{newExecutionRunId}')")->[0]->[0];
	return if $followed{$id}++;
	$options = { %{ $next->{options} } };
	$first = observe($session, $s ? 1 : 0, { id => $id });
	if (!ref $first || !@{ $first->{events} })
	{
		problem("the next run $id can't be seen", $run);
		return;
	}
	$us = TaskqWorkflowModel::us(
		$first->{events}->[0]->{attributes}->{firstWorkflowTaskBackoff} // '0s');
	if (my $range = delete $options->{backoff_range})
	{
		$options->{backoff} = $us;
		$options->{backoff_shown} =
		  $us || $range->[0]
		  ? TaskqWorkflowModel::duration_in($range->[0], $range->[1] + SECOND / 1000)
		  : '';
	}
	born(
		$id,
		$run->{workflow_id},
		TaskqWorkflowModel::start(
			$options,
			{ now => $next->{at}, alive => \&is_alive }),
		$tx);
	note_call($runs{$id}, "follows run $run->{id}");
	if ($s)
	{
		check($s, $runs{$id});
	}
	elsif (!$tx)
	{
		check($sessions[0], $runs{$id});
	}
	return;
}

sub born
{
	my ($id, $workflow_id, $state, $tx) = @_;

	$runs{$id} = {
		id => $id,
		workflow_id => $workflow_id,
		states => [$state],
		log => []
	};
	if ($tx)
	{
		$runs{$id}->{born_in} = $tx;
		$tx->{owned}->{$id} = [$state];
		$tx->{ids}->{$workflow_id} = 1;
	}
	return $runs{$id};
}

# ---- what clients do -----------------------------------------------------

my @workers = map { { identity => "wk$_", sticky => "st$_" } } 1 .. 3;

sub payload_of { return TaskqWorkflowModel::payloads($_[0]) }

sub some_open
{
	my ($s) = @_;
	my $owned = $s->{tx} ? $s->{tx}->{owned} : {};
	my @open = grep {
		my $run = $_;

		is_free($s, $run)
		  && grep { TaskqWorkflowModel::is_running($_) }
		  @{ $owned->{ $run->{id} } // $run->{states} }
	} all_runs();

	return pick(@open);
}

# An open run mostly, sometimes one that is closed.
sub some_run
{
	my ($s) = @_;
	my @closed = grep { !is_open($_) && is_free($s, $_) } all_runs();

	return pick(@closed) if @closed && chance(0.08);
	return some_open($s);
}

# One to send something to.
sub some_receiver
{
	my ($s) = @_;
	my @locked =
	  grep { is_open($_) && !is_free($s, $_) && may_send($s, $_) } all_runs();

	return pick(@locked) if @locked && chance(0.5);
	return some_run($s);
}

# How a call names a run.
sub naming
{
	my ($s, $run) = @_;
	my $latest = latest($s, $run->{workflow_id});
	my $by_id = $latest == $run;

	return (workflow_id => text($run->{workflow_id})) if $by_id && chance(0.5);
	return (
		run_id => $run->{id},
		workflow_id => text($run->{workflow_id}));
}

sub some_start
{
	my $number = int(rand(1000));
	my %o = (
		workflow_id => 'wf' . int(rand(10)),
		workflow_type => pick(qw(T1 T2)),
		task_queue => pick(qw(q1 q2)),
		task_timeout => pick(0, 0, 60 * SECOND, 300 * SECOND),
		run_timeout => chance(0.2) ? pick(100, 1000, 4000) * SECOND : 0,
		backoff => chance(0.1) ? pick(60, 300) * SECOND : 0,
		identity => 'client',
		input => chance(0.5) ? payload_of($number) : undef,
		number => $number,
		request_id => 'start' . ++$requests
	);

	$o{retry_policy} = {
		initial_interval => 60 * SECOND,
		backoff_coefficient => 2,
		maximum_interval => 600 * SECOND,
		maximum_attempts => pick(0, 2, 3)
	  }
	  if chance(0.3);
	return \%o;
}

sub start_arguments
{
	my ($o) = @_;
	my $policy = $o->{retry_policy};

	return (
		task_queue => text($o->{task_queue}),
		workflow_type => text($o->{workflow_type}),
		workflow_id => text($o->{workflow_id}),
		input => $o->{input} ? jsonb($o->{number}) : 'NULL',
		identity => text($o->{identity}),
		request_id => text($o->{request_id}),
		task_timeout => span($o->{task_timeout}),
		run_timeout => span($o->{run_timeout}),
		start_delay => span($o->{backoff}),
		retry_policy => $policy
		? 'taskq.retry_policy(initial_interval => '
		  . span($policy->{initial_interval})
		  . ', backoff_coefficient => 2, maximum_interval => '
		  . span($policy->{maximum_interval})
		  . ", maximum_attempts => $policy->{maximum_attempts})"
		: 'NULL');
}

sub id_is_free
{
	my ($s, $workflow_id) = @_;
	my $latest = latest($s, $workflow_id);

	return 0 if grep { $_->{ids}->{$workflow_id} } others($s);
	return 0 if grep { $_->{workflow_id} eq $workflow_id && $_->{dropped} } all_runs();
	return !$latest || is_free($s, $latest);
}

sub do_start
{
	my ($s) = @_;
	my $o = some_start();
	my $latest = latest($s, $o->{workflow_id});
	my $conflict = pick(qw(fail fail use_existing terminate_existing));
	my $reuse = pick(
		qw(allow_duplicate allow_duplicate allow_duplicate_failed_only
		  reject_duplicate));
	my ($sql, $from, $state, $message, $rows, $running, @views);

	return unless id_is_free($s, $o->{workflow_id});
	@views = $latest ? view($s, $latest, world($quiet)) : ();
	$running = grep { TaskqWorkflowModel::is_running($_) } @views;
	if ($running && $conflict eq 'terminate_existing')
	{
		# one that began a moment ago is not replaced
		return
		  if !may_close($s, $latest)
		  || grep { $clock - $_->{start}->[1] < 3 * SECOND } @views;
		$reuse = 'allow_duplicate';
	}
	$o->{request_id} = $latest->{request_id}
	  if $running && $latest->{request_id} && chance(0.15);
	$sql = 'SELECT run_id, created, same_request, status FROM taskq.start_workflow('
	  . arguments(
		start_arguments($o),
		id_conflict_policy => text($conflict),
		id_reuse_policy => text($reuse)) . ')';
	$from = $quiet;
	($state, $message, $rows) = say_in($s, $sql);
	read_clock();
	$done{start}++;
	return started($s, $o, $latest, $running, $conflict, $reuse, $sql,
		world($from), $state, $message, $rows);
}

# What start_workflow had to answer.
sub started
{
	my ($s, $o, $latest, $running, $conflict, $reuse, $sql, $world, $state,
		$message, $rows)
	  = @_;
	my $tx = $s->{tx};
	my $expected = 'created';
	my ($id, $created, $same) = @{ $rows->[0] // [] };
	my $status = $latest && (view($s, $latest, $world))[0]->{status};
	my $got = $state || ($created eq 't' ? 'created' : "run $id");

	if ($running)
	{
		$expected =
		    $latest->{request_id} && $o->{request_id} eq $latest->{request_id}
		  ? "run $latest->{id}"
		  : $conflict eq 'use_existing' ? "run $latest->{id}"
		  : $conflict eq 'fail' ? 'TQ002'
		  : 'created';
	}
	elsif ($latest)
	{
		$expected = 'TQ002'
		  if $reuse eq 'reject_duplicate'
		  || $reuse eq 'allow_duplicate_failed_only'
		  && $status !~ /^(?:failed|canceled|terminated|timed_out)$/;
	}
	note_call($latest, "$s->{session}->{name}: $sql -> $got") if $latest;
	if ($got ne $expected)
	{
		problem("$sql: expected $expected, got $got $message", $latest);
		return;
	}
	$tx->{soft}->{ $latest->{id} } = 1 if $tx && $latest;
	return if $expected ne 'created';
	if ($running)
	{
		judge(
			$s, $latest, $world, '', '', [],
			sql => $sql,
			locks => 1,
			outcomes => sub { TaskqWorkflowModel::replaced(@_) });
		check($s, $latest);
	}
	born($id, $o->{workflow_id}, TaskqWorkflowModel::start($o, $world), $tx);
	$runs{$id}->{request_id} = $o->{request_id};
	note_call($runs{$id}, "$s->{session}->{name}: $sql -> $id" . ($tx ? ' (in transaction)' : ''));
	check($s, $runs{$id});
	return;
}

sub some_signal
{
	my ($s, $run) = @_;
	my $number = int(rand(1000));
	my %signal = (
		signal_name => pick(qw(go stop)),
		identity => 'client',
		chance(0.7) ? (request_id => 'r' . ++$requests) : (),
		chance(0.6) ? (input => payload_of($number), number => $number) : ());

	# again, what is committed
	if ($run && chance(0.1) && @{ $run->{states} })
	{
		my @known = keys %{ $run->{states}->[0]->{requests} };

		$signal{request_id} = pick(sort @known) if @known;
	}
	return \%signal;
}

sub do_signal
{
	my ($s) = @_;
	my $run = some_receiver($s) or return;
	my $signal = some_signal($s, $run);

	call(
		$s, $run,
		name => 'signal',
		sql => 'SELECT taskq.signal_workflow('
		  . arguments(
			naming($s, $run),
			signal_name => text($signal->{signal_name}),
			input => jsonb($signal->{number}),
			request_id => text($signal->{request_id}),
			identity => text($signal->{identity}))
		  . ')',
		outcomes => sub { TaskqWorkflowModel::signal(@_, $signal) }) or return;
	check($s, $run);
	return;
}

sub do_signal_with_start
{
	my ($s) = @_;
	my $o = some_start();
	my $latest = latest($s, $o->{workflow_id});
	my $signal = some_signal($s);
	my ($sql, $from, $state, $message, $rows, $running, $id, $created);

	return unless id_is_free($s, $o->{workflow_id});
	delete $signal->{request_id};
	$signal->{identity} = $o->{identity};
	$running = $latest
	  && grep { TaskqWorkflowModel::is_running($_) }
	  view($s, $latest, world($quiet));
	$sql =
	  'SELECT run_id, created FROM taskq.signal_with_start_workflow('
	  . arguments(
		start_arguments($o),
		signal_name => text($signal->{signal_name}),
		signal_input => jsonb($signal->{number})) . ')';
	$from = $quiet;
	($state, $message, $rows) = say_in($s, $sql);
	read_clock();
	$done{'signal with start'}++;
	($id, $created) = @{ $rows->[0] // [] };
	if ($state || ($created eq 't') != !$running || $running && $id != $latest->{id})
	{
		problem("$sql: $state $message " . $json->encode($rows), $latest);
		return;
	}
	if ($running)
	{
		note_call($latest, "$s->{session}->{name}: $sql" . ($s->{tx} ? ' (in transaction)' : ''));
		judge(
			$s, $latest, world($from), '', '', [],
			sql => $sql,
			outcomes => sub { TaskqWorkflowModel::signal(@_, $signal) })
		  or return;
		$s->{tx}->{soft}->{$id} = 1 if $s->{tx};
		check($s, $latest);
		return;
	}
	$s->{tx}->{soft}->{ $latest->{id} } = 1 if $s->{tx} && $latest;
	born($id, $o->{workflow_id},
		TaskqWorkflowModel::start($o, world($from), $signal),
		$s->{tx});
	$runs{$id}->{request_id} = $o->{request_id};
	note_call($runs{$id}, "$s->{session}->{name}: $sql" . ($s->{tx} ? ' (in transaction)' : ''));
	check($s, $runs{$id});
	return;
}

sub do_request_cancel
{
	my ($s) = @_;
	my $run = some_receiver($s) or return;
	my $args = {
		identity => 'client',
		chance(0.5) ? (reason => "that's why") : ()
	};

	call(
		$s, $run,
		name => 'request_cancel',
		sql => 'SELECT taskq.request_cancel_workflow('
		  . arguments(
			naming($s, $run),
			reason => text($args->{reason}),
			identity => text('client'))
		  . ')',
		outcomes => sub { TaskqWorkflowModel::request_cancel(@_, $args) })
	  or return;
	check($s, $run);
	return;
}

sub do_terminate
{
	my ($s, $run) = @_;
	my $number = int(rand(100));
	my $args = {
		identity => 'client',
		chance(0.5) ? (reason => 'enough') : (),
		chance(0.3) ? (details => payload_of($number)) : ()
	};

	$run //= some_run($s) or return;
	return blocked_close($s, $run) unless may_close($s, $run);
	call(
		$s, $run,
		name => 'terminate',
		locks => 1,
		sql => 'SELECT taskq.terminate_workflow('
		  . arguments(
			naming($s, $run),
			reason => text($args->{reason}),
			details => $args->{details} ? jsonb($number) : 'NULL',
			identity => text('client'))
		  . ')',
		outcomes => sub { TaskqWorkflowModel::terminate(@_, $args) }) or return;
	check($s, $run);
	return;
}

# A close waits for those who have sent something to the run.
sub blocked_close
{
	my ($s, $run) = @_;
	my ($state, $message);

	return if $s->{tx} || chance(0.7) || !is_open($run);
	$s->{session}->ask_safe("SET lock_timeout = '50ms'");
	($state, $message) =
	  $s->{session}
	  ->ask("SELECT taskq.terminate_workflow(run_id => $run->{id})");
	$s->{session}->ask_safe("SET lock_timeout = '15s'");
	$done{'close that waits'}++;
	read_clock();
	note_call($run, "a close that waits -> $state");
	problem("a close did not wait for who has sent something: $state $message", $run)
	  if $state ne '55P03';
	check($s, $run);
	return;
}

sub do_delete
{
	my ($s) = @_;
	my $run = some_run($s) or return;
	my ($state, $message);

	return if $s->{tx} || !may_close($s, $run);
	($state, $message) =
	  $s->{session}->ask("SELECT taskq.delete_workflow(run_id => $run->{id})");
	$done{delete}++;
	if ($state)
	{
		problem("delete_workflow: $state $message", $run);
		return;
	}
	delete $runs{ $run->{id} };
	read_clock();
	problem("run $run->{id} was deleted and is still there")
	  if $observer->ask_safe(
		"SELECT count(*) FROM taskq.workflows WHERE run_id = $run->{id}")
	  ->[0]->[0]
	  || $observer->ask_safe(
		"SELECT count(*) FROM taskq.activities WHERE workflow_run_id = $run->{id}")
	  ->[0]->[0];
	return;
}

# ---- workers of workflows ------------------------------------------------

my @task_columns =
  qw(attempt previous_started_event_id started_event_id history transient);
my $task_columns = join(', ',
	qw(task_token run_id),
	map { /history|transient/ ? "replace(%1\$s$_\::text, E'\\n', ' ')" : "%1\$s$_" }
	  @task_columns);

# Does a task that a worker was given agree with what it should be? Says why
# not in $unfit.
my $unfit;

sub task_fits
{
	my ($expected, $fields) = @_;
	my %row;

	@row{@task_columns} = @$fields;
	foreach my $name (qw(attempt previous_started_event_id started_event_id))
	{
		$unfit = "$name is $row{$name}, not $expected->{$name}";
		return 0 if $row{$name} != $expected->{$name};
	}
	$unfit = history_differs($expected, $json->decode($row{history}))
	  and return 0;
	if ($expected->{transient})
	{
		$unfit = 'transient events';
		return 0 unless defined $row{transient};
		my $events = $json->decode($row{transient});

		$unfit = "transient events: $row{transient}";
		return 0 if @$events != 2;
		for my $i (0, 1)
		{
			my $event = decoded_event($events->[$i]);
			my $wanted = $expected->{transient}->[$i];

			return 0
			  if $event->{type} ne $wanted->{type}
			  || $event->{event_id} != $expected->{started_event_id} - 1 + $i
			  || !TaskqWorkflowModel::agrees($wanted->{attributes},
				$event->{attributes});
		}
	}
	else
	{
		$unfit = 'transient events';
		return 0 if defined $row{transient} && $row{transient} !~ /^(?:null|\[\])$/;
	}
	$unfit = '';
	return 1;
}

# An event in the form of a history.
sub decoded_event
{
	my ($event) = @_;
	my $attributes = first { /EventAttributes$/ } keys %$event;
	my ($type) = lc($event->{eventType}) =~ /^event_type_(\w+)/;

	return {
		event_id => $event->{eventId},
		type => $type,
		attributes => $attributes ? $event->{$attributes} : {}
	};
}

sub history_differs
{
	my ($expected, $events) = @_;
	my @wanted = @{ $expected->{events} };
	my $first = $expected->{first};
	my @seen = map { decoded_event($_) } @$events;

	return 'history from ' . ($seen[0] ? $seen[0]->{event_id} : 'nowhere') . ", not $first"
	  if @seen
	  ? $seen[0]->{event_id} != $first
	  : $first <= @wanted;
	return TaskqWorkflowModel::differs({ events => \@wanted },
		[ (undef) x ($first - 1), @seen ], $first);
}

# Runs of which a task has to be had from this queue.
sub must_be_offered
{
	my ($s, $queue) = @_;

	return grep {
		my $run = $_;

		is_free($s, $run)
		  && is_open($run)
		  && !grep { TaskqWorkflowModel::is_offered($_, $queue) != 2 }
		  view($s, $run, world($quiet))
	} all_runs();
}

sub do_poll
{
	my ($s) = @_;
	my $worker = pick(@workers);
	my @queues = map { { queue => $_ } } qw(q1 q2);
	my (%args, $queue, @must, $until);

	push @queues, map { { queue => "$worker->{sticky}.$_", for => $_ } } qw(q1 q2);
	$queue = pick(@queues);
	if (chance(0.8))
	{
		my @full = grep { must_be_offered($s, $_->{queue}) } @queues;

		$queue = pick(@full) if @full;
	}
	%args = (
		task_queue => text($queue->{queue}),
		identity => text($worker->{identity}),
		max_tasks => pick(1, 1, 1, 3));
	$args{sticky_for} = text($queue->{for}) if $queue->{for};
	@must = must_be_offered($s, $queue->{queue});
	$until = time + PATIENCE;

	# that somebody polls may be forgotten with his transaction
	$polled{ $queue->{queue} } = {
		clock => $clock,
		time => time,
		doubtful => $s->{tx} && !is_alive($queue->{queue})
	}
	  if $queue->{for};
	while (1)
	{
		my $from = $quiet;
		my $sql = 'SELECT '
		  . sprintf($task_columns, '')
		  . ' FROM taskq.poll_workflow_task('
		  . arguments(%args) . ')';
		my ($state, $message, $rows) = say_in($s, $sql);

		read_clock();
		$done{poll}++;
		if ($state)
		{
			problem("$sql: $state $message");
			return;
		}
		foreach my $row (@$rows)
		{
			given($s, world($from), $sql, $queue->{queue}, $worker, $row);
		}
		return if @$rows || !@must;
		if (time > $until)
		{
			problem("$sql: nothing, but there is a task", $must[0]);
			return;
		}
		sleep(0.02);
		@must = must_be_offered($s, $queue->{queue});
	}
}

# A worker was given a task.
sub given
{
	my ($s, $world, $sql, $queue, $worker, $row) = @_;
	my ($token, $id, @fields) = @$row;
	my $run = $runs{$id};

	# who can't be followed any more may have a successor
	return if $run ? $run->{dropped} : grep { $_->{dropped} } all_runs();
	if (!$run || grep { $_->{owned}->{$id} } others($s))
	{
		problem("$sql: a task of run $id, which "
			  . ($run ? 'somebody else has locked' : 'is unknown'),
			$run);
		return;
	}
	note_call($run, "$s->{session}->{name}: $sql -> $token" . ($s->{tx} ? ' (in transaction)' : ''));
	$done{'workflow task'}++;
	$unfit = 'there is no task';
	if (judge(
			$s, $run, $world, '', '', [$row],
			sql => $sql,
			locks => 1,
			fits => sub { task_fits($_[0], \@fields) },
			outcomes => sub {
				my ($state, $at) = @_;

				return TaskqWorkflowModel::poll(
					$state, $at,
					{
						task_queue => $queue,
						identity => $worker->{identity},
						token => $token
					});
			}))
	{
		push @tokens, { token => $token, run => $id, worker => $worker };
		check($s, $run);
		return;
	}
	diag($unfit);
	return;
}

# A token of a task that is started, or sometimes of one that isn't any more.
sub some_token
{
	my ($s) = @_;
	my @free =
	  grep { $runs{ $_->{run} } && is_free($s, $runs{ $_->{run} }) } @tokens;
	my @good = grep {
		my $token = $_;

		grep { TaskqWorkflowModel::holds($_, $token->{token}) }
		  view($s, $runs{ $token->{run} }, world($quiet))
	} @free;

	return pick(@free) if @free && chance(0.04);
	return pick(@good);
}

sub do_complete
{
	my ($s) = @_;
	my $token = some_token($s) or return;
	my $run = $runs{ $token->{run} };
	my $state = some_state($s, $run);
	my @commands = some_commands($s, $run, $state);
	my $closes = grep { $_->[0] =~ /WORKFLOW_EXECUTION$/ } @commands;
	my %args = (
		token => $token->{token},
		identity => $token->{worker}->{identity},
		commands => \@commands,
		force => chance(0.08) && may_hold($run, $state),
		return => chance(0.3));
	my $sql;

	return if $closes && !may_close($s, $run);
	$args{sticky} = {
		queue => "$token->{worker}->{sticky}.$state->{options}->{task_queue}",
		timeout => 60 * SECOND
	  }
	  if chance(0.6);
	$sql =
		'SELECT failed_cause, failed_message, closed, '
	  . new_task_columns()
	  . ' FROM taskq.complete_workflow_task('
	  . arguments(
		task_token => text($token->{token}),
		commands => jsonb([ map { as_command($_) } @commands ]),
		identity => text($args{identity}),
		force_new_task => bool($args{force}),
		return_new_task => bool($args{return}),
		$args{sticky}
		? (
			sticky_task_queue => text($args{sticky}->{queue}),
			sticky_schedule_to_start_timeout =>
			  span($args{sticky}->{timeout}))
		: ())
	  . ')';
	complete($s, $run, $sql, $token, \%args);
	$run->{held} = $args{force};
	return;
}

# A worker may not keep a task for ever.
sub may_hold
{
	my ($run, $state) = @_;

	return !$run->{held}
	  && $state->{task}
	  && $clock - $state->{task}->{at}->[0] < 1200 * SECOND;
}

sub new_task_columns
{
	return join(', ',
		'(new_task).task_token',
		map {
			/history|transient/
			  ? "replace((new_task).$_\::text, E'\\n', ' ')"
			  : "(new_task).$_"
		} @task_columns);
}

sub complete
{
	my ($s, $run, $sql, $token, $args) = @_;
	my $new;

	$unfit = '';
	call(
		$s, $run,
		name => 'complete',
		locks => 1,
		sql => $sql,
		fits => sub {
			my ($expected, $rows) = @_;
			my ($cause, $text, $closed, @task) = @{ $rows->[0] };

			$new = $task[0];
			return 0
			  if $expected->{failed_cause}
			  ? ($cause // '') !~ /$expected->{failed_cause}$/
			  : defined $cause;
			return 0 if ($closed // 'f') ne ($expected->{closed} ? 't' : 'f');
			return !defined $new unless $expected->{new_task};
			return 0 unless defined $new;
			return task_fits($expected->{new_task}, [ @task[ 1 .. $#task ] ]);
		},
		outcomes => sub {
			return TaskqWorkflowModel::complete_task(@_,
				{ %$args, new_token => 'new' });
		}) or diag($unfit), return;
	if (defined $new)
	{
		name_token($s, $run, $new);
		push @tokens, { token => $new, run => $run->{id}, worker => $token->{worker} };
		$done{'task returned'}++;
	}
	check($s, $run);
	return;
}

# The token of a task that a completion returned is known now.
sub name_token
{
	my ($s, $run, $token) = @_;
	my $states =
	    $s->{tx}
	  ? $s->{tx}->{owned}->{ $run->{id} }
	  : $run->{states};

	foreach my $state (@$states)
	{
		next unless $state->{task} && ($state->{task}->{token} // '') eq 'new';
		$state = TaskqWorkflowModel::copy($state);
		$state->{task}->{token} = $token;
	}
	return;
}

sub do_fail_task
{
	my ($s) = @_;
	my $token = some_token($s) or return;
	my $run = $runs{ $token->{run} };
	my $cause = 'WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR';
	my $failure = { message => 'broken', applicationFailureInfo => {} };

	call(
		$s, $run,
		name => 'fail_task',
		locks => 1,
		sql => 'SELECT taskq.fail_workflow_task('
		  . arguments(
			task_token => text($token->{token}),
			cause => text($cause),
			failure => jsonb($failure),
			identity => text($token->{worker}->{identity}))
		  . ')',
		outcomes => sub {
			return TaskqWorkflowModel::fail_task(
				@_,
				{
					token => $token->{token},
					cause => $cause,
					failure => $failure,
					identity => $token->{worker}->{identity}
				});
		}) or return;
	check($s, $run);
	return;
}

sub do_release
{
	my ($s) = @_;
	my $token = some_token($s) or return;
	my $run = $runs{ $token->{run} };

	call(
		$s, $run,
		name => 'release',
		locks => 1,
		sql => "SELECT taskq.release_workflow_task('$token->{token}')",
		outcomes => sub {
			return TaskqWorkflowModel::release(@_,
				{ token => $token->{token} });
		}) or return;
	check($s, $run);
	return;
}

sub do_worker_gone
{
	my ($s) = @_;
	my $sticky = pick(@workers)->{sticky} . pick('.q1', '.q2');

	# what waits there must be free to move
	return if @transactions;
	$s->{session}->ask_safe("SELECT taskq.worker_gone('$sticky')");
	$done{'worker gone'}++;
	delete $polled{$sticky};
	read_clock();
	foreach my $run (grep { is_open($_) } all_runs())
	{
		$run->{states} = [ map { moved($_, $sticky, 'normal') }
			  TaskqWorkflowModel::reachable(world($quiet), @{ $run->{states} }) ];
		note_call($run, "worker_gone $sticky");
		check($s, $run);
	}
	return;
}

# A state whose task that waited on a sticky queue is now somewhere else.
sub moved
{
	my ($state, $sticky, $where) = @_;
	my $task = $state->{task};

	return $state
	  unless $task
	  && $task->{state} eq 'scheduled'
	  && ($task->{sticky} // '') eq $sticky;
	$state = TaskqWorkflowModel::copy($state);
	$state->{task}->{where} = $where;
	return $state;
}

# What is next will be on the normal queue. Whether a task that waits is moved
# is left open.
sub do_reset_sticky
{
	my ($s) = @_;
	my $run = some_open($s) or return;

	call(
		$s, $run,
		name => 'reset_sticky',
		locks => 1,
		sql => 'SELECT taskq.reset_sticky('
		  . text($run->{workflow_id})
		  . ", run_id => $run->{id})",
		outcomes => sub {
			my ($state, $world) = @_;
			my $after = TaskqWorkflowModel::copy($state);
			my $drained = TaskqWorkflowModel::copy($state);
			my $sticky = $after->{sticky};

			return [ TaskqWorkflowModel::refused('TQ001'), $state ]
			  unless TaskqWorkflowModel::is_running($state);
			TaskqWorkflowModel::drain($drained, $world);
			delete $_->{sticky} foreach $after, $drained;
			return map {
				[
					TaskqWorkflowModel::ok(),
					$sticky ? moved($_, $sticky->{queue}, 'either') : $_
				]
			} $after, $drained;
		}) or return;
	check($s, $run);
	return;
}

# ---- commands ------------------------------------------------------------

sub as_command
{
	my ($command) = @_;
	my ($type, $attributes) = @$command;
	my $name =
	  lcfirst(join('', map { ucfirst(lc) } split(/_/, $type)))
	  . 'CommandAttributes';

	return { commandType => "COMMAND_TYPE_$type" } unless $attributes;
	return { commandType => "COMMAND_TYPE_$type", $name => $attributes };
}

sub some_activity
{
	my ($state) = @_;
	my %used = map { $_->{activity_id} => 1 } values %{ $state->{activities} };
	my $id = first { !$used{$_} || chance(0.02) } shuffle(map { "a$_" } 1 .. 30);
	my $attributes = {
		activityId => $id,
		activityType => { name => 'A' },
		startToCloseTimeout => pick(100, 200, 400) . 's',
		chance(0.7) ? (taskQueue => { name => pick(qw(a1 a2)) }) : (),
		chance(0.2) ? (scheduleToStartTimeout => '150s') : (),
		chance(0.2) ? (heartbeatTimeout => '40s') : (),
		chance(0.5) ? (input => payload_of($id)) : ()
	};

	$attributes->{retryPolicy} = {
		initialInterval => '30s',
		backoffCoefficient => 2,
		maximumAttempts => pick(1, 2, 3)
	  }
	  if chance(0.7);
	delete $attributes->{startToCloseTimeout} if chance(0.02);
	return [ 'SCHEDULE_ACTIVITY_TASK', $attributes ];
}

sub some_timer
{
	my ($state) = @_;
	my $id = 't' . int(rand(chance(0.05) ? 3 : 100));

	$id = '' if chance(0.01);
	return [
		'START_TIMER',
		{
			timerId => $id,
			startToFireTimeout => chance(0.05)
			? '0s'
			: pick(30, 60, 90, 300, 1000) . 's'
		}
	];
}

sub some_end
{
	my ($state) = @_;

	return [ 'CANCEL_WORKFLOW_EXECUTION', {} ]
	  if $state->{cancel_requested} && chance(0.6);
	return pick(
		[ 'COMPLETE_WORKFLOW_EXECUTION', { result => payload_of('done') } ],
		[ 'COMPLETE_WORKFLOW_EXECUTION', {} ],
		[
			'FAIL_WORKFLOW_EXECUTION',
			{
				failure => {
					message => 'failed',
					applicationFailureInfo =>
					  { type => 'E', chance(0.3) ? (nonRetryable => JSON::PP::true) : () }
				}
			}
		],
		chance(0.2) ? [ 'FAIL_WORKFLOW_EXECUTION', {} ] : (),
		[
			'CONTINUE_AS_NEW_WORKFLOW_EXECUTION',
			{
				workflowType => { name => 'T1' },
				chance(0.5) ? (input => payload_of('next')) : ()
			}
		]);
}

sub some_command
{
	my ($s, $run, $state) = @_;
	my @activities =
	  grep { activity_is_free($s, $run, $_) }
	  sort { $a <=> $b } keys %{ $state->{activities} };
	my @timers = sort keys %{ $state->{timers} };

	push @timers, map { $_->{fired} ? $_->{fired}->{id} : () } @{ $state->{buffer} };
	return pick(
		(sub { some_activity($state) }) x 4,
		(sub { some_timer($state) }) x 3,
		@activities
		? (
			sub {
				[ 'REQUEST_CANCEL_ACTIVITY_TASK', { scheduledEventId => pick(@activities) } ];
			}) x 2
		: (),
		@timers
		? (sub { [ 'CANCEL_TIMER', { timerId => pick(@timers) } ] }) x 2
		: (),
		sub {
			[
				'RECORD_MARKER',
				{
					chance(0.95) ? (markerName => 'm') : (),
					details => { data => payload_of(1) }
				}
			];
		},
		sub {
			[
				'MODIFY_WORKFLOW_PROPERTIES',
				{
					upsertedMemo => { fields => { note => payload_of('x')->{payloads}->[0] } }
				}
			];
		})->();
}

sub some_commands
{
	my ($s, $run, $state) = @_;
	my @commands =
	  map { some_command($s, $run, $state) } 1 .. pick(0, 0, 1, 1, 2, 3, 4);

	return (@commands, [ 'NO_SUCH_COMMAND', undef ]) if chance(0.01);
	return (@commands, [ 'START_TIMER', undef ]) if chance(0.01);
	push @commands, [ 'CANCEL_TIMER', { timerId => 'unknown' } ] if chance(0.02);
	push @commands, [ 'REQUEST_CANCEL_ACTIVITY_TASK', { scheduledEventId => '777' } ]
	  if chance(0.02);
	if (chance(0.13) || @{ $state->{events} } > MANY_EVENTS)
	{
		push @commands, some_end($state);
		push @commands, some_timer($state) if chance(0.05);
	}
	return @commands;
}

# ---- workers of activities -----------------------------------------------

# Activities that have to be had from this queue: [run, id of the event].
sub due_activities
{
	my ($s, $queue) = @_;
	my @due;

	foreach my $run (grep { is_free($s, $_) && is_open($_) } all_runs())
	{
		my @states = view($s, $run, world($quiet));

		next if grep { !TaskqWorkflowModel::is_running($_) } @states;
		foreach my $scheduled (keys %{ $states[0]->{activities} })
		{
			next unless activity_is_free($s, $run, $scheduled);
			next if grep {
				my $activity = $_->{activities}->{$scheduled};

				!$activity
				  || $activity->{state} ne 'scheduled'
				  || $activity->{task_queue} ne $queue
				  || $activity->{due}->[1] > $clock
			} @states;
			push @due, [ $run, $scheduled ];
		}
	}
	return @due;
}

sub do_poll_activity
{
	my ($s) = @_;
	my $queue = pick(qw(a1 a2 q1 q2));
	my @full = grep { due_activities($s, $_) } qw(a1 a2 q1 q2);
	my $identity = pick(qw(aw1 aw2));
	my ($until, $sql);

	$queue = pick(@full) if @full && chance(0.9);
	$until = time + PATIENCE;
	$sql =
	  "SELECT p.task_token, a.workflow_run_id, a.scheduled_event_id, p.attempt
		FROM taskq.poll('$queue', '$identity', max_tasks => " . pick(1, 1, 2) . ') p
		JOIN taskq.activities a USING (run_id)';
	while (1)
	{
		my $from = $quiet;
		my @due = due_activities($s, $queue);
		my ($state, $message, $rows) = say_in($s, $sql);

		read_clock();
		$done{'poll activity'}++;
		if ($state)
		{
			problem("$sql: $state $message");
			return;
		}
		foreach my $row (@$rows)
		{
			activity_given($s, world($from), $sql, $identity, $row);
		}
		return if @$rows || !@due;
		if (time > $until)
		{
			problem("$sql: nothing, but event $due[0]->[1] is due", $due[0]->[0]);
			return;
		}
		sleep(0.02);
	}
}

sub activity_given
{
	my ($s, $world, $sql, $identity, $row) = @_;
	my ($token, $id, $scheduled, $attempt) = @$row;
	my $run = $runs{$id};

	return if $run ? $run->{dropped} : grep { $_->{dropped} } all_runs();
	if (!$run || !activity_is_free($s, $run, $scheduled))
	{
		problem("$sql: activity $scheduled of run $id", $run);
		return;
	}
	note_call($run,
		"$s->{session}->{name}: activity $scheduled, attempt $attempt: $token" . ($s->{tx} ? ' (in transaction)' : ''));
	$s->{tx}->{activities}->{"$id:$scheduled"} = 1 if $s->{tx};
	judge(
		$s, $run, $world, '', '', [$row],
		sql => $sql,
		fits => sub { $_[0]->{attempt} == $attempt },
		outcomes => sub {
			my ($state, $at) = @_;

			return TaskqWorkflowModel::start_activity(
				$state, $at,
				{
					scheduled => $scheduled,
					token => $token,
					identity => $identity
				});
		}) or return;
	push @activity_tokens,
	  { token => $token, run => $id, scheduled => $scheduled, identity => $identity };
	check($s, $run);
	return;
}

sub do_report
{
	my ($s) = @_;
	my @free = grep {
		my $run = $runs{ $_->{run} };

		$run
		  && is_free($s, $run)
		  && activity_is_free($s, $run, $_->{scheduled})
	} @activity_tokens;
	my @good = grep {
		my $token = $_->{token};

		grep { defined TaskqWorkflowModel::activity_of($_, $token) }
		  view($s, $runs{ $_->{run} }, world($quiet))
	} @free;
	my $token = @free && chance(0.04) ? pick(@free) : pick(@good);
	my ($run, $activity, $how, %o);

	return unless $token;
	$run = $runs{ $token->{run} };
	$activity = some_state($s, $run)->{activities}->{ $token->{scheduled} };
	%o = (
		$activity && $activity->{cancel_requested} && chance(0.7)
		? report_canceled($token)
		: pick(\&report_done, \&report_done, \&report_failed, \&report_failed,
			$s->{tx} ? () : \&report_heartbeat)->($token));
	if ($s->{tx})
	{
		$s->{tx}->{activities}->{"$run->{id}:$token->{scheduled}"} = 1;
	}
	call($s, $run, %o) or return;
	check($s, $run);
	return;
}

sub report_done
{
	my ($token) = @_;
	my $number = int(rand(1000));
	my $args = {
		token => $token->{token},
		identity => $token->{identity},
		chance(0.7) ? (result => payload_of($number)) : ()
	};

	return (
		name => 'activity completed',
		sql => 'SELECT taskq.complete('
		  . arguments(
			task_token => text($token->{token}),
			result => $args->{result} ? jsonb($number) : 'NULL',
			identity => text($token->{identity}))
		  . ')',
		outcomes => sub { TaskqWorkflowModel::complete_activity(@_, $args) });
}

sub report_canceled
{
	my ($token) = @_;
	my $args = {
		token => $token->{token},
		identity => $token->{identity},
		details => payload_of('cleaned')
	};

	return (
		name => 'activity canceled',
		sql => 'SELECT taskq.report_canceled('
		  . arguments(
			task_token => text($token->{token}),
			details => jsonb('cleaned'),
			identity => text($token->{identity}))
		  . ')',
		outcomes => sub { TaskqWorkflowModel::cancel_reported(@_, $args) });
}

sub report_failed
{
	my ($token) = @_;
	my $final = chance(0.3);
	my %info = (type => 'E', $final ? (nonRetryable => 1) : ());
	my $args = {
		token => $token->{token},
		identity => $token->{identity},
		failure => { message => 'oops', applicationFailureInfo => \%info },
		failure_shown => TaskqWorkflowModel::object_with(
			message => 'oops',
			applicationFailureInfo => TaskqWorkflowModel::object_with(%info))
	};

	return (
		name => 'activity failed',
		sql => 'SELECT taskq.fail('
		  . arguments(
			task_token => text($token->{token}),
			message => text('oops'),
			error_type => text('E'),
			non_retryable => bool($final),
			identity => text($token->{identity}))
		  . ')',
		fits => sub { $_[0] eq $_[1]->[0]->[0] },
		outcomes => sub { TaskqWorkflowModel::fail_activity(@_, $args) });
}

sub report_heartbeat
{
	my ($token) = @_;

	return (
		name => 'activity heartbeat',
		sql => "SELECT cancel_requested FROM taskq.heartbeat('$token->{token}', details => '1')",
		fits => sub { $_[0] eq $_[1]->[0]->[0] },
		outcomes => sub {
			return TaskqWorkflowModel::heartbeat(@_,
				{ token => $token->{token} });
		});
}

# ---- time ----------------------------------------------------------------

my $offset = 0;

# Let everything happen that has to.
sub settle
{
	foreach my $run (grep { is_open($_) } all_runs())
	{
		next
		  if grep { $_->{owned}->{ $run->{id} } || $_->{effects}->{ $run->{id} } }
		  @transactions;
		next
		  unless grep { !TaskqWorkflowModel::is_settled($_, [ $clock, $clock ]) }
		  @{ $run->{states} };
		wait_settled($run) or next;
	}
	$quiet = $clock unless @transactions;
	return;
}

sub wait_settled
{
	my ($run) = @_;
	my $until = time + PATIENCE;
	my ($seen, @wrong);

	while (time < $until)
	{
		my $due = [ $clock, $clock ];
		my @left;

		$seen = observe($observer, 0, $run);
		last unless ref $seen;
		read_clock();
		@wrong = ();
		foreach my $state (
			TaskqWorkflowModel::reachable(world($quiet), @{ $run->{states} }))
		{
			my $wrong = differs($state, $seen);

			push @wrong, $wrong if $wrong;
			push @left, $state unless $wrong;
		}
		if (grep { TaskqWorkflowModel::is_settled($_, $due) } @left)
		{
			$run->{states} = \@left;
			$done{'settled'}++;
			follow($run, $seen, @left);
			return 1;
		}
		sleep(0.01);
	}
	problem("what is due does not happen:\n  "
		  . (ref $seen
			? join("\n  ", uniq(@wrong)) . "\n  " . events_seen($seen)
			: $seen),
		$run);
	return 0;
}

sub all_deadlines
{
	return sort { $a->[0] <=> $b->[0] }
	  map { $_->[0] }
	  map {
		my $state = $_;

		(
			TaskqWorkflowModel::deadlines($state),
			map { [ $_->{due} ] }
			  grep { $_->{state} eq 'scheduled' }
			  values %{ $state->{activities} })
	  }
	  map { @{ $_->{states} } }
	  grep { is_open($_) } all_runs();
}

# Move the clock to the next thing that is to happen, or a little; and to where
# nothing is just about to happen.
sub advance
{
	my $target = $clock + pick(0, 0, 10, 60) * SECOND;
	my @instants;

	return if @transactions;
	@instants = grep { $_->[0] > $clock } all_deadlines();
	$target = $instants[0]->[1] if @instants && chance(0.5);
	move_clock($target, @instants);
	return;
}

sub move_clock
{
	my ($target, @instants) = @_;

	foreach my $instant (@instants)
	{
		$target = max($target, $instant->[1] + 1 * SECOND)
		  if $instant->[0] < $target + 5 * SECOND;
	}
	return if $target <= $clock;
	$offset += int(($target - $clock) / 1000) + 1;
	$_->ask_safe("SET taskq.clock_offset = $offset")
	  foreach $observer, map { $_->{session} } @sessions;
	$observer->ask_safe("ALTER SYSTEM SET taskq.clock_offset = $offset");
	$observer->ask_safe('SELECT pg_reload_conf()');
	read_clock();
	settle();
	$done{'clock moved'}++;
	return;
}

# ---- the run -------------------------------------------------------------

@sessions = map { { session => $_ } } @sessions;

my @operations = (
	[ 7, \&do_start ],
	[ 10, \&do_signal ],
	[ 3, \&do_signal_with_start ],
	[ 3, \&do_request_cancel ],
	[ 1, \&do_terminate ],
	[ 0.3, \&do_delete ],
	[ 20, \&do_poll ],
	[ 22, \&do_complete ],
	[ 4, \&do_fail_task ],
	[ 3, \&do_release ],
	[ 12, \&do_poll_activity ],
	[ 12, \&do_report ],
	[ 0.5, \&do_worker_gone ],
	[ 1, \&do_reset_sticky ],
	[ 8, sub { advance() } ],
	[ 4, sub { begin($_[0]) unless $_[0]->{tx} } ],
	[ 3, sub { savepoint($_[0]) if $_[0]->{tx} } ]);
my @weighted = map { ($_->[1]) x (10 * $_->[0]) } @operations;

sub one_step
{
	my @busy = grep { $_->{tx} } @sessions;
	my $s = @busy && chance(0.4) ? pick(@busy) : pick(@sessions);
	my $operation = pick(@weighted);
	my @open = grep { is_open($_) } all_runs();

	$operation = \&do_start if @open < 2;
	if (@open > MANY_OPEN && ($operation == \&do_start || $operation == \&do_signal_with_start))
	{
		my ($long) = sort { length_of($b) <=> length_of($a) } @open;

		return do_terminate($s, $long)
		  if length_of($long) > MANY_EVENTS / 2 && is_free($s, $long);
		$operation = \&do_complete;
	}
	$operation->($s);
	return;
}

sub length_of { return scalar @{ $_[0]->{states}->[0]->{events} // [] } }

# Transactions end after some steps; prepared ones too.
sub age_transactions
{
	foreach my $tx (my @now = @transactions)
	{
		my ($s) = grep { ($_->{tx} // 0) == $tx } @sessions;

		next if --$tx->{left} > 0;
		if ($s && chance(0.2))
		{
			prepare($s);
			next;
		}
		$s //= first { !$_->{tx} } @sessions or next;
		end($s, $tx, chance(0.6));
	}
	return;
}

eval {
	$quiet = read_clock();
	while ($step++ < $steps || time_left())
	{
		alarm(2 * $PostgreSQL::Test::Utils::timeout_default);
		one_step();
		age_transactions();
		settle() if chance(0.7);
	}
	foreach my $tx (my @left = @transactions)
	{
		my ($s) = grep { ($_->{tx} // 0) == $tx } @sessions;

		$s //= first { !$_->{tx} } @sessions or next;
		end($s, $tx, 1);
	}
	settle();
	check($sessions[0], $_) foreach grep { !$_->{born_in} } all_runs();
	1;
} or do
{
	push @problems, "step $step: $@";
	diag($problems[-1]);
};

note(join(', ', map { "$_ $done{$_}" } sort keys %done));
note(join(', ', map { "$_ $answers{$_}" } sort keys %answers));
is(scalar(@problems), 0, --$step . " steps of seed $seed are as predicted");
is( $observer->ask_safe('SELECT count(*) FROM taskq.workflows')->[0]->[0],
	scalar(all_runs()),
	'there are no other runs') unless @problems;
$_->{session}->finish foreach @sessions;
$observer->finish;
unlike(TaskqSessions::complaints(),
	qr/FATAL|PANIC|server closed/, 'no session was lost');
$node->stop;
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|terminated by signal|deadlock detected/,
	'no crash and no deadlock');
done_testing();
