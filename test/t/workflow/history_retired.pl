# Histories go when their runs have expired, and not before; those of runs that go
# on stay as they are, in whatever table. Meanwhile each table of histories is
# emptied again and again, and an idle system ends up with all of them empty.
# Whoever reads, writes or crashes, nothing is lost.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCrash;
use TaskqRuns;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.retention = '2s'", 'autovacuum_naptime = 1s', 'max_prepared_transactions = 5');
my $sizes = 'SELECT ' . LEAF_SIZES;
my $current = 'SELECT history_leaf FROM taskq.instance';

prepare_runs($node);

# How often each leaf got another file while something is done.
my (@files, @emptied);
sub look
{
	my @now = split / /, sql($node, LEAF_FILES);

	$emptied[$_] += @files && $now[$_] != $files[$_] ? 1 : 0 for 0 .. 7;
	@files = @now;
	return (sort { $a <=> $b } @emptied)[0];
}

# ---- many rotations ----

my ($rounds, @faults) = (0);
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
while (look() < 2 && time < $deadline)
{
	sql($node, q{SELECT runs.run('q', 99, 1)});
	sql($node, q{SELECT runs.step('q', 0.3)});
	push @faults, sql($node, 'SELECT runs.faults()');
	$rounds++;
}
is(join("\n", grep { $_ } @faults), '', 'living runs are what they were, and closed ones there until they expire');
cmp_ok(look(), '>=', 2, 'each table of histories has been emptied twice');
diag("$rounds rounds, emptied: @emptied");
cmp_ok(sql($node, 'SELECT count(*) FROM runs.living JOIN taskq.history_long USING (run_id)'), '>', $rounds / 2, 'what living runs have is kept elsewhere');
cmp_ok(sql($node, q{SELECT count(*) FROM taskq.open o JOIN runs.living USING (run_id)
	WHERE EXISTS (SELECT FROM generate_series(0, 7) i WHERE o.history_leaves & 1 << i = 0)}), '>', 0, 'and their rows know which tables they have left');

# ---- at rest ----

sub comes_to_rest
{
	my ($name) = @_;

	ok($node->poll_query_until('postgres', $sizes, '0'), "$name: all tables are empty then");
	is(sql($node, 'SELECT runs.faults()'), '', "$name: living runs are there");
	ok($node->poll_query_until('postgres', 'SELECT count(*) FROM runs.kept', '0'), "$name: closed ones have gone");
	ok($node->poll_query_until('postgres', 'SELECT count(*) FROM runs.appends a WHERE NOT EXISTS (SELECT FROM runs.living l WHERE l.run_id = a.run_id)', '0'),
		"$name: so have their histories");
	return;
}
comes_to_rest('idle');

# ---- retention of a queue ----

sql($node, q{SELECT taskq.configure_queue('audit', '{"retention": "7s"}', kind => 'workflow'), taskq.configure_queue('none', '{"retention": "0"}', kind => 'workflow')});
sql($node, q{SELECT runs.run('audit', 200, 1); SELECT runs.run('none', 10, 0)});
is(sql($node, 'SELECT count(*) FROM taskq.closed_run_long'), '200', 'a longer retention is known at the close');
is(sql($node, q{SELECT count(*) FROM runs.kept k WHERE expire_time <> close_time + interval '7s' AND home_queue = 'audit'}), '0', 'and is that of the queue');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 200 FROM (SELECT DISTINCT run_id FROM taskq.history_long JOIN taskq.closed_run_long USING (run_id)) r'), 'their histories are moved');
is(sql($node, 'SELECT runs.faults()'), '', 'and can be read until they expire');
comes_to_rest('longer retention');

