# CALL taskq.wait_for_task: returns as soon as a poll would get a task, holds no
# snapshot and no locks while it waits, and passes a wake on that it cannot use.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5');
my @sessions;

# A session that starts to wait; it has arrived when this returns. Its own
# timeout is far beyond the bound (30 s) after which a waiter looks in any case.
sub wait_in
{
	my ($queue, $timeout, $settings) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$timeout //= '600 s';
	$session->query_safe($settings) if $settings;
	$session->query_until(qr/begun/,
		"\\echo begun\nCALL taskq.wait_for_task('$queue', '$timeout');\n\\echo done\n"
	);
	sleeping($pid) or die "no waiter for $queue";
	push @sessions, $session;
	return { session => $session, pid => $pid };
}

sub waiting_event
{
	# before 17 extensions cannot name their wait events
	return "wait_event_type = 'Extension' AND query LIKE 'CALL taskq.wait%'";
}

sub sleeping
{
	my ($pid) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE pid = $pid AND state = 'active' AND " . waiting_event());
}

# What the waiter got; dies if it does not return.
sub result
{
	my ($waiter) = @_;
	my $session = $waiter->{session};

	my $out = $waiter->{session}->query_until(qr/done/, '');

	$out =~ s/^(begun|done)\n//mg;
	chomp $out;
	return $out;
}

# Does it return before the bound after which it would look in any case?
sub prompt
{
	my ($waiter, $name) = @_;
	my $start = time;
	my $result = result($waiter);

	is($result, 't', $name);
	cmp_ok(time - $start, '<', 25, "$name: woken, not by chance");
	return;
}

sub count_waiting
{
	return sql($node,
		'SELECT count(*) FROM pg_stat_activity WHERE ' . waiting_event());
}

# A commit of another session wakes it; meanwhile it holds nothing.
my $waiter = wait_in('q');

is( sql($node,
		"SELECT backend_xmin IS NULL, backend_xid IS NULL FROM pg_stat_activity WHERE pid = $waiter->{pid}"
	),
	't|t',
	'no snapshot and no transaction id while it waits');
is( sql($node,
		"SELECT count(*) FROM pg_locks WHERE pid = $waiter->{pid} AND relation IS NOT NULL"
	),
	0,
	'no locks on tables');
is( sql($node, "SELECT waiting FROM taskq.pollers WHERE task_queue = 'q'"),
	't', 'it is listed as waiting');
my $producer = $node->background_psql('postgres', on_error_stop => 0);
$producer->query_safe(
	"BEGIN; SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h')"
);
is(count_waiting(), 1, 'an uncommitted task does not wake it');
$producer->query_safe('COMMIT');
prompt($waiter, 'a commit');
is( sql($node, "SELECT waiting FROM taskq.pollers WHERE task_queue = 'q'"),
	'f', 'it does not wait any more');
is(sql($node, "CALL taskq.wait_for_task('q')"),
	't', 'a task that is there: at once');
is(sql($node, "SELECT count(*) FROM taskq.poll('q')"), 1, 'it is there');
is(sql($node, "CALL taskq.wait_for_task('q', '0')"),
	'f', 'timeout 0 looks once');
is(sql($node, "CALL taskq.wait_for_task('q', '50 ms')"),
	'f', 'the time is up');
schedule($node, 'q');
is(sql($node, "CALL taskq.wait_for_task('q', '0')"),
	't', 'timeout 0 looks once: a task');
sql($node, "SELECT FROM taskq.poll('q')");

# n tasks wake about n waiters.
my @waiters = map { wait_in('many') } 1 .. 6;

