# An administrator rewrites tables and makes indexes anew while taskq is in use:
# no session and no worker notices, neither later nor in the middle of a call,
# and no task is lost.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main', 'autovacuum = off',
	'taskq.cursor_check_interval = 1d',
	'taskq.heartbeat_flush = 100ms');
my $worker = worker_pid($node, 'postgres');
my $space = PostgreSQL::Test::Utils::tempdir();

sql($node, "CREATE TABLESPACE elsewhere LOCATION '$space'");

# Make the indexes of a table anew, by hand, under their names.
sql($node, <<'SQL');
CREATE PROCEDURE by_hand(tab regclass) LANGUAGE plpgsql AS $$
DECLARE
	i record;
BEGIN
	EXECUTE format('LOCK TABLE %s', tab);
	FOR i IN
		SELECT x.indexrelid::regclass AS name, pg_get_indexdef(x.indexrelid) AS def,
			c.conname, pg_get_constraintdef(c.oid) AS con
		FROM pg_index x LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid
		WHERE x.indrelid = tab
	LOOP
		IF i.conname IS NULL THEN
			EXECUTE format('DROP INDEX %s', i.name);
			EXECUTE i.def;
		ELSE
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', tab, i.conname);
			EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', tab, i.conname, i.con);
		END IF;
	END LOOP;
END $$;
SQL

my @tables = qw(open heartbeat_state closed_0 closed_long queue_config instance);
my @changes = (
	'REINDEX TABLE CONCURRENTLY taskq.%1$s',
	'REINDEX TABLE taskq.%1$s; VACUUM FULL taskq.%1$s',
	'CLUSTER taskq.%1$s USING %1$s_pkey; ALTER TABLE taskq.%1$s SET TABLESPACE elsewhere',
	'ALTER TABLE taskq.%1$s SET UNLOGGED; ALTER TABLE taskq.%1$s SET LOGGED, SET TABLESPACE pg_default',
	'CALL by_hand(\'taskq.%1$s\')');

# Every call, each of which has to succeed.
my $calls = <<'SQL';
SELECT count(*) FROM taskq.configure_queue('c' || :i, '{"max_started": 5, "retention": "100 days"}');
SELECT run_id AS a FROM taskq.schedule('q' || :i, 't', activity_id => 'a' || :i, start_to_close_timeout => '1 h') \gset
SELECT run_id = :a AS same FROM taskq.schedule('q' || :i, 't', activity_id => 'a' || :i, start_to_close_timeout => '1 h', id_conflict_policy => 'use_existing') \gset
SELECT task_token AS token FROM taskq.poll('q' || :i) \gset
SELECT taskq.heartbeat(:'token', '1');
SELECT taskq.heartbeat(:'token', to_jsonb(repeat('x', 1000)));
SELECT taskq.complete(:'token', '1');
SELECT run_id = :a AS described FROM taskq.describe(activity_id => 'a' || :i) \gset
SELECT status FROM taskq.outcome(:a);
SELECT run_id AS b FROM taskq.schedule('q' || :i, 't', activity_id => 'a' || :i, start_to_close_timeout => '1 h', id_reuse_policy => 'allow_duplicate') \gset
SELECT task_token AS token FROM taskq.poll('q' || :i) \gset
SELECT taskq.fail(:'token', 'e', last_heartbeat_details => '2', next_retry_delay => '1 h');
SELECT taskq.pause(run_id => :b);
SELECT taskq.update_options(run_id => :b, options => '{"priority": 2}');
SELECT taskq.unpause(run_id => :b);
SELECT taskq.reset(run_id => :b, reset_heartbeat => true);
SELECT task_token AS token FROM taskq.poll('q' || :i) \gset
SELECT taskq.request_cancel(run_id => :b);
SELECT taskq.heartbeat_by_id('a' || :i);
SELECT taskq.report_canceled(:'token');
SELECT run_id AS b FROM taskq.schedule('q' || :i, 't', activity_id => 'a' || :i, start_to_close_timeout => '1 h', id_reuse_policy => 'allow_duplicate_failed_only') \gset
SELECT taskq.terminate(run_id => :b);
SELECT taskq.retry(run_id => :b);
SELECT run_id AS b FROM taskq.poll('q' || :i) \gset
SELECT taskq.complete_by_id('a' || :i);
SELECT taskq.delete(run_id => :b);
SELECT run_id AS c FROM taskq.schedule('c' || :i, 't', start_to_close_timeout => '1 h') \gset
SELECT task_token AS token FROM taskq.poll('c' || :i) \gset
SELECT taskq.complete(:'token');
SELECT status FROM taskq.describe(run_id => :c);
SELECT count(*) FROM taskq.schedule_many('m' || :i, 't', ARRAY['1', '2', '3']::jsonb[], start_to_close_timeout => '1 h');
SELECT count(*) FROM taskq.heartbeat_many(ARRAY(SELECT task_token FROM taskq.poll('m' || :i)));
SELECT count(*) FROM taskq.complete_and_poll(ARRAY(SELECT task_token FROM taskq.poll('m' || :i)), NULL, 'm' || :i);
SELECT count(*) FROM taskq.fail_many(ARRAY(SELECT task_token FROM taskq.poll('m' || :i)), 'e', non_retryable => true);
SELECT sum(backlog_count) FROM taskq.task_queues;
SELECT count(*) FROM taskq.health;
SQL