# a run that was moved while it was open, and closes then
sql($node, q{SELECT runs.run('q', 0, 1)});
my ($run, $id) = split /\|/, sql($node, 'SELECT run_id, workflow_id FROM runs.living ORDER BY run_id DESC LIMIT 1');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM taskq.history_long WHERE run_id = $run"), 'an open run is moved');
is(sql($node, "SELECT history_leaves FROM taskq.open WHERE run_id = $run"), '0', 'and its row knows it');
sql($node, "SELECT taskq.terminate_workflow('$id'); DELETE FROM runs.living WHERE run_id = $run;
	INSERT INTO runs.closed SELECT run_id, expire_time, history_length FROM runs.kept WHERE run_id = $run");
is(sql($node, 'SELECT runs.faults()'), '', 'and closes');
comes_to_rest('closed after it was moved');
($run, $id) = split /\|/, sql($node, 'SELECT run_id, workflow_id FROM runs.living ORDER BY run_id LIMIT 1');
sql($node, "SELECT taskq.delete_workflow('$id'); DELETE FROM runs.living WHERE run_id = $run");
is(sql($node, "SELECT count(*) FROM runs.appends WHERE run_id = $run"), '0', 'one that is deleted has gone everywhere');

# ---- readers ----

# A table has what only living runs have; its number when it is not filled any more.
sub fill_leaf
{
	my $leaf = sql($node, $current);

	sql($node, q{SELECT runs.step('q', 1)});
	$leaf = sql($node, "SELECT max(leaf) FROM (" . join(' UNION ALL ', map { "SELECT $_ AS leaf FROM taskq.history_$_" } 0 .. 7) . ') l');
	return $leaf;
}

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = sql($node, 'SELECT runs.faults()');
is($old->query_safe('SELECT count(*) > 0 FROM taskq.open'), 't', 'a transaction that has a snapshot, and nothing else');
my $read = 'SELECT sum((SELECT count(*) FROM taskq.workflow_history(run_id))) = sum(events) FROM runs.living';
my $leaf = fill_leaf();
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM taskq.history_$leaf"), 'what its runs have written since is moved');
is(sql($node, 'SELECT runs.faults()'), '', 'others see it');
is($old->query_safe($read), 't', 'the transaction sees what there was');
isnt(sql($node, $sizes), '0', 'no table is emptied before it has ended');
$old->query_safe('COMMIT');
comes_to_rest('old snapshot');

# ten minutes later the snapshot does not count any more, and sees as much as before
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$old->query_safe('SELECT count(*) FROM taskq.open');
sql($node, q{SELECT runs.run('q', 0, 20)});
fill_leaf();
ok($node->poll_query_until('postgres', 'SELECT ' . join(' + ', map { "(SELECT count(*) FROM taskq.history_$_)" } 0 .. 7), '0'), 'all is moved');
sql($node, q{ALTER SYSTEM SET taskq.clock_offset = '11min'});
$node->reload;
ok($node->poll_query_until('postgres', $sizes, '0'), 'an old snapshot is not waited for for ever');
is($old->query_safe($read), 't', 'and the histories are read all the same');
$old->query_safe('COMMIT');
sql($node, 'ALTER SYSTEM RESET taskq.clock_offset');
$node->reload;

# who has read keeps a table as it is, and nobody waits for him
my $leaf_of_reader = fill_leaf();
$old->query_safe('BEGIN');
$old->query_safe($read);
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM taskq.history_$leaf_of_reader"), 'while somebody reads, rows are moved');
for (1 .. 20)
{
	sql($node, q{SELECT runs.run('q', 20, 0)});
	is(sql($node, 'SELECT count(*) FROM pg_locks WHERE NOT granted'), '0', 'nobody waits') or last;
}
isnt(sql($node, "SELECT pg_relation_size('taskq.history_$leaf_of_reader')"), '0', 'no table that is read is emptied');
is($old->query_safe('SELECT runs.faults()'), '', 'the reader can read on');
$old->query_safe('COMMIT');
comes_to_rest('reader');

# ---- writers ----

# a transaction that has appended, and ends long after others fill other tables
my $writer = $node->background_psql('postgres');
$writer->query_safe('BEGIN');
my $table = $writer->query_safe(q{SELECT runs.run('q', 3, 2); SELECT history_leaf FROM taskq.instance});
$table =~ s/\D//g;
for (1 .. 2)
{
	my $next = sql($node, $current);

	sql($node, q{SELECT runs.run('q', 50, 0)});
	$node->poll_query_until('postgres', "SELECT history_leaf <> $next FROM taskq.instance") or die 'no rotation';
}
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM runs.kept WHERE expire_time > clock_timestamp()}), 'others have expired');
$writer->query_safe('COMMIT');
is(sql($node, 'SELECT runs.faults()'), '', 'what was appended late is there');
comes_to_rest('late writer');

# ---- a crash while a table is retired ----

sql($node, q{SELECT runs.step('q', 1, 200000)});
my ($first) = sql($node, 'SELECT min(run_id) FROM runs.living');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
for (0 .. 7)
{
	$holder->query_safe("SELECT count(*) FROM (SELECT FROM taskq.history_$_ WHERE run_id = $first FOR UPDATE) r");
}
my $left = 'SELECT count(DISTINCT run_id) FROM (' . join(' UNION ALL ', map { "SELECT run_id FROM taskq.history_$_" } 0 .. 7) . ') a JOIN runs.living USING (run_id)';
ok($node->poll_query_until('postgres', $left, '1'), 'a row that is held stays, others are moved');
is(sql($node, 'SELECT runs.faults()'), '', 'all can be read');
kill_server($node);
eval { $holder->quit };
start_again($node);
wait_served($node, 'postgres');
is(sql($node, 'SELECT runs.faults()'), '', 'after a crash, too');
comes_to_rest('crash');

is(sql($node, q{SELECT status FROM taskq.health WHERE check_name = 'retention'}), 'ok', 'all is well');
unlike(slurp_file($node->logfile), qr/chore|PANIC|TRAP/, 'and no chore has failed');
done_testing();
