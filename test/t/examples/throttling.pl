# A rate limit of a queue holds for all of its workers together, whatever
# they ask for; one that a worker asks for holds until the next poll says
# otherwise. Priority and a growing backlog change nothing about it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');

unless (
	sql($node, q{
	SELECT count(*) FROM pg_proc
	 WHERE proname = 'configure_queue' AND pronamespace = 'taskq'::regnamespace})
  )
{
	plan skip_all => 'taskq.configure_queue does not exist yet';
}
$node->safe_psql('postgres',
	'CREATE TABLE taken (task_queue text, worker text, run_id bigint UNIQUE, at timestamptz)'
);

sub backlog
{
	my ($queue, $n) = @_;

	return sql(
		$node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't',
			array_fill('1'::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h')"
	);
}

# Three workers, each a process, poll for that many seconds as fast as they
# can and want more than is good for them.
sub work
{
	my ($queue, $seconds, $poll_arguments) = @_;
	my @workers;

	foreach my $worker (1 .. 3)
	{
		my $file = $node->basedir . "/worker_$worker.sql";

		open(my $handle, '>', $file) or die $!;
		print $handle "INSERT INTO taken
			SELECT task_queue, 'w$worker', run_id, started_time
			  FROM taskq.poll('$queue', identity => 'w$worker', max_tasks => 3
			    $poll_arguments);\nSELECT pg_sleep(0.02);\n" x (50 * $seconds);
		close($handle);
		push @workers,
		  IPC::Run::start(
			[
				'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d',
				$node->connstr('postgres'), '-f', $file
			],
			'>',
			'/dev/null',
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	$_->finish or die 'a worker failed' foreach @workers;
	return;
}

sub taken
{
	my ($queue) = @_;

	return sql($node, "SELECT count(*) FROM taken WHERE task_queue = '$queue'");
}

# In no stretch of time are more tasks started than rate and burst allow.
# Returns the stretches where that is not so.
sub too_fast
{
	my ($queue, $rate) = @_;
	my $burst = $rate > 1 ? $rate : 1;

	return sql(
		$node, qq{
		WITH t AS (SELECT at, row_number() OVER (ORDER BY at, run_id) AS n
		  FROM taken WHERE task_queue = '$queue')
		SELECT count(*) FROM t a JOIN t b ON b.n > a.n
		 WHERE b.n - a.n + 1
		   > $burst + $rate * extract(epoch FROM b.at - a.at) + 0.01});
}

sub configure
{
	my ($queue, $config) = @_;

	return sql($node, "SELECT taskq.configure_queue('$queue', '$config')");
}

# the queue's own limit wins over what workers ask for
configure('api', '{"queue_rate_limit": 4}');
backlog('api', 12);
work('api', 3, ', max_tasks_per_second => 50');
is(taken('api'), 12, 'all tasks were delivered');
is(too_fast('api', 4), 0, 'never faster than the limit and its burst');
is( sql($node, q{SELECT max(at) - min(at) BETWEEN '1.9 s' AND '4 s'
		FROM taken WHERE task_queue = 'api'}),
	't',
	'and not slower, either');
is( sql($node,
		q{SELECT count(DISTINCT worker) > 1 FROM taken WHERE task_queue = 'api'}
	),
	't',
	'by several workers');

# a limit that workers ask for is the queue's, not one for each of them
backlog('worker', 30);
work('worker', 2, ', max_tasks_per_second => 5');
is(too_fast('worker', 5), 0, 'never faster than the workers want together');
cmp_ok(taken('worker'), '>=', 10, 'burst, and 5 in each second');

# the next poll without a limit removes it
is( sql($node,
		q(SELECT count(*) FROM taskq.poll('worker', max_tasks => 100))
		  ) + taken('worker'),
	30,
	'a poll without a limit gets the rest');

# fractions
backlog('slow', 5);
work('slow', 1, ', max_tasks_per_second => 0.1');
is(taken('slow'), 1, 'one task in ten seconds');

# 0 stops the queue; a change counts at once
configure('stopped', '{"queue_rate_limit": 0}');
backlog('stopped', 4);
work('stopped', 1, '');
is(taken('stopped'), 0, 'a limit of 0 stops the queue');
configure('stopped', '{"queue_rate_limit": null}');
is(sql($node, q(SELECT count(*) FROM taskq.poll('stopped', max_tasks => 10))),
	4, 'without the limit all are delivered at once');

# what was rolled back was not delivered, and is not counted
configure('undone', '{"queue_rate_limit": 2}');
backlog('undone', 4);
$node->safe_psql('postgres',
	q(BEGIN; SELECT FROM taskq.poll('undone', max_tasks => 2); ROLLBACK));
is(sql($node, q(SELECT count(*) FROM taskq.poll('undone', max_tasks => 4))),
	2, 'a poll that is rolled back gives its share back');
is(sql($node, q(SELECT count(*) FROM taskq.poll('undone', max_tasks => 4))),
	0, 'then the burst is used up');

# other queues don't know of it
backlog('free', 40);
is(sql($node, q(SELECT count(*) FROM taskq.poll('free', max_tasks => 40))),
	40, 'other queues are not limited');

done_testing();
