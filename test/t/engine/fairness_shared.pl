# Fairness keys share a queue by weight, whoever polls: over a long drain, and
# with polls that are rolled back. What one poll hands out, and in which order,
# is in test/pgtap/engine/fairness_order.sql.

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

sub fill
{
	my ($queue, $key, $n, $weight) = @_;

	return sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't',
			array_fill(NULL::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h',
			fairness_key => '$key', fairness_weight => $weight)");
}

# Shares of the first n starts, in the order in which they were made.
sub shares
{
	my ($queue, $n) = @_;

	return sql($node,
		"SELECT string_agg(k || ' ' || n, ', ' ORDER BY k) FROM (
			SELECT fairness_key AS k, count(*) AS n FROM (
				SELECT fairness_key FROM taskq.activities
				 WHERE task_queue = '$queue' AND first_started_time IS NOT NULL
				 ORDER BY first_started_time LIMIT $n) s
			 GROUP BY 1) t");
}

# One poller, one task at a time.
fill('one', 'a', 100, 1);
fill('one', 'b', 100, 2);
fill('one', 'c', 100, 5);
sql($node, "DO \$\$ BEGIN FOR i IN 1 .. 80 LOOP PERFORM FROM taskq.poll('one'); END LOOP; END \$\$");
is(shares('one', 80), 'a 10, b 20, c 50', 'shares follow the weights');

# Each in a transaction of its own.
fill('own', 'a', 40, 1);
fill('own', 'b', 40, 3);
sql($node, join(';', ("SELECT FROM taskq.poll('own')") x 40));
is(shares('own', 40), 'a 10, b 30', 'over many transactions');

# In batches.
fill('batch', 'a', 100, 1);
fill('batch', 'b', 100, 4);
sql($node, join(';', ("SELECT FROM taskq.poll('batch', max_tasks => 7)") x 14));
like(shares('batch', 98), qr/^a (19|20), b (78|79)$/, 'in batches');

# Weights of the queue override those of the tasks.
fill('override', 'a', 40, 1);
fill('override', 'b', 40, 1);
sql($node,
	q(SELECT taskq.configure_queue('override', '{"fairness_weights": {"b": 3}}')));
sql($node, join(';', ("SELECT FROM taskq.poll('override')") x 40));
is(shares('override', 40), 'a 10, b 30', "the queue's weights override");

# Several pollers: close to the weights, and nobody starves.
fill('many', 'a', 400, 1);
fill('many', 'b', 400, 2);
fill('many', 'c', 400, 5);
my $script = PostgreSQL::Test::Utils::tempdir() . '/poll.sql';
append_to_file($script, "SELECT count(*) FROM taskq.poll('many');\n");
$node->command_ok(
	[
		'pgbench', '-n', '-c', '6', '-j', '2', '-t', '80', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres'
	],
	'six pollers');
my $started = sql($node,
	"SELECT count(*) FROM taskq.activities WHERE task_queue = 'many' AND run_state = 'started'"
);
my ($a, $b, $c) = sql($node,
	"SELECT count(*) FILTER (WHERE fairness_key = 'a'), count(*) FILTER (WHERE fairness_key = 'b'),
		count(*) FILTER (WHERE fairness_key = 'c')
	   FROM taskq.activities WHERE task_queue = 'many' AND run_state = 'started'"
) =~ /(\d+)/g;
note("$a + $b + $c = $started");
for my $share ([ 'a', $a, 1 / 8 ], [ 'b', $b, 2 / 8 ], [ 'c', $c, 5 / 8 ])
{
	my $ratio = $share->[1] / ($started * $share->[2]);

	ok($ratio > 0.75 && $ratio < 1.25, "share of $share->[0]")
	  or diag($ratio);
}

