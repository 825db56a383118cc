# A task may have several entries at the same place of the index: of versions on
# different pages, of which one lives.  Those who take what shared memory knows
# to come next get the same tasks as those who walk, each once.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $tasks = 60;
my $node = activity_node('main', 'autovacuum = off',
	'taskq.cursor_check_interval = 1d');

# Start all and give them back, until no page has room for another version.
sql($node,
	"SELECT count(*) FROM taskq.schedule_many('q', 't',
		(SELECT array_agg(to_jsonb(i)) FROM generate_series(1, $tasks) i),
		start_to_close_timeout => '1 h')");
sql( $node, join "\n", 'BEGIN;',
	("SAVEPOINT s; SELECT count(*) FROM taskq.poll('q', max_tasks => $tasks); ROLLBACK TO s;") x 4,
	'COMMIT;');
ok( $node->poll_query_until('postgres',
		"SELECT n_tup_upd - n_tup_hot_upd > $tasks FROM pg_stat_all_tables
		  WHERE relid = 'taskq.open'::regclass"),
	'rows have versions on other pages');

# The inputs that a poll returns.
sub poll
{
	my ($n) = @_;

	return sql($node,
		"SELECT string_agg(input::text, ' ' ORDER BY run_id) FROM taskq.poll('q', max_tasks => $n)");
}

# One walks, and leaves what comes next; one takes that, and gives it back.
my $locker = $node->background_psql('postgres');
is(poll(1), '1', 'the first one');
$locker->query_safe(
	'BEGIN; SELECT count(*) FROM (SELECT FROM taskq.open
	  WHERE run_id > (SELECT min(run_id) + 1 FROM taskq.open) FOR UPDATE) AS locked');
# it takes the entries of two tasks or more, and can start the first
is(poll(8), '2', 'the others are locked by hand');
$locker->query_safe('COMMIT');
$locker->quit;
for my $i (3 .. 13)
{
	is(poll(1), $i, "then number $i");
}
is(poll($tasks), join(' ', 14 .. $tasks), 'and all the others');
is( sql($node, 'SELECT count(*) FROM taskq.open WHERE state = 1'),
	'0', 'nothing is left');

# The same for who only looks at what comes next, since it may come from either
# of two lanes: what he is shown ends between two tasks, not within one.
for my $key ('a', 'b')
{
	sql($node,
		"SELECT count(*) FROM taskq.schedule_many('two', 't', array_fill('1'::jsonb, ARRAY[$tasks]),
			fairness_key => '$key', start_to_close_timeout => '1 h')");
}
sql( $node, join "\n", 'BEGIN;',
	("SAVEPOINT s; SELECT count(*) FROM taskq.poll('two', max_tasks => 2 * $tasks); ROLLBACK TO s;") x 4,
	'COMMIT;');
for my $n (2 .. 8)
{
	# leave candidates in both lanes
	sql($node, "SELECT count(*) FROM taskq.poll('two')") for 1 .. 4;
	is( sql($node,
			"BEGIN; SELECT count(DISTINCT run_id) FROM taskq.poll('two', max_tasks => $n); ROLLBACK"),
		$n, "$n of two lanes, each once");
}

done_testing();
