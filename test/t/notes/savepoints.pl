# A savepoint that is rolled back gives its tasks back, at once and to anybody,
# and takes back what it scheduled and reported; what was done before and after
# it stays.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $session = $node->background_psql('postgres');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';

start($node, 'first');
my $before = schedule($node, 'before');
my $inside = schedule($node, 'inside',
	"start_to_close_timeout => '300 ms', $once");
my $after = schedule($node, 'after');

$session->query_safe(
	"BEGIN;
	 SELECT FROM taskq.poll('before');
	 SAVEPOINT s;
	 SELECT FROM taskq.poll('inside');
	 SELECT FROM taskq.schedule('new', 't', start_to_close_timeout => '1 h');
	 SELECT taskq.complete_by_id(run_id => $before);
	 ROLLBACK TO s;
	 SELECT FROM taskq.poll('after')");
is(sql($node, "SELECT count(*) FROM taskq.poll('before')"),
	0, 'what was polled before the savepoint is held');
is(sql($node, "SELECT count(*) FROM taskq.poll('after')"),
	0, 'what was polled after it, too');
is(sql($node, "SELECT run_id, attempt FROM taskq.poll('inside')"),
	"$inside|1", 'what was polled inside is back before the transaction ends');
$session->query_safe('COMMIT');
is( sql($node,
		"SELECT task_queue, run_state, attempt, state_transition_count FROM taskq.activities
		  WHERE run_id IN ($before, $after) ORDER BY run_id"),
	"before|started|1|2\nafter|started|1|2",
	'the rest is committed');
is(sql($node, "SELECT count(*) FROM taskq.poll('new')"),
	0, 'what was scheduled inside is not');

# the same session takes the same task again
my $again = schedule($node, 'again',
	"start_to_close_timeout => '300 ms', $once");
$session->query_safe(
	"BEGIN;
	 SAVEPOINT s;
	 SELECT FROM taskq.poll('again');
	 ROLLBACK TO s;
	 CREATE TEMP TABLE token ON COMMIT DROP AS SELECT task_token, attempt FROM taskq.poll('again')");
is($session->query_safe('SELECT attempt FROM token'), 1,
	'a task is polled again after the savepoint');
is( $session->query_safe('SELECT taskq.complete(task_token) IS NOT NULL FROM token'),
	't', 'and can be completed');
$session->query_safe('COMMIT');
is(activity($node, $again, 'status'), 'completed', 'by its second token');

# a row that the transaction itself has locked and, in a savepoint, written
my $twice = schedule($node, 'twice');
$session->query_safe(
	"BEGIN;
	 CREATE TEMP TABLE held ON COMMIT DROP AS SELECT task_token FROM taskq.poll('twice');
	 SELECT taskq.heartbeat(task_token) FROM held;
	 SAVEPOINT s;
	 SELECT taskq.fail(task_token) FROM held;
	 ROLLBACK TO s;
	 SELECT taskq.fail(task_token, last_heartbeat_details => '1') FROM held;
	 COMMIT");
is( sql($node,
		"SELECT attempt, total_heartbeat_count FROM taskq.activities WHERE run_id = $twice"),
	'2|2', 'an attempt fails once more after the savepoint');

# savepoints in one another: what an inner one has done goes with the outer one
sql($node, "SELECT taskq.configure_queue('nested', '{\"max_started\": 2}')");
schedule($node, 'nested') for 1 .. 3;
schedule($node, "nested $_") for 1 .. 20;
$session->query_safe(
	"BEGIN;
	 SAVEPOINT a;
	 SAVEPOINT b;
	 SELECT FROM taskq.poll('nested');
	 SELECT count(*) FROM generate_series(1, 20) i, taskq.poll('nested ' || i);
	 RELEASE b;
	 SAVEPOINT c;
	 SELECT FROM taskq.poll('nested');
	 ROLLBACK TO c");
is(sql($node, "SELECT count(*) FROM taskq.poll('nested', max_tasks => 3)"),
	1, 'one place is left by a savepoint that is kept so far');
$session->query_safe('ROLLBACK TO a');
is(sql($node, "SELECT count(*) FROM taskq.poll('nested', max_tasks => 3)"),
	1, 'and was given back with the outer one');
is( sql($node,
		"SELECT count(*) FROM generate_series(1, 20) i, taskq.poll('nested ' || i)"),
	20, 'as all that was polled there');
$session->query_safe('COMMIT');

# tasks of its own that the transaction has taken, and those that it has not, are
# what others find
sub others_find
{
	my ($name, $what, $expected) = @_;

	$session->query_safe("BEGIN; SELECT count(*) FROM generate_series(1, 3) i,
		taskq.schedule('$name', 't', start_to_close_timeout => '1 h', activity_id => '$name ' || i)");
	$session->query_safe("$what; COMMIT");
	is( sql($node,
			"SELECT string_agg(right(activity_id, 1), '' ORDER BY activity_id) FROM taskq.poll('$name', max_tasks => 9)"),
		$expected, "others find: $name");
	return;
}
my $poll = sub { return "SELECT count(*) FROM taskq.poll('$_[0]', max_tasks => $_[1])" };

others_find('the second', $poll->('the second', 1), '23');
others_find('none', $poll->('none', 3) . '; ' . $poll->('none', 1), '');
others_find('rolled back', 'SAVEPOINT s; ' . $poll->('rolled back', 2) . '; ROLLBACK TO s', '123');
others_find('kept', 'SAVEPOINT s; ' . $poll->('kept', 1) . '; RELEASE s; SAVEPOINT t; '
	  . $poll->('kept', 1) . '; ROLLBACK TO t', '23');
others_find('released', "SELECT taskq.release(task_token) FROM taskq.poll('released', max_tasks => 3); "
	  . $poll->('released', 1), '23');
others_find('unpaused', "SELECT taskq.pause('unpaused 1'); " . $poll->('unpaused', 2)
	  . "; SELECT taskq.unpause('unpaused 1')", '1');

# a savepoint for each task, as drivers make them: all of them count, and what
# the transaction keeps in mind does not grow with them
my $each = sub {
	my ($n) = @_;

	return "DO \$do\$ BEGIN
		FOR i IN 1..$n LOOP
			BEGIN
				PERFORM taskq.schedule('each', 't', start_to_close_timeout => '1 h');
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
		END LOOP;
	END \$do\$";
};
my $bytes =
  "SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'TopTransactionContext'";

$session->query_safe("BEGIN; " . $each->(100));
my $few = $session->query_safe($bytes);
$session->query_safe('SAVEPOINT s; ' . $each->(10) . '; ROLLBACK TO s; ' . $each->(5000));
my $many = $session->query_safe($bytes);
$session->query_safe('COMMIT');
cmp_ok($many - $few, '<', 500_000, 'memory of 5,000 savepoints');
is( sql($node,
		"SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'each'"),
	5100, 'all that was scheduled in them counts');
is( sql($node,
		"SELECT scheduled FROM taskq.stat_task_queues WHERE task_queue = 'each'"),
	5100, 'in the statistics, too');

$session->quit;

done_testing();
