# One heartbeat that cannot be written to the table keeps no other from it: it
# is put off and tried alone, logged once, and written when what was wrong has
# been mended. Nor does it when the server is shut down.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant MANY => 300;    # more than one batch

my $node = activity_node('main', 'log_min_messages = debug1', "taskq.heartbeat_flush = '1h'");
my $pid = worker_pid($node, 'postgres');
my $offset = -s $node->logfile;

sub flush_every
{
	my ($period) = @_;

	$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '$period'");
	$node->reload;
	return $node->poll_query_until('postgres',
		"SELECT current_setting('taskq.heartbeat_flush')::interval = '$period'");
}

sub logged
{
	my ($pattern) = @_;

	return count_matches(slurp_file($node->logfile, $offset), $pattern);
}

sub health
{
	return sql($node,
		"SELECT status, detail FROM taskq.health WHERE check_name = 'failed_heartbeats'");
}

sub wait_until_well
{
	return $node->poll_query_until('postgres',
		"SELECT status = 'ok' FROM taskq.health WHERE check_name = 'failed_heartbeats'");
}

# Attempts with a table of their tokens; their run ids.
sub start_many
{
	my ($queue, $n) = @_;

	sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, ARRAY[$n]),
			start_to_close_timeout => '1 h')");
	return split /\n/,
	  sql($node,
		"CREATE TABLE $queue AS SELECT run_id, task_token FROM taskq.poll('$queue', max_tasks => $n);
		 SELECT run_id FROM $queue ORDER BY 1");
}

# All heartbeat at once, each with the number of its run, but the one named.
sub beat
{
	my ($queue, $poison, $details) = @_;

	$details //= 'run_id';
	return sql($node,
		"SELECT count(*) FILTER (WHERE ok) FROM taskq.heartbeat_many(
			(SELECT array_agg(task_token ORDER BY run_id) FROM $queue),
			(SELECT array_agg(jsonb_build_object('d', CASE run_id WHEN $poison THEN $details ELSE run_id END) ORDER BY run_id)
			   FROM $queue))");
}

# the others' heartbeats are in the table, that many of each
sub saved_ok
{
	my ($queue, $poison, $count, $why) = @_;

	return ok(
		$node->poll_query_until(
			'postgres',
			"SELECT count(*) FILTER (WHERE h.count = $count) = count(*) FROM $queue LEFT JOIN taskq.heartbeat_state h USING (run_id)
			  WHERE run_id <> $poison"),
		"$why: all others are saved");
}

sub put_off_ok
{
	my ($queue, $poison, $why, $details) = @_;

	saved_ok($queue, $poison, 1, $why);
	$node->wait_for_log(qr/put off run $poison for another 4 s/,
		$offset);
	is(logged(qr/WARNING:  could not save the last heartbeat of run $poison:/),
		1, "$why: logged once");
	is(logged(qr/could not save the last heartbeat of run (?!$poison:)/),
		0, "$why: no other was");
	is(health(),
		"warning|heartbeats of 1 run(s) could not be saved, one of them $poison",
		"$why: health says so");
	beat($queue, $poison, $details // 0);
	return saved_ok($queue, $poison, 2, "$why, the next time");
}

# An index that an administrator has added, and first heartbeats.
my $poison = (start_many('first', MANY))[ MANY / 2 ];
sql($node,
	"CREATE INDEX one_by ON taskq.heartbeat_state ((1000000 / (details->>'d')::int))");
is(beat('first', $poison, 0), MANY, 'first: all heartbeat');
flush_every('100ms');
put_off_ok('first', $poison, 'first');
beat('first', $poison);
ok(wait_for_flush($node), 'first: one that can be written is');
is(sql($node, "SELECT count, details FROM taskq.heartbeat_state WHERE run_id = $poison"),
	qq(3|{"d": $poison}), 'first: counted with those that could not');
ok(wait_until_well(), 'first: and health is well');

# What is put off ends with its attempt.
beat('first', $poison, 0);
ok( $node->poll_query_until(
		'postgres',
		"SELECT status = 'warning' FROM taskq.health WHERE check_name = 'failed_heartbeats'"),
	'ended: put off');
sql($node, "SELECT taskq.complete(task_token) FROM first WHERE run_id = $poison");
is(activity($node, $poison, 'status, heartbeat_details, total_heartbeat_count'),
	'completed|{"d": 0}|4', 'ended: with its last heartbeat');
ok(wait_until_well(), 'ended: nothing is put off any more');

# A constraint, and heartbeats of attempts that have rows: the other row of the
# pair is there before, since two that are new may be written in either order.
$offset = -s $node->logfile;
$poison = (start_many('again', MANY))[ MANY / 2 ];
my ($rival, $since) = split /\|/,
  sql($node, "SELECT (SELECT min(run_id) FROM first), (SELECT min(run_id) FROM again)");
sql($node, "SELECT taskq.heartbeat(task_token, '{\"d\": -1}') FROM again WHERE run_id = $poison");
ok(wait_for_flush($node), 'again: the first is written');
sql($node,
	"CREATE UNIQUE INDEX no_two ON taskq.heartbeat_state ((details->>'d'))
	  WHERE run_id = $rival OR run_id >= $since");
beat('again', $poison, $rival);
put_off_ok('again', $poison, 'again', $rival);
sql($node, 'DROP INDEX taskq.no_two; UPDATE taskq.open SET state = state WHERE false');
ok(wait_for_flush($node), 'again: saved without the constraint');
ok(wait_until_well(), 'again: and health is well');

# Canceled in the middle, it loses nothing.
flush_every('1h');
$poison = (start_many('canceled', MANY))[0];
beat('canceled', $poison);
flush_every('100ms');
sql($node, "SELECT pg_cancel_backend($pid)") for 1 .. 20;
ok(wait_for_flush($node), 'canceled: all are saved');
is(worker_pid($node, 'postgres'), $pid, 'all this time it was one worker');

# Shut down: some that cannot be written, and a worker that does not know yet.
flush_every('1h');
my @runs = start_many('stopped', MANY);
my @poison = @runs[ 10, 11, MANY - 1 ];
beat('stopped', $_, 0) for @poison;
sql($node,
	"SELECT taskq.heartbeat(task_token, '{\"d\": 0}') FROM stopped WHERE run_id IN (" . join(', ', @poison) . ')');
$offset = -s $node->logfile;
$node->restart;
is( sql($node,
		'SELECT count(*) FROM stopped JOIN taskq.heartbeat_state h USING (run_id) WHERE h.count = 3'),
	MANY - @poison,
	'stopped: all others are saved');
for (@poison)
{
	is(logged(qr/WARNING:  could not save the last heartbeat of run $_ /),
		1, 'stopped: what is lost is logged');
}
sql($node, 'DROP INDEX taskq.one_by');
ok(wait_served($node, 'postgres'), 'stopped: and the next worker starts');
beat('stopped', 0);
flush_every('100ms');
ok(wait_for_flush($node), 'stopped: and writes them all');

done_testing();
