# What a poll costs with much in the queue beside what it takes.
#
# Two databases: in both the same polls are measured, in turn, on 10,000 ready
# tasks; in one of them ever more stands beside them: a starved priority, a
# fairness key that its rate holds back, failed activities, retries that wait,
# delayed tasks, and at last millions of ready ones in front of which the poll
# has its place.  What counts is the processor time of the backend per poll (each
# a transaction of its own), and the buffers that one poll touches.
package Bench::Backlog;

use strict;
use warnings;

use Bench qw(median say_now);
use Bench::Clients;
use Bench::Scenario qw(create_taskq number table verdict verdicts PAYLOAD);
use Time::HiRes 'time';

use constant NAME => 'backlog';
use constant TITLE => 'A backlog';
use constant MINUTES => 9;

my $READY = 10_000;

# What comes to stand beside the measured tasks, one after the other: its name,
# the rows (in thousands, full and short), the queue in which polls are measured,
# and by how much a poll may cost more.
my @STAGES = (
	{
		key => 'nothing',
		name => 'nothing',
		thousands => [ 0, 0 ],
		queue => 'q',
		limit => 1.10
	},
	{
		key => 'starved',
		name => 'of a lower priority',
		thousands => [ 100, 10 ],
		queue => 'q',
		limit => 1.10,
		fill => ['priority => 5']
	},
	{
		key => 'rate_limited',
		name => 'of a fairness key at its rate limit',
		thousands => [ 100, 10 ],
		queue => 'rated',
		limit => 1.10,
		fill => ["fairness_key => 'slow'"]
	},
	{
		key => 'closed',
		name => 'closed as failed',
		thousands => [ 1000, 20 ],
		queue => 'q',
		limit => 1.10,
		fail => 'non_retryable => true'
	},
	{
		key => 'retries',
		name => 'failed, waiting to be retried',
		thousands => [ 1000, 20 ],
		queue => 'q',
		limit => 1.10,
		fail => "next_retry_delay => '1 day'"
	},
	{
		key => 'delayed',
		name => 'delayed',
		thousands => [ 5000, 50 ],
		queue => 'q',
		limit => 1.10,
		fill => ["start_delay => '1 day'"]
	},
	{
		key => 'ready',
		name => 'ready',
		thousands => [ 5000, 50 ],
		queue => 'q',
		limit => 1.25,
		fill => [undef],
		payload => PAYLOAD
	});

sub settings
{
	return { shared_buffers => '4GB' };
}

# Schedule thousands of tasks, over two connections.
sub fill
{
	my ($bench, $database, $queue, $thousands, $options, $payload) = @_;
	my $sql = "SELECT count(*) FROM taskq.schedule_many('$queue', 'email.send',"
	  . " array_fill('$payload'::jsonb, ARRAY[1000]), start_to_close_timeout => '1 day'"
	  . (defined $options ? ", $options" : '') . ')';
	my $connections = $thousands % 2 == 0 ? 2 : 1;

	return if $thousands == 0;
	Bench::Clients->run(
		$bench, 'calls',
		database => $database,
		sync => 'off',
		arguments => {
			sql => $sql,
			connections => $connections,
			loops => $thousands / $connections
		});
	return;
}

# Have thousands of tasks fail: schedule them in front of all others, poll, fail.
sub fill_failed
{
	my ($bench, $database, $queue, $thousands, $how) = @_;

	fill($bench, $database, $queue, $thousands, 'priority => 1', '{}');
	Bench::Clients->run(
		$bench, 'calls',
		database => $database,
		sync => 'off',
		arguments => {
			sql => "SELECT array_agg(task_token) FROM taskq.poll('$queue', 'w', max_tasks => 1000);"
			  . " SELECT count(*) FROM taskq.fail_many(\$1, 'no', $how)",
			loops => $thousands
		});
	return;
}

# The measured tasks of a queue.
sub options_of
{
	my ($queue) = @_;

	return $queue eq 'rated' ? "fairness_key => 'fast'" : undef;
}

# Ready tasks, as many as there should be, in both databases.
sub set_up
{
	my ($bench, $database) = @_;
	my $session = create_taskq($bench, $database);

	# the measured key may have a million per second, the other one 1
	$session->query(
		"SELECT taskq.configure_queue('rated', '{\"fairness_key_rate_limit\": 1000,
		  \"fairness_weights\": {\"fast\": 1000, \"slow\": 0.001}}')");
	fill($bench, $database, $_, $READY / 1000, options_of($_), PAYLOAD)
	  for qw(q rated);
	return $session;
}

