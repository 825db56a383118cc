# How fast, and how cheaply, workers hear of a task.
#
# First on an idle machine, one waiter and one producer: from the commit to the
# return of wait_for_task, and to a notification (wake.c).  Then with a thousand
# who wait (crowd.c): what they cost while nothing happens, how many are woken
# by one task, and what they cost the producers, compared with nobody and with
# a thousand connections that do nothing.
package Bench::Wakeup;

use strict;
use warnings;

use Bench qw(median say_now);
use Bench::Clients;
use Bench::Scenario qw(create_taskq number table verdict verdicts);

use constant NAME => 'wakeup';
use constant TITLE => 'Wake-up';
use constant MINUTES => 10;

# Who is connected while producers commit: the kind of crowd, and whether the
# tasks are for it.
my @CROWDS = (
	{ key => 'none', name => 'nobody', kind => 'idle', waiters => 0 },
	{ key => 'idle', name => 'idle connections', kind => 'idle' },
	{
		key => 'wait_other',
		name => 'waiters, for another queue',
		kind => 'wait',
		into => 'other'
	},
	{ key => 'wait', name => 'waiters, for this queue', kind => 'wait' },
	{
		key => 'wait_1',
		name => 'one waiter, for this queue',
		kind => 'wait',
		waiters => 1
	},
	{
		key => 'listen_other',
		name => 'listeners, to another queue',
		kind => 'listen',
		into => 'other'
	},
	{ key => 'listen', name => 'listeners, to this queue', kind => 'listen' },
	{
		key => 'listen_1',
		name => 'one listener, to this queue',
		kind => 'listen',
		waiters => 1
	});

# What a producer would do without taskq's worker: the control of the search for
# waits on NOTIFY's lock.
my $NOTIFY = "WITH task AS (INSERT INTO notify_control DEFAULT VALUES RETURNING id)"
  . " SELECT pg_notify('control', '') FROM task";

sub settings
{
	return { max_connections => 1100 };
}

sub wake
{
	my ($bench, %arguments) = @_;
	my $result = Bench::Clients->result($bench, 'wake',
		arguments => { queue => 'wake', %arguments });

	return { map { $_ => $result->{$_} / 1000 }
		  grep { /_p50|_p99|_max/ } keys %$result };
}

sub crowd
{
	my ($bench, %arguments) = @_;

	return map { $_->{part} => $_ }
	  Bench::Clients->run($bench, 'crowd', arguments => \%arguments);
}

