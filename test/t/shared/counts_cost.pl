# What the counts cost does not depend on how many tasks there are: with a
# hundred thousand ready and as many delayed, the views and max_backlog read a
# few pages.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

use constant TASKS => 100_000;

my $node = activity_node('main', 'autovacuum = off', 'fsync = off',
	'taskq.retention = 0');

# Pages and index entries that a statement reads in the table of open
# activities and its indexes, and times the table is scanned.
sub cost
{
	my ($statement, $settings) = @_;

	$settings //= '';
	return split /\|/,
	  (
		split /\n/,
		sql($node,
			"$settings; BEGIN; $statement \\g /dev/null
			SELECT sum(pg_stat_get_xact_blocks_fetched(oid)), sum(pg_stat_get_xact_tuples_returned(oid)) FILTER (WHERE relkind = 'i'),
				@{[count_scans()]}
			  FROM pg_class WHERE oid = 'taskq.open'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'taskq.open'::regclass);
			COMMIT"))[-1];
}

sub is_cheap
{
	my ($name, @arguments) = @_;
	my ($blocks, $entries, $scans) = cost(@arguments);

	cmp_ok($blocks, '<', 300, "$name: pages");
	cmp_ok($entries, '<', 300, "$name: index entries");
	is($scans, 0, "$name: scans of the table");
	return;
}

sql($node,
	"SELECT count(*) FROM generate_series(1, 10) i, taskq.schedule_many('q' || i % 2, 't', array_fill('1'::jsonb, ARRAY[@{[TASKS / 10]}]),
		start_to_close_timeout => '1 h', priority => 1 + i % 5, fairness_key => 'k' || i % 4);
	 SELECT count(*) FROM generate_series(1, 10) i, taskq.schedule_many('q' || i % 2, 't', array_fill('1'::jsonb, ARRAY[@{[TASKS / 10]}]),
		start_to_close_timeout => '1 h', start_delay => make_interval(mins => i * 30))");
my ($blocks, $entries, $scans) = cost('SELECT * FROM taskq.task_queues');
is($scans, 1, 'what nobody has counted is counted in the table');
ok(wait_counted($node), 'counted');
is( sql($node, 'SELECT sum(backlog_count), sum(delayed_count) FROM taskq.task_queues'),
	TASKS . '|' . TASKS, 'task_queues');
is_cheap('task_queues', 'SELECT * FROM taskq.task_queues');
is_cheap('task_queue_priorities', 'SELECT * FROM taskq.task_queue_priorities');
is_cheap('oldest_backlog', "SELECT * FROM taskq.health WHERE check_name = 'oldest_backlog'");

# Where a few tasks are due, those are looked up, and nothing else.
for my $minutes (15, 30, 31, 150)
{
	is_cheap("in $minutes minutes", 'SELECT * FROM taskq.task_queues',
		"SET taskq.clock_offset = '$minutes min'")
	  if $minutes % 30;
	counts_are_right($node, "in $minutes minutes",
		"SET taskq.clock_offset = '$minutes min'");
}

# max_backlog
my $one = "SELECT * FROM taskq.schedule('q0', 't', start_to_close_timeout => '1 h')";

sql($node, qq(SELECT taskq.configure_queue('q0', '{"max_backlog": @{[TASKS / 2 + 5]}}')));
is_cheap('max_backlog: room', $one);
is_cheap('max_backlog: room for several',
	"SELECT count(*) FROM taskq.schedule_many('q0', 't', array_fill('1'::jsonb, ARRAY[3]), start_to_close_timeout => '1 h')");
is(sqlstate($node, $one), 'ok', 'max_backlog: the last');
is(sqlstate($node, $one), 'TQ004', 'max_backlog: no more');
sql($node, "SELECT FROM taskq.poll('q0')");
is(sqlstate($node, $one), 'ok', 'max_backlog: room for one');
is(sqlstate($node, $one), 'TQ004', 'max_backlog: full again');
is(sqlstate($node, "BEGIN; SELECT FROM taskq.poll('q0'); $one; COMMIT"),
	'ok', 'max_backlog: own starts make room');
is(sqlstate($node, "BEGIN; SELECT FROM taskq.poll('q0'); ROLLBACK; $one"),
	'TQ004', 'max_backlog: not if they are rolled back');
is(sqlstate($node, "SET taskq.clock_offset = '31 min'; SELECT FROM taskq.poll('q1'); $one"),
	'TQ004', 'max_backlog: more are due, later');

# Numbers that are not known: the same answers, from the table.
sql($node, 'DELETE FROM taskq.open WHERE false');
is(sqlstate($node, "BEGIN; SELECT FROM taskq.poll('q0'); $one; COMMIT"),
	'ok', 'not known: room for one');
sql($node, 'DELETE FROM taskq.open WHERE false');
is(sqlstate($node, $one), 'TQ004', 'not known: full');

$node->stop;
done_testing();
