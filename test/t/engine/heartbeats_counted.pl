# Sessions heartbeat the same attempt as fast as they can while it is completed,
# failed, terminated or times out: every heartbeat that was answered is counted,
# and the last one kept.

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

use constant { ROUNDS => 240, BEATERS => 3 };

my $node = activity_node('main', 'fsync = off', 'log_statement = none',
	"taskq.heartbeat_flush = '100ms'");

sql($node, q{
	CREATE TABLE current (n int PRIMARY KEY, run_id bigint, task_token uuid);
	INSERT INTO current VALUES (0, 0, gen_random_uuid());
	CREATE TABLE answered (run_id bigint, beats int);
	CREATE TABLE stop ();

	-- heartbeat whatever is current, now and then with large details
	CREATE PROCEDURE heartbeat_all() LANGUAGE plpgsql AS $$
	DECLARE
	  it record;
	  last bigint;
	  beats int := 0;
	BEGIN
	  LOOP
	    SELECT * INTO it FROM current ORDER BY n DESC LIMIT 1;
	    IF it.run_id IS DISTINCT FROM last THEN
	      INSERT INTO answered VALUES (last, beats);
	      last := it.run_id;
	      beats := 0;
	    END IF;
	    COMMIT;
	    FOR i IN 1 .. 20 LOOP
	      BEGIN
	        PERFORM taskq.heartbeat(it.task_token, to_jsonb(CASE WHEN i % 10 = 0 THEN repeat('x', 300) ELSE 'x' END));
	        beats := beats + 1;
	      EXCEPTION WHEN SQLSTATE 'TQ001' THEN
	        EXIT;
	      END;
	      COMMIT;
	    END LOOP;
	    EXIT WHEN EXISTS (SELECT FROM stop);
	  END LOOP;
	  INSERT INTO answered VALUES (last, beats);
	END $$;

	-- one activity after the other, each ends in its way
	CREATE PROCEDURE end_all(rounds int) LANGUAGE plpgsql AS $$
	DECLARE
	  task record;
	BEGIN
	  FOR i IN 1 .. rounds LOOP
	    PERFORM taskq.schedule('q', 't', retry_policy => taskq.retry_policy(maximum_attempts => 1),
	      start_to_close_timeout => CASE i % 4 WHEN 0 THEN interval '20 ms' ELSE '1 h' END);
	    SELECT * INTO task FROM taskq.poll('q');
	    INSERT INTO current VALUES (i, task.run_id, task.task_token);
	    COMMIT;
	    PERFORM pg_sleep(0.005);
	    CASE i % 4
	      WHEN 0 THEN
	        WHILE EXISTS (SELECT FROM taskq.activities WHERE run_id = task.run_id AND status = 'running') LOOP
	          COMMIT;
	        END LOOP;
	      WHEN 1 THEN PERFORM taskq.complete(task.task_token);
	      WHEN 2 THEN PERFORM taskq.fail(task.task_token, 'no', last_heartbeat_details => '"y"');
	      WHEN 3 THEN PERFORM taskq.terminate(run_id => task.run_id);
	    END CASE;
	    COMMIT;
	  END LOOP;
	END $$;
});

my @errors;
my @running = map {
	IPC::Run::start(
		[
			'psql', '-XqAt', '-d', $node->connstr('postgres'),
			'-c', 'CALL heartbeat_all()'
		],
		'<', '/dev/null', '>', '/dev/null', '2>', \$errors[$_],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
} 0 .. BEATERS - 1;
sql($node, "CALL end_all(${\ROUNDS})");
sql($node, 'INSERT INTO stop DEFAULT VALUES');
$_->finish foreach @running;
is(join('', @errors), '', 'no errors');

# a failure with details is one more
my $counted = q{
	SELECT v.run_id, status, total_heartbeat_count, coalesce(a.beats, 0) + (status = 'failed')::int AS expected, heartbeat_details
	FROM taskq.activities v LEFT JOIN (SELECT run_id, sum(beats) AS beats FROM answered GROUP BY 1) a USING (run_id)};
is( sql($node,
		"SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM ($counted) c GROUP BY 1) s"
	),
	join(', ', map { "$_ " . ROUNDS / 4 } qw(completed failed terminated timed_out)),
	'all have ended');
is(sql($node, "SELECT * FROM ($counted) c WHERE total_heartbeat_count <> expected"),
	'', 'every heartbeat is counted');
cmp_ok(
	sql($node, "SELECT sum(total_heartbeat_count) FROM ($counted) c"),
	'>', ROUNDS, 'and there were some');
is(sql($node, "SELECT count(*) FROM ($counted) c WHERE status = 'failed' AND heartbeat_details <> '\"y\"'"),
	0, 'the last one is kept');
ok( $node->poll_query_until(
		'postgres', 'SELECT count(*) = 0 FROM taskq.heartbeat_state'),
	'and nothing is left behind');

done_testing();
