# The counts in task_queues are what the table holds, right after each call,
# and the view does not read the table for it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5',
	'restart_after_crash = on');
my $session = $node->background_psql('postgres', on_error_stop => 0);

# One call, or several, and the counts after it.
sub step
{
	my ($name, $statement) = @_;
	my $result = sql($node, $statement);

	counts_are_right($node, $name);
	return $result;
}

sub new_task
{
	my ($queue, $arguments) = @_;

	$arguments //= '';
	return "SELECT run_id FROM taskq.schedule('$queue', 't', start_to_close_timeout => '1 h' $arguments)";
}

sub take
{
	my ($queue, $n) = @_;

	$n //= 1;
	return "SELECT task_token FROM taskq.poll('$queue', max_tasks => $n)";
}

my $token;
my $run;

counts_known($node);
ok(wait_counted($node), 'an empty database is counted');

# ---- every way in and out ------------------------------------------------

step('schedule', new_task('q'));
step("schedule on level $_", new_task('q', ", priority => $_")) for 1 .. 5;
step('schedule_many',
	"SELECT count(*) FROM taskq.schedule_many('r', 't', array_fill('1'::jsonb, ARRAY[100]), start_to_close_timeout => '1 h')");
step('schedule, delayed', new_task('q', ", start_delay => '$_'"))
  for '1 h', '1 h', '90 min', '3 days', '7300 days';
step('schedule_many, delayed',
	"SELECT count(*) FROM taskq.schedule_many('r', 't', array_fill('1'::jsonb, ARRAY[100]), start_to_close_timeout => '1 h', start_delay => '2 h')");
step('with an id', new_task('q', ", activity_id => 'a'"));
step('an existing run serves',
	new_task('q', ", activity_id => 'a', id_conflict_policy => 'use_existing'"));
is( sqlstate($node, new_task('q', ", activity_id => 'a'")),
	'TQ002', 'an id in use');
counts_are_right($node, 'an id in use');
$token = step('poll', take('q'));
step('empty poll', take('nothing here'));
step('complete', "SELECT taskq.complete('$token')");
is(sqlstate($node, "SELECT taskq.complete('$token')"), 'TQ001', 'a stale token');
counts_are_right($node, 'a stale token');
step('poll many', take('r', 10));
step('complete_and_poll',
	"SELECT count(*) FROM taskq.complete_and_poll(ARRAY(SELECT task_token FROM taskq.poll('r', max_tasks => 5)), NULL, 'r', max_tasks => 3)");
$token = step('poll', take('q'));
step('fail, back-off', "SELECT taskq.fail('$token', 'x', next_retry_delay => '10 min')");
$token = step('poll', take('q'));
step('fail, at once', "SELECT taskq.fail('$token', 'x', next_retry_delay => '1 us')");
step('poll a retry', take('q'));
$token = step('poll', take('q'));
step('fail, closed', "SELECT taskq.fail('$token', 'x', non_retryable => true)");
step('retry of a closed one',
	"SELECT taskq.retry(max(run_id)) FROM taskq.activities WHERE status = 'failed'");
$run = sql($node, new_task('ops'));
step('pause', "SELECT taskq.pause(run_id => $run)");
step('update of a paused one',
	qq(SELECT taskq.update_options(run_id => $run, options => '{"task_queue": "ops2", "priority": 5}')));
step('reset, kept paused', "SELECT taskq.reset(run_id => $run, keep_paused => true)");
step('unpause', "SELECT taskq.unpause(run_id => $run)");
step('update: queue',
	qq(SELECT taskq.update_options(run_id => $run, options => '{"task_queue": "ops"}')));
step('update: priority',
	qq(SELECT taskq.update_options(run_id => $run, options => '{"priority": 2}')));
my $later = sql($node, new_task('ops', ", start_delay => '1 h'"));
step('update: start delay',
	qq(SELECT taskq.update_options(run_id => $later, options => '{"start_delay": "5 h"}')));
step('pause, delayed', "SELECT taskq.pause(run_id => $later)");
step('unpause, delayed', "SELECT taskq.unpause(run_id => $later)");
step('update: no start delay',
	qq(SELECT taskq.update_options(run_id => $later, options => '{"start_delay": null}')));
step('delete', "SELECT taskq.delete(run_id => $later)");
step('reset', "SELECT taskq.reset(run_id => $run)");
step('reset with jitter', "SELECT taskq.reset(run_id => $run, jitter => '10 h')");
step('reset again', "SELECT taskq.reset(run_id => $run)");
$token = step('poll', take('ops'));
step('update of a running one',
	qq(SELECT taskq.update_options(run_id => $run, options => '{"task_queue": "ops2", "priority": 4}')));
