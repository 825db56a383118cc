# A heartbeat in a transaction that writes anything is as durable as what it
# writes, whatever that is: it survives a crash right after the commit. One in
# a transaction that writes nothing costs no WAL.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main',
	'max_prepared_transactions = 10',
	"taskq.heartbeat_flush = '1 h'");

sql($node, 'CREATE TABLE lines (t text)');

# What is done in a transaction of each name, with the tokens :'a' and :'b' of
# two attempts; and what is known of each of them after a crash.
my $large = '(SELECT jsonb_agg(gen_random_uuid()) FROM generate_series(1, 1000))';
my %case = (
	'insert' => [
		q{BEGIN; INSERT INTO lines VALUES ('x'); SELECT taskq.heartbeat(:'a', '"kept"'); COMMIT},
		'"kept" 1', ' 0'
	],
	'insert afterwards' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); INSERT INTO lines VALUES ('x'); COMMIT},
		'"kept" 1', ' 0'
	],
	'one statement' => [
		q{INSERT INTO lines SELECT taskq.heartbeat(:'a', '"kept"')::text},
		'"kept" 1', ' 0'
	],
	'copy' => [
		qq{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); \\copy lines FROM PROGRAM 'echo x'\nCOMMIT},
		'"kept" 1', ' 0'
	],
	'table' => [
		q{BEGIN; CREATE TABLE made (); SELECT taskq.heartbeat(:'a', '"kept"'); COMMIT},
		'"kept" 1', ' 0'
	],
	'sequence' => [
		q{CREATE SEQUENCE s; BEGIN; SELECT nextval('s'); INSERT INTO lines VALUES ('x');
		  SELECT taskq.heartbeat(:'a', '"kept"'); COMMIT},
		'"kept" 1', ' 0'
	],
	'schedule' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"');
		  SELECT taskq.schedule('other', 't', start_to_close_timeout => '1 h'); COMMIT},
		'"kept" 1', ' 0'
	],
	'end of another attempt' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); SELECT taskq.fail(:'b', 'no'); COMMIT},
		'"kept" 1', ' 0'
	],
	'kept savepoint' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); SAVEPOINT s; INSERT INTO lines VALUES ('x');
		  SELECT taskq.heartbeat(:'b', '"too"'); RELEASE s; COMMIT},
		'"kept" 1', '"too" 1'
	],
	'savepoint rolled back' => [
		q{BEGIN; INSERT INTO lines VALUES ('x'); SELECT taskq.heartbeat(:'a', '"kept"'); SAVEPOINT s;
		  SELECT taskq.heartbeat(:'a', '"gone"'); SELECT taskq.heartbeat(:'b', '"gone"'); ROLLBACK TO s; COMMIT},
		'"kept" 1', ' 0'
	],
	'several' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"first"'); INSERT INTO lines VALUES ('x'); SAVEPOINT s;
		  SELECT taskq.heartbeat(:'a', '"second"'); SELECT taskq.heartbeat(:'b', '"other"');
		  RELEASE s; SELECT taskq.heartbeat(:'a', '"last"'); COMMIT},
		'"last" 3', '"other" 1'
	],
	'after cheap ones' => [
		q{SELECT taskq.heartbeat(:'a', '"cheap"'); SELECT taskq.heartbeat(:'a', '"cheap"');
		  BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); INSERT INTO lines VALUES ('x'); COMMIT},
		'"kept" 3', ' 0'
	],
	'twice' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"once"'); INSERT INTO lines VALUES ('x'); COMMIT;
		  BEGIN; SELECT taskq.heartbeat(:'a', '"twice"'); INSERT INTO lines VALUES ('x'); COMMIT},
		'"twice" 2', ' 0'
	],
	'no details' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"details"'); INSERT INTO lines VALUES ('x'); COMMIT;
		  BEGIN; SELECT taskq.heartbeat(:'a'); INSERT INTO lines VALUES ('x'); COMMIT},
		' 2', ' 0'
	],
	'large and small' => [
		qq{BEGIN; SELECT taskq.heartbeat(:'a', '"small"'); SELECT taskq.heartbeat(:'a', $large);
		  SELECT taskq.heartbeat(:'a', '"kept"'); SELECT taskq.heartbeat(:'b', $large); COMMIT;
		  BEGIN; SELECT taskq.heartbeat(:'b', '"too"'); INSERT INTO lines VALUES ('x'); COMMIT},
		'"kept" 3', '"too" 2'
	],
	'prepared' => [
		q{BEGIN; SELECT taskq.heartbeat(:'a', '"kept"'); INSERT INTO lines VALUES ('x'); PREPARE TRANSACTION 'p';
		  COMMIT PREPARED 'p'},
		'"kept" 1', ' 0'
	],
	'batch' => [
		q{BEGIN; SELECT count(*) FROM taskq.heartbeat_many(ARRAY[:'b', :'a']::uuid[], ARRAY['"too"', '"kept"']::jsonb[]);
		  INSERT INTO lines VALUES ('x'); COMMIT},
		'"kept" 1', '"too" 1'
	],
	'procedure' => [
		qq{SELECT set_config('my.token', :'a', false);
		  DO \$\$ BEGIN
			FOR i IN 1 .. 3 LOOP
			  PERFORM taskq.heartbeat(current_setting('my.token')::uuid, to_jsonb(i));
			  INSERT INTO lines VALUES ('x');
			  COMMIT;
			END LOOP;
		  END \$\$},
		'3 3', ' 0'
	],);
