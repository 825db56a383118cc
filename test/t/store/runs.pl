# What the store keeps of runs: histories are read in order from whatever leaves
# they are in, from any event on, and nothing else; mail comes in the order in
# which it was put there; timers fire in their order; requests and search
# attributes are known once; closed runs are found until they expire.  Who has put
# something for a run keeps its row from going, and from nothing else.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use Cwd qw(abs_path);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $library = abs_path("$FindBin::RealBin/../../modules/toy") . '/taskq_toy';
die "not built: $library" unless -e "$library.so";

my $node = activity_node('main', "shared_preload_libraries = 'taskq,$library'", 'autovacuum = off');

sql($node, "CREATE SCHEMA toy;
	CREATE SCHEMA runs;
	CREATE TABLE toy.broken (run_id bigint, owner text, at timestamptz);
	CREATE FUNCTION toy.schedule(queue text, owner text, patience interval DEFAULT '1 h', delay interval DEFAULT '0') RETURNS bigint
		LANGUAGE c STRICT AS '$library', 'toy_schedule';
	CREATE FUNCTION toy.poll(queue text, identity text DEFAULT 'child', max_tasks int DEFAULT 1)
		RETURNS TABLE (token uuid, run_id bigint, owner text, worker text)
		LANGUAGE c STRICT AS '$library', 'toy_poll';
	CREATE FUNCTION toy.complete(token uuid) RETURNS boolean LANGUAGE c STRICT AS '$library', 'toy_complete';
	CREATE FUNCTION runs.append(bigint, bigint, jsonb[]) RETURNS int LANGUAGE c STRICT AS '$library', 'runs_append';
	CREATE FUNCTION runs.read(run_id bigint, after bigint DEFAULT 0, until bigint DEFAULT 0, newest_first boolean DEFAULT false,
			leaves int DEFAULT 0, wanted int DEFAULT 1000000)
		RETURNS TABLE (event_id bigint, event_type int, event_time timestamptz, attributes jsonb, extra jsonb)
		LANGUAGE c STRICT AS '$library', 'runs_read';
	CREATE FUNCTION runs.event(bigint, bigint) RETURNS jsonb LANGUAGE c STRICT AS '$library', 'runs_event';
	CREATE FUNCTION runs.forget(bigint) RETURNS void LANGUAGE c STRICT AS '$library', 'runs_forget';
	CREATE FUNCTION runs.put_mail(bigint, jsonb) RETURNS void LANGUAGE c STRICT AS '$library', 'runs_put_mail';
	CREATE FUNCTION runs.take_mail(bigint) RETURNS SETOF jsonb LANGUAGE c STRICT AS '$library', 'runs_take_mail';
	CREATE FUNCTION runs.next_mail(bigint) RETURNS bigint LANGUAGE c STRICT AS '$library', 'runs_next_mail';
	CREATE FUNCTION runs.start_timer(bigint, text, bigint, timestamptz) RETURNS timestamptz LANGUAGE c STRICT AS '$library', 'runs_start_timer';
	CREATE FUNCTION runs.fire_timers(bigint, timestamptz) RETURNS SETOF text LANGUAGE c STRICT AS '$library', 'runs_fire_timers';
	CREATE FUNCTION runs.remember(bigint, text) RETURNS boolean LANGUAGE c STRICT AS '$library', 'runs_remember';
	CREATE FUNCTION runs.declare(text, text) RETURNS text LANGUAGE c STRICT AS '$library', 'runs_declare';
	CREATE FUNCTION runs.close(bigint, text, interval, jsonb) RETURNS void LANGUAGE c STRICT AS '$library', 'runs_close';
	CREATE FUNCTION runs.newest(text) RETURNS TABLE (run_id bigint, result jsonb) LANGUAGE c STRICT AS '$library', 'runs_newest';
	CREATE FUNCTION runs.forget_closed(bigint) RETURNS boolean LANGUAGE c STRICT AS '$library', 'runs_forget_closed';
	CREATE FUNCTION runs.share(bigint, boolean) RETURNS text LANGUAGE c STRICT AS '$library', 'runs_share'");

# ---- histories ----

# appends of 1 to 5 events, some of them large, of two runs in turns
my %last = (7 => 0, 8 => 0);
my $seed = int(rand(1e6));
srand($seed);
diag("seed $seed");
for (1 .. 60)
{
	my $run = 7 + int rand 2;
	my $n = 1 + int rand 5;
	my @events = map { rand() < 0.1 ? 'NULL' :
		  sprintf(q{jsonb_build_object('id', %d, 'text', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, %d) i))}, $_, rand() < 0.2 ? 200 : 1) }
	  $last{$run} + 1 .. $last{$run} + $n;
	sql($node, "SELECT runs.append($run, $last{$run} + 1, ARRAY[" . join(', ', @events) . ']::jsonb[])');
	$last{$run} += $n;
}
cmp_ok(sql($node, "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'taskq.history_0'::regclass"), '>', 0, 'some appends are toasted');

