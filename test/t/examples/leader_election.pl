# An activity that never ends and heartbeats elects a leader: who holds the
# attempt leads. When its process is killed, the heartbeat timeout ends the
# attempt and the next process takes over where it stopped, with the attempt's
# number as the fencing token.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');

# the resource that the leader works on takes nothing from an older one
$node->safe_psql(
	'postgres', q{
	CREATE TABLE resource (fence int, value int);
	INSERT INTO resource VALUES (0, 0);
	CREATE TABLE taken (task_token uuid, attempt int, heartbeat_details jsonb, leader text);
});
my $run = schedule(
	$node, 'leader', q(activity_id => 'the-leader', start_to_close_timeout => '10 d',
	heartbeat_timeout => '4 s',
	retry_policy => taskq.retry_policy(initial_interval => '50 ms', backoff_coefficient => 1)));

# A candidate takes the attempt if it is to be had; returns whether.
sub run_for_leader
{
	my ($session, $name) = @_;

	$session->query_safe("INSERT INTO taken
		SELECT task_token, attempt, heartbeat_details, '$name'
		  FROM taskq.poll('leader', identity => '$name')");
	return $session->query_safe(
		"SELECT count(*) FROM taken WHERE leader = '$name'") > 0;
}

sub taken
{
	my ($name, $column) = @_;

	return sql($node, "SELECT $column FROM taken WHERE leader = '$name'");
}

# A leader's round: work, then say how far it is. Returns what the heartbeat
# and the resource say to it.
sub lead
{
	my ($session, $name, $value) = @_;
	my ($heart) = $session->query(
		"SELECT * FROM taken, LATERAL taskq.heartbeat(task_token,
			'{\"done\": $value}') WHERE leader = '$name' \\gset
		 \\echo :SQLSTATE");
	my $updated;

	$session->{stderr} = '';
	$heart =~ s/\s//g;
	$updated = $session->query_safe(
		"WITH done AS (
		   UPDATE resource SET fence = attempt, value = $value
		     FROM taken WHERE leader = '$name' AND attempt >= fence
		   RETURNING 1)
		 SELECT count(*) FROM done");
	return "$heart $updated";
}

my $first = $node->background_psql('postgres', on_error_stop => 0);
my $second = $node->background_psql('postgres', on_error_stop => 0);

ok(run_for_leader($first, 'one'), 'the first candidate leads');
ok(!run_for_leader($second, 'two'), 'the second does not');

# longer than the heartbeat timeout
my @answers = map {
	$first->query_safe('SELECT pg_sleep(0.6)');
	lead($first, 'one', $_);
} 1 .. 8;
is("@answers", '00000 1 ' x 7 . '00000 1', 'it leads on and on');
ok(!run_for_leader($second, 'two'), 'the second still does not');
is( activity($node, $run, 'attempt, total_heartbeat_count'),
	'1|8', 'it is one attempt');

# the leader's process dies
my $backend = $first->query_safe('SELECT pg_backend_pid()');
my $killed_at = sql($node, 'SELECT clock_timestamp()');
$first->{run}->kill_kill;
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $backend"),
	'the leader is dead');
ok(wait_for_activity($node, $run, 'attempt = 2'),
	'its attempt ends with the heartbeat timeout');
is( activity(
		$node, $run,
		q(status, last_failure->>'timeout_type', heartbeat_details)),
	'running|heartbeat|{"done": 8}',
	'what it said last is kept');
at_or_after(
	$node, $run, 'last_attempt_complete_time',
	'last_heartbeat_time + heartbeat_timeout',
	'not before a heartbeat was due');
is( activity(
		$node, $run,
		"last_attempt_complete_time - last_heartbeat_time < interval '30 s'"),
	't',
	'but soon after');

my $rounds = 50 * $PostgreSQL::Test::Utils::timeout_default;
$second->query_safe('SELECT pg_sleep(0.02)')
  until run_for_leader($second, 'two') || $rounds-- == 0;
is(taken('two', 'attempt, heartbeat_details'),
	'2|{"done": 8}', 'the second leads from there');
is(lead($second, 'two', 9), '00000 1', 'it works');

# the first was only asleep: it can neither go on nor do harm
my $zombie = $node->background_psql('postgres', on_error_stop => 0);
is(lead($zombie, 'one', 1), 'TQ001 0', 'the old leader is told and fenced off');
is( ($node->psql(
			'postgres',
			"SELECT taskq.complete(task_token) FROM taken WHERE leader = 'one'"
		))[0],
	3,
	'nor can it end the activity');
is(sql($node, 'SELECT fence, value FROM resource'),
	'2|9', 'the resource is the new leader\'s');
is(activity($node, $run, 'heartbeat_details, attempt'),
	'{"done": 9}|2', 'so is the activity');

# resigning passes the leadership on, without waiting for a timeout
$second->query_safe(
	"SELECT taskq.fail(task_token, 'resigned', next_retry_delay => '1 ms')
	   FROM taken WHERE leader = 'two'");
$rounds = 50 * $PostgreSQL::Test::Utils::timeout_default;
$zombie->query_safe('SELECT pg_sleep(0.02)')
  until run_for_leader($zombie, 'three') || $rounds-- == 0;
is(taken('three', 'attempt, heartbeat_details'),
	'3|{"done": 9}', 'the leader resigned, and there is another');

# and the election can be called off: the heartbeat says so
sql($node, q(SELECT taskq.request_cancel('the-leader', reason => 'maintenance')));
is( $zombie->query_safe(
		"SELECT cancel_requested FROM taken,
			LATERAL taskq.heartbeat(task_token, '{\"done\": 10}')
		 WHERE leader = 'three'"),
	't',
	'the leader learns of it');
$zombie->query_safe(
	"SELECT taskq.report_canceled(task_token) FROM taken WHERE leader = 'three'");
is(activity($node, $run, 'status, cancel_reason, heartbeat_details'),
	'canceled|maintenance|{"done": 10}', 'and stops');

$second->quit;
$zombie->quit;
done_testing();