my %run;

foreach my $name (sort keys %case)
{
	my ($a, $token_a) = start($node, "$name a");
	my ($b, $token_b) = start($node, "$name b");

	$run{$name} = [ $a, $b ];
	$node->safe_psql('postgres', "\\set a $token_a\n\\set b $token_b\n$case{$name}[0];");
}

# of these a crash may leave nothing
my ($ended, $ended_token) = start($node, 'ended');
my ($retried, $retried_token) = start($node, 'retried',
	"retry_policy => taskq.retry_policy(initial_interval => '1 ms')");
my ($deleted, $deleted_token) = start($node, 'deleted');
sql($node,
	"BEGIN; SELECT taskq.heartbeat('$ended_token', '\"last\"'); SELECT taskq.complete('$ended_token'); COMMIT;
	 BEGIN; SELECT taskq.heartbeat('$retried_token', '\"last\"'); SELECT taskq.fail('$retried_token', 'no'); COMMIT;
	 BEGIN; SELECT taskq.heartbeat('$deleted_token', '\"last\"'); DELETE FROM taskq.open WHERE run_id = $deleted; COMMIT");

my $many = 1000;
sql($node,
	"SELECT count(*) FROM taskq.schedule_many('many', 't', array_fill('1'::jsonb, ARRAY[$many]), start_to_close_timeout => '1 h')");
sql($node,
	"CREATE TABLE tokens AS SELECT run_id, task_token FROM taskq.poll('many', max_tasks => $many)");
is( sql($node,
		"BEGIN;
		 SELECT count(*) FILTER (WHERE ok) FROM taskq.heartbeat_many((SELECT array_agg(task_token) FROM tokens),
			(SELECT array_agg(to_jsonb(run_id)) FROM tokens));
		 INSERT INTO lines VALUES ('x');
		 COMMIT"),
	$many,
	"$many heartbeats in one transaction");

# nothing is written for what is only heartbeated
my ($cheap, $cheap_token) = start($node, 'cheap');
my ($before, $xid, $after) = split /\n/,
  sql($node,
	"SELECT pg_current_wal_insert_lsn();
	 BEGIN; SELECT FROM taskq.heartbeat('$cheap_token', '\"cheap\"'); SELECT count(pg_current_xact_id_if_assigned()); COMMIT;
	 SELECT count(*) FROM taskq.heartbeat_state WHERE run_id = $cheap");
is("$xid$after", '00', 'a transaction that only heartbeats has no id, and writes nothing');
is(activity($node, $cheap, 'heartbeat_details'), '"cheap"', 'but is known');

$node->stop('immediate');
$node->start;
ok(wait_served($node, 'postgres'), 'the server crashes');

foreach my $name (sort keys %case)
{
	my ($what, @known) = @{ $case{$name} };

	is( sql($node,
			"SELECT string_agg(format('%s %s', heartbeat_details, total_heartbeat_count), ', ' ORDER BY run_id)
			   FROM taskq.activities WHERE run_id IN ($run{$name}[0], $run{$name}[1])"),
		join(', ', @known),
		"$name: known after the crash");
}
is( sql($node,
		'SELECT count(*) FROM taskq.activities JOIN tokens USING (run_id) WHERE heartbeat_details = to_jsonb(run_id) AND total_heartbeat_count = 1'
	),
	$many,
	'so are those of the batch');
is(activity($node, $ended, 'status, heartbeat_details, total_heartbeat_count'),
	'completed|"last"|1', 'an attempt that ended in the transaction has its last heartbeat');
is(activity($node, $retried, 'attempt, heartbeat_details, total_heartbeat_count'),
	'2|"last"|1', 'so has one that is retried');
is( sql($node,
		'SELECT count(*) FROM taskq.heartbeat_state h WHERE NOT EXISTS (SELECT FROM taskq.open o WHERE o.run_id = h.run_id)'
	),
	0,
	'no row is left of runs that are not open');

# the next attempt gets it
my ($insert_run) = @{ $run{insert} };
sql($node, "SELECT taskq.reset(run_id => $insert_run)");
sql($node, "SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE run_id <> $insert_run AND close_time IS NULL");
is(sql($node, "SELECT count(*) FROM taskq.heartbeat_state WHERE run_id <> $insert_run"),
	0, 'those of closed runs go with them');

# the transaction may take everything away
foreach my $end ('COMMIT', "PREPARE TRANSACTION 'd'")
{
	my ($run, $token) = start($node, 'dropped');

	is( sqlstate($node,
			"BEGIN; SELECT taskq.heartbeat('$token', '1'); SELECT count(*) FROM taskq.poll('none'); DROP EXTENSION taskq CASCADE; $end"
		),
		'ok',
		"DROP EXTENSION after a heartbeat: $end");
	sql($node, "COMMIT PREPARED 'd'") if $end ne 'COMMIT';
	sql($node, 'CREATE EXTENSION taskq');
	wait_served($node, 'postgres');
}

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|taskq worker.*exited/, 'without accidents');

done_testing();
