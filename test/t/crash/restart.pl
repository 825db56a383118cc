# A server that is shut down or crashes while activities are open in every
# state: they are as they were, their tokens are valid, what comes next comes
# next, and timers fire.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');


# what a poll would get in an hour
sub poll_later
{
	my ($queue) = @_;

	return sql($node,
		"SET taskq.clock_offset = '1 h';
		 SELECT run_id, attempt FROM taskq.poll('$queue')");
}

sub all_states
{
	my %run;
	my %token;

	$run{$_} = schedule($node, $_) for qw(scheduled paused);
	$run{delayed} = schedule($node, 'delayed', "start_delay => '30 min'");
	($run{$_}, $token{$_}) = start($node, $_)
	  for qw(backing_off started cancel_requested pause_requested
	  reset_requested);
	sql($node,
		"SELECT taskq.fail('$token{backing_off}', 'no', next_retry_delay => '30 min');
		 SELECT taskq.heartbeat('$token{started}', '{\"at\": 7}');
		 SELECT taskq.request_cancel(run_id => $run{cancel_requested});
		 SELECT taskq.pause(run_id => $run{pause_requested});
		 SELECT taskq.reset(run_id => $run{reset_requested});
		 SELECT taskq.pause(run_id => $run{paused})");
	return (\%run, \%token);
}

# with a timer that fires in two seconds
sub all_timers
{
	my %run;

	$run{schedule_to_start} = schedule($node, 'unpolled',
		"schedule_to_start_timeout => '2 s'");
	$run{schedule_to_close} = schedule($node, 'held',
		"schedule_to_close_timeout => '2 s'",
		'SELECT taskq.pause(run_id => :run_id)');
	($run{start_to_close}) = start($node, 'running',
		"start_to_close_timeout => '2 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
	);
	($run{heartbeat}) = start($node, 'silent',
		"heartbeat_timeout => '2 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
	);
	return \%run;
}

sub survive
{
	my ($mode) = @_;
	my ($run, $token) = all_states();
	my $ids = join ', ', values %$run;
	my $rows = "SELECT * FROM taskq.activities WHERE run_id IN ($ids) ORDER BY run_id";
	my $timers = all_timers();
	my $session = $node->background_psql('postgres');
	my $before;

	$session->query_safe("BEGIN; SELECT FROM taskq.poll('scheduled')");
	$before = sql($node, $rows);
	$session->quit if $mode eq 'fast';
	if ($mode ne 'fast')
	{
		# a crash loses heartbeats since the last flush, a shutdown does not
		$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '100ms'");
		$node->reload;
		wait_for_flush($node);
	}
	$node->stop($mode);
	$node->start;
	eval { $session->quit } if $mode ne 'fast';

	is(sql($node, $rows), $before, "$mode: the rows are the same");
	for my $type (sort keys %$timers)
	{
		ok(wait_for_activity($node, $timers->{$type}, 'close_time IS NOT NULL'),
			"$mode: the $type timer fires");
		is( activity($node, $timers->{$type}, "status, failure ->> 'timeout_type'"),
			"timed_out|$type", "$mode: as $type");
	}

	is(sql($node, "SELECT run_id, attempt FROM taskq.poll('scheduled')"),
		"$run->{scheduled}|1", "$mode: a task polled but not committed is back");
	for my $queue (qw(delayed backing_off paused))
	{
		is(sql($node, "SELECT count(*) FROM taskq.poll('$queue')"),
			0, "$mode: $queue is not due");
	}
	is(poll_later('delayed'), "$run->{delayed}|1", "$mode: until its delay ends");
	is(poll_later('backing_off'), "$run->{backing_off}|2", "$mode: or its back-off");
	sql($node, "SELECT taskq.unpause(run_id => $run->{paused})");
	is(poll_later('paused'), "$run->{paused}|1", "$mode: or it is unpaused");

	sql($node, "SELECT taskq.complete('$token->{started}', '1');
				SELECT taskq.report_canceled('$token->{cancel_requested}');
				SELECT taskq.fail('$token->{pause_requested}', 'no');
				SELECT taskq.fail('$token->{reset_requested}', 'no')");
	is(activity($node, $run->{started}, 'status, heartbeat_details'),
		'completed|{"at": 7}', "$mode: started can complete");
	is(activity($node, $run->{cancel_requested}, 'status'),
		'canceled', "$mode: cancel_requested can be canceled");
	is(activity($node, $run->{pause_requested}, 'run_state, attempt'),
		'paused|2', "$mode: pause_requested pauses");
	is(activity($node, $run->{reset_requested}, 'run_state, attempt'),
		'scheduled|1', "$mode: reset_requested starts over");
	is(sqlstate($node, "SELECT taskq.complete('$token->{$_}')"),
		'TQ001', "$mode: the token of $_ is used up")
	  for qw(backing_off started reset_requested);
	sql($node, 'SELECT taskq.delete(run_id => run_id) FROM taskq.activities');
	return;
}

survive('fast');
survive('immediate');

done_testing();
