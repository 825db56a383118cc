# What is lost with shared memory: heartbeats since the last flush, and nothing
# else. After a restart of the server heartbeat timeouts start anew, since the
# last heartbeats may be lost; other timeouts do not.

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
	'restart_after_crash = on',
	"taskq.heartbeat_flush = '1h'");
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';

sub set
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = '$value'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('$name')::interval = '$value'");
	return;
}

# taskq's clock goes this much ahead of the wall clock
sub clock { return set('taskq.clock_offset', @_) }

# have everything written that there is, and nothing that comes later; maybe
# what comes next
sub flush
{
	set('taskq.heartbeat_flush', '100ms');
	wait_for_flush($node);
	set('taskq.heartbeat_flush', '1h');
	# who fires a timeout now has been told before
	wait_for_activity($node,
		schedule($node, 'round', "schedule_to_start_timeout => '1 ms'"),
		"status = 'timed_out'") or die;
	return;
}

sub beat
{
	my ($token, $details) = @_;

	return sql($node, "SELECT FROM taskq.heartbeat('$token', '$details')");
}

sub last_beat
{
	my ($run) = @_;

	return activity($node, $run,
		'run_state, heartbeat_details, total_heartbeat_count');
}

sub crash
{
	my $offset = -s $node->logfile;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	kill 'KILL', $session->query_safe('SELECT pg_backend_pid()');
	wait_for_recovery($node, $offset);
	eval { $session->quit };
	return;
}

sub restart
{
	$node->restart;
	return wait_served($node, 'postgres');
}

sub forget
{
	return sql($node, 'SELECT forget_heartbeats()');
}

sql($node,
	"CREATE FUNCTION forget_heartbeats() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_heartbeats'"
);

# Attempts with a heartbeat timeout of an hour, one that had no heartbeat, one
# whose heartbeat was flushed, one with another since; and one with an hour
# to do its work.
for my $loss (
	[ 'a crash', \&crash, 1 ],
	[ 'a shutdown', \&restart, 2 ],
	[ 'forgetting', \&forget, 1 ])
{
	my ($name, $lose, $least) = @$loss;
	my $kept;
	my $options = "heartbeat_timeout => '1 h', start_to_close_timeout => '24 h', $once";

	clock('0');
	my ($silent) = start($node, $name, $options);
	my ($flushed, $flushed_token) = start($node, $name, $options);
	my ($beaten, $token) = start($node, $name, $options);
	beat($_, 1) for $flushed_token, $token;
	flush();
	beat($token, 2);
	my ($working) = start($node, $name, "start_to_close_timeout => '1 h', $once");
	clock('50 min');
	is(last_beat($beaten), 'started|2|2', "$name: before");
	$lose->();
	$kept = activity($node, $beaten, 'heartbeat_details');
	cmp_ok($kept, '>=', $least, "$name: no more than allowed is lost");
	is(last_beat($beaten), "started|$kept|$kept", "$name: neither details nor count");
	is(last_beat($flushed), 'started|1|1', "$name: what was flushed is there");

	# it would have been their time, and they come before the other one
	clock('70 min');
	ok(wait_for_activity($node, $working, "status = 'timed_out'"),
		"$name: StartToClose knows no grace");
	is(activity($node, $_, 'run_state'), 'started', "$name: Heartbeat does")
	  for $silent, $flushed, $beaten;

	# it is taken up where it was
	beat($token, 3);
	is(last_beat($beaten), 'started|3|' . ($kept + 1), "$name: heartbeats go on");

	# the timeout ran from the loss on
	clock('115 min');
	for my $run ($silent, $flushed)
	{
		ok(wait_for_activity($node, $run, "status = 'timed_out'"),
			"$name: without heartbeats the timeout fires");
		at_or_after($node, $run, 'close_time',
			"last_started_time + interval '110 min'", "$name: not early");
	}
	is(activity($node, $beaten, 'run_state'),
		'started', "$name: with one it does not");
	clock('135 min');
	ok(wait_for_activity($node, $beaten, "status = 'timed_out'"),
		"$name: but later");
	is(activity($node, $beaten, "failure->'last_heartbeat_details'"),
		'3', "$name: with its details");
}

done_testing();
