# Steps that need the same host are routed to a queue of that host's. When
# nobody polls there any more, the schedule_to_start timeout tells the
# application, which starts over on the common queue.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $host_options = q(schedule_to_start_timeout => '3 s',
	start_to_close_timeout => '1 min',
	retry_policy => taskq.retry_policy(initial_interval => '10 ms', maximum_attempts => 5));

# What the application does next is decided by how the last step ended, in
# one transaction: transcode where the file was downloaded to, and if that host
# can't be had, download once more.
$node->safe_psql(
	'postgres', qq{
	CREATE TABLE job (step text, run_id bigint);
	CREATE FUNCTION next_step(last_step text, last_run bigint) RETURNS text
	LANGUAGE plpgsql AS \$\$
	DECLARE ended record;
	BEGIN
	  SELECT * INTO ended FROM taskq.outcome(last_run);
	  IF last_step = 'download' AND ended.status = 'completed' THEN
	    INSERT INTO job SELECT 'transcode', run_id
	      FROM taskq.schedule(ended.result->>'host', 'transcode',
	        ended.result, activity_id => 'job-1', $host_options);
	    RETURN 'transcode';
	  ELSIF ended.failure->>'timeout_type' = 'schedule_to_start' THEN
	    INSERT INTO job SELECT 'download', run_id
	      FROM taskq.schedule('media', 'download', '"file-1"',
	        activity_id => 'job-1', start_to_close_timeout => '1 min');
	    RETURN 'download';
	  END IF;
	  RETURN 'done';
	END \$\$;
});

# A worker of a host polls the common queue, and answers where it is.
sub download
{
	my ($host) = @_;

	return sql($node, qq{
		SELECT taskq.complete(task_token, '{"host": "$host"}', '$host'), input
		  FROM taskq.poll('media', identity => '$host')});
}

sub last_run
{
	my ($step) = @_;

	return sql($node,
		"SELECT max(run_id) FROM job WHERE step = '$step'");
}

my $first = schedule($node, 'media', q(activity_id => 'job-1'));
is( sql($node, q(SELECT count(*) FROM taskq.poll('host-a'))),
	0, 'a new queue is empty');
download('host-a');
is(sql($node, "SELECT next_step('download', $first)"),
	'transcode', 'the next step is scheduled');
my $lost = last_run('transcode');

# the host is gone
is(download('host-b'), '', 'another host does not get it');
is( activity($node, $lost, 'task_queue, run_state, attempt'),
	'host-a|scheduled|1', 'it waits for the host');
ok(wait_for_activity($node, $lost, q(status = 'timed_out')),
	'nobody polls: it times out');
is( activity(
		$node,
		$lost,
		q(failure->>'timeout_type', failure->>'message', retry_state, attempt,
		  first_started_time IS NULL, last_failure IS NULL)),
	'schedule_to_start|activity ScheduleToStart timeout|timeout|1|t|t',
	'never started and never retried');
at_or_after($node, $lost, 'close_time',
	'schedule_time + schedule_to_start_timeout', 'not before its time');

is(sql($node, "SELECT next_step('transcode', $lost)"),
	'download', 'the application starts over');
my $second = last_run('download');
is( sql($node, q(SELECT run_id FROM taskq.describe('job-1'))),
	$second, 'under the same activity id');
is( sql($node, q(SELECT count(*) FROM taskq.poll('host-a'))),
	0, 'the host is back, too late');

# another host serves both queues
is(download('host-b'), '|"file-1"', 'another host downloads');
is(sql($node, "SELECT next_step('download', $second)"),
	'transcode', 'and is the one that transcodes');
my $found = last_run('transcode');
is( sql($node, q{
		SELECT taskq.complete(task_token, '"done"'), attempt, input
		  FROM taskq.poll('host-b')}),
	'|1|{"host": "host-b"}',
	'on its own queue');
is( activity($node, $found, 'status, result, task_queue'),
	'completed|"done"|host-b', 'in time');
is(sql($node, "SELECT next_step('transcode', $found)"),
	'done', 'nothing is left to do');

# a retry waits for the host anew: what counts is the time since it was due
my $retried = schedule($node, 'host-c', $host_options);
sql($node,
	q(SELECT taskq.fail(task_token, 'broken', next_retry_delay => '600 ms')
	    FROM taskq.poll('host-c')));
ok(wait_for_activity($node, $retried, q(status = 'timed_out')),
	'the second attempt finds nobody');
is( activity(
		$node, $retried,
		q(failure->>'timeout_type', failure#>>'{cause,message}', attempt)),
	'schedule_to_start|broken|2',
	'what happened before is the cause');
at_or_after(
	$node, $retried, 'close_time',
	q(last_attempt_complete_time + interval '1 s'),
	'the back-off does not count');

done_testing();
