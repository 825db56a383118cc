# Two-phase commit: what a prepared transaction polled is neither handed out
# nor timed out until it is decided. After COMMIT PREPARED its timers fire,
# after ROLLBACK PREPARED the tasks are back; also when the server crashed in
# between.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 10');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';

# something large, that is stored out of line
my $input = "(SELECT jsonb_agg(gen_random_uuid()) FROM generate_series(1, 1000))";

start($node, 'first');

sub prepare
{
	my ($gid) = @_;
	my %run;

	$run{polled} = schedule($node, "polled $gid",
		"input => $input, start_to_close_timeout => '300 ms', $once");
	$run{silent} = schedule($node, "silent $gid",
		"heartbeat_timeout => '300 ms', $once");
	$run{kept} = schedule($node, "kept $gid");
	sql($node,
		"BEGIN;
		 SELECT FROM taskq.poll('polled $gid');
		 SELECT FROM taskq.poll('silent $gid');
		 SAVEPOINT s;
		 SELECT FROM taskq.poll('kept $gid');
		 SELECT FROM taskq.schedule('new $gid', 't', schedule_to_start_timeout => '300 ms', start_to_close_timeout => '1 h');
		 PREPARE TRANSACTION '$gid'");
	is( sql($node,
			"SELECT count(*) FROM unnest(ARRAY['polled', 'silent', 'kept', 'new']) q, taskq.poll(q || ' $gid')"
		),
		0,
		"$gid: nothing of it is handed out");
	return \%run;
}

sub rows
{
	my ($gid) = @_;

	return sql($node,
		"SELECT split_part(task_queue, ' ', 1), status, attempt FROM taskq.activities
		  WHERE task_queue LIKE '% $gid' ORDER BY 1");
}

# all that was to be done before is past, so a timer that fires has a reason
sub overdue
{
	$node->poll_query_until('postgres',
		"SELECT clock_timestamp() > max(prepared) + interval '500 ms' FROM pg_prepared_xacts");
	return;
}

sub judge_committed
{
	my ($gid, $run) = @_;

	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = 3 FROM taskq.activities
			  WHERE status = 'timed_out' AND task_queue LIKE '% $gid'"),
		"$gid: after COMMIT PREPARED its timers fire");
	is( rows($gid),
		"kept|running|1\nnew|timed_out|1\npolled|timed_out|1\nsilent|timed_out|1",
		"$gid: each of them");
	is(activity($node, $run->{kept}, 'run_state'),
		'started', "$gid: and what has time goes on");
	return;
}

sub judge_rolled_back
{
	my ($gid, $run) = @_;

	is( rows($gid),
		"kept|running|1\npolled|running|1\nsilent|running|1",
		"$gid: after ROLLBACK PREPARED nothing has happened");
	is( sql($node,
			"SELECT string_agg(run_id::text, ' ' ORDER BY run_id)
			   FROM unnest(ARRAY['polled', 'silent', 'kept', 'new']) q, taskq.poll(q || ' $gid')"
		),
		join(' ', sort { $a <=> $b } values %$run),
		"$gid: and its tasks are back");
	return;
}

my $committed = prepare('committed');
my $rolled_back = prepare('rolled_back');
overdue();
is(rows('committed'), "kept|running|1\npolled|running|1\nsilent|running|1",
	'no timer touches what is prepared');
sql($node, "COMMIT PREPARED 'committed'");
judge_committed('committed', $committed);
sql($node, "ROLLBACK PREPARED 'rolled_back'");
judge_rolled_back('rolled_back', $rolled_back);

$committed = prepare('committed_later');
$rolled_back = prepare('rolled_back_later');
$node->stop('immediate');
$node->start;
ok(wait_served($node, 'postgres'), 'the server crashes');
overdue();
sql($node, "COMMIT PREPARED 'committed_later'");
judge_committed('committed_later', $committed);
sql($node, "ROLLBACK PREPARED 'rolled_back_later'");
judge_rolled_back('rolled_back_later', $rolled_back);

unlike(slurp_file($node->logfile), qr/ERROR: |taskq worker.*exited/,
	'without errors');

# what went with a savepoint is not held by what is prepared afterwards
my $given_back = schedule($node, 'given back');
sql($node,
	"BEGIN;
	 SAVEPOINT s;
	 SELECT FROM taskq.poll('given back');
	 ROLLBACK TO s;
	 SELECT FROM taskq.schedule('other', 't', start_to_close_timeout => '1 h');
	 PREPARE TRANSACTION 'savepoint'");
is(sql($node, "SELECT run_id, attempt FROM taskq.poll('given back')"),
	"$given_back|1", 'a task that a savepoint has given back');
sql($node, "COMMIT PREPARED 'savepoint'");

done_testing();
