# taskq.health tells what is wrong, judges by the tables instead of by what the
# worker believes, and waits for nobody.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main',
	"taskq.retention = '8s'",
	'taskq.max_queues = 16',
	'taskq.max_lanes = 16',
	'taskq.max_pollers = 16',
	'taskq.max_delays = 64',
	'taskq.max_listened_queues = 16',
	'taskq.heartbeat_slots = 64');

# What health says of a check, seen in an hour from now if asked for.
sub health
{
	my ($check, $columns, $offset) = @_;

	$columns //= 'status';
	$offset //= '0';
	return sql($node,
		"SET statement_timeout = '30s'; SET taskq.clock_offset = '$offset';
		 SELECT $columns FROM taskq.health WHERE check_name = '$check'");
}

sub wait_for_health
{
	my ($check, $status) = @_;

	return $node->poll_query_until('postgres',
		"SELECT status = '$status' FROM taskq.health WHERE check_name = '$check'"
	);
}

is( sql($node, q(SELECT string_agg(check_name, ' ') FROM taskq.health WHERE status <> 'ok')),
	'', 'a fresh server is well');

# ---- timeouts of every kind, while nobody fires them -----------------------

my %overdue = (
	schedule_to_start => "schedule_to_start_timeout => '1 min'",
	schedule_to_close => "schedule_to_close_timeout => '1 min'",
	start_to_close => "start_to_close_timeout => '1 min'",
	heartbeat => "heartbeat_timeout => '1 min'");
my $worker = worker_pid($node, 'postgres');

kill 'STOP', $worker;
is(health('timer_lateness', 'status', '1h'), 'ok', 'nothing is overdue');
for my $type (sort keys %overdue)
{
	my ($run_id) =
	  $type eq 'schedule_to_start'
	  ? (schedule($node, $type, $overdue{$type}))
	  : start($node, $type, $overdue{$type});

	like(
		health('timer_lateness', "concat_ws(': ', status, detail)", '1h'),
		qr/^critical: .*\($type of run $run_id\) is late by 00:59/,
		"$type is overdue");
	is(health('timer_lateness'), 'ok', "$type is not overdue yet");
	sql($node, "SELECT taskq.terminate(run_id => $run_id)");
}

# tasks of workflows, of private queues, too, of which nobody counts what runs
my ($long) = start($node, 'long', "start_to_close_timeout => '10 h'");
my $flow = sql($node, "SELECT run_id FROM taskq.start_workflow('flows', 'T', workflow_id => 'flow')");
sql($node, "SELECT count(*) FROM taskq.poll_workflow_task('flows')");
like(health('timer_lateness', 'detail', '1h'), qr/\(start_to_close of run $flow\)/, 'a workflow task is overdue');
sql($node, q{
	SELECT taskq.terminate_workflow('flow');
	SELECT FROM taskq.start_workflow('flows', 'T', workflow_id => 'flow');
	SELECT task_token FROM taskq.poll_workflow_task('flows') \gset
	SELECT failed_cause FROM taskq.complete_workflow_task(:'task_token', '[]', sticky_task_queue => 'flows host', sticky_schedule_to_start_timeout => '9 h');
	SELECT count(*) FROM taskq.poll_workflow_task('flows host', sticky_for => 'flows');
	SELECT taskq.signal_workflow('flow', 's')});
is(sql($node, "SELECT workflow_id FROM taskq.poll_workflow_task('flows host', sticky_for => 'flows')"), 'flow', 'it is polled from a private queue');
like(health('timer_lateness', 'detail', '1h'), qr/\(start_to_close of run \d+\) is late by 00:59/, 'and overdue');
sql($node, "SELECT taskq.terminate_workflow('flow'); SELECT taskq.terminate(run_id => $long)");

# one that is paused while it waits, and one that backs off
my ($paused) = schedule($node, 'paused', "schedule_to_close_timeout => '1 min'");
sql($node, "SELECT taskq.pause(run_id => $paused)");
like(health('timer_lateness', 'detail', '1h'),
	qr/of run $paused\)/, 'that of a paused activity is overdue');
sql($node, "SELECT taskq.terminate(run_id => $paused)");

# who heartbeats is alive, whether or not that was written to the table
my ($run_id, $token) = start($node, 'beats', "heartbeat_timeout => '1 min'");
sql($node,
	"SET taskq.clock_offset = '3590 s'; SELECT FROM taskq.heartbeat('$token')");
is(health('timer_lateness', 'status', '1h'), 'ok', 'a heartbeat in memory counts');

ok(wait_for_health('background_worker', 'critical'),
	'the stopped worker is noticed');
like(health('background_worker', 'detail'),
	qr/pid $worker should have woken up/, 'and named');
kill 'CONT', $worker;
ok(wait_for_health('background_worker', 'ok'), 'it goes on');
sql($node, "SELECT taskq.terminate(run_id => $run_id)");

# ---- locks -------------------------------------------------------------------

my $holder = $node->background_psql('postgres');
my %locks = (
	(
		map { $_ => "LOCK TABLE taskq.$_" }
		  qw(open heartbeat_state closed_0 closed_long queue_config instance run_inbox)),
	open_alarm => 'REINDEX INDEX taskq.open_alarm',
	open_ready => 'REINDEX INDEX taskq.open_ready',
	open_activity_id => 'REINDEX INDEX taskq.open_activity_id');
