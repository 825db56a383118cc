# Ten thousand running attempts, each of which heartbeats once a second.
#
# What counts is the processor time of all of the server's processes, as a share
# of one core; the client's is shown beside it, and what round trips cost that
# do nothing (beat.c).  Then the same with a
# transaction that holds a snapshot: how many row versions heartbeats leave.
package Bench::Heartbeats;

use strict;
use warnings;

use Bench 'say_now';
use Bench::Clients;
use Bench::Scenario qw(create_taskq mb number table verdict verdicts);
use Time::HiRes qw(sleep time);

use constant NAME => 'heartbeats';
use constant TITLE => 'Heartbeats';
use constant MINUTES => 5;

my @WAYS = (
	{
		key => 'single',
		name => 'heartbeat, one call each',
		batch => 1,
		limit => 25
	},
	{
		key => 'many',
		name => 'heartbeat_many, 100 per call',
		batch => 100,
		limit => 10
	});
my @FLOOR = (
	{
		key => 'noop_single',
		name => 'a statement that does nothing, one call each',
		batch => 1,
		noop => 1
	},
	{
		key => 'noop_from',
		name => 'a function in FROM that does nothing, one call each',
		batch => 1,
		noop => 2
	},
	{
		key => 'noop_many',
		name => 'a statement that does nothing, 100 per call',
		batch => 100,
		noop => 1
	});

sub settings
{
	return {};
}

# That many tasks, ready to be started.
sub schedule
{
	my ($session, $attempts) = @_;

	$session->query(
		"SELECT count(*) FROM taskq.schedule_many('beat', 'copy', array_fill('{}'::jsonb, ARRAY[$attempts]),
			start_to_close_timeout => '1 hour', heartbeat_timeout => '60 s')");
	return;
}

# What the server's processes use while nobody calls.
sub idle_cpu
{
	my ($bench, $seconds) = @_;
	my $cpu = $bench->server_cpu;
	my $start = time;

	sleep $seconds;
	return 100 * ($bench->server_cpu - $cpu) / (time - $start);
}