step('heartbeat', "SELECT taskq.heartbeat('$token', '1')");
step('pause of a running one', "SELECT taskq.pause(run_id => $run)");
step('fail lands paused', "SELECT taskq.fail('$token', 'x')");
step('unpause after a failure', "SELECT taskq.unpause(run_id => $run, skip_backoff => true)");
$token = step('poll', take('ops2'));
step('reset of a running one', "SELECT taskq.reset(run_id => $run)");
step('which yields', "SELECT taskq.fail('$token', 'x')");
step('complete by id', "SELECT taskq.complete_by_id(run_id => $run)");
$run = step('schedule', new_task('ops'));
step('cancel', "SELECT taskq.request_cancel(run_id => $run)");
$run = step('schedule', new_task('ops'));
$token = step('poll', take('ops'));
step('cancel of a running one', "SELECT taskq.request_cancel(run_id => $run)");
step('report_canceled', "SELECT taskq.report_canceled('$token')");
$run = step('schedule, delayed', new_task('ops', ", start_delay => '1 d'"));
step('terminate', "SELECT taskq.terminate(run_id => $run)");
$run = step('schedule', new_task('ops'));
step('delete', "SELECT taskq.delete(run_id => $run)");
$run = step('schedule', new_task('ops'));
step('poll', take('ops'));
step('delete of a running one', "SELECT taskq.delete(run_id => $run)");
step('fail_many',
	"SELECT count(*) FROM taskq.fail_many(ARRAY(SELECT task_token FROM taskq.poll('r', max_tasks => 5)), 'x')");
step('heartbeat_many',
	"SELECT count(*) FROM taskq.heartbeat_many(ARRAY(SELECT task_token FROM taskq.poll('r', max_tasks => 5)))");

# timeouts, by the worker
sql($node,
	"SELECT taskq.schedule('timeouts', 't', start_to_close_timeout => '100 ms',
		retry_policy => taskq.retry_policy(maximum_attempts => 1)) FROM generate_series(1, 3);
	 SELECT taskq.schedule('timeouts', 't', start_to_close_timeout => '100 ms',
		retry_policy => taskq.retry_policy(initial_interval => '1 h'));
	 SELECT taskq.schedule('timeouts', 't', start_to_close_timeout => '1 h', schedule_to_start_timeout => '100 ms', priority => 5);
	 SELECT FROM taskq.poll('timeouts', max_tasks => 4)");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM taskq.open WHERE task_queue = 'timeouts'");
counts_are_right($node, 'timeouts');

# ---- time passes ---------------------------------------------------------

counts_are_right($node, "in $_", "SET taskq.clock_offset = '$_'")
  for '9 min', '10 min', '59 min', '60 min', '89 min', '90 min', '119 min',
  '2 h', '71 h', '72 h', '73 h', '7300 d', '8000 d';
counts_are_right($node, 'with a clock set back', "SET taskq.clock_offset = '-1 h'");
counts_are_right($node, 'and now', '');

# what was delayed is started, by a clock that is ahead
sql($node, "SET taskq.clock_offset = '4 d'; SELECT FROM taskq.poll('q', max_tasks => 100); SELECT FROM taskq.poll('r', max_tasks => 1000)");
counts_are_right($node, 'delayed tasks are started');
counts_are_right($node, 'delayed tasks are started, later', "SET taskq.clock_offset = '5 d'");
sql($node, "SET taskq.clock_offset = '4 d'; SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h')");
counts_are_right($node, 'scheduled by a clock that is ahead');
counts_are_right($node, 'seen by a clock that is ahead', "SET taskq.clock_offset = '4 d'");

