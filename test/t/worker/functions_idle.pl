# A function worker that has nothing to do sleeps until there is something, and does
# not wake up to look; that what nobody was told of is found is somebody else's affair.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

# longer than any nap that it could take
use constant NAP => 65;

my $node = activity_node('main', "taskq.function_idle_timeout = '1 h'");

sub outcome
{
	my ($run) = @_;

	return sql($node, "CALL taskq.wait_for_close($run, '60 s') \\g /dev/null
		SELECT status, result FROM taskq.activities WHERE run_id = $run");
}

sub pids
{
	my ($type) = @_;

	return sql($node, "SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE backend_type = '$type' AND datname = 'postgres'");
}

sql($node, q(CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app; SELECT taskq.grant_access('app', 'developer'), taskq.grant_access('app', 'producer');
	SET ROLE app; CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT taskq.register_function('echo', 'echo(jsonb)', 'functions')));
my $schedule = q(SELECT run_id FROM taskq.schedule('functions', 'echo', '1', start_to_close_timeout => '1 min'));
is(outcome(sql($node, $schedule)), 'completed|1', 'a function runs');
my $pid = pids('taskq function worker');
like($pid, qr/^\d+$/, 'its process stays');

# ---- idle ------------------------------------------------------------------------

SKIP:
{
	skip 'no /proc', 1 unless -e "/proc/$pid/status";
	my $switches = sub { slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m ? $1 : die };
	my ($before, $until) = (-1, 0);

	# from when it has fallen asleep
	while ($switches->() != $before)
	{
		$before = $switches->();
		sql($node, 'SELECT pg_sleep(1)');
	}
	$until = time + NAP;
	sql($node, 'SELECT pg_sleep(1)') while time < $until && $switches->() == $before;
	is($switches->() - $before, 0, 'it has not woken up for a minute');
}

# ---- a task of which it was not told ------------------------------------------------

# Somebody has put it into the table by hand. A minute passes for the worker of the
# database alone: it has a clock of its own, and nobody else hears of it.
sql($node, q(INSERT INTO taskq.open (run_id, schedule_time, task_queue, activity_type, input, dispatch_time, start_to_close)
	VALUES (1000000, clock_timestamp(), 'functions', 'echo', '2', clock_timestamp(), 60000000)));
sql($node, q(ALTER SYSTEM SET taskq.clock_offset = '2 min'));
kill 'HUP', pids('taskq worker');
is(outcome(1000000), 'completed|2', 'a task of which nobody was told');
is(pids('taskq function worker'), $pid, '... is done by the process that was asleep');

done_testing();
