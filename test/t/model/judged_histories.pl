# The judge of histories takes what Temporal's server recorded for possible, and
# what the model makes up by random steps; it doesn't when one is spoilt.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use File::Basename;
use TaskqRecording;
use TaskqWorkflowJudge;
use TaskqWorkflowModel;
use Test::More;

use constant { WALKS => 500, STEPS => 60, SECOND => TaskqWorkflowModel::SECOND };

my $seed = $ENV{TASKQ_SEED} || 20261130;

diag("TASKQ_SEED=$seed");
srand($seed);

# What the judge knows nothing of: other workflows, updates, resets, and a
# request of two calls in one history.
my $beyond = qr/^(?:cancel_external|child|signal_external|update|reset)/x;

foreach my $file (sort glob("$FindBin::RealBin/../../temporal/raw/*.json"))
{
	my $name = basename($file, '.json');

	next if $name =~ $beyond;
	is(complaints(TaskqRecording::events_of($file)), '', $name);
}

sub complaints
{
	return join("\n", @{ TaskqWorkflowJudge::judge(@_)->{wrong} });
}

# ---- histories made up ---------------------------------------------------

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

my ($clock, $token);

sub world
{
	return {
		now => [ $clock, $clock ],
		alive => sub { return pick(0, 1, undef) }
	};
}

sub take
{
	my ($outcome) = @_;

	return unless $outcome && !$outcome->[0]->{state};
	return TaskqWorkflowModel::told(world(), $outcome)->[1];
}

sub some_commands
{
	my ($run) = @_;
	my @activities = keys %{ $run->{activities} };
	my @timers = keys %{ $run->{timers} };
	my @commands;

	foreach (1 .. pick(0, 1, 2, 4))
	{
		push @commands,
		  pick(
			[
				'SCHEDULE_ACTIVITY_TASK',
				{
					activityId => 'a' . int(rand(50)),
					activityType => { name => 'A' },
					startToCloseTimeout => pick(20, 60) . 's',
					retryPolicy => { maximumAttempts => pick(1, 2) }
				}
			],
			[
				'START_TIMER',
				{ timerId => 't' . int(rand(50)), startToFireTimeout => pick(0, 30) . 's' }
			],
			[ 'RECORD_MARKER', { markerName => 'm' } ],
			@activities
			? [ 'REQUEST_CANCEL_ACTIVITY_TASK', { scheduledEventId => pick(@activities) } ]
			: (),
			@timers ? [ 'CANCEL_TIMER', { timerId => pick(@timers) } ] : ());
	}
	push @commands, [ 'COMPLETE_WORKFLOW_EXECUTION', {} ] if chance(0.05);
	return \@commands;
}

sub random_step
{
	my ($run) = @_;
	my %args = (token => $token, identity => 'w', signal_name => 's');
	my @started =
	  grep { $run->{activities}->{$_}->{state} eq 'started' }
	  keys %{ $run->{activities} };
	my @waiting =
	  grep { $run->{activities}->{$_}->{state} ne 'started' }
	  keys %{ $run->{activities} };
	my ($due) = TaskqWorkflowModel::next_due($run, [ $clock, $clock ]);

	return TaskqWorkflowModel::fire($run, world(), $due) if $due;
	return pick(
		(sub {
			my $task = $run->{task} or return;

			$args{task_queue} =
			    $task->{where} eq 'sticky'
			  ? $task->{sticky}
			  : $run->{options}->{task_queue};
			$args{token} = ++$token;
			take(TaskqWorkflowModel::poll($run, world(), \%args));
		}) x 4,
		(sub {
			take(
				TaskqWorkflowModel::complete_task(
					$run, world(),
					{
						%args,
						commands => some_commands($run),
						force => chance(0.1),
						return => chance(0.2),
						new_token => ++$token,
						chance(0.5)
						? (sticky => { queue => 'st', timeout => 5 * SECOND })
						: ()
					}));
		}) x 4,
		sub {
			take(
				TaskqWorkflowModel::fail_task(
					$run, world(), { %args, cause => 'X' }));
		},
		sub { take((TaskqWorkflowModel::release($run, world(), \%args))[0]) },
		(sub { take(TaskqWorkflowModel::signal($run, world(), \%args)) }) x 2,
		sub { take(TaskqWorkflowModel::request_cancel($run, world(), \%args)) },
		@waiting
		? (sub {
			my $scheduled = pick(@waiting);

			take(
				TaskqWorkflowModel::start_activity(
					$run, world(),
					{ %args, token => "a$scheduled", scheduled => $scheduled }));
		}) x 2
		: (),
		@started
		? (sub {
			my %of = (%args, token => 'a' . pick(@started));

			take(
				pick(
					\&TaskqWorkflowModel::complete_activity,
					\&TaskqWorkflowModel::cancel_reported,
					sub {
						TaskqWorkflowModel::fail_activity(@_[ 0, 1 ],
							{ %of, failure => { message => 'x' } });
					})->($run, world(), \%of));
		}) x 2
		: (),
		sub { $clock += pick(1, 10, 40) * SECOND; return },
		sub {
			chance(0.1)
			  ? take(TaskqWorkflowModel::terminate($run, world(), \%args))
			  : undef;
		})->();
}

