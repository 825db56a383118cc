# Transaction ids and multixact ids go past 2^32 while taskq works: nothing
# is lost, counted twice or held for something from the other half of the circle,
# and vacuum freezes what is left as in any table.

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

use constant { BEFORE => 60, ROUNDS => 200 };

my $node = activity_node('main', 'fsync = off', 'log_statement = none', 'max_prepared_transactions = 5', 'autovacuum = off',
	'taskq.heartbeat_flush = 100ms', 'taskq.retention = 1h');

sub zeros
{
	my ($file, $pages) = @_;

	return if -e $file && -s $file >= 8192 * $pages;
	open(my $handle, '>', $file) or die "$file: $!";
	binmode($handle);
	print $handle "\0" x (8192 * $pages);
	close($handle);
	return;
}

# Freeze everything, and let the next ids be these.
sub jump
{
	my ($xid, $multixact) = @_;
	my $data = $node->data_dir;
	my $oldest;

	sql($node, 'UPDATE pg_database SET datallowconn = true');
	foreach my $database (split /\n/, sql($node, 'SELECT datname FROM pg_database'))
	{
		$node->safe_psql($database, 'VACUUM (FREEZE)');
	}
	sql($node, 'CHECKPOINT');
	$oldest = sql($node, 'SELECT min(datminmxid::text::bigint) FROM pg_database');
	$node->stop;
	zeros(sprintf('%s/pg_xact/%04X', $data, $xid >> 20), 32);
	zeros(sprintf('%s/pg_multixact/offsets/%04X', $data, $multixact >> 16), 32) if $multixact;
	command_ok([ 'pg_resetwal', '-f', '-x', $xid, $multixact ? ('-m', "$multixact,$oldest") : (), $data ], "the next transaction is $xid");
	$node->start;
	wait_served($node, 'postgres');
	return;
}

sub xid
{
	return sql($node, 'SELECT txid_current()') % 2**32;
}

sub multixact
{
	sql($node, 'CHECKPOINT');
	return sql($node, 'SELECT next_multixact_id FROM pg_control_checkpoint()');
}

# in steps, since no more than half of all ids may lie in the past
jump(int(2**32 / 3), int(2**32 / 3));
jump(int(2 * 2**32 / 3), int(2 * 2**32 / 3));
jump(2**32 - ROUNDS - BEFORE, 2**32 - ROUNDS);

# ---- begun before ----

sql($node, q{SELECT taskq.configure_queue('limited', '{"max_started": 2}')});
schedule($node, 'limited') for 1 .. 6;
is(sql($node, q{SELECT count(*) FROM taskq.poll('limited', max_tasks => 3)}), 2, 'max_started before');
my ($runs, $token) = start($node, 'runs');
my $paused = schedule($node, 'held');
sql($node, "SELECT taskq.pause(run_id => $paused)");
schedule($node, 'given back');
sql($node, "BEGIN; SELECT FROM taskq.poll('limited'); SELECT FROM taskq.schedule('prepared', 't', start_to_close_timeout => '1 h'); PREPARE TRANSACTION 'before'");

# sessions that stay, with transactions that go on
my $looks = $node->background_psql('postgres');
$looks->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM taskq.open');
my $holds = $node->background_psql('postgres');
is($holds->query_safe(q{BEGIN; SELECT count(*) FROM taskq.poll('given back')}), 1, 'a poll that goes on');
cmp_ok(xid(), '>', 2**31, 'the ids have not wrapped yet');
cmp_ok(multixact(), '>', 2**31, 'nor have those of multixacts');

sql($node, q{
CREATE TABLE done (run_id bigint);
CREATE PROCEDURE work(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  task record;
BEGIN
  FOR i IN 1 .. rounds LOOP
    PERFORM taskq.schedule('round', 't', to_jsonb(i), start_to_close_timeout => '1 h', fairness_key => 'key ' || i % 7);
    COMMIT;
    SELECT * INTO STRICT task FROM taskq.poll('round');
    COMMIT;
    -- locked by the transaction and by a savepoint: a multixact
    PERFORM FROM taskq.open WHERE run_id = task.run_id FOR KEY SHARE;
    BEGIN
      PERFORM FROM taskq.open WHERE run_id = task.run_id FOR NO KEY UPDATE;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
    PERFORM taskq.heartbeat(task.task_token, to_jsonb(i));
    COMMIT;
    PERFORM FROM taskq.open WHERE run_id = task.run_id FOR KEY SHARE;
    BEGIN
      PERFORM FROM taskq.open WHERE run_id = task.run_id FOR NO KEY UPDATE;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
    PERFORM taskq.complete(task.task_token);
    INSERT INTO done VALUES (task.run_id);
    COMMIT;
  END LOOP;
END $$});
sql($node, "CALL work(${\ROUNDS})");
cmp_ok(xid(), '<', 2**31, 'they have');
cmp_ok(multixact(), '<', 2**31, 'both');
is(sql($node, 'SELECT count(*), count(DISTINCT run_id) FROM done'), join('|', (ROUNDS) x 2), 'each round found its own task');
is(sql($node, q{SELECT count(*) FROM taskq.activities WHERE task_queue = 'round' AND status = 'completed'}), ROUNDS, 'and completed it');

# ---- ended after ----

is($looks->query_safe('SELECT count(*) FROM taskq.open'), 9, 'an old snapshot shows what it did');
$looks->query_safe('COMMIT');
is(sql($node, q{SELECT count(*) FROM taskq.poll('given back')}), 0, 'what a transaction holds is held');
$holds->query_safe('ROLLBACK');
is($looks->query_safe(q{SELECT count(*) FROM taskq.poll('given back')}), 1, 'and given back');
sql($node, "COMMIT PREPARED 'before'");
is(sql($node, q{SELECT count(*) FROM taskq.poll('prepared')}), 1, 'a prepared transaction commits');
ok(sqlstate($node, "SELECT taskq.complete('$token')") eq 'ok', 'a token is still good');
is(sqlstate($node, "SELECT taskq.complete('$token')"), 'TQ001', 'once');
sql($node, "SELECT taskq.unpause(run_id => $paused)");
is(sql($node, q{SELECT count(*) FROM taskq.poll('held')}), 1, 'what was paused goes on');
is(sql($node, q{SELECT count(*) FROM taskq.poll('limited')}), 0, 'max_started holds');
sql($node, q{SELECT FROM taskq.complete_by_id(run_id => (SELECT min(run_id) FROM taskq.open WHERE task_queue = 'limited' AND state = 2))});
is(sql($node, q{SELECT count(*) FROM taskq.poll('limited')}), 1, 'and lets in one for one that ends');
counts_become_right($node, 'counts');

# ---- freezing ----

sql($node, 'VACUUM (FREEZE)');
is(sql($node, "SELECT count(*) FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r' AND age(relfrozenxid) > 100"), 0,
	'vacuum freezes all of it');
sql($node, 'CREATE EXTENSION amcheck');
sql($node, "SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE c.relnamespace = 'taskq'::regnamespace AND a.amname = 'btree'");
is(sql($node, "SELECT count(*) FROM pg_class c, LATERAL verify_heapam(c.oid) WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r'"), 0, 'no row is broken');
$node->restart;
wait_served($node, 'postgres');
sql($node, "CALL work(10)");
is(sql($node, "SELECT count(*) FROM taskq.health WHERE status = 'critical'"), 0, 'healthy after a restart');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|XX000/, 'and nothing complains');

$looks->quit;
$holds->quit;
done_testing();