sql($node, "SELECT taskq.schedule_many('many', 't', array_fill(NULL::jsonb, ARRAY[2]), start_to_close_timeout => '1 h')");
prompt($waiters[$_], "waiter $_ of 2 tasks") for 0 .. 1;
my $got = sql($node, "SELECT count(*) FROM taskq.poll('many', max_tasks => 10)");
is($got, 2, 'both tasks');
# nobody took them for a while, so the others may have been told as well: those
# that still wait are woken by the next tasks
my $left = count_waiting();
sql($node, "SELECT taskq.schedule_many('many', 't', array_fill(NULL::jsonb, ARRAY[6]), start_to_close_timeout => '1 h')");
is(result($_), 't', 'all return in the end') for @waiters[ 2 .. 5 ];

# Nobody else is woken, as long as the worker does not find that nobody polls.
@waiters = map { wait_in('one') } 1 .. 4;
my $worker = worker_pid($node, 'postgres');
kill('STOP', $worker);
$producer->query_safe(
	"BEGIN; SELECT taskq.schedule('one', 't', start_to_close_timeout => '1 h');
	 COMMIT");
prompt($waiters[0], 'one task wakes the first');
is(count_waiting(), 3, 'and nobody else');
sql($node, "SELECT FROM taskq.poll('one')");
kill('CONT', $worker);

# Time: the end of a delay, of a back-off, the next token.
my $delayed = wait_in('delayed');
schedule($node, 'delayed', "start_delay => '700 ms'");
prompt($delayed, 'the end of a start delay');
sql($node, "SELECT FROM taskq.poll('delayed')");
schedule($node, 'delayed', "start_delay => '1 h'");
$delayed = wait_in('delayed');
schedule($node, 'delayed', "start_delay => '500 ms'");
prompt($delayed, 'an earlier one than was known');
my (undef, $token) = start($node, 'backoff');
my $backoff = wait_in('backoff');
sql($node, "SELECT taskq.fail('$token', 'x', next_retry_delay => '700 ms')");
prompt($backoff, 'the end of a back-off');

# Two waiters, two delayed tasks: the second learns what only the first knew.
@waiters = map { wait_in('two') } 1 .. 2;
schedule($node, 'two', "start_delay => '500 ms'");
schedule($node, 'two', "start_delay => '1500 ms'");
prompt($waiters[0], 'the first of two delayed tasks');
sql($node, "SELECT FROM taskq.poll('two')");
prompt($waiters[1], 'the second');
@waiters = (wait_in('leaves', '2 s'), wait_in('leaves'));
schedule($node, 'leaves', "start_delay => '3 s'");
is(result($waiters[0]), 'f', 'who knew of a task leaves');
prompt($waiters[1], 'the other one knows it');

# Limits.
sub configure
{
	my ($queue, $config) = @_;

	return sql($node, "SELECT taskq.configure_queue('$queue', '$config')");
}

configure('limited', '{"queue_rate_limit": 1}');
schedule($node, 'limited') for 1 .. 2;
sql($node, "SELECT FROM taskq.poll('limited')");
is(sql($node, "CALL taskq.wait_for_task('limited')"), 't', 'the next token');
configure('limited', '{"queue_rate_limit": 0}');
$waiter = wait_in('limited');
configure('limited', '{"queue_rate_limit": 1000}');
prompt($waiter, 'a limit that is raised');
schedule($node, 'keys', "fairness_key => 'k'") for 1 .. 2;
configure('keys', '{"fairness_key_rate_limit": 0.5}');
sql($node, "SELECT FROM taskq.poll('keys')");
is(sql($node, "CALL taskq.wait_for_task('keys')"),
	't', "the next token of a fairness key");

configure('paused', '{"paused": true}');
schedule($node, 'paused') for 1 .. 3;
is(sql($node, "CALL taskq.wait_for_task('paused', '0')"),
	'f', 'a paused queue has no tasks');
@waiters = map { wait_in('paused') } 1 .. 3;
sql($node, "BEGIN; SELECT taskq.configure_queue('paused', '{\"paused\": false}'); ROLLBACK");
is(count_waiting(), 3 + 3, 'a rolled back change wakes nobody');
configure('paused', '{"paused": false}');
prompt($_, 'a queue that goes on') for @waiters;

configure('room', '{"max_started": 1}');
for my $end ('SELECT taskq.complete(%s)', 'SELECT taskq.fail(%s, non_retryable => true)')
{
	schedule($node, 'room');
	my $held = sql($node, "SELECT task_token FROM taskq.poll('room')");
	schedule($node, 'room');
	is(sql($node, "CALL taskq.wait_for_task('room', '0')"), 'f', 'no room');
	$waiter = wait_in('room');
	sql($node, sprintf($end, "'$held'"));
	prompt($waiter, 'room');
	sql($node, "SELECT taskq.complete(task_token) FROM taskq.poll('room')");
}
configure('room', '{"max_started": 1}');
schedule($node, 'room') for 1 .. 2;
sql($node, "SELECT FROM taskq.poll('room')");
$waiter = wait_in('room');
configure('room', '{"max_started": 2}');
prompt($waiter, 'more room');

# Tasks that come back.
sub comes_back
{
	my ($queue, $name, $take, $back) = @_;

	schedule($node, $queue);
	$producer->query_safe($take);
	my $w = wait_in($queue);
	$producer->query_safe($back);
	prompt($w, $name);
	return;
}

comes_back('b1', 'a rolled back poll', "BEGIN; SELECT FROM taskq.poll('b1')",
	'ROLLBACK');
comes_back(
	'b2', 'a savepoint that is rolled back',
	"BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('b2')",
	'ROLLBACK TO s');
$producer->query_safe('ROLLBACK');
comes_back(
	'b3', 'ROLLBACK PREPARED',
	"BEGIN; SELECT FROM taskq.poll('b3'); PREPARE TRANSACTION 'p'",
	"ROLLBACK PREPARED 'p'");
$waiter = wait_in('b4');
$producer->query_safe(
	"BEGIN; SELECT taskq.schedule('b4', 't', start_to_close_timeout => '1 h'); PREPARE TRANSACTION 'p'"
);
$producer->query_safe("COMMIT PREPARED 'p'");
prompt($waiter, 'COMMIT PREPARED');
configure('b5', '{"max_started": 1}');
comes_back('b5', 'room of a rolled back poll',
	"BEGIN; SELECT FROM taskq.poll('b5')", 'ROLLBACK');
$waiter = wait_in('b6');
my $run = schedule($node, 'b7');
sql($node,
	qq(SELECT taskq.update_options(run_id => $run, options => '{"task_queue": "b6"}'))
);
prompt($waiter, 'a task that is moved here');
$run = schedule($node, 'b8');
sql($node, "SELECT taskq.pause(run_id => $run)");
$waiter = wait_in('b8');
sql($node, "SELECT taskq.unpause(run_id => $run)");
prompt($waiter, 'a task that is unpaused');

# Waiters that do not get to use their wake.
for my $kill ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $queue = $kill;
	my ($first, $second) = map { wait_in($queue) } 1 .. 2;
	my $blocker = $node->background_psql('postgres');

	# the first is stopped while it looks, so that it cannot use the wake
	$blocker->query_safe('BEGIN; LOCK TABLE taskq.open IN ACCESS EXCLUSIVE MODE');
	$blocker->query_safe("SELECT pg_advisory_lock(1)");
	$blocker->query_safe('COMMIT');
	kill('STOP', $first->{pid});
	schedule($node, $queue);
	sql($node, "SELECT $kill($first->{pid})");
	kill('CONT', $first->{pid});
	prompt($second, "$kill of a woken waiter: the next one gets the wake");
	sql($node, "SELECT FROM taskq.poll('$queue')");
	$blocker->quit;
}
my $gone = wait_in('gone', '600 s', "SET statement_timeout = '1s'");
is(result($gone), '', 'statement_timeout');
like($gone->{session}->{stderr}, qr/statement timeout/, 'ends the wait');
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM taskq.pollers WHERE task_queue = 'gone' AND waiting"),
	'it does not wait any more');
