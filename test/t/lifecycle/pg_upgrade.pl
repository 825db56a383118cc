# pg_upgrade from another major version: open and closed activities and workflows, tokens,
# timers, settings of queues and access are there afterwards, in each database.
# It takes an installation of that version: OLD_INSTALL, as test/upgrade makes it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCalls;
use TaskqTest;
use Test::More;

plan skip_all => 'no other version is here; see test/upgrade' unless $ENV{OLD_INSTALL};

my @settings = ("shared_preload_libraries = 'taskq'", "taskq.heartbeat_flush = '100ms'", 'max_worker_processes = 20');
my $old = PostgreSQL::Test::Cluster->new('old', install_path => $ENV{OLD_INSTALL});
my $new = PostgreSQL::Test::Cluster->new('new');

for my $node ($old, $new)
{
	$node->init(extra => ['--data-checksums']);		# on by default since 18, and has to be the same
	$node->append_conf('postgresql.conf', join("\n", @settings, ''));
}
$old->start;

# Some minor releases note something of each column as an option, which others refuse:
# they cannot take over any table, unless that is taken off.
my $noted = sql($old, "CREATE TABLE plain (i int); SELECT attoptions FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum = 1; DROP TABLE plain");
$new->start;
my $unknown = $noted =~ /\{(\w+=\w+)\}/ && sqlstate($new, "CREATE TABLE plain (i int); ALTER TABLE plain ALTER i SET ($1)") ne 'ok';
sql($new, 'DROP TABLE IF EXISTS plain');
$new->stop;
my $from = sql($old, 'SHOW server_version_num');
for my $database (qw(postgres second))
{
	$old->safe_psql('postgres', 'CREATE DATABASE second') if $database eq 'second';
	$old->safe_psql($database, 'CREATE EXTENSION taskq');
}
ok(wait_served($old, qw(postgres second)), 'workers in both databases');

# Everything has been called, and there is something in every state.
prepare_worlds($old);
my @calls = every_call($old);
my @worlds = make_worlds($old, map { "w$_" } 0 .. $#calls);
$old->safe_psql('postgres', "\\o /dev/null\n" . join '', map { call_in($calls[$_], $worlds[$_]) . ";\n" } 0 .. $#calls);
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my ($held, $token) = start($old, 'held', "input => '{\"n\": 1}'");
sql($old, qq(SELECT taskq.heartbeat('$token', '{"at": 7}')));
sql($old, q(SELECT taskq.grant_access('grantee', 'worker'); SELECT taskq.configure_queue('held', '{"retention": "100 days"}')));
my @late = map { (start($old, 'late', "start_to_close_timeout => '3 s', $once"))[0] } 1 .. 3;
my $second = $old->safe_psql('second', "SELECT run_id FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h')");

# A function, and a task of it that is late.
sql($old, q(CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app; SELECT taskq.grant_access('app', 'developer');
	SET ROLE app;
	CREATE FUNCTION app.effect(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT taskq.register_function('effect', 'app.effect(jsonb)', 'functions', concurrency => 3)));
my $function = sql($old, q(SELECT run_id FROM taskq.schedule('functions', 'effect', '5', start_to_close_timeout => '1 h', start_delay => '1 h')));
wait_for_flush($old);
my $rows = "SELECT * FROM taskq.activities WHERE task_queue <> 'late' ORDER BY run_id";
my $config = 'SELECT task_queue, config FROM taskq.task_queues WHERE config IS NOT NULL ORDER BY 1';
my $events = 'SELECT w.*, e.event_id, e.event_type, e.attributes FROM taskq.workflows w LEFT JOIN taskq.workflow_events e USING (run_id) ORDER BY w.run_id, e.event_id';
my ($before, $configured, $histories) = (sql($old, $rows), sql($old, $config), sql($old, $events));
my $last = sql($old, 'SELECT max(run_id) FROM taskq.activities');
if ($unknown)
{
	note "taken off: $noted";
	$old->safe_psql($_, "UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text ~ '^{\\w+=\\d+}\$'") for qw(postgres second template1);
}
$old->stop;

chdir $new->basedir;
{
	# libraries that the old version needs and this system doesn't have
	local $ENV{LD_LIBRARY_PATH} = "$ENV{OLD_INSTALL}/lib";
	my @upgrade = (
		'pg_upgrade', '--no-sync',
		'--old-datadir' => $old->data_dir, '--new-datadir' => $new->data_dir,
		'--old-bindir' => "$ENV{OLD_INSTALL}/bin", '--new-bindir' => $new->config_data('--bindir'),
		'--socketdir' => $new->host, '--old-port' => $old->port, '--new-port' => $new->port);

	command_ok([ @upgrade, '--check' ], 'pg_upgrade --check');
	command_ok(\@upgrade, 'pg_upgrade');
}
$new->start;
cmp_ok(sql($new, 'SHOW server_version_num'), '>', $from, "from $from");
ok(wait_served($new, qw(postgres second)), 'both databases have a worker again');
is(sql($new, $rows), $before, 'what is open and closed is the same');
is(sql($new, $events), $histories, 'so are workflows and their histories');
is(sql($new, 'SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows'), 't', 'these agree');
is(sql($new, $config), $configured, 'queues are configured as before');
ok($new->poll_query_until('postgres',
		'SELECT bool_and(status = $$timed_out$$) FROM taskq.activities WHERE run_id IN (' . join(', ', @late) . ')'),
	'timers fire');
is(sqlstate($new, "SELECT taskq.complete('$token', '1')"), 'ok', 'a token of before is good');
is(activity($new, $held, 'status, result, heartbeat_details'), 'completed|1|{"at": 7}', 'and closes its run');
is(sql($new, q(SELECT function, run_as, concurrency, problem FROM taskq.functions)), 'app.effect(pg_catalog.jsonb)|app|3|', 'functions are registered as before');
my $again = sql($new, q(SELECT run_id FROM taskq.schedule('functions', 'effect', '6', start_to_close_timeout => '1 h')));
ok(wait_for_activity($new, $again, "status = 'completed' AND result = '6'"), 'and run');
is(activity($new, $function, 'run_state'), 'scheduled', 'a task of before waits until its time');
cmp_ok(schedule($new, 'new'), '>', $last, 'numbers of runs go on');
is($new->safe_psql('second', "SELECT run_id FROM taskq.poll('q')"), $second, 'the second database, too');
is(sql($new, "SET ROLE grantee; SELECT count(*) FROM taskq.poll('new')"), '1', 'who had access has it');
is(sql($new, "SELECT check_name, detail FROM taskq.health WHERE status <> 'ok'"), '', 'in good health');

# all calls work on what was upgraded, and the extension can go
@worlds = make_worlds($new, map { "x$_" } 0 .. $#calls);
$new->safe_psql('postgres', "\\o /dev/null\n" . join '', map { call_in($calls[$_], $worlds[$_]) . ";\n" } 0 .. $#calls);
pass('all calls succeed');
sql($new, 'DROP EXTENSION taskq');
ok(wait_served($new, 'second'), 'it can be dropped');

done_testing();
