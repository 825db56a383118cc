# Who watches a run hears what becomes of it, once that is committed: of every
# state once an interval, of the end at once.  Nobody hears of others.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 2', 'taskq.max_watched_runs = 16', "taskq.notify_interval = '0'");
my $session = $node->background_psql('postgres');
my @channels = map { "taskq_runs_$_" } 0 .. 15;
$session->query_safe(join ' ', map { "LISTEN $_;" } @channels);

my $n = 0;

sub watched
{
	my ($queue, $options) = @_;
	my $run = schedule($node, $queue, $options);

	like(sql($node, "SELECT taskq.watch(ARRAY[$run])"), qr/^\{taskq_runs_\d+\}$/, 'a channel');
	return $run;
}

# What a run is heard to become.
sub hears
{
	my ($run, $status, $what) = @_;
	my $heard = hear($session, qr/"$run $status"/);
	my ($channel) = $heard =~ /"(taskq_runs_\d+)" with payload "$run $status"/;

	is("{$channel}", sql($node, "SELECT taskq.watch(ARRAY[$run])"), "$what: heard on its channel");
	return $heard;
}

# ---- every change ------------------------------------------------------------

my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $policy = "retry_policy => taskq.retry_policy(initial_interval => '1 h')";
my $run = watched('q', $policy);
my @steps = (
	[ 'running', 'started', "SELECT taskq.poll('q')" ],
	[ 'running', 'failed, to be retried', "SELECT taskq.fail_by_id(run_id => $run)" ],
	[ 'paused', 'paused', "SELECT taskq.pause(run_id => $run)" ],
	[ 'running', 'unpaused', "SELECT taskq.unpause(run_id => $run)" ],
	[ 'running', 'reset', "SELECT taskq.reset(run_id => $run)" ],
	[ 'running', 'started again', "SELECT taskq.poll('q')" ],
	[ 'running', 'to be cancelled', "SELECT taskq.request_cancel(run_id => $run)" ],
	[ 'canceled', 'canceled', "SELECT taskq.report_canceled_by_id(run_id => $run)" ]);
for (@steps)
{
	my ($status, $what, $call) = @$_;

	sql($node, $call);
	hears($run, $status, $what);
}

my %ends = (
	completed => 'SELECT taskq.complete_by_id(run_id => %s)',
	failed => "SELECT taskq.poll('ends'); SELECT taskq.fail_by_id(run_id => %s, non_retryable => true)",
	terminated => 'SELECT taskq.terminate(run_id => %s)',
	deleted => 'SELECT taskq.delete(run_id => %s)');
for my $status (sort keys %ends)
{
	$run = watched('ends');
	sql($node, sprintf($ends{$status}, $run));
	hears($run, $status, $status);
}
$run = sql($node, "SELECT run_id FROM taskq.schedule('late', 't', start_to_close_timeout => '1 h', schedule_to_start_timeout => '100 ms'), LATERAL taskq.watch(ARRAY[run_id])");
hears($run, 'timed_out', 'timed out by the worker');

# ---- when ----------------------------------------------------------------------

# not before the commit, and not of what was rolled back
$run = watched('when');
my $other = watched('when');
my $writer = $node->background_psql('postgres');
$writer->query_safe("BEGIN; SELECT taskq.complete_by_id(run_id => $run); SAVEPOINT s; SELECT taskq.terminate(run_id => $other); ROLLBACK TO s; SELECT taskq.pause(run_id => $other)");
my $last = watched('when');
sql($node, "SELECT taskq.terminate(run_id => $last)");
my $heard = hears($last, 'terminated', 'another run');
unlike($heard, qr/"($run|$other) /, 'nothing before the commit');
$writer->query_safe('COMMIT');
$heard = hear($session, qr/(?=.*"$run completed")(?=.*"$other paused")/s);
like($heard, qr/(?=.*"$run completed")(?=.*"$other paused")/s, 'all at the commit');
unlike($heard, qr/"$other terminated"/, 'but what a savepoint took back');
$writer->query_safe("BEGIN; SELECT taskq.terminate(run_id => $other); ROLLBACK");

# nobody hears of a run whose end was told, or that nobody watches
my $unwatched = schedule($node, 'when');
sql($node, "SELECT taskq.terminate(run_id => $unwatched); SELECT taskq.delete(run_id => $run)");
$run = watched('when');
sql($node, "SELECT taskq.terminate(run_id => $run)");
unlike(hears($run, 'terminated', 'after that'), qr/"$unwatched |terminated".*"\d+ deleted|"$other terminated/s, 'no others');

# ---- prepared transactions: nobody knows what they have done ------------------

$run = watched('prepared');
sql($node, "BEGIN; SELECT taskq.terminate(run_id => $run); PREPARE TRANSACTION 'p'");
sql($node, "COMMIT PREPARED 'p'");
hears($run, 'unknown', 'COMMIT PREPARED');

# ---- asking: at once, in any transaction ---------------------------------------

$run = schedule($node, 'ask');
sql($node, "BEGIN READ ONLY; SELECT taskq.watch(ARRAY[$run]); ROLLBACK");
sql($node, "SELECT taskq.terminate(run_id => $run)");
hears($run, 'terminated', 'asked for in a transaction that was rolled back');
is(sql($node, "SELECT taskq.watch('{}')"), '{}', 'none');
is(sql($node, 'SELECT array_length(taskq.watch(ARRAY[1, 1, 2]), 1)'), 3, 'one name for each');
is(sqlstate($node, 'SELECT taskq.watch(NULL)'), '22004', 'NULL');
is(sqlstate($node, 'SELECT taskq.watch(ARRAY[1, NULL])'), '22023', 'NULL among them');
is(sqlstate($node, "SELECT taskq.watch('{{1}}')"), '22023', 'two dimensions');

# another database has channels of its own
sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'other', 'postgres'), 'another database is served');

# ---- no more than there is room for ----------------------------------------------

$run = schedule($node, 'first');
$last = schedule($node, 'last');
is(sql($node, "SELECT status FROM taskq.health WHERE check_name = 'watched_runs'"), 'ok', 'there was room');
sql($node, "SELECT taskq.watch(ARRAY[$run]); SELECT taskq.watch(array_agg(i)) FROM generate_series(1000000, 1000019) i; SELECT taskq.watch(ARRAY[$last])");
is(sql($node, "SELECT status FROM taskq.health WHERE check_name = 'watched_runs'"), 'warning', 'health tells that there is no room');
sql($node, "SELECT taskq.terminate(run_id => $run); SELECT taskq.terminate(run_id => $last)");
unlike(hears($last, 'terminated', 'the newest'), qr/"$run /, 'the oldest has gone');
ok($node->wait_for_log(qr/taskq has no room for more watched runs/), 'the log tells, too');

# ---- the worker is replaced: what it may not have told is told ---------------------

$run = watched('restart');
kill 'TERM', worker_pid($node, 'postgres');
hears($run, 'unknown', 'a new worker');

$session->quit;
$writer->quit;
done_testing();
