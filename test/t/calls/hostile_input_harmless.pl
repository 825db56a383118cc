# Whatever anybody passes to whatever schema taskq has, in whatever transaction,
# the answer is a result or an error that is the caller's; nobody does more than
# was granted; sessions and the worker keep their memory; and the installation
# works afterwards as before. TaskqFuzz.pm has what is tried.
#
# TASKQ_SEED repeats what the clients try, TASKQ_STEPS is how many steps each of
# them makes at least. TASKQ_TEST_SECONDS makes it go on, from a seed of its own.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use List::Util qw(max sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqFuzz;
use TaskqTest;
use Test::More;

use constant {
	STEPS => 600,
	MEGABYTE => 1024 * 1024,
};

my $seed = $ENV{TASKQ_SEED} || ($ENV{TASKQ_TEST_SECONDS} ? time : 20261129);
diag("TASKQ_SEED=$seed");

# small tables in shared memory, so that they overflow; an even seed has those
# of the defaults
my @small = ('taskq.max_queues = 64', 'taskq.max_lanes = 64', 'taskq.max_pollers = 32', 'taskq.max_delays = 64',
	'taskq.heartbeat_slots = 16', 'taskq.timer_buffer = 16', 'taskq.max_listened_queues = 8', 'taskq.max_listener_queues = 16',
	'taskq.max_watched_runs = 16');
my $node = activity_node('main', 'max_prepared_transactions = 10', 'fsync = off', 'deadlock_timeout = 50ms',
	'log_line_prefix = \'%m [%p] %e "%b" \'', 'log_statement = none', 'log_min_messages = warning', 'log_min_error_statement = panic',
	'max_worker_processes = 16', 'taskq.retention = 20s', 'taskq.heartbeat_flush = 200ms', 'taskq.arm_after = 100ms', 'taskq.cursor_check_interval = 1s',
	$seed % 2 ? @small : ());

# ---- who is there ----------------------------------------------------------

sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION taskq');
my @foreign = fuzz_tokens($node, 'other');
fuzz_setup($node, 'postgres');
sql($node, 'CREATE EXTENSION amcheck');
my @parts = qw(producer worker operator monitor developer);
sql($node, "CREATE ROLE victim; CREATE ROLE nobody LOGIN; CREATE ROLE all_parts LOGIN; CREATE ROLE half LOGIN");
sql($node, "SELECT taskq.grant_access('all_parts', '$_')") for @parts;
sql($node, "SELECT taskq.grant_access('half', '$_')") for @parts[ 0, 1 ];
sql($node, 'GRANT USAGE ON SCHEMA taskq TO nobody') if $seed % 4 == 1;
my $owner = sql($node, 'SELECT current_user');
my @clients = map { { database => 'postgres', role => $_, is_owner => $_ eq $owner } } $owner, 'all_parts', 'half', 'nobody';

# Rights of everybody but the victim, whom the owner may grant something.
my $rights = q{
	SELECT md5(string_agg(r, ' ' ORDER BY r)) FROM (
		SELECT (p.oid, a.*)::text AS r FROM pg_proc p, aclexplode(proacl) a WHERE grantee <> 'victim'::regrole
		UNION ALL SELECT (c.oid, a.*)::text FROM pg_class c, aclexplode(relacl) a WHERE grantee <> 'victim'::regrole AND relpersistence = 'p'
		UNION ALL SELECT (n.oid, a.*)::text FROM pg_namespace n, aclexplode(nspacl) a WHERE grantee <> 'victim'::regrole AND nspname !~ '^pg_(toast_)?temp'
		UNION ALL SELECT (m.roleid, m.member)::text FROM pg_auth_members m
		UNION ALL SELECT (rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin)::text FROM pg_roles
		UNION ALL SELECT (p.oid, proname, proowner, prosecdef, prosrc)::text FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace) x};
my $rights_before = sql($node, $rights);

my $worker = worker_pid($node, 'postgres');

# ---- what they try ---------------------------------------------------------

# What PostgreSQL keeps of relations, and of the statements in calls that a session
# makes for the first time, at whatever step that is.
my $cached = qr/^(?:CacheMemoryContext|relation rules|index info|Type information cache|CachedPlan\w*|taskq target)$/;

my @reports = fuzz($node, \@clients, seed => $seed, steps => $ENV{TASKQ_STEPS} || STEPS, go_on => \&time_left, foreign => \@foreign);
my (%succeeded, %called, %ends);