# As one session, in which everything has been used before.
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $i = 0;

sub call_all
{
	my ($name) = @_;

	$i++;
	$session->query("\\set i $i\n$calls");
	is($session->{stderr}, '', $name);
	$session->{stderr} = '';
	return;
}

call_all('every call');
for my $table (@tables)
{
	for my $change (@changes)
	{
		my $statement = sprintf $change, $table;

		$node->safe_psql('postgres', $_) for split /; /, $statement;
		call_all($statement);
	}
}
for my $table (qw(heartbeat_state closed_0 closed_long))
{
	sql($node, "TRUNCATE taskq.$table");
	call_all("TRUNCATE of $table");
}
$session->quit;

# What has read through an index may go on to write while that is made anew,
# which keeps writers out: neither waits for the other.
my $reader = $node->background_psql('postgres');
my $open = schedule($node, 'read_open');
my $closed = schedule($node, 'read_closed');
sql($node, "SELECT taskq.complete(task_token) FROM taskq.poll('read_closed')");
schedule($node, 'read');
sql($node, q(SELECT taskq.fail(task_token, 'e', last_heartbeat_details => '1') FROM taskq.poll('read')));
$node->poll_query_until('postgres',
	"SELECT backlog_count = 1 FROM taskq.task_queues WHERE task_queue = 'read'");
for my $reading (
	[ "SELECT taskq.outcome($open)", 'open' ],
	[ "SELECT taskq.outcome($closed)", 'open', 'closed_0' ],
	[ "SELECT task_token AS token FROM taskq.poll('read') \\gset", 'heartbeat_state' ])
{
	my ($call, @read) = @$reading;

	$reader->query_safe("BEGIN; $call");
	sql($node, "SET lock_timeout = '60s'; REINDEX TABLE taskq.$_") for @read;
	$reader->query_safe('COMMIT') unless $call =~ /poll/;
	pass("the indexes are not locked after: $call");
}
$reader->query_safe("SELECT taskq.complete(:'token'); COMMIT");
$reader->quit;

# The same while others are in the middle of their calls.
my $script = PostgreSQL::Test::Utils::tempdir() . '/calls.sql';
PostgreSQL::Test::Utils::append_to_file($script,
	"\\set i :client_id + 100000\n" . ($calls =~ s/:'token'/':token'/gr));
my $errors = '';
my $clients = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '3', '-t', '15', '-f', $script, '-d',
		$node->connstr('postgres')
	],
	'>' => \my $out,
	'2>' => \$errors);
my $rounds = 0;
while ($clients->pumpable)
{
	my $table = $tables[ $rounds % @tables ];
	my $change = $changes[ $rounds / @tables % @changes ];

	$node->safe_psql('postgres', sprintf $_, $table) for split /; /, $change;
	$rounds++;
	$clients->pump_nb;
}
$clients->finish;
is(join("\n", grep { /error|abort/ } split /\n/, $errors),
	'', 'no call fails meanwhile');
like($out, qr/failed transactions: 0 /, 'nor is one given up');
cmp_ok($rounds, '>', 0, "$rounds changes were made");
is(worker_pid($node, 'postgres'), $worker, 'the worker is the same');

