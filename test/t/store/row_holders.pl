# Who holds a row: several at a time, savepoints of our own, and those who are
# gone. What nobody else holds any more is found, handed out, and heartbeated
# without a write.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.heartbeat_flush = '1h'",
	"taskq.cursor_check_interval = '1s'");

# Lock the row of a run, for sessions of their own.
sub lock_row
{
	my ($run_id, $mode) = @_;

	return "SELECT FROM taskq.open WHERE run_id = $run_id FOR $mode";
}

# Two sessions that have locked the row at the same time.
sub two_lockers
{
	my ($run_id) = @_;
	my @sessions = map { $node->background_psql('postgres') } 1 .. 2;

	$_->query_safe('BEGIN; ' . lock_row($run_id, 'KEY SHARE')) for @sessions;
	return @sessions;
}

sub end
{
	for my $session (@_)
	{
		$session->query_safe('COMMIT');
		$session->quit;
	}
	return;
}

sub polled
{
	my ($queue) = @_;

	return sql($node, "SELECT run_id FROM taskq.poll('$queue')");
}

sub waited
{
	my ($queue, $timeout) = @_;

	return sql($node, "CALL taskq.wait_for_task('$queue', '$timeout', NULL)");
}

# several lockers, and then none
my $run = schedule($node, 'waits');
my @lockers = two_lockers($run);

end(@lockers);
is(waited('waits', '1 min'),
	't', 'a task that two sessions had locked is ready when they are gone');
is(polled('waits'), $run, 'and is handed out');

# several lockers that an update gets along with
$run = schedule($node, 'shared');
@lockers = two_lockers($run);
is(polled('shared'), $run, 'a start gets along with two locks on the key');
end(@lockers);

# one of them changes it, and takes it back
$run = schedule($node, 'changed');
@lockers = two_lockers($run);
$lockers[0]->query_safe("SELECT taskq.pause(run_id => $run)");
is(polled('changed'), '', 'a task that is being changed is not handed out');
$lockers[0]->query_safe('ROLLBACK; BEGIN');
is(polled('changed'), $run, 'when that was rolled back it is');
end(@lockers);

# a heartbeat of a row whose lockers are gone is not written
my ($started, $token) = start($node, 'beats');

@lockers = two_lockers($started);
end(@lockers);
sql($node, "SELECT taskq.heartbeat('$token', '1')");
is( sql($node, "SELECT count(*) FROM taskq.heartbeat_state WHERE run_id = $started"),
	0,
	'a heartbeat of a row that two sessions had locked stays in memory');
is(activity($node, $started, 'heartbeat_details'), 1, 'and is seen');

# savepoints of our own
$run = schedule($node, 'own');
is( sql($node,
		'BEGIN; '
		  . lock_row($run, 'KEY SHARE')
		  . '; SAVEPOINT a; '
		  . lock_row($run, 'UPDATE')
		  . "; SAVEPOINT b; SELECT run_id FROM taskq.poll('own'); COMMIT"),
	$run,
	'locks of our own savepoints are not in the way');
$run = schedule($node, 'back');
is( sql($node,
		'BEGIN; SAVEPOINT a; '
		  . lock_row($run, 'UPDATE')
		  . "; ROLLBACK TO a; SELECT run_id FROM taskq.poll('back'); COMMIT"),
	$run,
	'nor those of one that was rolled back');
$run = schedule($node, 'twice');
is( sql($node,
		"BEGIN; SELECT run_id FROM taskq.poll('twice'); SAVEPOINT a;
		 SELECT run_id FROM taskq.poll('twice'); COMMIT"),
	$run,
	'a savepoint does not get what its transaction has taken');

# a deadline of an attempt whose row somebody has locked
($run) = start($node, 'timer',
	"start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
my $shared = $node->background_psql('postgres');

$shared->query_safe('BEGIN; ' . lock_row($run, 'KEY SHARE'));
sql($node,
	"SELECT taskq.update_options(run_id => $run, options => '{\"start_to_close_timeout\": \"200 ms\"}')"
);
ok( $node->poll_query_until(
		'postgres',
		"SELECT clock_timestamp() > last_started_time + interval '1 s' FROM taskq.activities WHERE run_id = $run"
	),
	'time passes');
is(activity($node, $run, 'run_state'),
	'started', 'an attempt is not closed while its key is locked');
($started) = start($node, 'timer2',
	"start_to_close_timeout => '200 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
ok(wait_for_activity($node, $started, "status = 'timed_out'"),
	'other timers fire meanwhile');
end($shared);
ok(wait_for_activity($node, $run, "status = 'timed_out'"),
	'its own does when the lock is gone');

# a deadline that is followed by a retry changes no key, and needs not wait
($run, $token) = start($node, 'retried',
	"start_to_close_timeout => '1 s', retry_policy => taskq.retry_policy(initial_interval => '1 h')"
);
@lockers = two_lockers($run);
ok(wait_for_activity($node, $run, 'attempt = 2'),
	'a timeout that is retried gets along with locks on the key');
end(@lockers);
unlike(slurp_file($node->logfile),
	qr/would have passed over|TRAP:|multixact/i,
	'no task was out of sight');

done_testing();
