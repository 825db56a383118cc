# Many connections that poll: what is kept of the throughput of few, compared
# with what SELECT 1 keeps in the same run.
#
# The work is "nothing" (polls of an empty queue) and the full cycle: schedule,
# poll and complete, three transactions, each connection for itself in one queue.
# What grows with the number of connections (processes that take turns on the
# processors) is in SELECT 1, too; what is left over is waiting for each other.
package Bench::Contention;

use strict;
use warnings;

use Bench qw(median say_now);
use Bench::Clients;
use Bench::Scenario qw(number table verdict verdicts PAYLOAD);

use constant NAME => 'contention';
use constant TITLE => 'Many connections';
use constant MINUTES => 8;

my @CONNECTIONS = (8, 64, 256);
my @WORK = (
	{ key => 'select', name => 'SELECT 1', sql => 'SELECT 1' },
	{
		key => 'poll',
		name => 'poll of an empty queue',
		sql => "SELECT task_token FROM taskq.poll('empty', 'w')"
	},
	{
		key => 'cycle',
		name => 'schedule, poll, complete',
		sql => "SELECT run_id FROM taskq.schedule('q', 'email.send', '"
		  . PAYLOAD
		  . "', start_to_close_timeout => '30 s');"
		  . " SELECT task_token FROM taskq.poll('q', 'w');"
		  . ' SELECT taskq.complete($1)'
	},
	{
		key => 'r2',
		name => 'the same with R2',
		database => 'r2',
		sql => "INSERT INTO r2 (queue, payload) VALUES ('q', '" . PAYLOAD . "');"
		  . " UPDATE r2 SET status = 'started', attempt = attempt + 1,"
		  . " started_at = now(), lease_until = now() + interval '30 s', worker = 'w1'"
		  . ' WHERE id = ANY (ARRAY(SELECT id FROM r2'
		  . " WHERE queue = 'q' AND status = 'ready' AND run_at <= now()"
		  . ' ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED))'
		  . ' RETURNING id, attempt, payload;'
		  . ' DELETE FROM r2 WHERE id = $1 AND attempt = 1'
	});

sub settings
{
	return { max_connections => 300 };
}

sub turn
{
	my ($bench, $work, $connections, $seconds) = @_;

	$bench->reset($work->{database} // 'taskq');
	my $result = Bench::Clients->result(
		$bench, 'calls',
		database => $work->{database} // 'taskq',
		sync => 'off',
		arguments => {
			sql => $work->{sql},
			connections => $connections,
			warmup => 20,
			seconds => $seconds
		});
	return {
		per_second => $result->{per_second} + 0,
		cpu_us => $result->{cpu_us} + 0
	};
}

sub run
{
	my ($bench, $short) = @_;
	my ($rounds, $seconds) = $short ? (1, 2) : (5, 5);
	my @rounds;

	for my $round (1 .. $rounds)
	{
		my %round;

		for my $work (@WORK)
		{
			for my $connections (@CONNECTIONS)
			{
				$round{ $work->{key} }{$connections} =
				  turn($bench, $work, $connections, $seconds);
			}
			say_now(sprintf '  round %d: %-25s %s per second', $round,
				$work->{name}, join ', ',
				map { sprintf '%d: %s', $_, number($round{ $work->{key} }{$_}{per_second}) }
				  @CONNECTIONS);
		}
		push @rounds, \%round;
	}
	return { rounds => \@rounds, connections => \@CONNECTIONS };
}

# What work keeps of its throughput with few connections.
sub kept
{
	my ($round, $key, $connections) = @_;

	return $round->{$key}{$connections}{per_second} /
	  $round->{$key}{ $CONNECTIONS[0] }{per_second};
}

# The same, as a share of what SELECT 1 keeps.
sub share
{
	my ($result, $key, $connections) = @_;

	return median(map { kept($_, $key, $connections) / kept($_, 'select', $connections) }
		  @{ $result->{rounds} });
}

sub report
{
	my ($result) = @_;
	my @rounds = @{ $result->{rounds} };
	my @rows;

	for my $work (@WORK)
	{
		my $key = $work->{key};

		for my $connections (@CONNECTIONS)
		{
			my @turns = map { $_->{$key}{$connections} } @rounds;

			push @rows,
			  [
				$work->{name},
				$connections,
				number(median(map { $_->{per_second} } @turns)),
				sprintf('%.1f', median(map { $_->{cpu_us} } @turns)),
				map { sprintf '%.2f', $_ }
				  median(map { kept($_, $key, $connections) } @rounds),
				share($result, $key, $connections)
			  ];
		}
	}
	return
	    'Each connection does the same over and over, 20 times before it counts; synchronous_commit is off. Medians of '
	  . @rounds
	  . " rounds.\n\n"
	  . table(
		[
			'', 'connections', 'per second', 'backend CPU, us', 'kept',
			'of what SELECT 1 keeps'
		],
		@rows)
	  . "\n"
	  . verdicts(
		map {
			my $work = $_;
			map {
				verdict(
					"$work->{name}, $_ connections, of what SELECT 1 keeps",
					share($result, $work->{key}, $_),
					'least', 0.95)
			} @CONNECTIONS[ 1, 2 ]
		} @WORK[ 1, 2 ]);
}

sub plots
{
	return ();
}

1;