# Rolled back polls are as if they had not been: shares of the committed ones.
fill('back', 'a', 60, 1);
fill('back', 'b', 60, 2);
sql($node, join(';',
		("BEGIN; SELECT FROM taskq.poll('back', max_tasks => 5); ROLLBACK;
		  BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('back'); ROLLBACK TO s; COMMIT;
		  SELECT FROM taskq.poll('back')") x 30));
is(shares('back', 30), 'a 10, b 20', 'rolled back polls give virtual time back');

# An idle key earns no credit; a new key overtakes a long backlog.
fill('idle', 'a', 60, 1);
fill('idle', 'b', 20, 1);
sql($node, join(';', ("SELECT FROM taskq.poll('idle')") x 20));
is(shares('idle', 20), 'a 10, b 10', 'both alike');
sql($node, "SELECT taskq.terminate(run_id => run_id) FROM taskq.activities
	WHERE task_queue = 'idle' AND fairness_key = 'b' AND status = 'running'");
fill('idle', 'c', 60, 1);
sql($node, join(';', ("SELECT FROM taskq.poll('idle')") x 20));
is( sql($node,
		"SELECT count(*) FILTER (WHERE fairness_key = 'a'), count(*) FILTER (WHERE fairness_key = 'c')
		   FROM taskq.activities WHERE task_queue = 'idle' AND run_state = 'started'"),
	'20|10',
	'a new key shares from now on');
fill('idle', 'b', 60, 1);
sql($node, join(';', ("SELECT FROM taskq.poll('idle')") x 30));
is( sql($node,
		"SELECT count(*) FILTER (WHERE fairness_key = 'a'), count(*) FILTER (WHERE fairness_key = 'b'),
			count(*) FILTER (WHERE fairness_key = 'c')
		   FROM taskq.activities WHERE task_queue = 'idle' AND run_state = 'started'"),
	'30|10|20',
	'a key that was idle has no credit');
fill('late', 'old', 1000, 1);
sql($node, "SELECT FROM taskq.poll('late', max_tasks => 100)");
fill('late', 'new', 2, 1);
is( sql($node,
		"SELECT count(*) FROM taskq.poll('late', max_tasks => 4) WHERE fairness_key = 'new'"
	),
	2,
	'a new key overtakes a long backlog');

# Neither does a key that comes after, or during, a poll that is rolled back wait
# for what that poll would have handed out.
for my $when ('after', 'during')
{
	my $queue = "rolled back $when";
	my $poller = $node->background_psql('postgres');

	fill($queue, 'a', 300, 1);
	fill($queue, 'b', 300, 1);
	sql($node, join(';', ("SELECT FROM taskq.poll('$queue')") x 4));
	$poller->query_safe("BEGIN; SELECT FROM taskq.poll('$queue', max_tasks => 400)");
	$poller->query_safe('ROLLBACK') if $when eq 'after';
	fill($queue, 'c', 100, 1);
	sql($node, "SELECT FROM taskq.poll('$queue', max_tasks => 3)");
	$poller->query_safe('ROLLBACK') if $when eq 'during';
	sql($node, join(';', ("SELECT FROM taskq.poll('$queue')") x 30));
	my $n = sql($node,
		"SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue' AND fairness_key = 'c' AND run_state = 'started'"
	);
	cmp_ok($n, '>=', 9, "a new key $when a rolled back poll gets its share");
	cmp_ok($n, '<=', 13, 'and not more');
	$poller->quit;
}

# A key that was held back by its own rate has no credit either when that ends.
fill('held', 'a', 200, 1);
fill('held', 'b', 200, 1);
sql($node,
	q(SELECT taskq.configure_queue('held', '{"fairness_key_rate_limit": 0.0001, "fairness_weights": {"b": 1000}}')));
sql($node, join(';', ("SELECT FROM taskq.poll('held')") x 5));
sql($node,
	q(SELECT taskq.configure_queue('held', '{"fairness_key_rate_limit": 0.0001, "fairness_weights": {"a": 1000, "b": 1}}')));
sql($node, "SET taskq.clock_offset = '100000s'; "
	  . join(';', ("SELECT FROM taskq.poll('held')") x 2));
$started = sql($node,
	"SELECT count(*) FROM taskq.activities WHERE task_queue = 'held' AND run_state = 'started'"
);
sql($node,
	q(SELECT taskq.configure_queue('held', '{"fairness_key_rate_limit": null, "fairness_weights": null}')));
my $session = $node->background_psql('postgres');
$session->query_safe("SET taskq.clock_offset = '200000s'");
is( $session->query_safe(
		"SELECT count(*) FILTER (WHERE fairness_key = 'a') BETWEEN 8 AND 12 FROM taskq.poll('held', max_tasks => 20)"
	),
	't',
	'no credit for the time at the limit');
$session->quit;

done_testing();
