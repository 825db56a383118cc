# What administrators may do by hand, and what is then refused or goes on: rows
# that taskq would not write, other columns, other indexes, settings of the
# database, an extension that is replaced, a worker that is ended again and again.

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

sub health
{
	my ($check) = @_;

	return sql($node,
		"SELECT concat_ws(': ', status, detail) FROM taskq.health WHERE check_name = '$check'"
	);
}

# ---- rows ------------------------------------------------------------------

my ($run) = schedule($node, 'q', "activity_id => 'a'");
for my $change ('state = 99', 'state = 0', 'attempt = 0',
	"schedule_time = 'infinity'", "dispatch_time = '-infinity'")
{
	is(sqlstate($node, "UPDATE taskq.open SET $change WHERE run_id = $run"),
		'23514', "refused: $change");
}
is( sqlstate($node,
		"SELECT FROM taskq.poll('q'); UPDATE taskq.instance SET leaf = 77"),
	'23514',
	'refused: a leaf that is not there');

# a policy that taskq would not store; the worker and every reader meet it
my ($policy) = start($node, 'p', "start_to_close_timeout => '1 s'");
sql($node,
	"UPDATE taskq.open SET retry_policy = ROW(NULL, NULL, NULL, 1, '{NULL,x}', NULL)::taskq.retry_policy
	  WHERE run_id = $policy");
ok(wait_for_activity($node, $policy, "status = 'timed_out'"),
	'types with a NULL among them: its timeout fires');
like(
	sql($node,
		"SELECT count(retry_policy), count(*) FROM taskq.activities WHERE retry_policy IS NOT NULL"),
	qr/^\d+\|\d+$/,
	'and it can be read');

# ---- columns ---------------------------------------------------------------

sql($node,
	"SELECT count(*) FROM taskq.schedule_many('c', 't', array_fill('1'::jsonb, ARRAY[4]), start_to_close_timeout => '1 h')");
sql($node, "ALTER TABLE taskq.closed_$_ ADD COLUMN note text") for 0 .. 7;
is( sqlstate($node,
		"SELECT count(*) FROM taskq.complete_many(ARRAY(SELECT task_token FROM taskq.poll('c', max_tasks => 3)))"),
	'55000',
	'a table with a column of somebody else is refused');
is(sql($node, 'SELECT 1'), 1, 'the server lives');

$node->safe_psql('postgres', 'DROP EXTENSION taskq; CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres'), 'made again');
is( sql($node, "SELECT count(*) FROM taskq.stat_task_queues") . ' '
	  . sql($node, "SELECT count(*) FROM taskq.pollers"),
	'0 0',
	'a new installation has no statistics of the one before');

# ---- indexes ---------------------------------------------------------------

my %index = (
	open_ready => [
		'(level, task_queue, fairness_key, dispatch_time, run_id)',
		'USING hash (task_queue)',
		'(task_queue, level, fairness_key, dispatch_time, run_id) WHERE run_id < 0'
	],
	open_alarm => [ '(task_queue)', '(activity_type, alarm)', '(alarm, run_id)' ]);
for my $name (sort keys %index)
{
	my $definition = sql($node, "SELECT pg_get_indexdef('taskq.$name'::regclass)");

	for my $other (@{ $index{$name} })
	{
		sql($node,
			"BEGIN; DROP INDEX taskq.$name; CREATE INDEX $name ON taskq.open $other; COMMIT");
		like(health('indexes'), qr/^critical: "taskq\.$name"/,
			"health names it: $name $other");
		is( sqlstate($node,
				"SET statement_timeout = '60s'; SELECT count(*) FROM taskq.poll('i')"),
			'55000',
			'a poll is refused') if $name eq 'open_ready';
	}
	sql($node, "BEGIN; DROP INDEX taskq.$name; $definition; COMMIT");
	is(health('indexes'), 'ok: all are as taskq makes them', "$name is back");
}
($run) = schedule($node, 'i', "schedule_to_start_timeout => '1 s'");
ok(wait_for_activity($node, $run, "status = 'timed_out'"),
	'timeouts fire again');

# ---- settings ----------------------------------------------------------------

sql($node, 'CREATE ROLE app_owner');
sql($node, 'CREATE DATABASE owned');
$node->safe_psql('owned', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'owned', 'postgres'), 'a database is served');
sql($node, 'ALTER DATABASE owned SET role = app_owner');
my $worker = worker_pid($node, 'owned');
kill 'TERM', $worker;
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = 'owned' AND pid <> $worker"),
	'another worker, whatever role is set');
sql($node, 'ALTER DATABASE owned RESET role');
$node->safe_psql('owned',
	"SELECT FROM taskq.schedule('s', 't', start_to_close_timeout => '1 h', schedule_to_start_timeout => '1 s')"
);
ok( $node->poll_query_until('owned',
		"SELECT count(*) = 1 FROM taskq.activities WHERE status = 'timed_out'"),
	'it works');

# being ended is no failure: the next worker comes at once, again and again
my $began = time;
for (1 .. 8)
{
	my $pid = worker_pid($node, 'postgres');

	sql($node, "SELECT pg_terminate_backend($pid)");
	wait_for_worker($node, $pid);
}
cmp_ok(time - $began, '<', 120, 'no back-off, which would have been minutes');

# ---- the extension is replaced -------------------------------------------------

my $waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_until(qr/waits/,
	"\\echo waits\n\\set VERBOSITY sqlstate\nCALL taskq.wait_for_task('w', '180 s');\n\\echo over\n");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM taskq.pollers WHERE waiting"),
	'a session waits');
sql($node, 'BEGIN; DROP EXTENSION taskq; CREATE EXTENSION taskq; COMMIT');
$waiter->query_until(qr/over/, '');
like($waiter->{stderr}, qr/ERROR:  55000/, 'it is told at once');
$waiter->quit;

# ---- delays ---------------------------------------------------------------------

my (undef, $token) = start($node, 'd');
my $ever = "make_interval(days => 106751991)";
is(sqlstate($node, "SELECT taskq.$_"), '22023', "beyond the end of time: $_")
  for "fail('$token', 'x', next_retry_delay => $ever)",
  "release('$token', $ever)", "release_many(ARRAY['$token'::uuid], $ever)",
  "unpause('a', jitter => $ever)", "reset('a', jitter => $ever)";

done_testing();
