# The server is stopped as by a power cut, three times, while clients schedule,
# poll, fail and complete at full speed. What each of them did together with a
# row of its own is there together with that row, or neither is; attempts that
# were lost with their workers time out, and in the end all work is done once.

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

my $node = activity_node('main', 'taskq.timer_buffer = 64');
my $cycle = <<'EOS';
\set n random(1, 4)
\set lot random(1, 10)
\set fails :lot = 1
\set dies :lot = 2
BEGIN;
INSERT INTO scheduled SELECT run_id FROM taskq.schedule('q', 't', start_to_close_timeout => '2 s',
	retry_policy => taskq.retry_policy(initial_interval => '10 ms'));
COMMIT;
SELECT coalesce(array_agg(task_token), '{}') AS tokens, coalesce(array_agg(run_id), '{}') AS runs
  FROM taskq.poll('q', max_tasks => :n) \gset
\if :fails
SELECT FROM taskq.fail_many(':tokens', 'no');
\elif :dies
\else
BEGIN;
INSERT INTO completed SELECT r FROM unnest(':runs'::bigint[], ':tokens'::uuid[]) AS t (r, token)
  WHERE token IN (SELECT task_token FROM taskq.complete_many(':tokens') WHERE ok);
COMMIT;
\endif
EOS
my $script = $node->basedir . '/cycle.sql';

append_to_file($script, $cycle);
sql($node,
	'CREATE TABLE scheduled (run_id bigint PRIMARY KEY);
	 CREATE TABLE completed (run_id bigint PRIMARY KEY)');

# both sides of the books, as differences
my $differences = <<'EOS';
SELECT
  (SELECT count(*) FROM scheduled FULL JOIN taskq.activities a USING (run_id) WHERE scheduled.run_id IS NULL OR a.run_id IS NULL),
  (SELECT count(*) FROM completed FULL JOIN (SELECT run_id FROM taskq.activities WHERE status = 'completed') a USING (run_id)
    WHERE completed.run_id IS NULL OR a.run_id IS NULL),
  (SELECT count(*) FROM taskq.activities WHERE status NOT IN ('running', 'completed')),
  (SELECT count(*) - count(DISTINCT run_id) FROM taskq.activities)
EOS

for my $round (1 .. 3)
{
	my $out = '';
	my $load = IPC::Run::start(
		[
			'pgbench', '-n', '-c', '6', '-j', '2', '-T', '600',
			'-f', $script, $node->connstr('postgres')
		],
		'>&', \$out);
	my $done = sql($node, 'SELECT count(*) FROM completed');

	$node->poll_query_until('postgres',
		"SELECT count(*) > $done + 500 FROM completed");
	$node->stop('immediate');
	eval { $load->finish };
	$node->start;
	is(sql($node, $differences), '0|0|0|0', "crash $round: the books agree");
}

# the rest of the work
while (sql($node, 'SELECT count(*) FROM taskq.open') > 0)
{
	sql($node,
		"CALL taskq.wait_for_task('q', '1 s');
		 INSERT INTO completed SELECT run_id FROM taskq.poll('q', max_tasks => 100) t, taskq.complete(t.task_token)"
	);
}
is(sql($node, $differences), '0|0|0|0', 'in the end the books agree');
is( sql($node, 'SELECT count(*) FROM scheduled EXCEPT SELECT count(*) FROM completed'),
	'', 'all that was scheduled is done');
is(sql($node, "SELECT count(*) FROM taskq.open"), 0, 'nothing is left');
diag('activities: ' . sql($node, 'SELECT count(*) FROM scheduled')
	  . ', timed-out attempts: '
	  . sql($node, "SELECT count(*) FROM taskq.activities WHERE last_failure ->> 'kind' = 'timeout'"));

done_testing();