# Some polls; backend CPU in us, and put back as many tasks as were taken.
sub polls
{
	my ($bench, $database, $queue, $n) = @_;
	my $result = Bench::Clients->result(
		$bench, 'calls',
		database => $database,
		sync => 'off',
		arguments => {
			sql => "SELECT task_token FROM taskq.poll('$queue', 'w')",
			loops => $n,
			finish => 'SELECT count(*) FROM taskq.complete_many($1)'
		});

	fill($bench, $database, $queue, $n / 1000, options_of($queue), PAYLOAD);
	return { cpu_us => $result->{cpu_us} + 0, ms => $result->{s1_p50} / 1000 };
}

# Buffers that one poll touches, the median of some that are rolled back.
sub buffers
{
	my ($session, $queue) = @_;
	my @hits;

	for (1 .. 11)
	{
		$session->query('BEGIN');
		my $plan = $session->query(
			"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) SELECT * FROM taskq.poll('$queue', 'w')"
		);
		$session->query('ROLLBACK');
		my ($hit) = $plan =~ /shared hit=(\d+)/;
		my ($read) = $plan =~ /shared (?:hit=\d+ )?read=(\d+)/;
		push @hits, ($hit // 0) + ($read // 0);
	}
	return median(@hits);
}

# One stage: both databases in turn.
sub measure
{
	my ($bench, $sessions, $stage, $short) = @_;
	my ($rounds, $n) = $short ? (3, 1000) : (15, 2000);
	my (@rounds, %buffers);

	for my $round (1 .. $rounds)
	{
		my %round;

		for my $database ($round % 2 ? qw(few many) : qw(many few))
		{
			$round{$database} =
			  polls($bench, "backlog_$database", $stage->{queue}, $n);
		}
		push @rounds, \%round;
	}
	$buffers{$_} = buffers($sessions->{$_}, $stage->{queue}) for qw(few many);
	return { rounds => \@rounds, buffers => \%buffers };
}

sub run
{
	my ($bench, $short) = @_;
	my %sessions =
	  map { $_ => set_up($bench, "backlog_$_") } qw(few many);
	my @stages;

	for my $stage (@STAGES)
	{
		my $thousands = $stage->{thousands}[ $short ? 1 : 0 ];
		my $start = time;

		for my $options (@{ $stage->{fill} // [] })
		{
			fill($bench, 'backlog_many', $stage->{queue}, $thousands, $options,
				$stage->{payload} // '{}');
		}
		fill_failed($bench, 'backlog_many', $stage->{queue}, $thousands,
			$stage->{fail})
		  if $stage->{fail};
		$sessions{$_}->query('VACUUM taskq.open') for qw(few many);
		$sessions{many}->query('CHECKPOINT');
		my $filled = time;
		my $measured = measure($bench, \%sessions, $stage, $short);

		push @stages,
		  {
			%$stage, %$measured,
			rows => 1000 * $thousands,
			fill_seconds => $filled - $start
		  };
		say_now(sprintf '  %-36s %9s rows in %3d s: %5.1f us, %5.1f us beside them, %d and %d buffers',
			$stage->{name}, number(1000 * $thousands), $filled - $start,
			middle($stages[-1], 'few'), middle($stages[-1], 'many'),
			@{ $measured->{buffers} }{qw(few many)});
	}
	my $size = $sessions{many}->query(
		"SELECT pg_total_relation_size('taskq.open')");
	$_->quit for values %sessions;
	return { stages => \@stages, ready => $READY, bytes => $size + 0 };
}

sub middle
{
	my ($stage, $database) = @_;

	return median(map { $_->{$database}{cpu_us} } @{ $stage->{rounds} });
}

sub ratio
{
	my ($stage) = @_;

	return median(map { $_->{many}{cpu_us} / $_->{few}{cpu_us} }
		  @{ $stage->{rounds} });
}

sub report
{
	my ($result) = @_;

	return
	    'Processor time of the backend per poll, with '
	  . number($result->{ready})
	  . ' ready tasks and, in the other database, in turn, with more and more rows beside them;'
	  . " each row of the table has those above it, too. Medians of rounds.\n\n"
	  . table(
		[
			'beside the tasks', 'rows', 'poll without, us', 'poll with, us',
			'ratio', 'buffers without', 'buffers with'
		],
		map {
			[
				$_->{name}, number($_->{rows}),
				(map { sprintf '%.1f', $_ } middle($_, 'few'), middle($_, 'many')),
				sprintf('%.2f', ratio($_)),
				@{ $_->{buffers} }{qw(few many)}
			]
		} @{ $result->{stages} })
	  . "\n"
	  . verdicts(
		map {
			verdict(
				"poll beside " . number($_->{rows}) . " rows $_->{name}",
				ratio($_), 'most', $_->{limit})
		} grep { $_->{rows} } @{ $result->{stages} });
}

sub plots
{
	return ();
}

1;
