# Without shared_preload_libraries the extension can be created, so that a
# dump can be restored, and says what to do.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

my ($rc, $stdout, $stderr) = $node->psql('postgres', 'CREATE EXTENSION taskq');
is($rc, 0, 'the extension can be created');
like(
	$stderr,
	qr/WARNING: .*taskq is not in shared_preload_libraries.*HINT: .*shared_preload_libraries = 'taskq'/s,
	'with a warning and a hint');

my @calls = split /\n/, $node->safe_psql('postgres',
	q(SELECT CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END || format(' taskq.%s(%s)', proname,
		(SELECT string_agg(CASE t WHEN 'text'::regtype THEN '''x''' ELSE format('NULL::%s', t::regtype) END, ', ' ORDER BY n)
		 FROM unnest(proargtypes::oid[]) WITH ORDINALITY a (t, n)))
	  FROM pg_proc WHERE pronamespace = 'taskq'::regnamespace AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
		AND obj_description(oid) NOT LIKE 'internal%' AND proname NOT IN ('retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'run_uuid', 'run_of')
		AND proname NOT LIKE 'command\_%'
	  ORDER BY 1));
cmp_ok(scalar @calls, '>', 30, 'there are calls');
for my $call (@calls, 'SELECT taskq.run_uuid(1)', 'SELECT taskq.run_of(gen_random_uuid())')
{
	($rc, $stdout, $stderr) = $node->psql('postgres', $call,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:  55000: .*HINT: .*shared_preload_libraries/s,
		"$call is 55000, with a hint");
}

# what needs nothing of the library's memory (docs/operations.md)
for my $call (
	"retry_policy('1 s')", "retry_policy_from_jsonb('{}')", "args('1')", "payloads('{}')", "to_payloads('1')",
	"command_complete('1')", "command_schedule_activity('t', '1', '1 s')",
	'node_of(1::bigint)', 'node_of(gen_random_uuid())',
	'set_node(0)', "grant_access('pg_monitor', 'monitor')",
	"revoke_access('pg_monitor', 'monitor')")
{
	($rc) = $node->psql('postgres', "SELECT taskq.$call");
	is($rc, 0, "$call works");
}

# the views show what the tables hold, for example after a restore
$node->safe_psql('postgres',
	q(INSERT INTO taskq.queue_config VALUES ('p', '{"paused": true}', NULL, NULL, now()),
		('q', '{"paused": false}', NULL, NULL, now()), ('u', '{"paused": "perhaps"}', NULL, NULL, now());
	  INSERT INTO taskq.open (run_id, schedule_time, task_queue, activity_type, dispatch_time, start_to_close, state)
		SELECT i, now(), 'q', 't', now(), 3600e6, i FROM generate_series(1, 6) i;
	  INSERT INTO taskq.heartbeat_state VALUES (2, now(), 7, '"kept"')));
is( $node->safe_psql('postgres',
		"SELECT string_agg(run_state::text || coalesce(heartbeat_details #>> '{}', ''), ' ' ORDER BY run_id) FROM taskq.activities"),
	'scheduled startedkept cancel_requested pause_requested started paused',
	'activities without the library');
is( $node->safe_psql('postgres',
		"SELECT task_queue, backlog_count, started_count, paused_count, paused FROM taskq.task_queues ORDER BY 1"),
	"p|0|0|0|t\nq|1|4|1|f\nu|0|0|0|t",
	'task_queues');
for my $view (qw(task_queue_priorities pollers stat_task_queues health))
{
	($rc, $stdout, $stderr) = $node->psql('postgres', "SELECT * FROM taskq.$view");
	is($stderr, '', "$view is no error");
}
$node->safe_psql('postgres', 'DELETE FROM taskq.open; DELETE FROM taskq.heartbeat_state');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'");
$node->restart;
ok(wait_served($node, 'postgres'), 'once it is loaded, a worker comes');
is($node->safe_psql('postgres', "SELECT created FROM taskq.schedule('q', 't', start_to_close_timeout => '1h')"),
	't', 'and calls work');

done_testing();