$gone = wait_in('gone2');
sql($node, "SELECT pg_terminate_backend($gone->{pid}, 60000)");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM taskq.pollers WHERE task_queue = 'gone2' AND waiting"),
	'nor one that was terminated');

# Errors.
sub fails
{
	my ($statement, $state, $name) = @_;

	return is(sqlstate($node, $statement), $state, $name);
}

fails("CALL taskq.wait_for_task('q', NULL)", '22023', 'timeout NULL');
fails("CALL taskq.wait_for_task('q', '-1 s')", '22023', 'negative timeout');
fails("CALL taskq.wait_for_task('q', '1 month')", '22023', 'months');
fails('CALL taskq.wait_for_task(NULL)', '22004', 'no queue');
fails("BEGIN; CALL taskq.wait_for_task('q', '0')",
	'25001', 'in a transaction block');
fails("DO \$\$ DECLARE r boolean; BEGIN CALL taskq.wait_for_task('q', '0', r); EXCEPTION WHEN division_by_zero THEN NULL; END \$\$",
	'25001', 'in a block with EXCEPTION');
sql($node, "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS \$\$ DECLARE r boolean; BEGIN CALL taskq.wait_for_task('q', '0', r); END \$\$");
fails('SELECT f()', '25001', 'in a function');
fails("BEGIN; DO \$\$ DECLARE r boolean; BEGIN CALL taskq.wait_for_task('q', '0', r); END \$\$",
	'25001', 'in a DO block in a transaction block');
