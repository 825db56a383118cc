# The slots of heartbeats are emptied again and again while workers heartbeat,
# fail and complete: no task is lost or done twice, no timeout fires early, no
# heartbeat that was flushed is forgotten.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant { TASKS => 1000, LONG => 20, WORKERS => 4 };

my $node = activity_node(
	'main',
	'fsync = off',
	'log_statement = none',
	"taskq.heartbeat_flush = '100ms'",
	'taskq.heartbeat_slots = 64');

sql($node,
	"CREATE FUNCTION forget_heartbeats() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_heartbeats';
	 CREATE TABLE forgotten (times int);
	 CREATE TABLE done (run_id bigint, attempt int, details jsonb);
	 CREATE TABLE long AS SELECT row_number() OVER () AS i, p.*, 0::bigint AS beats
	   FROM (SELECT count(*) FROM taskq.schedule_many('long', 't', array_fill('1'::jsonb, ARRAY[${\LONG}]),
		 start_to_close_timeout => '24 h', heartbeat_timeout => '1 h')) s, LATERAL (
		 SELECT run_id, task_token FROM taskq.poll('long', max_tasks => ${\LONG}) WHERE s.count > 0) p;
	 SELECT count(*) FROM taskq.schedule_many('short', 't', array_fill('1'::jsonb, ARRAY[${\TASKS}]),
		 start_to_close_timeout => '24 h', heartbeat_timeout => '1 h',
		 retry_policy => taskq.retry_policy(initial_interval => '1 ms'))");

# A task takes two attempts, each heartbeats; the second completes.
my $worker = q{
DO $$
DECLARE
  task record;
  alive boolean;
BEGIN
  FOR i IN 1 .. 100000 LOOP
    SELECT * INTO task FROM taskq.poll('short');
    COMMIT;
    IF task.task_token IS NULL THEN
      EXIT WHEN NOT EXISTS (SELECT FROM taskq.activities WHERE task_queue = 'short' AND status = 'running');
      CONTINUE;
    END IF;
    FOR n IN 1 .. 3 LOOP
      PERFORM taskq.heartbeat(task.task_token, to_jsonb(task.attempt * 10 + n));
      COMMIT;
    END LOOP;
    IF task.attempt = 1 THEN
      PERFORM taskq.fail(task.task_token, 'no', last_heartbeat_details => '"half"');
    ELSE
      PERFORM taskq.heartbeat(task.task_token, '"nearly"');
      PERFORM taskq.complete(task.task_token, task.heartbeat_details);
      INSERT INTO done VALUES (task.run_id, task.attempt, task.heartbeat_details);
    END IF;
    COMMIT;
  END LOOP;
END $$;
};

# Others keep long attempts alive until the tasks are done. Only one of them with a
# batch: two whose slots are forgotten just when they commit may deadlock, as any
# writers of the same rows.
my $keeper = q{
DO $$
DECLARE
  kept record;
BEGIN
  WHILE EXISTS (SELECT FROM taskq.activities WHERE task_queue = 'short' AND status = 'running') LOOP
    FOR kept IN SELECT * FROM long ORDER BY i LOOP
      PERFORM taskq.heartbeat(kept.task_token, to_jsonb(kept.i));
      COMMIT;
    END LOOP;
    PERFORM taskq.heartbeat_many((SELECT array_agg(task_token) FROM long), (SELECT array_agg(to_jsonb(i)) FROM long));
    COMMIT;
  END LOOP;
END $$;
};

# One does nothing but forget.
my $forgetter = q{
DO $$
DECLARE
  times int := 0;
BEGIN
  WHILE times < 2 OR EXISTS (SELECT FROM taskq.activities WHERE task_queue = 'short' AND status = 'running') LOOP
    PERFORM forget_heartbeats();
    times := times + 1;
  END LOOP;
  INSERT INTO forgotten VALUES (times);
END $$;
};

my @errors;
my $single_keeper = $keeper =~ s/PERFORM taskq\.heartbeat_many.*?;//sr;
my @scripts = (($worker) x WORKERS, $keeper, $single_keeper, $forgetter);
my @running = map {
	my $i = $_;
	my $script = $scripts[$i];

	IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $script ],
		'<', '/dev/null', '>', '/dev/null', '2>', \$errors[$i],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
} 0 .. $#scripts;

# what the table had must not be forgotten, nor what is newer come back
my %flushed;
my $lost = 0;
my $wrong = 0;
do
{
	my %now = map { split /\|/ }
	  split /\n/, sql($node, 'SELECT run_id, count FROM taskq.heartbeat_state JOIN long USING (run_id)');

	sql($node, 'SELECT forget_heartbeats()');
	foreach (split /\n/, sql($node,
			"SELECT run_id, total_heartbeat_count, heartbeat_details = to_jsonb(i) FROM taskq.activities JOIN long USING (run_id)"))
	{
		my ($run, $count, $right) = split /\|/;

		$lost++ if $count < ($flushed{$run} // 0) || $count < ($now{$run} // 0);
		$wrong++ if $count > 0 && $right ne 't';
	}
	%flushed = %now;
  } while (
	sql($node,
		"SELECT count(*) FROM taskq.activities WHERE task_queue = 'short' AND status = 'running'"
	) > 0);
$_->finish foreach @running;
is(join('', @errors), '', 'no errors');
cmp_ok(sql($node, 'SELECT times FROM forgotten'), '>', 1, 'forgotten while they worked');
note(sql($node, 'SELECT times FROM forgotten'), ' times');
is($lost, 0, 'what was flushed was never forgotten');
is($wrong, 0, 'details are those of the attempt');
is( sql($node, 'SELECT count(*), count(DISTINCT run_id), min(attempt), max(attempt) FROM done'),
	join('|', TASKS, TASKS, 2, 2),
	'each task was done once, in two attempts');
is( sql($node, 'SELECT count(*) FROM done WHERE details IS DISTINCT FROM $$"half"$$'),
	0, 'the second attempt had the checkpoint of the first');
is( sql($node,
		"SELECT count(*) FROM taskq.activities
		  WHERE task_queue = 'short' AND heartbeat_details = '\"nearly\"' AND status = 'completed'"),
	TASKS,
	'and left its own, of the transaction that completed it');
is( sql($node,
		"SELECT count(*) FROM taskq.activities WHERE task_queue = 'long' AND run_state = 'started' AND attempt = 1"),
	LONG,
	'no timeout has fired');

# afterwards all is as ever
sql($node,
	"SELECT count(*) FROM taskq.heartbeat_many((SELECT array_agg(task_token) FROM long), (SELECT array_agg(to_jsonb(-i)) FROM long))");
is( sql($node,
		"SELECT count(*) FROM taskq.activities JOIN long USING (run_id) WHERE heartbeat_details = to_jsonb(-i)"),
	LONG,
	'heartbeats go on');
ok(wait_for_flush($node), 'and are flushed');
is( sql($node, 'SELECT count(*) FROM taskq.heartbeat_state JOIN long USING (run_id) WHERE details = to_jsonb(-i)'),
	LONG,
	'all of them');
sql($node, 'SELECT taskq.complete_many((SELECT array_agg(task_token) FROM long), NULL)');
is(sql($node, 'SELECT count(*) FROM taskq.heartbeat_state'), 0, 'nothing is left behind');

done_testing();