for my $what (sort keys %locks)
{
	$holder->query_safe("BEGIN; $locks{$what}");
	my ($checks, $blind) = split /\|/,
	  sql($node,
		"SET statement_timeout = '30s';
		 SELECT count(*) > 10, string_agg(check_name, ' ' ORDER BY check_name)
			FILTER (WHERE detail LIKE 'cannot look%') FROM taskq.health");
	is($checks, 't', "health answers while somebody has locked $what");
	is( $blind // '',
		{
			open => 'history_sizes oldest_backlog timer_lateness workflow_tasks workflow_workers',
			open_ready => 'oldest_backlog workflow_workers',
			open_activity_id => 'history_sizes timer_lateness workflow_tasks',
			run_inbox => 'workflow_inboxes',
			open_alarm => 'timer_lateness',
			heartbeat_state => 'timer_lateness',
			queue_config => 'queue_settings'
		}->{$what} // '',
		'and says where it cannot look');
	$holder->query_safe('ROLLBACK');
}

# ---- what a crash would empty ------------------------------------------------

is(health('tables', 'detail'), 'all survive a crash', 'all tables are logged');
for my $table (
	(
		map { "TABLE taskq.$_" }
		  qw(open heartbeat_state closed_0 closed_7 closed_long queue_config instance)),
	'SEQUENCE taskq.run_id_seq')
{
	my ($name) = $table =~ /(taskq\.\w+)/;

	$holder->query_safe("BEGIN; ALTER $table SET UNLOGGED");
	is(health('tables'), 'ok', "$name: what is not committed is waited for by nobody");
	$holder->query_safe('COMMIT');
	is( health('tables', "concat_ws('|', status, detail, hint)"),
		"critical|\"$name\" is unlogged, so that a crash would empty it|Use ALTER $table SET LOGGED.",
		"$name: critical when it is");
	sql($node, "ALTER $table SET LOGGED");
	is(health('tables'), 'ok', "$name: logged again");
}

# ---- expiry ------------------------------------------------------------------

sql($node,
	"SELECT FROM taskq.schedule('r', 't', start_to_close_timeout => '1h');
	 SELECT FROM taskq.complete((SELECT task_token FROM taskq.poll('r')))");
$holder->query_safe('BEGIN; SELECT count(*) FROM taskq.activities');
ok(wait_for_health('retention', 'warning'), 'a reader holds expiry up');
like(health('retention', 'detail'), qr/taskq\.closed_\d cannot be emptied/,
	'the table is named');
$holder->query_safe('ROLLBACK');
ok(wait_for_health('retention', 'ok'), 'until it has gone');

# a table that was locked when the worker came, and that needs no emptying
my ($other) = sql($node,
	'SELECT (leaf + 4) % 8 FROM taskq.instance');
for my $content ('', "INSERT INTO taskq.closed_$other
	(run_id, schedule_time, close_time, expire_time, transitions, attempt, status, task_queue, activity_type, fairness_key, worker)
	VALUES (-1, now(), now(), now() + '1 day', 1, 1, 'completed', 'q', 't', '', '')")
{
	my $name = $content ? 'a table with what is to be kept' : 'an empty table';

	$holder->query_safe("BEGIN; LOCK TABLE taskq.closed_$other; $content");
	ok(wait_for_health('retention', 'warning'), "$name is locked");
	$holder->query_safe('COMMIT');
	ok(wait_for_health('retention', 'ok'), "$name is not");
}
sql($node, "DELETE FROM taskq.closed_$other");

# ---- sizes -------------------------------------------------------------------

my %floods = (
	queues =>
	  "PERFORM FROM taskq.schedule('q' || i, 't', start_to_close_timeout => '1h')",
	fairness_keys =>
	  "PERFORM FROM taskq.schedule('k', 't', fairness_key => i::text, start_to_close_timeout => '1h');
	   PERFORM FROM taskq.poll('k')",
	pollers => "PERFORM FROM taskq.poll('p', 'poller' || i)",
	delays =>
	  "PERFORM FROM taskq.schedule('d', 't', start_delay => i * i * interval '1 min', start_to_close_timeout => '1h')",
	channels =>
	  "BEGIN PERFORM taskq.channel('c' || i); EXCEPTION WHEN OTHERS THEN NULL; END",
	heartbeat_slots =>
	  "PERFORM FROM taskq.schedule('h', 't', start_to_close_timeout => '1h');
	   PERFORM FROM taskq.poll('h') p, taskq.heartbeat(p.task_token)");
for my $size (sort keys %floods)
{
	is(health($size), 'ok', "$size: no flood yet") if $size ne 'queues';
	sql($node, "DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP $floods{$size}; END LOOP; END \$\$");
	is(health($size), 'warning', "$size: exceeded");
	like(health($size, 'hint'), qr/"taskq\.\w+"/, "$size: the setting is named");
}
$holder->quit;

# ---- where nobody serves -----------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE t');
$node->safe_psql('t', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres', 't'), 'another database is served');
$node->safe_psql('postgres', 'ALTER DATABASE t IS_TEMPLATE true');
kill 'TERM', worker_pid($node, 't');
ok(wait_served($node, 'postgres'), 'a template is not');
like(
	$node->safe_psql('t',
		"SELECT detail FROM taskq.health WHERE check_name = 'background_worker'"),
	qr/template database/,
	'and health says so');

done_testing();
