# While clients schedule, poll, fail and complete at full speed, all that shared
# memory knows is lost again and again, and cursors point anywhere: nothing is
# lost, nothing is done twice, and everything is done in the end.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run ();

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.cursor_check_interval = 1',
	'taskq.timer_buffer = 64', 'taskq.arm_after = 100');
my $script = $node->basedir . '/cycle.sql';

append_to_file($script, <<'EOS');
\set n random(1, 6)
\set lot random(1, 10)
\set fails :lot = 1
\set dies :lot = 2
\set undone :lot = 3
BEGIN;
INSERT INTO scheduled SELECT run_id FROM taskq.schedule('q' || :n % 2, 't', start_to_close_timeout => '2 s', heartbeat_timeout => '2 s',
	priority => :n % 3 + 1, fairness_key => CASE WHEN :n < 3 THEN 'key' || :n END,
	retry_policy => taskq.retry_policy(initial_interval => '10 ms'));
COMMIT;
BEGIN;
SELECT coalesce(array_agg(task_token), '{}') AS tokens, coalesce(array_agg(run_id), '{}') AS runs
  FROM taskq.poll('q' || :client_id % 2, max_tasks => :n) \gset
\if :undone
ROLLBACK;
\else
COMMIT;
SELECT FROM taskq.heartbeat_many(':tokens');
\if :fails
SELECT FROM taskq.fail_many(':tokens', 'no');
\elif :dies
\else
BEGIN;
INSERT INTO completed SELECT r FROM unnest(':runs'::bigint[], ':tokens'::uuid[]) AS t (r, token)
  WHERE token IN (SELECT task_token FROM taskq.complete_many(':tokens') WHERE ok);
COMMIT;
\endif
\endif
EOS
sql($node, "CREATE TABLE scheduled (run_id bigint PRIMARY KEY);
	CREATE TABLE completed (run_id bigint PRIMARY KEY);
	CREATE FUNCTION forget_hints() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_hints';
	CREATE FUNCTION scramble_cursors() RETURNS void LANGUAGE c AS 'taskq', 'taskq_scramble_cursors'");

my $out = '';
my $load = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '6', '-j', '2', '-t', '600',
		'-f', $script, $node->connstr('postgres')
	],
	'>&', \$out);
my $chaos = $node->background_psql('postgres');
my $rounds = 0;
my $previous = -1;

# as long as something is scheduled between two looks
while ((my $now = sql($node, 'SELECT count(*) FROM scheduled')) != $previous)
{
	$previous = $now;
	for (1 .. 5)
	{
		$chaos->query_safe($rounds % 2 ? 'SELECT forget_hints()' : 'SELECT scramble_cursors()');
		$chaos->query_safe('SELECT pg_sleep(0.02)');
		$rounds++;
	}
}
$load->finish;
is($load->result(0), 0, 'no client has failed') or diag($out);
like($out, qr/failed transactions: 0 /, 'none was given up');
cmp_ok($rounds, '>', 10, 'shared memory was lost many times');

while (sql($node, 'SELECT count(*) FROM taskq.open') > 0)
{
	sql($node,
		"CALL taskq.wait_for_tasks(ARRAY['q0', 'q1'], '1 s');
		 INSERT INTO completed SELECT run_id FROM taskq.poll('q0', max_tasks => 100) t, taskq.complete(t.task_token);
		 INSERT INTO completed SELECT run_id FROM taskq.poll('q1', max_tasks => 100) t, taskq.complete(t.task_token)"
	);
}
is(sql($node, 'SELECT count(*) FROM scheduled'), 3600, 'all are scheduled');
is( sql($node, 'SELECT count(*) FROM scheduled FULL JOIN completed USING (run_id) WHERE scheduled.run_id IS NULL OR completed.run_id IS NULL'),
	0, 'and all are done');
is( sql($node, "SELECT count(*), count(DISTINCT run_id) FROM taskq.activities WHERE status = 'completed'"),
	'3600|3600', 'once');
# Cursors that point beyond a task: the worker finds it.  A poll that is rolled
# back would lead there, too.
do
{
	schedule($node, 'q0');
	sql($node, 'SELECT scramble_cursors()');
} while (sql($node, "SELECT count(*) FROM taskq.poll('q0')") > 0);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.poll('q0')")
  or die;
like(slurp_file($node->logfile), qr/polls would have passed over/,
	'the worker has found what scrambled cursors hide');

$chaos->quit;
$node->stop;
done_testing();