# Producers' latency beside each crowd, in turns whose order moves on.
sub producers
{
	my ($bench, $short, $waiters) = @_;
	my ($rounds, $commits) = $short ? (1, 100) : (4, 200);
	my @rounds;

	for my $round (1 .. $rounds)
	{
		my %round;

		for my $i (0 .. $#CROWDS)
		{
			my $crowd = $CROWDS[ ($i + $round - 1) % @CROWDS ];
			my %part = crowd(
				$bench,
				kind => $crowd->{kind},
				waiters => $crowd->{waiters} // $waiters,
				queue => 'crowd',
				into => $crowd->{into} // 'crowd',
				commits => $commits,
				gap => 50);
			my $commit = $part{commit};

			# nobody takes what was not for the crowd
			create_taskq($bench, 'taskq')->quit;
			$round{ $crowd->{key} } = {
				ms => $commit->{latency_p50} / 1000,
				p99_ms => $commit->{latency_p99} / 1000,
				cpu_us => $commit->{cpu_us} + 0
			};
			say_now(sprintf '  %-28s commit p50 %.3f ms, p99 %.3f ms, backend %.1f us',
				$crowd->{name}, @{ $round{ $crowd->{key} } }{qw(ms p99_ms cpu_us)});
		}
		push @rounds, \%round;
	}
	return \@rounds;
}

# How often a producer at full speed is seen waiting for NOTIFY's lock.
sub locks
{
	my ($bench, $short, $sql) = @_;
	my %part = crowd(
		$bench,
		kind => 'listen',
		waiters => 4,
		queue => 'crowd',
		commits => $short ? 2000 : 20000,
		gap => 0,
		producers => 4,
		sample => 1,
		($sql ? (sql => $sql) : ()));

	create_taskq($bench, 'taskq')->quit if !$sql;
	return { map { $_ => $part{commit}{$_} + 0 } qw(sampled blocked commits) };
}

# What waiters cost while nothing happens, and how many of them a task wakes; also
# when the queue has a task that becomes due much later.
sub woken
{
	my ($bench, $session, $result, $short, $waiters) = @_;
	my %common = (kind => 'wait', waiters => $waiters, tasks => 100, gap => 20);
	my %part =
	  crowd($bench, %common, queue => 'crowd', idle => $short ? 5 : 40);

	$result->{idle} = $part{idle};
	$result->{woken} = $part{wake};
	$session->query(
		"SELECT run_id FROM taskq.schedule('delayed', 't', '{}',
			start_to_close_timeout => '1 min', start_delay => '1 hour')");
	%part = crowd($bench, %common, queue => 'delayed');
	$result->{woken_delayed} = $part{wake};
	say_now(sprintf '  %d idle waiters: %.2f %% of a core; %d tasks woke %d of them, %d with a delayed task in the queue',
		$waiters, idle_percent($result), @{ $result->{woken} }{qw(tasks heard)},
		$part{wake}{heard});
	return;
}

sub run
{
	my ($bench, $short) = @_;
	my $waiters = $short ? 200 : 1000;
	my $tasks = $short ? 200 : 2000;
	my $session = create_taskq($bench, 'taskq');
	my %result = (waiters => $waiters);

	$session->query('CREATE TABLE notify_control (id bigserial PRIMARY KEY)');
	$result{interval} =
	  $session->query("SELECT extract(epoch FROM current_setting('taskq.notify_interval')::interval) * 1000");
	$result{wait} = wake($bench, mode => 'wait', tasks => $tasks);
	say_now(sprintf '  wait_for_task: p50 %.3f ms, p99 %.3f ms after the commit',
		@{ $result{wait} }{qw(committed_p50 committed_p99)});
	$result{listen} =
	  wake($bench, mode => 'listen', tasks => $tasks / 2, gap => 30);
	$result{burst} =
	  wake($bench, mode => 'listen', tasks => $tasks / 2, gap => 3);
	say_now(sprintf '  LISTEN: p50 %.3f ms, p99 %.3f ms after the commit; in a burst %.3f ms, %.3f ms',
		map { @{ $result{$_} }{qw(committed_p50 committed_p99)} } qw(listen burst));
	woken($bench, $session, \%result, $short, $waiters);
	$session->quit;
	$result{producers} = producers($bench, $short, $waiters);
	$result{locks} = locks($bench, $short);
	$result{control} = locks($bench, $short, $NOTIFY);
	say_now(sprintf '  waits for the lock of NOTIFY: seen %d times in %d, with a NOTIFY of its own %d in %d',
		map { @{ $result{$_} }{qw(blocked sampled)} } qw(locks control));
	return \%result;
}

# Processor time of all idle waiters, as a share of one core.
sub idle_percent
{
	my ($result) = @_;

	return 100 * $result->{idle}{waiters_cpu} / $result->{idle}{elapsed};
}

# A producer's latency beside a crowd, compared with that beside another.
sub latency_ratio
{
	my ($result, $key, $other, $measure) = @_;

	return median(map { $_->{$key}{$measure} / $_->{$other}{$measure} }
		  @{ $result->{producers} });
}

sub wake_row
{
	my ($name, $wake) = @_;

	return [ $name, map { sprintf '%.3f', $_ }
		  @$wake{qw(committed_p50 committed_p99 sent_p50 sent_p99 schedule_p50)} ];
}

# What the targets say.
sub targets
{
	my ($result) = @_;

	return (
		verdict('wait_for_task after the commit, p50, ms',
			$result->{wait}{committed_p50}, 'most', 1),
		verdict('wait_for_task after the commit, p99, ms',
			$result->{wait}{committed_p99}, 'most', 5),
		verdict('notification after the commit, p99, ms',
			$result->{burst}{committed_p99}, 'most', $result->{interval} + 5),
		verdict('idle waiters, per cent of a core',
			idle_percent($result), 'most', 2),
		(
			map {
				verdict("waiters woken per task$_->[1]",
					$result->{ $_->[0] }{heard} / $result->{ $_->[0] }{tasks},
					'most', 1.1)
			} [ woken => '' ],
			[ woken_delayed => ', with a delayed one in the queue' ]
		),
		(
			map {
				verdict("producer beside $_->{name}, p50, of beside nobody",
					latency_ratio($result, $_->{key}, 'none', 'ms'), 'most', 1.1)
			} grep { $_->{key} =~ /^(wait|listen)(_other)?$/ } @CROWDS
		),
		verdict('waits of producers for the lock of NOTIFY',
			$result->{locks}{blocked}, 'most', 0, '%d'));
}

sub report
{
	my ($result) = @_;
	my @rows;

	for my $crowd (@CROWDS)
	{
		push @rows, [
			$crowd->{name},
			(map {
				my $measure = $_;
				sprintf '%.3f', median(map { $_->{ $crowd->{key} }{$measure} } @{ $result->{producers} })
			} qw(ms p99_ms)),
			sprintf('%.1f', median(map { $_->{ $crowd->{key} }{cpu_us} } @{ $result->{producers} })),
			map { sprintf '%.2f', latency_ratio($result, $crowd->{key}, $_, 'ms') }
			  qw(none idle)
		];
	}
	return
	    "One producer, one worker, nothing else, in ms; \"sent\" counts from when the producer sends its statement.\n\n"
	  . table(
		[
			'heard by', 'after commit, p50', 'p99', 'after sent, p50', 'p99',
			'of which schedule, p50'
		],
		wake_row('CALL taskq.wait_for_task', $result->{wait}),
		wake_row('LISTEN, now and then', $result->{listen}),
		wake_row('LISTEN, more often than notify_interval', $result->{burst}))
	  . "\n"
	  . sprintf("%s idle waiters use %.2f %% of one core. %s tasks, one by one, woke %s waiters, and %s when the queue has a task that is delayed.\n\n",
		number($result->{waiters}), idle_percent($result),
		map { number($_) } @{ $result->{woken} }{qw(tasks heard)},
		$result->{woken_delayed}{heard})
	  . 'One producer commits now and then beside '
	  . number($result->{waiters})
	  . " others; its synchronous_commit is on.\n\n"
	  . table(
		[
			'beside', 'schedule, p50, ms', 'p99, ms', 'backend CPU, us',
			'p50, of nobody', 'p50, of idle connections'
		],
		@rows)
	  . "\n"
	  . sprintf("A look at pg_locks every ms while four producers commit as fast as they can saw one wait for the lock of NOTIFY %s times in %s; had each sent a NOTIFY of its own, %s times in %s.\n\n",
		map { number($_) } map { @{ $result->{$_} }{qw(blocked sampled)} } qw(locks control))
	  . verdicts(targets($result));
}

sub plots
{
	return ();
}

1;