# what is due in a moment
sql($node,
	"SELECT taskq.schedule_many('soon', 't', array_fill('1'::jsonb, ARRAY[20]), start_to_close_timeout => '1 h', start_delay => make_interval(secs => i * 0.1))
	   FROM generate_series(1, 20) i");
for my $i (1 .. 25)
{
	is( sql($node,
			"SELECT (SELECT sum(backlog_count + delayed_count) FROM taskq.task_queues WHERE task_queue = 'soon'),
				(SELECT sum(delayed_count) FROM taskq.task_queues WHERE task_queue = 'soon')
				  BETWEEN (SELECT count(*) FROM taskq.open WHERE task_queue = 'soon' AND dispatch_time > clock_timestamp() + '10 ms')
				  AND (SELECT count(*) FROM taskq.open WHERE task_queue = 'soon' AND dispatch_time > statement_timestamp())"
		),
		'400|t',
		"becoming due, look $i");
	sql($node, 'SELECT pg_sleep(0.1)');
}
is( sql($node, "SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'soon'"),
	400, 'all are due at last');

# ---- transactions --------------------------------------------------------

my $before = sql($node, 'SELECT ' . counts_of_view());

sub unchanged
{
	my ($name) = @_;

	is(sql($node, 'SELECT ' . counts_of_view()), $before, $name);
	return;
}

my $many = new_task('q') . '; ' . new_task('tx', ", start_delay => '1 h'") . '; '
  . take('q', 3) . '; ' . take('r', 3)
  . "; SELECT taskq.pause(run_id => min(run_id)) FROM taskq.open WHERE state = 1;
	SELECT taskq.terminate(run_id => max(run_id)) FROM taskq.open WHERE state = 1 AND task_queue <> 'tx'";
$session->query_safe("BEGIN; $many");
unchanged('not committed: others see nothing');
is( $session->query_safe('SELECT ' . counts_of_view()),
	$before, 'nor does the own transaction');
$session->query_safe('ROLLBACK');
counts_are_right($node, 'rolled back');
unchanged('rolled back');
$session->query_safe("BEGIN; SAVEPOINT s; $many; ROLLBACK TO s; " . new_task('tx')
	  . "; SAVEPOINT t; $many; RELEASE t; SAVEPOINT u; SAVEPOINT v; $many; RELEASE v; ROLLBACK TO u; COMMIT");
counts_are_right($node, 'savepoints');
is( sql($node, "SELECT (backlog_count, delayed_count) FROM taskq.task_queues WHERE task_queue = 'tx'"),
	'(1,1)', 'what was not rolled back counts');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM taskq.open');
sql($node, new_task('tx'));
is( $session->query_safe("SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'tx'"),
	2, 'REPEATABLE READ: counts are as of now');
$session->query_safe('COMMIT');

# prepared
for my $end ('COMMIT', 'ROLLBACK')
{
	sql($node, "BEGIN; $many; PREPARE TRANSACTION 'p'");
	is( sql($node, 'SELECT ' . counts_of_view()),
		sql($node, 'SELECT ' . counts_of_table()),
		'prepared: what is committed counts');
	sql($node, new_task('q') . '; ' . take('r', 2));
	is( sql($node, 'SELECT ' . counts_of_view()),
		sql($node, 'SELECT ' . counts_of_table()),
		'prepared: others go on');
	sql($node, "$end PREPARED 'p'");
	is( sql($node, 'SELECT ' . counts_of_view()),
		sql($node, 'SELECT ' . counts_of_table()),
		"$end PREPARED");
	ok(wait_counted($node), "$end PREPARED: counted again");
	counts_are_right($node, "$end PREPARED: counted again");
	step("after $end PREPARED", $many);
}

# prepared, of rows that were written by hand
for my $end ('COMMIT', 'ROLLBACK')
{
	sql($node,
		"BEGIN; DELETE FROM taskq.open WHERE run_id = (SELECT min(run_id) FROM taskq.open WHERE state = 1);
		 PREPARE TRANSACTION 'p'; $end PREPARED 'p'");
	is( sql($node, 'SELECT ' . counts_of_view()),
		sql($node, 'SELECT ' . counts_of_table()),
		"by hand, $end PREPARED");
	ok(wait_counted($node), "by hand, $end PREPARED: counted again");
	counts_are_right($node, "by hand, $end PREPARED: counted again");
}

# ---- what makes numbers unknown ------------------------------------------

sql($node, "DELETE FROM taskq.open WHERE task_queue = 'r' AND state = 1");
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'rows deleted by hand');
ok(wait_counted($node), 'rows deleted by hand: counted again');
step('after that', $many);
sql($node, "INSERT INTO taskq.open (run_id, schedule_time, task_queue, activity_type, dispatch_time, level)
	SELECT 1000000 + i, now(), 'by hand', 't', now(), i FROM generate_series(-1, 9) i");
ok(wait_counted($node), 'rows inserted by hand');
is( sql($node, "SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'by hand'"),
	11, 'whatever they hold');
sql($node, "DELETE FROM taskq.open WHERE task_queue = 'by hand'");
sql($node, "CREATE FUNCTION forget() RETURNS void LANGUAGE c AS '\$libdir/taskq', 'taskq_counts_forget_all'");
sql($node, 'SELECT forget()');
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'forgotten');
sql($node, "$many; $many");
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'and moved');
ok(wait_counted($node), 'forgotten: counted again');
counts_are_right($node, 'forgotten: counted again');

$session->quit;
$node->restart;
wait_served($node, 'postgres');
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'restart');
ok(wait_counted($node), 'restart: counted again');
step('after a restart', $many);

my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
my $offset = -s $node->logfile;
$victim->query_safe("BEGIN; $many");
kill 'KILL', $pid;
wait_for_recovery($node, $offset);
eval { $victim->quit };
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'a crash');
ok(wait_counted($node), 'a crash: counted again');
step('after a crash', $many);

# The extension is dropped and made again: nothing is left of the old numbers.
sql($node, 'DROP FUNCTION forget; DROP EXTENSION taskq; CREATE EXTENSION taskq');
is(sql($node, 'SELECT ' . counts_of_view()), '', 'a new extension is empty');
wait_served($node, 'postgres');
ok(wait_counted($node), 'a new extension: counted');
step('a new extension', new_task('q'));

$node->stop;
done_testing();
