# A kind of task that is no activity, of a library of its own, goes through the
# same lanes, counts and timers: it is handed out once, at its time, comes back
# with a rollback, times out in its own way, and calls of activities don't find
# it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use Cwd qw(abs_path);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant { TOYS => 300, SESSIONS => 4 };

my $library = abs_path("$FindBin::RealBin/../../modules/toy") . '/taskq_toy';
die "not built: $library" unless -e "$library.so";

my $node = activity_node('main', "shared_preload_libraries = 'taskq,$library'", 'restart_after_crash = on');

sql($node, "CREATE SCHEMA toy;
	CREATE TABLE toy.broken (run_id bigint, owner text, at timestamptz);
	CREATE TABLE toy.done (run_id bigint, owner text, pid int DEFAULT pg_backend_pid());
	CREATE FUNCTION toy.schedule(queue text, owner text, patience interval DEFAULT '1 h', delay interval DEFAULT '0') RETURNS bigint
		LANGUAGE c STRICT AS '$library', 'toy_schedule';
	CREATE FUNCTION toy.poll(queue text, identity text DEFAULT 'child', max_tasks int DEFAULT 1)
		RETURNS TABLE (token uuid, run_id bigint, owner text, worker text)
		LANGUAGE c STRICT AS '$library', 'toy_poll';
	CREATE FUNCTION toy.complete(token uuid) RETURNS boolean LANGUAGE c STRICT AS '$library', 'toy_complete'");

sub started
{
	my ($queue) = @_;

	return sql($node, "SELECT count(*) FROM taskq.open WHERE task_queue = '/_sys/toy/$queue' AND state > 1");
}

my $hours = 0;

# let all patience end that there is now
sub pass_time
{
	$hours += 2;
	$node->append_conf('postgresql.conf', "taskq.clock_offset = '$hours h'");
	$node->reload;
	return $node->poll_query_until('postgres', "SELECT current_setting('taskq.clock_offset') = '${hours}h'");
}

sub is_broken
{
	my ($toy, $name) = @_;

	return ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM toy.broken WHERE run_id = $toy"), $name);
}

# ---- one ----

my $run = sql($node, "SELECT toy.schedule('box', 'Ann')");
is(sql($node, "BEGIN; SELECT run_id, owner, worker FROM toy.poll('box', 'Tim'); ROLLBACK; SELECT count(*) FROM toy.poll('none')"),
	"$run|Ann|Tim\n0", 'handed out with its owner');
my ($token, $owner) = split /\|/, sql($node, "SELECT token, owner FROM toy.poll('box')");
is($owner, 'Ann', 'and again, after a rollback');
is(sql($node, "SELECT count(*) FROM toy.poll('box')"), 0, 'once');
is(sql($node, "SELECT toy.complete('$token'), toy.complete('$token')"), 't|f', 'completed, once');
is(sql($node, 'SELECT count(*) FROM taskq.open'), 0, 'and gone');

# ---- many sessions ----

sql($node, "SELECT count(toy.schedule('many', 'o' || i % 7)) FROM generate_series(1, ${\TOYS}) i");
is(sql($node, "SELECT backlog_count FROM taskq.task_queues WHERE task_queue = '/_sys/toy/many'"), TOYS, 'counted');
my $child = q{
DO $$
DECLARE
  toy record;
BEGIN
  LOOP
    SELECT * INTO toy FROM toy.poll('many');
    IF toy.run_id IS NULL THEN
      COMMIT;
      EXIT WHEN NOT EXISTS (SELECT FROM taskq.open WHERE task_queue = '/_sys/toy/many');
      CONTINUE;
    END IF;
    IF toy.run_id % 5 = 0 AND random() < 0.5 THEN
      ROLLBACK;
      CONTINUE;
    END IF;
    COMMIT;
    IF toy.complete(toy.token) THEN
      INSERT INTO toy.done VALUES (toy.run_id, toy.owner);
    END IF;
    COMMIT;
  END LOOP;
END $$};
my @errors;
my @children = map {
	IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $child ],
		'<', '/dev/null', '>', '/dev/null', '2>', \$errors[$_],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
} 0 .. SESSIONS - 1;
$_->finish foreach @children;
is(join('', map { $_ // '' } @errors), '', 'no errors');
is(sql($node, "SELECT count(*), count(DISTINCT run_id) FROM toy.done"),
	TOYS . '|' . TOYS, 'two sessions never share one, and none is lost');
ok($node->poll_query_until('postgres', "SELECT coalesce(sum(backlog_count + started_count), 0) = 0 FROM taskq.task_queues WHERE task_queue = '/_sys/toy/many'"), 'counted down');
is(sql($node, "SELECT scheduled FROM taskq.stat_task_queues WHERE task_queue = '/_sys/toy/many'"),
	TOYS, 'and counted in the statistics');

# ---- delayed, and out of patience ----

my $later = sql($node, "SELECT toy.schedule('later', 'Ann', delay => '3 h')");
is(sql($node, "SELECT count(*) FROM toy.poll('later')"), 0, 'not before its time');
my $waiting = sql($node, "SELECT toy.schedule('waiting', 'Bob')");
my $playing = sql($node, "SELECT toy.schedule('playing', 'Cem')");
$token = sql($node, "SELECT token FROM toy.poll('playing')");
my $held = sql($node, "SELECT toy.schedule('held', 'Dee')");
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe("BEGIN; SELECT FROM taskq.open WHERE run_id = $held FOR UPDATE");
pass_time();
is_broken($later, 'a delayed one times out');
is_broken($waiting, 'a waiting one');
is_broken($playing, 'one in progress');
is(sql($node, "SELECT owner FROM toy.broken WHERE run_id = $playing"), 'Cem', 'with its owner');
is(sql($node, "SELECT toy.complete('$token')"), 'f', 'and is not completed then');
is(sql($node, "SELECT count(*) FROM toy.poll('later')"), 0, 'nor handed out');
is(sql($node, "SELECT run_id FROM taskq.open"), $held, 'one that is held is left alone');
like(sql($node, "SELECT detail FROM taskq.health WHERE check_name = 'timer_lateness'"), qr/\(patience of run $held\)/, 'as health tells');
$session->query_safe('ROLLBACK');
$session->quit;
is_broken($held, 'until it is free');

# ---- calls of activities ----

$run = sql($node, "SELECT toy.schedule('calls', 'Eve')");
$token = sql($node, "SELECT token FROM toy.poll('calls')");
is(sqlstate($node, "SELECT * FROM taskq.$_"), 'TQ001', s/\(.*//sr)
  foreach "complete('$token')", "fail('$token', 'x')", "report_canceled('$token')",
  "heartbeat('$token')", "release('$token')",
  map { "$_, run_id => $run)" } 'complete_by_id(NULL', 'fail_by_id(NULL, $$x$$', 'fail_with_by_id(NULL',
  'heartbeat_by_id(NULL', 'terminate(NULL', 'request_cancel(NULL', 'pause(NULL',
  'unpause(NULL', 'reset(NULL', 'delete(NULL', 'update_options(NULL, options => $${"priority": 1}$$';
is(sql($node, "SELECT error FROM taskq.${_}_many(ARRAY[$run])"), 'TQ001', "${_}_many")
  foreach qw(terminate request_cancel pause delete);
is(sqlstate($node, "SELECT taskq.poll('/_sys/toy/calls')"), '22023', 'nor poll its queue');
is(started('calls'), 1, 'nothing has happened to it');

# ---- crash ----

my $left = sql($node, "SELECT toy.schedule('crash', 'Fay')");
my $offset = -s $node->logfile;
$session = $node->background_psql('postgres', on_error_stop => 0);
kill 'KILL', $session->query_safe('SELECT pg_backend_pid()');
wait_for_recovery($node, $offset) or die;
eval { $session->quit };
is(sql($node, "SELECT toy.complete('$token')"), 't', 'after a crash an old token is good');
pass_time();
is_broken($left, 'and patience ends');
is(sql($node, 'SELECT count(*) FROM taskq.open'), 0, 'nothing is left');
is(sql($node, "SELECT count(*) FROM taskq.health WHERE status = 'critical'"), 0, 'healthy');

done_testing();