fails("SET default_transaction_read_only = on; CALL taskq.wait_for_task('q', '0')",
	'25006', 'in a READ ONLY transaction');

# A DO block, or another procedure, would have its work committed, also where
# there is nothing to wait for.
sql($node, 'CREATE TABLE work (i int)');
sql($node, "CREATE PROCEDURE p() LANGUAGE plpgsql AS \$\$ DECLARE r boolean; BEGIN INSERT INTO work VALUES (1); CALL taskq.wait_for_task('nothing', '100 ms', r); RAISE division_by_zero; END \$\$");
fails('CALL p()', '25001', 'in a procedure');
schedule($node, 'block');
fails("DO \$\$ DECLARE r boolean; BEGIN INSERT INTO work VALUES (1); CALL taskq.wait_for_task('block', '1 s', r); END \$\$",
	'25001', 'in a DO block, though a task is there');
my $known = schedule($node, 'known');
fails("DO \$\$ DECLARE s taskq.activity_status; r jsonb; f jsonb; BEGIN INSERT INTO work VALUES (1); CALL taskq.wait_for_close($known, '0', s, r, f); END \$\$",
	'25001', 'wait_for_close in a DO block');
sql($node, "CREATE PROCEDURE outer_p() LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO work VALUES (1); CALL p(); END \$\$");
fails('CALL outer_p()', '25001', 'in a procedure called by a procedure');
is(sql($node, 'SELECT count(*) FROM work'), 0, 'and nothing was committed');

my ($rc, $out, $err) =
  $node->psql('postgres', "BEGIN; CALL taskq.wait_for_task('q')");
like($err, qr/HINT:/, 'with a hint');

# Dropping a database is not in the way of a waiter of another one, and a waiter
# does not hang when its database goes.
sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION taskq');
my $there = $node->background_psql('other', on_error_stop => 0);
$there->query_until(qr/begun/,
	"\\echo begun\nCALL taskq.wait_for_task('q', '600 s');\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'other' AND "
	  . waiting_event())
  or die;
schedule($node, 'q');
is( sql($node,
		"SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND "
		  . waiting_event()),
	1,
	'a task of another database wakes nobody');
sql($node, 'DROP DATABASE other WITH (FORCE)');
pass('DROP DATABASE FORCE ends waiters');
eval { $there->quit };

sql($node,
	'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ' . waiting_event());
eval { $_->quit } for @sessions;
eval { $producer->quit };
done_testing();
