# One queue of very many, far more than shared memory has room for with the default
# sizes: does it matter how many others there are?
package Bench::OneQueue;

use strict;
use warnings;

use Bench qw(median say_now);
use Bench::Clients;
use Bench::Scenario qw(create_taskq number table verdict verdicts);

use constant NAME => 'one_queue';
use constant TITLE => 'One queue of very many';
use constant MINUTES => 2;
use constant FEW => 10;
use constant TURNS => 20;

sub settings
{
	return {};
}

# What a client does with one queue of n, which is $1, and so many times fewer.
my @ONE_QUEUE = (
	[ schedule => 1, q{SELECT run_id FROM taskq.schedule($1, 't', start_to_close_timeout => '1 h')} ],
	[ poll => 1, q{SELECT task_token FROM taskq.poll($1); SELECT taskq.complete($1)} ],
	[ task_queues => 10, q{SELECT backlog_count FROM taskq.task_queues WHERE task_queue = $1} ],
	[ task_queue_priorities => 10, q{SELECT sum(backlog_count) FROM taskq.task_queue_priorities WHERE task_queue = $1} ],
	[ stat_task_queues => 10, q{SELECT started FROM taskq.stat_task_queues WHERE task_queue = $1} ],
	[ pollers => 10, q{SELECT count(*) FROM taskq.pollers WHERE task_queue = $1} ],
	[ configure_queue => 10, q{SELECT taskq.configure_queue($1, '{"paused": true}')} ]);

# Few queues and very many, with a task each, take turns; the medians that a client
# sees, in ms.  Polls take what was scheduled before.
sub many_queues
{
	my ($bench, $session, $queues, $calls) = @_;
	my @numbers = (FEW, $queues);
	my %p50;

	for my $n (@numbers)
	{
		$session->query(qq{DO \$\$ BEGIN
			FOR i IN 0 .. $n - 1 LOOP
				PERFORM taskq.schedule('q$n ' || i, 't', start_to_close_timeout => '1 h');
				COMMIT;
			END LOOP;
		END \$\$});
	}
	for my $call (@ONE_QUEUE)
	{
		my ($name, $part, $statement) = @$call;

		for my $turn (1 .. TURNS)
		{
			for my $n (@numbers)
			{
				my $result = Bench::Clients->result(
					$bench, 'calls',
					sync => 'off',
					arguments => {
						sql => "SELECT 'q$n ' || floor(random() * $n)::int; $statement",
						loops => $calls / TURNS / $part
					});

				push @{ $p50{$n}{$name} }, $result->{s1_p50} / 1000;
			}
		}
		$p50{$_}{$name} = median(@{ $p50{$_}{$name} }) for @numbers;
	}
	return \%p50;
}

sub run
{
	my ($bench, $short) = @_;
	my $queues = $short ? 5000 : 100_000;
	my $session = create_taskq($bench, 'taskq');

	$session->query('SET synchronous_commit = off');
	my $p50 = many_queues($bench, $session, $queues, $short ? 2000 : 20_000);
	$session->quit;
	return { queues => $queues, p50 => $p50 };
}

sub ratio
{
	my ($result, $call) = @_;

	return $result->{p50}{ $result->{queues} }{$call} / $result->{p50}{ +FEW }{$call};
}

sub report
{
	my ($result) = @_;
	my $queues = number($result->{queues});

	return
	    "Ten queues and $queues, with a task each, of which a client asks for one, now of the few, now of the many; medians of what it sees.\n\n"
	  . table([ 'one queue', 'of 10, ms', "of $queues", 'ratio' ],
		map {
			my $call = $_->[0];
			[ $call, (map { sprintf '%.3f', $result->{p50}{$_}{$call} } FEW, $result->{queues}), sprintf '%.2f', ratio($result, $call) ]
		} @ONE_QUEUE)
	  . "\n"
	  . verdicts(map { verdict("$_->[0], $queues queues over ten", ratio($result, $_->[0]), 'most', 1.25) } @ONE_QUEUE);
}

sub plots
{
	return ();
}

1;
