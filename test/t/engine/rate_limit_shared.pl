# The rate limit of a queue is shared by all sessions: a burst of max(1, rate)
# and not one more, then evenly. Whose limit holds, what gives tokens back, and
# what takes none.

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
	my ($queue, $n) = @_;

	return sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't',
			array_fill(NULL::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h')"
	);
}

sub configure
{
	my ($queue, $config) = @_;

	return sql($node, "SELECT taskq.configure_queue('$queue', '$config')");
}

# How many tasks a session gets that thinks it is "seconds" later.
sub take
{
	my ($queue, $n, $seconds, $arguments) = @_;

	$seconds //= 0;
	$arguments //= '';
	return sql($node,
		"SET taskq.clock_offset = '${seconds}s';
		 SELECT count(*) FROM taskq.poll('$queue', max_tasks => $n $arguments)"
	);
}

sub limit_of
{
	my ($queue) = @_;

	return sql($node,
		"SELECT rate_limit, rate_limit_source FROM taskq.task_queues
		  WHERE task_queue = '$queue'");
}

# The burst, in one call each: a second's worth, at least one.
for my $case ([ 5, 5 ], [ 2.5, 2 ], [ 1, 1 ], [ 0.5, 1 ], [ 1e-6, 1 ],
	[ 1e-320, 1 ], [ 37, 37 ], [ 1000, 1000 ])
{
	my ($rate, $burst) = @$case;

	fill("burst $rate", $burst + 10);
	configure("burst $rate", qq({"queue_rate_limit": $rate}));
	is(take("burst $rate", $burst + 10),
		$burst, "$rate/s: a burst of $burst, not one more");
}

# Two polls at the same moment share the burst.
fill('share', 20);
configure('share', '{"queue_rate_limit": 5}');
is( sql($node,
		"WITH a AS MATERIALIZED (SELECT clock_timestamp() AS t),
			p AS MATERIALIZED (SELECT count(*) AS n FROM taskq.poll('share', max_tasks => 3)),
			q AS MATERIALIZED (SELECT count(*) AS n FROM taskq.poll('share', max_tasks => 10))
		 SELECT p.n, p.n + q.n >= 5,
			p.n + q.n <= 5 + 5 * extract(epoch FROM clock_timestamp() - a.t)
		   FROM a, p, q"),
	'3|t|t',
	'two polls share one burst');

# One an hour, seen from several sessions.
fill('hourly', 10);
configure('hourly', '{"queue_rate_limit": 0.0002777777777777778}');
is(take('hourly', 5), 1, 'one an hour: one');
is(take('hourly', 5), 0, 'no other for another session');
is(take('hourly', 5, 3500), 0, 'nor a bit before the hour is over');
is(take('hourly', 5, 3700), 1, 'one after an hour');
is(take('hourly', 5, 3700), 0, 'and no more');
is(take('hourly', 5, 1_000_000), 1, 'a long pause earns no more than one');
is(sql($node, "CALL taskq.wait_for_task('hourly', '0')"),
	'f', 'wait_for_task knows of the limit');
is( sql($node,
		"SELECT rate_limiting_active FROM taskq.task_queues WHERE task_queue = 'hourly'"
	),
	't',
	'rate_limiting_active');

# A session whose clock is behind (as after the clock was set back) does not
# wait for longer than the bucket takes to fill.
is(take('hourly', 1), 0, 'clock set back: none at once');
is(take('hourly', 1, 3700), 1, 'but after an hour');

# 0 stops, unsetting starts.
fill('stopped', 10);
configure('stopped', '{"queue_rate_limit": 0}');
is(take('stopped', 10), 0, '0 stops the queue');
is(take('stopped', 10, 1_000_000), 0, 'for ever');
is(take('stopped', 10, 0, ', max_tasks_per_second => 1000'),
	0, 'whatever workers ask for');
is(limit_of('stopped'), '0|api', 'shown so');
configure('stopped', '{"queue_rate_limit": null}');
is(take('stopped', 10), 10, 'unset: no limit');
is(limit_of('stopped'), '|', 'shown as none');

# The worker's limit: the last poll wins, one without removes it.
fill('worker', 30);
is(take('worker', 10, 0, ', max_tasks_per_second => 0.0001'),
	1, "a worker's limit");
is(limit_of('worker'), '0.0001|worker', 'shown so');
is(take('worker', 10, 0, ', max_tasks_per_second => 0.0001'),
	0, 'used up');
is(take('worker', 3), 3, 'a poll without removes it');
is(limit_of('worker'), '|', 'shown so');
is(take('worker', 10, 20_000, ', max_tasks_per_second => 1000000'),
	10, 'last poll wins');
configure('worker', '{"queue_rate_limit": 0.0001}');
is(take('worker', 10, 1_000_000, ', max_tasks_per_second => 1000000'),
	1, "the configuration overrides the worker's downwards");
is(limit_of('worker'), '0.0001|api', 'shown so');
configure('worker', '{"queue_rate_limit": 1000000}');
is(take('worker', 5, 2_000_000, ', max_tasks_per_second => 0.0001'),
	5, 'and upwards');
for my $bad (0, -1, "'NaN'", "'Infinity'")
{
	is( sqlstate(
			$node,
			"SELECT FROM taskq.poll('worker', max_tasks_per_second => $bad)"),
		'22023',
		"max_tasks_per_second => $bad");
}

# The server's limit bounds both.
$node->append_conf('postgresql.conf', 'taskq.queue_rate_limit = 0.001');
$node->reload;
$node->poll_query_until('postgres',
	"SELECT current_setting('taskq.queue_rate_limit')::float8 = 0.001")
  or die;
fill('system', 10);
is(take('system', 5), 1, "the server's limit");
is(limit_of('system'), '0.001|system', 'shown so');
configure('system', '{"queue_rate_limit": 1000}');
is(take('system', 5), 0, 'holds for configured queues, too');
is(limit_of('system'), '0.001|system', 'shown so');
configure('system', '{"queue_rate_limit": 0.0001}');
is(limit_of('system'), '0.0001|api', 'the lower one holds');
$node->append_conf('postgresql.conf', 'taskq.queue_rate_limit = 0');
$node->reload;
$node->poll_query_until('postgres',
	"SELECT current_setting('taskq.queue_rate_limit')::float8 = 0")
  or die;

# What gives tokens back.
fill('back', 10);
configure('back', '{"queue_rate_limit": 0.0001}');
my $session = $node->background_psql('postgres');

$session->query_safe("BEGIN; SELECT FROM taskq.poll('back')");
is(take('back', 1), 0, 'an uncommitted poll holds the token');
$session->query_safe('ROLLBACK');
is(take('back', 1, 0), 1, 'rolled back: another one gets it');
is(take('back', 1, 0), 0, 'once');
$session->query_safe(
	"SET taskq.clock_offset = '20000s';
	 BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('back')");
is(take('back', 1, 20000), 0, 'the token of a savepoint');
$session->query_safe('ROLLBACK TO s');
is(take('back', 1, 20000), 1, 'ROLLBACK TO SAVEPOINT gives it back');
$session->query_safe('COMMIT');
is(take('back', 1, 20000), 0, 'not once more at COMMIT');
is( sql($node,
		"SET taskq.clock_offset = '40000s';
		 DO \$\$ BEGIN PERFORM FROM taskq.poll('back'); RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN NULL; END \$\$;
		 SELECT count(*) FROM taskq.poll('back')"),
	1,
	'so does an exception block');
$session->query_safe(
	"SET taskq.clock_offset = '60000s'; BEGIN; SELECT FROM taskq.poll('back')"
);
is( sql($node,
		"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE state = 'idle in transaction'"
	),
	't',
	'terminated');
is(take('back', 1, 60000), 1, 'so does the end of a session');
eval { $session->quit };

# Changing the rate: what is left stays the same part.
fill('change', 500);
configure('change', '{"queue_rate_limit": 100}');
is(take('change', 200), 100, '100/s');
configure('change', '{"queue_rate_limit": 0.0001}');
cmp_ok(take('change', 200), '<=', 1, 'lowered: not a burst of the old rate');
is(take('change', 200, 10100), 1, 'one as soon as the new rate allows');
configure('change', '{"queue_rate_limit": 100}');
cmp_ok(take('change', 200, 10101), '<', 100, 'raised again: not all at once');
is(take('change', 200, 10111), 100, 'but soon: the old debt is no matter');

# Who polls with other rates in turn does not get more.
fill('turns', 500);
is( sql($node,
		"WITH p AS MATERIALIZED (SELECT count(*) AS n FROM taskq.poll('turns', max_tasks => 100, max_tasks_per_second => 10)),
			q AS MATERIALIZED (SELECT count(*) AS n FROM taskq.poll('turns', max_tasks => 100, max_tasks_per_second => 0.0001)),
			r AS MATERIALIZED (SELECT count(*) AS n FROM taskq.poll('turns', max_tasks => 100, max_tasks_per_second => 0.0002))
		 SELECT p.n, q.n, r.n FROM p, q, r"),
	'10|0|0',
	'rates in turn do not fill the bucket');

# Empty polls take none, and say nothing of limits.
configure('empty', '{"queue_rate_limit": 0.0001}');
is(take('empty', 100), 0, 'empty poll') for 1 .. 3;
is( sql($node,
		"SELECT rate_limiting_active FROM taskq.task_queues WHERE task_queue = 'empty'"
	),
	'f',
	'nothing was held back');
fill('empty', 3);
is(take('empty', 100), 1, 'empty polls have taken no token');
is( sql($node,
		"SELECT rate_limiting_active FROM taskq.task_queues WHERE task_queue = 'empty'"
	),
	't',
	'tasks are held back');
configure('part', '{"queue_rate_limit": 10}');
fill('part', 4);
is(take('part', 100), 4, 'a poll that gets less than it may');
fill('part', 20);
cmp_ok(take('part', 100), '>=', 6, 'what it did not use is there');

# Priority does not override the limit; no limit of one queue is another's.
fill('other', 3);
is(take('other', 3), 3, 'another queue has none');

done_testing();