foreach my $report (@reports)
{
	my @memory = @{ $report->{memory} // [] };
	my @late = @memory[ @memory / 2 .. $#memory ];
	my %grown = map { $_ => @memory < 4 ? 0 : ($late[-1]->{$_} // 0) - ($late[0]->{$_} // 0) } map { keys %$_ } @late;
	my $caches = sum0(map { $grown{$_} } grep { /$cached/ } keys %grown);

	is(join("\n", @{ $report->{findings} }), '', "$report->{role}: $report->{steps} steps of seed $seed, and only clean errors");
	ok(($grown{all} // 0) - $caches < MEGABYTE && $caches < 4 * MEGABYTE, "$report->{role}: keeps its memory")
	  or diag(map { "$_ grew by $grown{$_}\n" } grep { $grown{$_} > 10000 } sort keys %grown);
	note("$report->{role}: memory " . join(' ', map { $_->{all} } @memory));
	foreach my $name (keys %{ $report->{ends} })
	{
		while (my ($state, $n) = each %{ $report->{ends}->{$name} })
		{
			$called{$name} += $n;
			$succeeded{$name} += $n if $state eq 'ok' && $report->{role} eq $owner;
			$ends{$state} += $n;
		}
	}
}
note(join ', ', map { "$_ $ends{$_}" } sort { $ends{$b} <=> $ends{$a} } keys %ends);
foreach my $name (sort keys %called)
{
	my %ended;

	foreach my $of (map { $_->{ends}->{$name} // {} } @reports) { $ended{$_} += $of->{$_} for keys %$of }
	note("$name: " . join ', ', map { "$_ $ended{$_}" } sort { $ended{$b} <=> $ended{$a} } keys %ended);
}
note('never succeeded: ' . join ' ', grep { !$succeeded{$_} } sort keys %called);

my @functions = split / /, sql($node, "SELECT string_agg(DISTINCT proname, ' ') FROM pg_proc WHERE pronamespace = 'taskq'::regnamespace");
is(join(' ', grep { !$called{$_} } @functions), '', 'everything was called');
cmp_ok(scalar(keys %succeeded), '>', @functions / 2, 'and more than half of it did something');

# ---- what is left of it ----------------------------------------------------

sql($node, "ROLLBACK PREPARED '$_'") for split /\n/, sql($node, 'SELECT gid FROM pg_prepared_xacts');
is(sql($node, $rights), $rights_before, 'nobody has other rights than before');
is(worker_pid($node, 'postgres'), $worker, 'the worker is the same');
foreach my $view (split / /, sql($node, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'v' AND obj_description(oid, 'pg_class') NOT LIKE 'internal: %'"))
{
	like($node->safe_psql('postgres', "SELECT count(v::text) FROM taskq.$view v", extra_params => [ '-U', 'all_parts' ]),
		qr/^\d+$/, "$view can be read");
}
ok($node->poll_query_until('postgres', 'SELECT ' . counts_of_view() . ' = ' . counts_of_table()), 'the numbers of task queues are right');
is( sql($node, "SELECT string_agg(check_name || ': ' || detail, ', ') FROM taskq.health WHERE status = 'critical'"),
	'', 'nothing is critical');
is( sql($node, "SELECT count(*) FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r' AND EXISTS (SELECT FROM verify_heapam(c.oid))"),
	'0', 'the tables are sound');
is( sql($node, "SELECT count(bt_index_parent_check(c.oid, true)) > 0 FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'i' AND amname = 'btree'"),
	't', 'and so are the indexes');
my ($run_id, $token) = start($node, 'afterwards');
sql($node, "SELECT taskq.complete('$token', '1')");
is(activity($node, $run_id, 'status'), 'completed', 'a task is scheduled, polled and completed');
is( sql($node, "SELECT scheduled, started, completed FROM taskq.stat_task_queues WHERE task_queue = 'afterwards'"),
	'1|1|1', 'and counted');
# those that expire meanwhile are not there any more
sql($node, q{CREATE FUNCTION fuzz.replays(run bigint) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RETURN taskq.replay(run); EXCEPTION WHEN SQLSTATE 'TQ001' THEN RETURN NOT EXISTS (SELECT FROM taskq.workflow_events WHERE run_id = run); END $$});
is(sql($node, 'SELECT count(*) FROM taskq.workflows WHERE NOT fuzz.replays(run_id)'), '0', 'every run is what its history says');
sql($node, 'SELECT count(*) FROM (SELECT taskq.delete_workflow(run_id => run_id) FROM taskq.workflows ORDER BY run_id) w');
sql($node, 'SELECT count(*) FROM taskq.delete_many(ARRAY(SELECT run_id FROM taskq.activities))');
is(sql($node, 'SELECT count(*) FROM taskq.open, taskq.heartbeat_state'), '0', 'everything can be deleted');
counts_become_right($node, 'there is nothing to count');
cmp_ok(context_memory($node, worker_pid($node, 'postgres')), '<', 8 * MEGABYTE, 'the worker has kept its memory');

# ---- is the judge awake? ---------------------------------------------------

sql($node, q{
	CREATE FUNCTION taskq.planted(a text, b int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		IF a IS NULL OR b < 0 THEN RAISE EXCEPTION 'planted' USING ERRCODE = 'XX000'; END IF;
		RETURN b;
	END $$; REVOKE ALL ON FUNCTION taskq.planted FROM PUBLIC});
my $offset = -s $node->logfile;
my ($report) = fuzz($node, [ $clients[0] ], seed => 1, steps => 60, functions => qr/planted/);
like(join('', @{ $report->{findings} }), qr/XX000 planted/, 'a planted fault is found') or diag(explain($report->{ends}));
my @log = split /\n/, substr(slurp_file($node->logfile), 0, $offset);
is(join("\n", grep { /\] (?:XX|58)|PANIC|TRAP|terminated by signal/ && !/$TaskqFuzz::grant_race/ } @log), '', 'nothing of the kind in the log');
is(join("\n", grep { /"taskq (?:worker|launcher)" (?:WARNING|ERROR|FATAL)/ } @log), '', 'nor a word of the worker');

$node->stop;
done_testing();
