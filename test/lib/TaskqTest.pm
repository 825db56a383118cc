# What the TAP tests of activities share: a server with the extension, calls
# in short, and how to wait for what a timer does.
package TaskqTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

our @EXPORT = qw(activity_node sql sqlstate schedule start activity
  wait_for_activity wait_for_flush wait_for_worker wait_for_recovery
  at_or_after median);

# A running server with the extension in database postgres, and its worker.
sub activity_node
{
	my ($name, @settings) = @_;
	my $node = taskq_node($name, @settings);

	$node->safe_psql('postgres', 'CREATE EXTENSION taskq');
	wait_served($node, 'postgres') or die 'no worker';
	return $node;
}

sub sql
{
	my ($node, $statement) = @_;

	return $node->safe_psql('postgres', $statement);
}

# The SQLSTATE with which a statement fails, or "ok".
sub sqlstate
{
	my ($node, $statement) = @_;
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $statement,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	return $stderr =~ /ERROR:  (\w{5})/ ? $1 : $rc == 0 ? 'ok' : $stderr;
}

# The call that schedules an activity with these arguments after queue and
# type. Its start_to_close_timeout is an hour unless they name one.
sub call_schedule
{
	my ($queue, $arguments) = @_;

	$arguments //= '';
	$arguments .= ", start_to_close_timeout => '1 h'"
	  if $arguments !~ /start_to_close_timeout/;
	$arguments =~ s/^(?=[^,\s])/, /;
	return "taskq.schedule('$queue', 't' $arguments)";
}

# Schedule an activity and, if asked for, do something with :run_id right then;
# its run_id.
sub schedule
{
	my ($node, $queue, $arguments, $then) = @_;
	my $schedule = call_schedule($queue, $arguments);

	$then //= '';
	return (
		split /\n/,
		sql($node,
			"SELECT run_id FROM $schedule \\gset\n\\echo :run_id\n$then"))[0];
}

# Schedule an activity in a queue of its own and start it: (run_id, token).
sub start
{
	my ($node, $queue, $arguments) = @_;
	my $schedule = call_schedule($queue, $arguments);
	my ($run_id, $polled, $token) = split /[|\n]/,
	  sql($node,
		"SELECT run_id FROM $schedule;
		 SELECT run_id, task_token FROM taskq.poll('$queue')");

	die "polled $polled instead of $run_id" if $polled ne $run_id;
	return ($run_id, $token);
}

# Columns of one activity, as psql prints them.
sub activity
{
	my ($node, $run_id, $columns) = @_;

	return sql($node,
		"SELECT $columns FROM taskq.activities WHERE run_id = $run_id");
}

# Wait until a condition on one activity holds.
sub wait_for_activity
{
	my ($node, $run_id, $condition) = @_;

	return $node->poll_query_until('postgres',
		"SELECT $condition FROM taskq.activities WHERE run_id = $run_id");
}

# Wait until all heartbeats are in the table.
sub wait_for_flush
{
	my ($node) = @_;

	return $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 0
		   FROM taskq.activities a LEFT JOIN taskq.heartbeat_state h USING (run_id)
		  WHERE a.close_time IS NULL
			AND a.total_heartbeat_count > coalesce(h.count, 0)");
}

# Wait until the worker is another process than this one.
sub wait_for_worker
{
	my ($node, $other_than) = @_;

	return $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = 'postgres'
			AND pid <> $other_than");
}

# After a crash: wait until the server is up again and has its worker.
sub wait_for_recovery
{
	my ($node, $log_offset) = @_;

	$node->wait_for_log(qr/database system is ready to accept connections/,
		$log_offset);
	return wait_served($node, 'postgres');
}

# A timer fires late, never early.
sub at_or_after
{
	my ($node, $run_id, $time, $deadline, $name) = @_;

	is(activity($node, $run_id, "$time >= $deadline"), 't', $name)
	  or diag(activity($node, $run_id, "$time, $deadline"));
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ $#sorted / 2 ];
}

1;