# What shared memory remembers of a lane says where rows are.  The tasks are
# where it remembers others, and must not be taken for gone.
for my $change (@changes)
{
	my $statement = sprintf $change, 'open';

	sql($node, 'SELECT taskq.terminate(run_id => run_id) FROM taskq.open');
	sql($node,
		"SELECT count(*) FROM taskq.schedule_many('lane', 't',
			(SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 40) n),
			start_to_close_timeout => '1 h')");
	is( sql($node,
			"SELECT string_agg(input::text, ' ') FROM taskq.poll('lane', max_tasks => 2)"),
		'1 2', 'the first ones');
	# two lines of the page are free, so the others move up
	sql($node, 'SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.open WHERE state = 2');
	sql($node, $_) for split /; /, $statement;
	sql($node, "SELECT taskq.schedule('lane', 't', '41', start_to_close_timeout => '1 h')");
	my @got;
	for (1 .. 41)
	{
		my $next = sql($node, "SELECT input FROM taskq.poll('lane')");
		push @got, $next if $next ne '';
	}
	is("@got", join(' ', 3 .. 41), "the others after $statement");
}

# A call that waits for a table while that is written anew sees what is in it.
my $caller = $node->background_psql('postgres');
my $admin = $node->background_psql('postgres');

sub call_during_rewrite
{
	my ($table, $call) = @_;

	$admin->query_safe("BEGIN; ALTER TABLE taskq.$table SET UNLOGGED");
	$caller->query_until(qr/started/, "\\echo started\n$call;\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_locks WHERE relation = 'taskq.$table'::regclass AND NOT granted")
	  or die 'does not wait';
	$admin->query_safe('COMMIT');
	my $answer = $caller->query_safe('');
	sql($node, "ALTER TABLE taskq.$table SET LOGGED");
	return $answer;
}

my $run = schedule($node, 'rewritten');
schedule($node, 'rewritten');
is(call_during_rewrite('open', "SELECT run_id FROM taskq.poll('rewritten')"),
	$run, 'a poll');
is(call_during_rewrite('open', "SELECT status FROM taskq.outcome($run)"),
	'running', 'the outcome of an open activity');
sql($node, "SELECT taskq.complete_by_id(run_id => $run, result => '7')");
is(call_during_rewrite('closed_0', "SELECT result FROM taskq.outcome($run)"),
	'7', 'the outcome of a closed one');
is( call_during_rewrite('queue_config',
		q(SELECT taskq.configure_queue('c1', '{"max_backlog": 9}')->'max_started')),
	'5', 'a change of a configuration');
is( call_during_rewrite('instance',
		"\\c\nSELECT count(task_token) FROM taskq.poll('rewritten')"),
	'1', 'the first token of a session');

# Neither do the numbers of queues, which are counted when they are forgotten.
sql($node, q(CREATE FUNCTION forget_hints() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_hints'));
my $waiting = "SELECT sum(backlog_count) FROM taskq.task_queues WHERE task_queue LIKE 'rewritten%'";
schedule($node, "rewritten$_") for 1 .. 4;
like(call_during_rewrite('open', "SELECT forget_hints();\n$waiting"),
	qr/4$/, 'a view of queues');
ok($node->poll_query_until('postgres', $waiting, '4'), 'and the numbers stay');
$_->quit for $caller, $admin;

# Without an index nothing is found, and nobody is told otherwise; when it is
# there again all goes on.
my $definition = sql($node, q(SELECT pg_get_indexdef('taskq.open_ready'::regclass)));
sql($node, 'DROP INDEX taskq.open_ready');
is(sqlstate($node, "SELECT count(*) FROM taskq.poll('rewritten1')"),
	'42P01', 'an index is missing');
for my $other ('USING hash (task_queue)', '(task_queue, run_id)')
{
	sql($node, "CREATE INDEX open_ready ON taskq.open $other");
	is( sqlstate($node,
			"SET statement_timeout = '60s'; SELECT count(*) FROM taskq.poll('rewritten1')"),
		'55000', "another has its name: $other");
	sql($node, 'DROP INDEX taskq.open_ready');
}
sql($node, $definition);
is(sql($node, "SELECT count(*) FROM taskq.poll('rewritten1')"),
	'1', 'it is there again');

done_testing();