# as if they had been written while other leaves were current, or moved
for my $leaf (1 .. 7, 'long')
{
	sql($node, "WITH moved AS (DELETE FROM taskq.history_0 WHERE random() < 0.15 RETURNING *)
		INSERT INTO taskq.history_$leaf SELECT * FROM moved");
}
my $plain = join ' UNION ALL ', map { "TABLE taskq.history_$_" } 0 .. 7, 'long';
sql($node, "CREATE VIEW runs.plain AS
	SELECT h.run_id, h.first_event_id + e.n - 1 AS event_id, e.event_type::int, e.event_time, e.attributes, e.extra
	FROM ($plain) h, unnest(h.events) WITH ORDINALITY e (event_time, event_type, attributes, user_metadata, extra, n)");
for my $run (7, 8)
{
	is(sql($node, "SELECT count(*), max(event_id), count(*) FILTER (WHERE event_type <> event_id OR event_time <> timestamptz '2000-01-01 00:00:00+00' + event_id * interval '1 s'
			OR (attributes ->> 'id')::int <> event_id) FROM runs.read($run)"), "$last{$run}|$last{$run}|0", "all events of run $run are there");
	is(sql($node, "SELECT count(*) FROM runs.plain WHERE run_id = $run AND extra IS NOT NULL"),
		sql($node, "SELECT count(*) FROM runs.read($run) WHERE extra = attributes"), 'with what else they have');
	is(sql($node, "SELECT count(*) FROM generate_series(1, $last{$run}) i WHERE runs.event($run, i) IS DISTINCT FROM
			(SELECT attributes FROM runs.plain WHERE run_id = $run AND event_id = i)"), 0, 'each is found alone');
	is(sql($node, "SELECT runs.event($run, 0) IS NULL AND runs.event($run, $last{$run} + 1) IS NULL"), 't', 'and no other');
}
my $wrong = sql($node, q{
	SELECT string_agg(format('%s %s %s %s', run_id, a, u, newest), ', ')
	FROM (VALUES (7), (8)) r (run_id), generate_series(0, 100, 9) a, generate_series(0, 100, 7) u, (VALUES (false), (true)) d (newest)
	WHERE (SELECT array_agg(event_id ORDER BY n) FROM runs.read(run_id, a, u, newest) WITH ORDINALITY e (event_id, t, tm, at, x, n)) IS DISTINCT FROM
		(SELECT array_agg(event_id ORDER BY CASE WHEN newest THEN - event_id ELSE event_id END) FROM runs.plain p
		 WHERE p.run_id = r.run_id AND event_id > a AND (u = 0 OR event_id <= u))});
is($wrong, '', 'any part is read, in either order');
is(sql($node, "SELECT array_agg(event_id) FROM runs.read(7, 3, wanted => 4)"), '{4,5,6,7}', 'until the reader has enough');
my $leaves = sql($node, 'SELECT bit_or(1 << leaf) FROM (' . join(' UNION ALL ', map { "SELECT $_ AS leaf FROM taskq.history_$_ WHERE run_id = 7" } 0 .. 7) . ') l');
is(sql($node, "SELECT count(*) FROM runs.read(7, leaves => $leaves)"), $last{7}, 'the leaves that a run has written to are enough');
sql($node, 'SELECT runs.append(9, i, ARRAY[jsonb_build_object(\'id\', i)]) FROM generate_series(1, 20000) i');
my $blocks = sub {
	my ($after) = @_;
	my ($hit) = sql($node, "SELECT FROM runs.read(9, 19990, leaves => 1);
		EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM runs.read(9, $after, leaves => 1)") =~ /shared hit=(\d+)/;
	return $hit;
};
cmp_ok($blocks->(19999), '<', 30, 'to read the end takes as little as is there');
cmp_ok($blocks->(0), '>', 300, 'and not what all takes');
sql($node, 'SELECT runs.forget(7)');
is(sql($node, 'SELECT count(*) FILTER (WHERE run_id = 7), count(*) FILTER (WHERE run_id = 8) FROM runs.plain'), "0|$last{8}", 'one is forgotten, others stay');

# ---- mail ----

my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT runs.put_mail(20, '"first"'), runs.put_mail(30, '"other"')});
sql($node, q{SELECT runs.put_mail(20, '"second"'), runs.put_mail(20, '"third"')});
is(sql($node, 'SELECT runs.next_mail(0), runs.next_mail(20)'), '20|', 'runs with mail');
is(sql($node, 'SELECT * FROM runs.take_mail(20)'), qq{"second"\n"third"}, 'mail is taken in order, as far as it is committed');
$session->query_safe('COMMIT');
is(sql($node, 'SELECT * FROM runs.take_mail(20)'), '"first"', 'and the rest afterwards, once');
is(sql($node, 'SELECT runs.next_mail(0), runs.next_mail(30)'), '30|', 'the next run with mail');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, q{SELECT runs.put_mail(40, '"late"')});
is($session->query_safe('SELECT * FROM runs.take_mail(40)'), '"late"', 'an older snapshot hides no mail');
$session->query_safe('COMMIT');

# ---- timers, requests, search attributes ----

is(sql($node, "SELECT runs.start_timer(20, 'late', 5, '2030-01-03'), runs.start_timer(20, 'b', 7, '2030-01-01'),
		runs.start_timer(20, 'a', 6, '2030-01-02'), runs.start_timer(20, 'c', 4, '2030-01-02'), runs.start_timer(21, 'x', 1, '2000-01-01') > '2000-01-01'"),
	sql($node, "SELECT '2030-01-03'::timestamptz, '2030-01-01'::timestamptz, '2030-01-01'::timestamptz, '2030-01-01'::timestamptz, false"), 'the first of a run');
is(sql($node, "SELECT * FROM runs.fire_timers(20, '2030-01-02')"), "b\nc\na", 'timers fire in their order');
is(sql($node, "SELECT * FROM runs.fire_timers(20, '2031-01-01')"), 'late', 'once');
is(sqlstate($node, "SELECT runs.start_timer(21, 'x', 2, '2030-01-01')"), '23505', 'an id is used once');
is(sql($node, "SELECT runs.remember(20, 'r'), runs.remember(20, 'r'), runs.remember(21, 'r')"), 't|f|t', 'requests');
is(sql($node, "SELECT runs.declare('Name', 'Keyword'), runs.declare('Name', 'Int'), runs.declare('name', 'Int')"), 'Keyword|Keyword|Int', 'the first type holds');
sql($node, 'SELECT runs.forget(20), runs.forget(21)');
is(sql($node, 'SELECT (SELECT count(*) FROM taskq.run_timer), (SELECT count(*) FROM taskq.run_request)'), '0|0', 'a run takes it along');

# ---- closed runs ----

sql($node, q{SELECT runs.close(100, 'w', '1 h', '"old"'), runs.close(102, 'w', '24000 h', '"new"'), runs.close(104, 'w', '-1 s', '"expired"'), runs.close(106, 'v', '1 h', '1')});
is(sql($node, "SELECT * FROM runs.newest('w')"), '102|"new"', 'the newest that has not expired');
is(sql($node, 'SELECT run_id FROM taskq.closed_run_long'), 102, 'what is kept long is kept apart');
is(sql($node, 'SELECT runs.forget_closed(102), runs.forget_closed(102)'), 't|f', 'forgotten, once');
is(sql($node, "SELECT * FROM runs.newest('w')"), '100|"old"', 'then the one before');
is(sql($node, "SELECT status, next_run_id FROM taskq.closed_run_0 WHERE run_id = 100"), 'continued_as_new|101', 'as SQL sees it');

# ---- who has put something for a run ----

my $toy = sql($node, "SELECT toy.schedule('q', 'Ann')");
my $other = $node->background_psql('postgres');
$session->query_safe('BEGIN');
is($session->query_safe("SELECT runs.share($toy, true)"), 'ok', 'one keeps the row');
is($other->query_safe("BEGIN; SELECT runs.share($toy, false)"), 'ok', 'another does, too');
my $token = sql($node, "SELECT token FROM toy.poll('q')");
isnt($token, '', 'the task is handed out all the same');
my ($out, $err) = ('', '');
my $completion = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "SELECT toy.complete('$token')" ],
	'<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my $waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT toy.complete%'";
ok($node->poll_query_until('postgres', $waiting), 'who deletes the row waits');
$other->query_safe('COMMIT');
ok($node->poll_query_until('postgres', $waiting), 'for all');
is(sql($node, "SELECT count(*) FROM taskq.open WHERE run_id = $toy"), 1, 'it is there');
$session->query_safe('COMMIT');
$completion->finish;
is($out . $err, "t\n", 'until they have ended');

# an update in progress: the lock has to be on what comes of it
$toy = sql($node, "SELECT toy.schedule('q', 'Ann')");
$other->query_safe("BEGIN; SELECT token FROM toy.poll('q')");
$session->query_safe('BEGIN');
is($session->query_safe("SELECT runs.share($toy, false)"), 'busy', 'who does not wait leaves a row alone that is being changed');
is($session->query_safe("SELECT runs.share($toy, true)"), 'ok', 'others get along with the change');
$other->query_safe('COMMIT');
($out, $err) = ('', '');
my $deletion = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "DELETE FROM taskq.open WHERE run_id = $toy" ],
	'<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%'"), 'and keep what has come of it');
$session->query_safe('COMMIT');
$deletion->finish;
is(sql($node, "SELECT count(*) FROM taskq.open WHERE run_id = $toy"), 0, 'no longer than they last');
is(sql($node, "SELECT runs.share($toy, true)"), 'gone', 'then it is gone');

# a time-out goes together with it, as far as it deletes nothing
$toy = sql($node, "SELECT toy.schedule('patient', 'Ann', '1 s')");
$session->query_safe('BEGIN');
$session->query_safe("SELECT runs.share($toy, true)");
$node->append_conf('postgresql.conf', "taskq.clock_offset = '1 h'");
$node->reload;
my $second = sql($node, "SELECT toy.schedule('patient', 'Bob', '1 s')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM toy.broken WHERE run_id = $second"), 'others time out');
is(sql($node, "SELECT count(*) FROM taskq.open WHERE run_id = $toy"), 1, 'a row that somebody keeps stays');
$session->query_safe('COMMIT');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM toy.broken WHERE run_id = $toy"), 'as long as he does');
$session->quit;
$other->quit;

# ---- expiry ----

my $kept = "(SELECT count(*) FROM (" . join(' UNION ALL ', map { "SELECT run_id FROM taskq.closed_run_$_" } 0 .. 7, 'long') . ') c';
$node->append_conf('postgresql.conf', "taskq.retention = '2 s'");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT $kept WHERE run_id IN (100, 104, 106)) = 0"), 'closed runs that have expired give back their space');
my $closing = $node->background_psql('postgres');
$closing->query_safe(q{BEGIN; SELECT runs.close(200, 'z', '1 h', '1'), runs.close(201, 'z', '1 s', '1')});
my ($leaf) = grep { $closing->query_safe("SELECT count(*) FROM taskq.closed_run_$_ WHERE run_id = 201") } 0 .. 7;
$closing->query_safe("WITH moved AS (DELETE FROM taskq.closed_run_long WHERE run_id = 200 RETURNING *) INSERT INTO taskq.closed_run_$leaf SELECT * FROM moved; COMMIT");
$closing->quit;
ok($node->poll_query_until('postgres', "SELECT leaf <> $leaf FROM taskq.instance"), 'another leaf is filled');
sql($node, q{SELECT runs.close(202, 'z', '1 s', '1'); SELECT runs.close(203, 'z', '1 h', '1')});
ok($node->poll_query_until('postgres', "SELECT $kept WHERE run_id = 202) = 0"), 'leaf after leaf');
is(sql($node, "SELECT run_id FROM taskq.closed_run_$leaf ORDER BY 1"), "200\n201", 'but one in which a run is kept');
$node->append_conf('postgresql.conf', "taskq.clock_offset = '3 h'");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT $kept) = 0"), 'until that has expired, too');

done_testing();
