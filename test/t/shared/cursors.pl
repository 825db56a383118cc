# Polls begin where live work does (docs/internals.md, "Cursors"): what comes
# late, comes back or was done by hand is found all the same.

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
my $a = $node->background_psql('postgres', on_error_stop => 0);
my $b = $node->background_psql('postgres', on_error_stop => 0);
my $take = "SELECT coalesce(string_agg(run_id::text, ' ' ORDER BY run_id), '') FROM taskq.poll('q'";

# the runs that one poll gets
sub polled
{
	my ($session, $arguments) = @_;

	return $session->query_safe("$take, 'w'" . ($arguments // '') . ')');
}

# Poll until the queue is empty, so that its cursors stand at the end.
sub empty_queue
{
	1 while sql($node, "SELECT count(*) FROM taskq.poll('q', 'w', 100)") > 0;
	sql($node, "SELECT taskq.terminate(run_id => run_id) FROM taskq.open");
	return;
}

sub scheduled
{
	my ($session, $arguments) = @_;
	my $schedule = TaskqTest::call_schedule('q', $arguments);

	return $session->query_safe("SELECT run_id FROM $schedule");
}

empty_queue();

# A task that is committed after later ones were taken.
$a->query_safe('BEGIN');
my $early = scheduled($a);
my $late = scheduled($b);
is(polled($b), $late, 'the later task is there first');
is(polled($b), '', 'and nothing else');
$a->query_safe('COMMIT');
is(polled($b), $early, 'the one committed late is found');

# The own transaction sees its own tasks, and only it.
$a->query_safe('BEGIN');
$early = scheduled($a);
is(polled($b), '', 'not committed: not for others');
is(polled($a), $early, 'but for the transaction itself');
$a->query_safe('ROLLBACK');
is(polled($b), '', 'rolled back');

# What a poll took is there again after its rollback ...
my $first = scheduled($b);
my $second = scheduled($b);
$a->query_safe('BEGIN');
is(polled($a), $first, 'taken');
is(polled($b), $second, 'another poll passes it');
$a->query_safe('ROLLBACK');
is(polled($b), $first, 'a rollback gives it back');
empty_queue();

# ... of the savepoint ...
$first = scheduled($b);
$a->query_safe('BEGIN; SAVEPOINT s');
is(polled($a), $first, 'taken after a savepoint');
$a->query_safe('ROLLBACK TO s');
is(polled($b), $first, 'the rollback to it gives it back');
$a->query_safe('COMMIT');
empty_queue();

# ... or of the prepared transaction, also to those who looked meanwhile.
$first = scheduled($b);
$a->query_safe('BEGIN');
is(polled($a), $first, 'taken by a transaction');
$a->query_safe("PREPARE TRANSACTION 'p'");
is(polled($b), '', 'that is prepared');
$a->query_safe("ROLLBACK PREPARED 'p'");
is(polled($b), $first, 'ROLLBACK PREPARED gives it back');
$a->query_safe('BEGIN');
$first = scheduled($a);
$a->query_safe("PREPARE TRANSACTION 'p'");
is(polled($b), '', 'scheduled, and prepared');
$a->query_safe("COMMIT PREPARED 'p'");
is(polled($b), $first, 'COMMIT PREPARED');
empty_queue();

# A change of options that is rolled back, or moves the task somewhere else.
$first = scheduled($b);
$a->query_safe('BEGIN');
$a->query_safe("SELECT taskq.update_options(run_id => $first, options => '{\"priority\": 1}')");
is(polled($b), '', 'others are at it');
$a->query_safe('ROLLBACK');
is(polled($b), $first, 'a change of the level that is rolled back');
$first = scheduled($b);
$a->query_safe("SELECT taskq.update_options(run_id => $first, options => '{\"task_queue\": \"other\"}')");
is(polled($b), '', 'moved to another queue');
$a->query_safe("SELECT taskq.update_options(run_id => $first, options => '{\"task_queue\": \"q\"}')");
is(polled($b), $first, 'and back');
empty_queue();

# A row that is locked by hand is passed, and found when the lock is gone.
$first = scheduled($b);
$second = scheduled($b);
$a->query_safe("BEGIN; SELECT FROM taskq.open WHERE run_id = $first FOR UPDATE");
is(polled($b), $second, 'a locked row is passed');
is(polled($b), '', 'again');
$a->query_safe('COMMIT');
is(polled($b), $first, 'unlocked');

# Rows that are changed by hand.
$first = scheduled($b);
$second = scheduled($b);
is(polled($b, ', 2'), "$first $second", 'both are taken');
$first = scheduled($b);
sql($node, "UPDATE taskq.open SET dispatch_time = dispatch_time - interval '1 h' WHERE run_id = $first");
is(polled($b), $first, 'moved by hand');
$a->query_safe("BEGIN; DELETE FROM taskq.open WHERE run_id = " . ($second = scheduled($b)));
is(polled($b), '', 'being deleted by hand');
$a->query_safe('ROLLBACK');
is(polled($b), $second, 'which is rolled back');
empty_queue();

# An old snapshot neither misses tasks nor hides them from others.
$a->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$first = scheduled($b);
is(polled($a), '', 'not in the snapshot');
is(polled($b), $first, 'for others it is there');
$a->query_safe('COMMIT');

# Many lanes: each queue and level, and keys that come and go.
scheduled($b, "priority => $_, fairness_key => 'k' || $_ % 2") for reverse 1 .. 5;
is( $b->query_safe(
		"SELECT string_agg(priority::text, ' ') FROM taskq.poll('q', 'w', 5)"),
	'1 2 3 4 5',
	'lanes in their order');
scheduled($b, "fairness_key => 'new'");
isnt(polled($b), '', 'a lane that was not there when the others were listed');

# Where several lanes are level, polls begin with what shared memory knows, too:
# they walk along one lane in a while.
sub walks
{
	return $node->safe_psql('postgres',
		"SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelid = 'taskq.open_ready'::regclass");
}

empty_queue();
$b->query_safe('SELECT pg_stat_force_next_flush()');
my $before = walks();
sql($node, "SELECT FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[30]), start_to_close_timeout => '1 min', fairness_key => 'k$_')")
  for 1, 2;
my @keys = map { $b->query_safe("SELECT fairness_key FROM taskq.poll('q')") } 1 .. 8;
is("@keys", 'k1 k2 k1 k2 k1 k2 k1 k2', 'two keys in turn');
$b->query_safe('SELECT pg_stat_force_next_flush()');
cmp_ok(walks(), '<=', $before + 4, 'a walk per key, and one to find each');

# Tasks that one statement schedules are announced, too.
empty_queue();
is(polled($b), '', 'the queue is empty');
sql($node, "SELECT FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[500]), start_to_close_timeout => '1 min')");
my $all = 0;
while (my $got = $b->query_safe("SELECT count(*) FROM taskq.poll('q', 'w', 7)"))
{
	$all += $got;
}
is($all, 500, 'schedule_many');

# A delayed task is found when it is due, by whoever looks.
empty_queue();
scheduled($b, "start_delay => '1 h'");
is(polled($b), '', 'not yet');
sql($node, "ALTER SYSTEM SET taskq.clock_offset = '2h'");
sql($node, 'SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.poll('q')") or die;
pass('when it is due');

unlike(slurp_file($node->logfile), qr/passed over/, 'no check has found anything');
$a->quit;
$b->quit;
$node->stop;
done_testing();
