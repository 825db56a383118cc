# More than shared memory has room for, with the default sizes: fairness keys in
# one queue, queues with max_started.  Queues altogether are in Bench::OneQueue.
package Bench::Crowded;

use strict;
use warnings;

use Bench qw(median percentile say_now);
use Bench::Scenario qw(create_taskq number table verdict verdicts);

use constant NAME => 'crowded';
use constant TITLE => 'More than there is room for';
use constant MINUTES => 3;

sub settings
{
	return {};
}

# Calls in a loop, each in a transaction of its own; milliseconds and what each
# of them returned, in order.
sub prepare
{
	my ($session) = @_;

	$session->query('SET synchronous_commit = off');
	$session->query('CREATE TABLE calls (n int, ms float8, what text)');
	$session->query(q{CREATE PROCEDURE call_often(call text, times int) LANGUAGE plpgsql AS $$
DECLARE
  begun timestamptz;
  what text;
BEGIN
  TRUNCATE calls;
  FOR i IN 1 .. times LOOP
    begun := clock_timestamp();
    EXECUTE call INTO what USING i;
    COMMIT;
    INSERT INTO calls VALUES (i, extract(epoch FROM clock_timestamp() - begun) * 1000, what);
    COMMIT;
  END LOOP;
END $$});
	return;
}

sub call_often
{
	my ($session, $call, $times) = @_;
	my @row;

	$session->query("CALL call_often(\$call\$$call\$call\$, $times)");
	@row = split /\|/, $session->query(
		'SELECT (array_agg(ms ORDER BY n))[1], percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms),
			max(ms), sum(ms), count(*) FILTER (WHERE what IS NULL), count(DISTINCT what), count(*) FILTER (WHERE ms > 10) FROM calls');
	return { times => $times, map { $_ => shift @row } qw(first p50 p99 max sum empty different slow) };
}

use constant SCHEDULE => q(SELECT run_id FROM taskq.schedule(%s, 't', fairness_key => %s, start_to_close_timeout => '1 h'));

sub keys_in_one_queue
{
	my ($session, $keys, $polls) = @_;

	call_often($session, sprintf(SCHEDULE, q('keys'), q('tenant ' || $1)), $keys);
	return call_often($session, q(SELECT fairness_key FROM taskq.poll('keys') WHERE $1 > 0), $polls);
}

# Ten rounds of polls, of the least polls that are a round by weight.
sub weights
{
	my ($session, $keys) = @_;
	my %weight = map { ("w$_" => [ 0.25, 0.5, 1, 1.5, 2, 3 ]->[ $_ % 6 ]) } 1 .. 60;
	my $round = $keys;

	my $weights = join ', ', map { "\"$_\": $weight{$_}" } sort keys %weight;

	$session->query("SELECT FROM taskq.configure_queue('weights', '{\"fairness_weights\": {$weights}}')");
	$session->query(qq(SELECT count(s) FROM generate_series(1, 40) t, generate_series(1, $keys) k,
		LATERAL taskq.schedule('weights', 't', to_jsonb(t), fairness_key => 'w' || k, start_to_close_timeout => '1 h') s));
	$round += $weight{$_} - 1 foreach keys %weight;
	my $result = call_often($session, q(SELECT fairness_key FROM taskq.poll('weights') WHERE $1 > 0), 12 * $round);
	my %served = map { split /\|/ } split /\n/, $session->query('SELECT what, count(*) FROM calls GROUP BY 1');
	my @errors = map { abs(($served{$_} // 0) / 12 / ($weight{$_} // 1) - 1) } map { "w$_" } 1 .. $keys;

	return { polls => $result->{times}, error => (sort { $b <=> $a } @errors)[0] };
}

sub limited_queues
{
	my ($session, $queues) = @_;

	$session->query(qq(SELECT count(taskq.configure_queue('limited ' || i, '{"max_started": 1}')) FROM generate_series(1, $queues) i));
	call_often($session, sprintf(SCHEDULE, q('limited ' || $1), 'NULL'), $queues);
	return call_often($session,
		q(SELECT p.run_id FROM taskq.poll('limited ' || $1) p, LATERAL taskq.complete(p.task_token)), $queues);
}

sub run
{
	my ($bench, $short) = @_;
	my $keys = $short ? 10_000 : 100_000;
	my $session = create_taskq($bench, 'taskq');
	my %result = (keys => $keys);

	prepare($session);
	$result{one_queue} = keys_in_one_queue($session, $keys, $short ? 2000 : 10_000);
	say_now(sprintf '  poll with %s keys: first %.1f, p50 %.3f, p99 %.2f, max %.1f ms', number($keys), @{ $result{one_queue} }{qw(first p50 p99 max)});
	$result{weights} = weights($session, $short ? 500 : 5000);
	say_now(sprintf '  weights are kept within %.1f %%', 100 * $result{weights}{error});
	$result{limited} = limited_queues($session, $short ? 1500 : 5000);
	say_now(sprintf '  %s queues with max_started: %.2f s', number($result{limited}{times}), $result{limited}{sum} / 1000);
	$session->quit;
	return \%result;
}

sub report
{
	my ($result) = @_;
	my ($keys, $limited) = @$result{qw(one_queue limited)};

	return
	    "Polls of one task each, in a queue where "
	  . number($result->{keys})
	  . " fairness keys wait with one task each; then "
	  . number($result->{weights}{polls})
	  . " polls of a queue with keys of six weights between 0.25 and 3.\n\n"
	  . table([ 'polls', 'first, ms', 'p50', 'p99', 'max', 'empty', 'keys served' ],
		[ number($keys->{times}), (map { sprintf '%.3f', $keys->{$_} } qw(first p50 p99 max)), $keys->{empty}, number($keys->{different}) ])
	  . "\n"
	  . verdicts(
		verdict('first poll, ms', $keys->{first}, 'most', 10),
		verdict('99th percentile of polls, ms', $keys->{p99}, 'most', 10),
		verdict('polls longer than 10 ms, per thousand', 1000 * $keys->{slow} / $keys->{times}, 'most', 1),
		verdict('empty polls', $keys->{empty}, 'most', 0, '%d'),
		verdict('keys served twice', $keys->{times} - $keys->{different}, 'most', 0, '%d'),
		verdict('weights, largest error, %', 100 * $result->{weights}{error}, 'most', 5),
		verdict(number($limited->{times}) . ' queues with max_started polled dry, s', $limited->{sum} / 1000, 'most', 5),
		verdict('of those, empty polls', $limited->{empty}, 'most', 0, '%d'));
}

sub plots
{
	return ();
}

1;