# What a history can't look like: each of these spoils one, if it can.
my %spoil = (
	'an event is missing' => sub {
		my $at = 1 + int(rand(@_ - 2));

		return @_ > 2 ? (@_[ 0 .. $at - 1 ], @_[ $at + 1 .. $#_ ]) : ();
	},
	'an event twice' => sub {
		my @at = grep { $_[$_]->{type} !~ /signaled|marker|activity_task_cancel_requested/ } 0 .. $#_;
		my $at = pick(@at);

		return numbered(@_[ 0 .. $at ], @_[ $at .. $#_ ]);
	},
	'something while a task is started' => sub {
		my @at =
		  grep { $_[$_]->{type} eq 'workflow_task_started' } 0 .. $#_;
		my $at = pick(@at);

		return unless @at;
		return numbered(
			@_[ 0 .. $at ],
			{ type => 'workflow_execution_signaled', attributes => {} },
			@_[ $at + 1 .. $#_ ]);
	},
	'nobody is told' => sub {
		my @at = grep {
			$_[$_]->{type} eq 'workflow_task_scheduled'
			  && $_[ $_ - 1 ]->{type} =~ /signaled|fired/
			  && after_success(@_[ 0 .. $_ - 1 ])
		} 0 .. $#_;
		my $at = pick(@at);

		return unless @at;
		return numbered(@_[ 0 .. $at - 1 ], @_[ $at + 1 .. $#_ ]);
	});

sub after_success
{
	my ($last) = grep { $_->{type} =~ /^workflow_task/ } reverse @_;

	return $last && $last->{type} eq 'workflow_task_completed';
}

my ($events, @illegal, @unnoticed, %spoilt) = (0);

foreach my $walk (1 .. WALKS)
{
	my ($run, @events, $wrong);

	($clock, $token) = (0, 0);
	$run = TaskqWorkflowModel::start(
		{
			workflow_id => 'w',
			workflow_type => 'W',
			task_queue => 'q',
			backoff => pick(0, 0, 20 * SECOND)
		},
		world());
	foreach (1 .. STEPS)
	{
		$run = random_step($run) // $run;
		last unless TaskqWorkflowModel::is_running($run);
	}
	@events = numbered(map { decided($_) } @{ $run->{events} });
	$events += @events;
	$wrong = complaints(@events);
	push @illegal, "walk $walk: $wrong" if $wrong;
	foreach my $how (sort keys %spoil)
	{
		my @other = $spoil{$how}->(@events) or next;

		$spoilt{$how}++;
		push @unnoticed, "$how, walk $walk"
		  unless complaints(@other);
	}
}

# An event of which nothing is left open.
sub decided
{
	my ($event) = @_;
	my %attributes = %{ $event->{attributes} };
	my $cancel = $attributes{latestCancelRequestedEventId};

	$attributes{latestCancelRequestedEventId} = pick(@{ $cancel->{values} })
	  if ref $cancel;
	return { %$event, attributes => \%attributes };
}

sub numbered
{
	my $n = 0;

	return map { { %$_, event_id => ++$n } } @_;
}

is(join("\n", @illegal), '', "$events events made up are possible");
is(join("\n", @unnoticed), '', 'spoilt ones are not');
cmp_ok($spoilt{$_} // 0, '>', 0, $_) foreach sort keys %spoil;
done_testing();
