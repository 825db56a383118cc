# max_started is never exceeded, and no room is lost: not by eight pollers of
# which some roll back, not by savepoints, prepared transactions, sessions that
# are terminated, timeouts, deletions or a crash.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant LIMIT => 5;

my $node = activity_node('main', 'max_prepared_transactions = 2');
my $session;

sub polled
{
	return sql($node, "SELECT count(*) FROM taskq.poll('q', max_tasks => 100)");
}

# All that run are completed, and exactly LIMIT can be started.
sub has_room
{
	my ($name) = @_;

	sql($node,
		"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities
		  WHERE task_queue = 'q' AND run_state IN ('started', 'cancel_requested', 'pause_requested')");
	is(polled(), LIMIT, $name);
	is(polled(), 0, "$name: and no more");
	return;
}

sql($node,
	"SELECT taskq.configure_queue('q', '{\"max_started\": @{[LIMIT]}}');
	 SELECT count(*) FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[5000]),
		start_to_close_timeout => '1 h');
	 CREATE TABLE seen (started bigint)");
has_room('at first');

sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
my $cycle = <<'EOS';
\set lot random(1, 4)
\set give_back :lot = 1
\set partly :lot = 2
BEGIN;
CREATE TEMP TABLE token ON COMMIT DROP AS SELECT task_token FROM taskq.poll('q', max_tasks => 2);
\if :partly
SAVEPOINT s;
INSERT INTO token SELECT task_token FROM taskq.poll('q');
ROLLBACK TO s;
\endif
SELECT set_config('test.tokens', coalesce(array_agg(task_token), '{}')::text, false) FROM token;
\if :give_back
ROLLBACK;
SELECT set_config('test.tokens', '{}', false);
\else
COMMIT;
\endif
INSERT INTO seen SELECT count(*) FROM taskq.activities WHERE run_state = 'started';
SELECT FROM taskq.complete_many(current_setting('test.tokens')::uuid[]);
EOS
$node->pgbench('-n -c 8 -j 2 -t 60', 0, [], [], 'eight pollers',
	{ 'cycle' => $cycle });
my $most = sql($node, 'SELECT max(started) FROM seen');
cmp_ok($most, '<=', LIMIT, 'eight pollers: never more than allowed');
cmp_ok($most, '>', 0, 'eight pollers: but some');
has_room('after eight pollers');

# room that a savepoint, a session and a prepared transaction give back
sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
$session = $node->background_psql('postgres', on_error_stop => 0);
is( $session->query_safe(
		"BEGIN; SAVEPOINT s; SELECT count(*) FROM taskq.poll('q', max_tasks => 9)"),
	LIMIT, 'a savepoint takes all');
is(polled(), 0, 'nothing is left for others');
$session->query_safe("ROLLBACK TO s");
is(polled(), LIMIT, 'until it is rolled back');
$session->query_safe('ROLLBACK');
has_room('after a savepoint');

sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
$session->query_safe("BEGIN; SELECT FROM taskq.poll('q', max_tasks => 9)");
is(polled(), 0, 'a session takes all');
sql($node,
	"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state = 'idle in transaction'");
eval { $session->quit };
is(polled(), LIMIT, 'until it is terminated');

for my $end ('COMMIT', 'ROLLBACK')
{
	sql($node,
		"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
	sql($node,
		"BEGIN; SELECT FROM taskq.poll('q', max_tasks => 3); PREPARE TRANSACTION 'p'");
	cmp_ok(polled(), '<=', LIMIT - 3, 'a prepared transaction holds its room');
	sql($node, "$end PREPARED 'p'");
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM taskq.poll('q', max_tasks => 100)");
	polled();
	is( sql($node,
			"SELECT count(*) FROM taskq.activities WHERE run_state = 'started'"),
		LIMIT, "$end PREPARED: all the room is used");
	has_room("after $end PREPARED");
}

# other ends of an attempt
sql($node, "SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
is(polled(), LIMIT, 'terminated attempts make room');
sql($node, "SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE run_state = 'started'");
is(polled(), LIMIT, 'deleted ones make room');
sql($node, "SELECT taskq.update_options(run_id => run_id, options => '{\"start_to_close_timeout\": \"1 ms\"}')
			  FROM taskq.activities WHERE run_state = 'started'");
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM taskq.activities WHERE run_state = 'started' AND start_to_close_timeout < '1 s'"),
	'attempts time out');
has_room('after timeouts');

$node->stop('immediate');
$node->start;
wait_served($node, 'postgres');
is(polled(), 0, 'after a crash: those that run still count');
has_room('after a crash');

done_testing();
