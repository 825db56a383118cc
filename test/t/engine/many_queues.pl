# Ten times as many queues with max_started as there is room for: none hands out
# more than it may, none too little, while sessions poll, complete, fail, move
# running attempts to other queues and roll back.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

use constant { ROOM => 20, QUEUES => 200, TASKS => 3, SESSIONS => 4 };

my $node = activity_node('main', 'taskq.max_queues = ' . ROOM, 'fsync = off', 'log_statement = none', 'max_prepared_transactions = 5');

sql($node, qq{
SELECT count(taskq.configure_queue('q' || i, '{"max_started": 1}')) FROM generate_series(1, ${\QUEUES}) i;
SELECT count(s) FROM generate_series(1, ${\TASKS}) t, generate_series(1, ${\QUEUES}) i,
  LATERAL taskq.schedule('q' || i, 't', to_jsonb(t), start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(initial_interval => '1 ms')) s});

# ---- one session ----

sql($node, qq{CREATE PROCEDURE poll_all(INOUT n bigint) LANGUAGE plpgsql AS \$\$
BEGIN
  FOR i IN 1 .. ${\QUEUES} LOOP
    n := n + (SELECT count(*) FROM taskq.poll('q' || i));
    COMMIT;
  END LOOP;
END \$\$});

sub poll_all
{
	return sql($node, "CALL poll_all(0)");
}

is(poll_all(), QUEUES, 'each queue hands out what it may, the first time that it is asked');
is(poll_all(), 0, 'and no more');
# a prepared transaction leaves open what it has started
sql($node, "SELECT FROM taskq.complete_by_id(NULL, run_id => (SELECT min(run_id) FROM taskq.open WHERE task_queue = 'q1' AND state = 2))");
sql($node, "BEGIN; SELECT FROM taskq.poll('q1'); PREPARE TRANSACTION 'p'");
is(poll_all(), 0, 'while a start is prepared');
is(sql($node, "SELECT count(*) FROM taskq.poll('q1')"), 0, 'a prepared start counts');
sql($node, "ROLLBACK PREPARED 'p'");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.poll('q1')"), 'and does not once it is rolled back');
is(poll_all(), 0, 'all that may run do');

# ---- views ----

# what the view of each queue says, asked for alone, and what the table does
my $differ = q{SELECT count(*) FROM
  (SELECT task_queue, count(*) FILTER (WHERE state = 1) AS backlog, count(*) FILTER (WHERE state = 2) AS started FROM taskq.open GROUP BY 1) t
  LEFT JOIN LATERAL (SELECT * FROM taskq.task_queues v WHERE v.task_queue = t.task_queue) v ON true
  LEFT JOIN LATERAL (SELECT sum(p.backlog_count) AS backlog FROM taskq.task_queue_priorities p WHERE p.task_queue = t.task_queue) p ON true
  WHERE (v.backlog_count, v.started_count, p.backlog) IS DISTINCT FROM (t.backlog, t.started, t.backlog)};
my $scans = count_scans();

is(sql($node, $differ), 0, 'views of one queue are right, known or not');
sql($node, q{SELECT taskq.update_options(run_id => (SELECT max(run_id) FROM taskq.open WHERE task_queue = 'q200' AND state = 2), options => '{"task_queue": "other"}')});
is(sql($node, q{SELECT started_count, backlog_count FROM taskq.task_queues WHERE task_queue = 'q200'}), '1|2', 'an attempt counts for the queue that it was taken from');
is(sql($node, q{SELECT coalesce(sum(started_count), 0) FROM taskq.task_queues WHERE task_queue = 'other'}), 0, 'and for no other');
sql($node, q{SELECT taskq.terminate(run_id => (SELECT max(run_id) FROM taskq.open WHERE task_queue = 'other'))});
ok($node->poll_query_until('postgres',
	"SELECT CASE WHEN (SELECT count(*) FROM taskq.task_queues WHERE task_queue = 'q77')
		+ (SELECT count(*) FROM taskq.task_queues WHERE task_queue = 'none') = 1 THEN $scans = 0 END"),
	'without reading the whole table');
is(sql($node, $differ), 0, 'and still right');

# ---- several ----

# A queue with two attempts in progress would be two rows with one key.
sub work
{
	my ($moved) = @_;
	my $worker = <<'SQL' =~ s/QUEUES/QUEUES/egr =~ s/MOVED/$moved/r;
DO $$
DECLARE
  q text;
  task record;
  mine record;
BEGIN
  FOR i IN 1 .. 1000000 LOOP
    EXIT WHEN i % 20 = 0 AND NOT EXISTS (SELECT FROM left_over);
    q := 'r' || 1 + floor(random() * QUEUES)::int;
    SELECT * INTO task FROM taskq.poll(q);
    IF task.run_id IS NOT NULL THEN
      INSERT INTO running VALUES (q, task.run_id, task.task_token);
      IF random() < 0.1 THEN
        ROLLBACK;
        CONTINUE;
      END IF;
    END IF;
    COMMIT;
    IF task.run_id IS NOT NULL AND random() < MOVED AND
      EXISTS (SELECT FROM running WHERE run_id = task.run_id FOR UPDATE) THEN
      PERFORM taskq.update_options(run_id => task.run_id,
        options => jsonb_build_object('task_queue', 'r' || 1 + floor(random() * QUEUES)::int));
      COMMIT;
    END IF;
    mine := NULL;
    DELETE FROM running WHERE queue = (SELECT queue FROM running LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING * INTO mine;
    IF mine.token IS NOT NULL AND random() < 0.1 THEN
      PERFORM taskq.fail(mine.token, 'again');
    ELSIF mine.token IS NOT NULL THEN
      PERFORM taskq.complete(mine.token);
      INSERT INTO done VALUES (mine.run_id);
    END IF;
    COMMIT;
  END LOOP;
END $$
SQL
	my @errors;
	my @sessions = map {
		IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $worker ],
			'<', '/dev/null', '>', '/dev/null', '2>', \$errors[$_],
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
	} 0 .. SESSIONS - 1;

	$_->finish foreach @sessions;
	return join('', map { $_ // '' } @errors);
}

sub fill
{
	sql($node, qq{
	SELECT count(s) FROM generate_series(1, ${\TASKS}) t, generate_series(1, ${\QUEUES}) i,
	  LATERAL taskq.schedule('r' || i, 't', to_jsonb(t), start_to_close_timeout => '1 h',
	    retry_policy => taskq.retry_policy(initial_interval => '1 ms')) s});
	return;
}

sql($node, qq{
SELECT count(taskq.configure_queue('r' || i, '{"max_started": 1}')) FROM generate_series(1, ${\QUEUES}) i;
CREATE TABLE running (queue text PRIMARY KEY, run_id bigint, token uuid);
CREATE TABLE done (run_id bigint);
CREATE VIEW left_over AS SELECT FROM taskq.open WHERE task_queue LIKE 'r%'});
for my $moved (0, 0.01)
{
	fill();
	is(work($moved), '', 'no queue hands out more than it may' . ($moved ? ', attempts that move away included' : ''));
	is(sql($node, "SELECT count(*), count(DISTINCT run_id) FROM done"), join('|', (TASKS * QUEUES) x 2), 'all are done, once');
	sql($node, 'TRUNCATE done');
}
is(sql($node, "SELECT count(*) FROM taskq.health WHERE status = 'critical'"), 0, 'healthy');

done_testing();
