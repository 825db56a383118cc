# A worker that gets a type it doesn't know fails the attempt, retryably, and
# leaves the activity to another worker of the queue; an activity whose type
# nobody knows fails when its attempts are used up.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my %knows = (
	old => [qw(resize)],
	new => [qw(resize encode)]);

sub schedule_type
{
	my ($type, $more) = @_;

	return sql($node,
		"SELECT run_id FROM taskq.schedule('images', '$type', $more)");
}

# A worker polls once and does what it finds. Returns type, attempt and what
# it answered.
sub work
{
	my ($worker) = @_;
	my @types = @{ $knows{$worker} };
	my ($token, $type, $attempt) = split /\|/,
	  sql($node, "SELECT task_token, activity_type, attempt
		FROM taskq.poll('images', identity => '$worker')");

	return 'nothing' unless $token;
	if (grep { $_ eq $type } @types)
	{
		sql($node, "SELECT taskq.complete('$token', '\"$worker\"')");
		return "$type $attempt completed";
	}
	return "$type $attempt " . sql(
		$node,
		"SELECT taskq.fail('$token',
			'unable to find activityType=$type. Supported types: [@types]',
			'ActivityNotRegisteredError')");
}

# Poll again and again until there is something.
sub work_soon
{
	my ($worker) = @_;
	my $rounds = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my $did;

	while (($did = work($worker)) eq 'nothing' && $rounds-- > 0)
	{
		sql($node, 'SELECT pg_sleep(0.05)');
	}
	return $did;
}

my $options = q(start_to_close_timeout => '1 min',
	retry_policy => taskq.retry_policy(initial_interval => '100 ms',
	  maximum_interval => '100 ms', maximum_attempts => 3));

my $known = schedule_type('resize', $options);
is(work('old'), 'resize 1 completed', 'a type that both know');
is(activity($node, $known, 'result'), '"old"', 'is done by who comes first');

my $run = schedule_type('encode', $options);
is(work('old'), 'encode 1 in_progress',
	'the old worker does not know the other: it will be retried');
is( activity(
		$node,
		$run,
		q(status, run_state, attempt, last_failure->>'type',
		  last_failure->>'message', failure IS NULL, last_worker_identity)),
	'running|scheduled|2|ActivityNotRegisteredError|'
	  . 'unable to find activityType=encode. Supported types: [resize]|t|old',
	'the activity did not fail by that');
is( activity(
		$node, $run,
		q(next_attempt_schedule_time - last_attempt_complete_time
		  = interval '100 ms' OR next_attempt_schedule_time IS NULL)),
	't',
	'and waits as long as its policy says');
is(work_soon('new'), 'encode 2 completed', 'the new worker knows it');
is( activity($node, $run, q(status, result, attempt, last_failure->>'type')),
	'completed|"new"|2|ActivityNotRegisteredError',
	'completed, and one can see why it took two attempts');

# nobody knows it
$run = schedule_type('sharpen', $options);
is(work_soon($_->[0]), "sharpen $_->[1]", "$_->[0]: $_->[1]")
  foreach [ 'old', '1 in_progress' ], [ 'new', '2 in_progress' ],
  [ 'old', '3 maximum_attempts_reached' ];
is( activity(
		$node, $run,
		q(status, attempt, retry_state, failure->>'message', failure = last_failure)
	),
	'failed|3|maximum_attempts_reached|'
	  . 'unable to find activityType=sharpen. Supported types: [resize]|t',
	'it fails with what the last worker said');

# the policy may say that an unknown type is final
$run = schedule_type('encode',
	"start_to_close_timeout => '1 min',
	retry_policy => taskq.retry_policy(
	  non_retryable_error_types => ARRAY['ActivityNotRegisteredError'])");
is(work('old'), 'encode 1 non_retryable_failure', 'or it fails at once');
is(work('new'), 'nothing', 'and nobody gets it any more');
is(activity($node, $run, 'status, attempt'), 'failed|1', 'failed');

done_testing();