# Row versions that were written to the tables of taskq; the session must not
# be in a transaction.
sub versions
{
	my ($session) = @_;
	my %versions = map { split /\|/ } split /\n/, $session->query(
		"SELECT relname, n_tup_ins + n_tup_upd FROM pg_stat_user_tables
		  WHERE schemaname = 'taskq'");

	return \%versions;
}

# Heartbeats for so many seconds; processor time is that of one per attempt and
# second, also when the server cannot keep up.
sub beat
{
	my ($bench, $session, $attempts, $way, $seconds) = @_;

	schedule($session, $attempts);
	my $client = Bench::Clients->start(
		$bench, 'beat',
		arguments => {
			attempts => $attempts,
			batch => $way->{batch},
			noop => $way->{noop} // 0,
			seconds => $seconds
		});
	die "no attempts\n" if $client->line->{line} ne 'ready';
	my $cpu = $bench->server_cpu;
	my $wal = $bench->wal;
	my $result = $client->line;
	my $server_cpu = $bench->server_cpu - $cpu;
	my $idle = idle_cpu($bench, $seconds / 4);
	my $elapsed = $result->{elapsed} / 1e6;

	1 while $client->line;
	die "heartbeats were refused\n" if $result->{refused};
	return {
		per_second => $result->{beats} / $elapsed,
		server_percent => 100 * $attempts * $server_cpu / $result->{beats},
		client_percent =>
		  100 * $attempts * $result->{client_cpu} / 1e6 / $result->{beats},
		idle_percent => $idle,
		cpu_us => 1e6 * $server_cpu / $result->{beats},
		wal => ($bench->wal - $wal) / $result->{beats},
		call_ms => $result->{call_p50} / 1000,
		call_p99_ms => $result->{call_p99} / 1000
	};
}

# Heartbeats under a held snapshot: versions and bytes per attempt.
sub held
{
	my ($bench, $attempts, $seconds) = @_;
	my $session = create_taskq($bench, 'taskq');
	my $holder = $bench->session('taskq');

	schedule($session, $attempts);
	$holder->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$holder->query('SELECT count(*) FROM pg_class');
	my $client = Bench::Clients->start(
		$bench, 'beat',
		arguments => {
			attempts => $attempts,
			batch => 100,
			seconds => $seconds
		});
	$client->line;
	my $size = Bench::Scenario::relation_sizes($session, 'taskq');
	my $before = versions($session);

	1 while $client->line;
	sleep 2;    # statistics come after a second
	my $after = versions($session);
	my $grown = Bench::Scenario::relation_sizes($session, 'taskq');
	$holder->query('COMMIT');
	$_->quit for $session, $holder;
	return {
		seconds => $seconds,
		versions => {
			map { $_ => ($after->{$_} - ($before->{$_} // 0)) / $attempts }
			  grep { /^(open|heartbeat)/ } keys %$after
		},
		bytes => {
			map { $_ => $grown->{$_} - ($size->{$_} // 0) }
			  grep { /^(open|heartbeat)/ && $grown->{$_} > ($size->{$_} // 0) } keys %$grown
		}
	};
}

# Seconds of taskq.heartbeat_flush; heartbeats are written at once where there is
# no such setting.
sub flush_interval
{
	my ($session) = @_;
	my $seconds = $session->query(
		"SELECT extract(epoch FROM current_setting('taskq.heartbeat_flush', true)::interval)");

	return $seconds || 1;
}

sub run
{
	my ($bench, $short) = @_;
	my $attempts = $short ? 2000 : 10000;
	my $seconds = $short ? 12 : 40;
	my %result = (attempts => $attempts);

	for my $way (@WAYS, @FLOOR)
	{
		my $session = create_taskq($bench, 'taskq');

		$result{flush} = flush_interval($session);
		$result{ $way->{key} } =
		  beat($bench, $session, $attempts, $way,
			$way->{noop} ? $seconds / 2 : $seconds);
		$session->quit;
		say_now(sprintf '  %-51s server %.1f %%, client %.1f %% of a core; idle %.1f %%',
			$way->{name},
			@{ $result{ $way->{key} } }{qw(server_percent client_percent idle_percent)});
	}
	$result{held} = held($bench, $attempts, $short ? 15 : 60);
	return \%result;
}

# Versions of heartbeats that each attempt left in the time held, and those that
# its flushes may leave.
sub flushed
{
	my ($result) = @_;
	my $held = $result->{held};
	my $versions = 0;

	$versions += $held->{versions}{$_}
	  for grep { /^heartbeat/ } keys %{ $held->{versions} };
	return ($versions, int($held->{seconds} / $result->{flush}) + 1);
}

sub report
{
	my ($result) = @_;
	my $held = $result->{held};

	return
	  number($result->{attempts})
	  . " attempts are running, each heartbeats once a second. Per cent of one core; \"idle\" is the server with these attempts and no calls.\n\n"
	  . table(
		[
			'', 'heartbeats per second', 'server', 'client', 'idle',
			'server, us each', 'WAL bytes each', 'call p50, ms', 'p99, ms'
		],
		map {
			my $way = $result->{ $_->{key} };
			[
				$_->{name}, number($way->{per_second}),
				(map { sprintf '%.1f %%', $_ }
					@$way{qw(server_percent client_percent idle_percent)}),
				sprintf('%.1f', $way->{cpu_us}),
				sprintf('%.0f', $way->{wal}),
				map { sprintf '%.3f', $_ } @$way{qw(call_ms call_p99_ms)}
			]
		} @WAYS, @FLOOR)
	  . "\n"
	  . sprintf("With a snapshot held for %d s, row versions per attempt: %s; growth in MB: %s.\n\n",
		$held->{seconds},
		join(', ', map { sprintf '%s %.2f', $_, $held->{versions}{$_} } sort keys %{ $held->{versions} }),
		join(', ', map { "$_ " . mb($held->{bytes}{$_}) } sort keys %{ $held->{bytes} }) || 'none')
	  . verdicts(
		(
			map {
				verdict("$_->{name}, per cent of one core",
					$result->{ $_->{key} }{server_percent}, 'most', $_->{limit}, '%.1f')
			} @WAYS
		),
		verdict("row versions of heartbeats per attempt in $held->{seconds} s, snapshot held",
			(flushed($result))[0], 'most', (flushed($result))[1], '%.1f'));
}

sub plots
{
	return ();
}

1;
