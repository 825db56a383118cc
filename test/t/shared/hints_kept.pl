# What a worker was asked for outlives it, and the round in which it was taken:
# attempts are read from the table after any end of the worker, whoever polls
# meanwhile, and when rows were changed by hand.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $timed_out = "status = 'timed_out'";

# Schedule and start attempts with this timeout; their run_ids.
sub run_some
{
	my ($queue, $n, $timeout) = @_;

	return split /\n/,
	  sql($node,
		"DO \$\$ BEGIN PERFORM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, ARRAY[$n]),
			start_to_close_timeout => '$timeout', $once); END \$\$;
		 SELECT run_id FROM taskq.poll('$queue', max_tasks => $n)");
}

sub all_timed_out
{
	my (@runs) = @_;

	return $node->poll_query_until('postgres',
		'SELECT count(*) = ' . @runs . " FROM taskq.activities
		  WHERE $timed_out AND run_id IN (" . join(',', @runs) . ')');
}

# End the worker, and wait until it is gone.
sub end_worker
{
	sql($node,
		'SELECT pg_terminate_backend(' . worker_pid($node, 'postgres') . ', 60000)');
	return;
}

# The ring holds hints, some pieces of them, when the new worker starts.
my @runs = run_some('before', 3, '2 s');
end_worker();
push @runs, run_some('after', 200, '2 s');
ok(all_timed_out(@runs), 'terminated, and polled before the next: all time out');

# Again and again, and somebody polls all the time.
@runs = run_some('many', 500, '3 s');
my $poller = $node->background_psql('postgres');
for my $round (1 .. 2)
{
	end_worker();
	while (worker_pid($node, 'postgres') eq '')
	{
		push @runs,
		  split /\n/,
		  $poller->query_safe(
			"SELECT FROM taskq.schedule('many', 't', start_to_close_timeout => '3 s', $once);
			 SELECT run_id FROM taskq.poll('many')") =~ s/^\s*\n//mgr;
	}
}
$poller->quit;
ok(all_timed_out(@runs), 'terminated twice under polls: all time out');

# Rows changed by hand, and the worker meets hints of polls in the same round.
my ($changed) = run_some('changed', 1, '1 h');
my $pid = worker_pid($node, 'postgres');
kill 'STOP', $pid;
sql($node,
	"UPDATE taskq.open SET start_to_close = 1000 WHERE run_id = $changed");
my @polled = run_some('polled', 10, '1 s');
kill 'CONT', $pid;
ok(all_timed_out($changed, @polled), 'rows changed by hand: found');

# The round that was to read the table fails.
($changed) = run_some('changed', 1, '1 h');
my ($waiting) = run_some('waiting', 1, '1 s');
kill 'STOP', $pid;
sql($node,
	"UPDATE taskq.open SET start_to_close = 1000 WHERE run_id = $changed;
	 ALTER TABLE taskq.open RENAME TO gone");
my $offset = -s $node->logfile;
kill 'CONT', $pid;
$node->wait_for_log(qr/ERROR: .*CONTEXT: [^\n]*chore "timers"/s, $offset);
$offset = -s $node->logfile;
$node->wait_for_log(qr/ERROR: .*CONTEXT: [^\n]*chore "timers"/s, $offset);
sql($node, 'ALTER TABLE taskq.gone RENAME TO open');
ok(all_timed_out($changed, $waiting), 'a failing round keeps what it was to do');
is(worker_pid($node, 'postgres'), $pid, 'and the worker');

done_testing();
