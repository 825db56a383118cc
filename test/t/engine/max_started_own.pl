# max_started and the caller's own attempts: what a transaction ends makes room
# for what the same transaction polls, and for nobody else before it commits.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5');
my $other = $node->background_psql('postgres');

sub fill
{
	my ($queue, $limit, $n) = @_;

	return sql($node,
		"SELECT taskq.configure_queue('$queue', '{\"max_started\": $limit}');
		 SELECT count(*) FROM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, '{$n}'),
			activity_ids => (SELECT array_agg('$queue ' || i) FROM generate_series(1, $n) i),
			start_to_close_timeout => '1 h')");
}

# what another session can have now
sub others
{
	my ($queue) = @_;

	return $other->query_safe("SELECT count(*) FROM taskq.poll('$queue')");
}

sub started
{
	my ($queue) = @_;

	return sql($node,
		"SELECT started_count FROM taskq.task_queues WHERE task_queue = '$queue'");
}

# Every way in which an attempt ends, alone and in a batch: :token and :id are
# its token and activity id.
my %end = (
	complete => "SELECT taskq.complete(:'token')",
	fail => "SELECT taskq.fail(:'token', next_retry_delay => '1 h')",
	'fail for good' => "SELECT taskq.fail(:'token', non_retryable => true)",
	'report_canceled' =>
	  "SELECT taskq.request_cancel(:'id'); SELECT taskq.report_canceled(:'token')",
	release => "SELECT taskq.release(:'token', '1 h')",
	complete_by_id => "SELECT taskq.complete_by_id(:'id')",
	fail_by_id => "SELECT taskq.fail_by_id(:'id', next_retry_delay => '1 h')",
	fail_with_by_id => "SELECT taskq.fail_with_by_id(:'id', next_retry_delay => '1 h')",
	report_canceled_by_id =>
	  "SELECT taskq.request_cancel(:'id'); SELECT taskq.report_canceled_by_id(:'id')",
	complete_many => "SELECT taskq.complete_many(ARRAY[:'token']::uuid[])",
	fail_many =>
	  "SELECT taskq.fail_many(ARRAY[:'token']::uuid[], next_retry_delay => '1 h')",
	release_many => "SELECT taskq.release_many(ARRAY[:'token']::uuid[], '1 h')",
	terminate => "SELECT taskq.terminate(:'id')",
	delete => "SELECT taskq.delete(:'id')",
	'a result that is too large' =>
	  "SET LOCAL taskq.max_payload_size = '1kB';
	   SELECT taskq.complete(:'token', to_jsonb(repeat('x', 2000)))");

foreach my $name (sort keys %end)
{
	my $session = $node->background_psql('postgres');
	my $run = sub {
		my ($statements) = @_;

		return $session->query_safe("SET client_min_messages = error; $statements");
	};

	fill($name, 1, 3);
	$session->query_safe(
		"SELECT task_token AS token, activity_id AS id FROM taskq.poll('$name') \\gset");
	is(others($name), 0, "$name: the queue is full");

	$run->("BEGIN; SAVEPOINT s; $end{$name}; ROLLBACK TO s");
	is($run->("SELECT count(*) FROM taskq.poll('$name')"),
		0, "$name: rolled back to a savepoint: no room");
	$run->("$end{$name}");
	is($run->("SELECT count(*) FROM taskq.poll('$name', max_tasks => 3)"),
		1, "$name: room for one");
	is($run->("SELECT count(*) FROM taskq.poll('$name')"),
		0, "$name: and not for two");
	is(others($name), 0, "$name: for others none before the end");
	$run->('ROLLBACK');
	is(others($name), 0, "$name: and none after a rollback");

	$run->("BEGIN; $end{$name}; SELECT FROM taskq.poll('$name'); COMMIT");
	is(others($name), 0, "$name: the commit leaves the queue full");
	is(started($name), 1, "$name: with one attempt");
	$session->quit;
}

# the whole cycle in one statement, for as long as there are tasks
{
	my $done = 0;

	fill('cycle', 2, 10);
	sql($node, "CREATE TABLE cycle AS SELECT task_token FROM taskq.poll('cycle', max_tasks => 5)");
	while (my $n = sql($node, 'SELECT count(*) FROM cycle'))
	{
		last if ($done += $n) > 10;
		is($n, 2, 'as many as may run') if $done <= 10;
		is(others('cycle'), 0, 'no more');
		sql($node,
			"WITH gone AS (DELETE FROM cycle RETURNING task_token),
			   next AS (SELECT t.task_token FROM (SELECT array_agg(task_token) AS tokens FROM gone) g,
				 LATERAL taskq.complete_and_poll(g.tokens, NULL, 'cycle', max_tasks => 5) t)
			 INSERT INTO cycle SELECT * FROM next");
	}
	is($done, 10, 'complete_and_poll goes on to the end');
	is(started('cycle'), 0, 'and nothing is left');
}

# what was polled and ended in the same transaction
fill('both', 1, 3);
is( sql($node,
		"BEGIN;
		 SELECT count(taskq.complete(task_token)) FROM taskq.poll('both');
		 SELECT count(taskq.complete(task_token)) FROM taskq.poll('both');
		 SELECT count(*) FROM taskq.poll('both');
		 SELECT count(*) FROM taskq.poll('both');
		 COMMIT"),
	"1\n1\n1\n0",
	'one after the other in one transaction');
is(started('both'), 1, 'and the number is right');

# An attempt makes room in the queue that it was taken from, and only there.
fill('from', 1, 2);
fill('to', 1, 2);
sql($node,
	"CREATE TABLE held AS SELECT task_queue, run_id, task_token FROM taskq.poll('from')
	   UNION ALL SELECT task_queue, run_id, task_token FROM taskq.poll('to');
	 SELECT taskq.update_options(run_id => run_id, options => '{\"task_queue\": \"to\"}') FROM held WHERE task_queue = 'from'");
is( sql($node,
		"BEGIN;
		 SELECT count(taskq.complete(task_token)) FROM held WHERE task_queue = 'from';
		 SELECT count(*) FROM taskq.poll('to');
		 SELECT count(*) FROM taskq.poll('from');
		 COMMIT"),
	"1\n0\n1",
	'room is in the queue that the attempt was taken from');
is(started('from') . started('to'), '11', 'the numbers are right');

# lowered meanwhile: what ends makes room only below the limit
fill('lower', 3, 6);
sql($node,
	"CREATE TABLE lower AS SELECT task_token FROM taskq.poll('lower', max_tasks => 3);
	 SELECT taskq.configure_queue('lower', '{\"max_started\": 2}')");
is( sql($node,
		"BEGIN;
		 SELECT count(taskq.complete(task_token)) FROM (SELECT task_token FROM lower LIMIT 1) l;
		 SELECT count(*) FROM taskq.poll('lower', max_tasks => 3);
		 SELECT count(taskq.complete(task_token)) FROM (SELECT task_token FROM lower OFFSET 1 LIMIT 1) l;
		 SELECT count(*) FROM taskq.poll('lower', max_tasks => 3);
		 ROLLBACK"),
	"1\n0\n1\n1",
	'a limit that was lowered holds');

# prepared
fill('prepared', 1, 2);
sql($node,
	"BEGIN;
	 SELECT taskq.complete(task_token) FROM taskq.poll('prepared');
	 SELECT FROM taskq.poll('prepared');
	 PREPARE TRANSACTION 'p';
	 COMMIT PREPARED 'p'");
ok( $node->poll_query_until('postgres',
		"SELECT started_count = 1 FROM taskq.task_queues WHERE task_queue = 'prepared'"),
	'prepared: one attempt runs');

$other->quit;
$node->stop;
done_testing();
