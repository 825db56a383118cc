# Who has heartbeated an attempt in an open transaction never waits for who ends
# it: not to commit, not to be prepared, not with large details. A prepared
# heartbeat keeps others from the attempt until it is decided, and no row of a
# heartbeat outlives its activity. The flush waits for none of them.

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
	'max_prepared_transactions = 10',
	'deadlock_timeout = 10ms',
	"taskq.heartbeat_flush = '100ms'",
	'synchronous_commit = local',
	'wal_level = replica',
	'max_wal_senders = 1');
my $large = "(SELECT jsonb_agg(gen_random_uuid()) FROM generate_series(1, 1000))";
my $orphans = 'SELECT count(*) FROM taskq.heartbeat_state h WHERE NOT EXISTS (SELECT FROM taskq.open o WHERE o.run_id = h.run_id)';

sql($node, 'CREATE TABLE lines (t text)');

sub session { return $node->background_psql('postgres', on_error_stop => 0) }

# Send what will have to wait, and wait until it does.
sub send_and_wait
{
	my ($session, $statement) = @_;
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$session->{stdin} .= "$statement;\n";
	$session->{run}->pump_nb;
	return $node->poll_query_until('postgres',
		"SELECT wait_event_type IN ('Lock', 'IPC') FROM pg_stat_activity WHERE pid = $pid");
}

sub state
{
	my ($run) = @_;

	return activity($node, $run, "status, heartbeat_details ->> 'd', total_heartbeat_count");
}

# a run whose stored details are large
sub start_large
{
	my ($queue) = @_;
	my ($run, $token) = start($node, $queue);

	sql($node, "SELECT taskq.heartbeat('$token', jsonb_build_object('d', 'large', 'l', $large))");
	return ($run, $token);
}

sub beat
{
	my ($token, $details) = @_;

	return qq{SELECT taskq.heartbeat('$token', '{"d": "$details"}')};
}

# ---- what is written before PREPARE -----------------------------------------

{
	my ($run, $token) = start_large('prepared large');

	is(sqlstate($node, "BEGIN; ${\beat($token, 'small')}; PREPARE TRANSACTION 'x'"),
		'ok', 'a heartbeat over large details can be prepared');
	is(state($run), 'running|large|1', 'and is not known yet');
	sql($node, "COMMIT PREPARED 'x'");
	is(state($run), 'running|small|2', 'but then');

	schedule($node, 'polled large', "input => $large");
	is(sqlstate($node, "BEGIN; SELECT FROM taskq.poll('polled large'); PREPARE TRANSACTION 'x'"),
		'ok', 'so can the start of a large task');
	sql($node, "COMMIT PREPARED 'x'");
}

# ---- no deadlock with who ends the attempt ----------------------------------

# The holder has heartbeated when the other one, who has changed the row before,
# waits for him to end the attempt.
my %end = (
	'commit' => [ "INSERT INTO lines VALUES ('x'); COMMIT", 'second', 2 ],
	'commit over large details' => [ "INSERT INTO lines VALUES ('x'); COMMIT", 'second', 3 ],
	'large details' => [ "SELECT taskq.heartbeat('TOKEN', jsonb_build_object('d', 'last', 'l', $large)); COMMIT", 'last', 3 ],
	'large details in a savepoint' => [
		"SAVEPOINT s; SELECT taskq.heartbeat('TOKEN', jsonb_build_object('d', 'gone', 'l', $large)); ROLLBACK TO s; COMMIT",
		'second', 2
	],
	'rollback' => [ "SELECT taskq.heartbeat('TOKEN', $large); ROLLBACK", '', 0 ],
	'prepare' => [ "PREPARE TRANSACTION 'x'", 'second', 2 ],
	'prepare over large details' => [ "PREPARE TRANSACTION 'x'", 'second', 3 ],);

foreach my $name (sort keys %end)
{
	my ($statement, $details, $count) = @{ $end{$name} };
	my ($run, $token) = $name =~ /over large/ ? start_large($name) : start($node, $name);
	my ($holder, $other) = (session(), session());

	$statement =~ s/TOKEN/$token/;
	$holder->query_safe("BEGIN; ${\beat($token, 'first')}; ${\beat($token, 'second')}");
	$other->query_safe("BEGIN; SELECT taskq.pause(run_id => $run)");
	ok(send_and_wait($other, "SELECT taskq.terminate(run_id => $run)"),
		"$name: who ends the attempt waits");
	$holder->query($statement);
	is($holder->{stderr} =~ /ERROR/ ? $holder->{stderr} : '', '', "$name: the holder does not");
	if ($name =~ /prepare/)
	{
		ok( $node->poll_query_until('postgres',
				"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
			"$name: the other goes on waiting");
		sql($node, "COMMIT PREPARED 'x'");
	}
	$other->query('COMMIT');
	is($other->{stderr} =~ /ERROR/ ? $other->{stderr} : '', '', "$name: and ends the attempt");
	is(state($run), "terminated|$details|$count", "$name: with its heartbeats");
	$_->quit for $holder, $other;
}
is(sql($node, $orphans), 0, 'no row is left of closed runs');

# ---- prepared: nobody else is let in ----------------------------------------

foreach my $decision ('COMMIT', 'ROLLBACK')
{
	my $done = $decision eq 'COMMIT';
	my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
	my %run;
	my %token;
	my %session;

	for my $name (qw(completed retried beaten large timed))
	{
		($run{$name}, $token{$name}) = start($node, "$decision $name",
			$name eq 'timed' ? "start_to_close_timeout => '1 s', $once"
			: "retry_policy => taskq.retry_policy(initial_interval => '1 h')");
	}
	sql($node,
		'BEGIN; ' . join('; ', map { beat($_, 'prepared') } sort values %token) . "; PREPARE TRANSACTION 'x'");
	my %statement = (
		completed => "SELECT taskq.complete('$token{completed}')",
		retried => "SELECT taskq.fail('$token{retried}', 'no')",
		beaten => beat($token{beaten}, 'later'),
		large => "SELECT taskq.heartbeat('$token{large}', jsonb_build_object('d', 'later', 'l', $large))");
	for my $name (sort keys %statement)
	{
		$session{$name} = session();
		ok(send_and_wait($session{$name}, $statement{$name}), "$decision: $name waits");
	}
	ok( $node->poll_query_until('postgres',
			"SELECT last_started_time + interval '1.5 s' < clock_timestamp() FROM taskq.activities WHERE run_id = $run{timed}"),
		"$decision: a timeout is due");
	is(activity($node, $run{timed}, 'status'), 'running', "$decision: and waits, too");
	my ($free_run, $free_token) = start($node, 'free');
	sql($node, beat($free_token, 'free'));
	ok(wait_for_flush($node), "$decision: the flush does not");

	sql($node, "$decision PREPARED 'x'");
	for my $name (sort keys %session)
	{
		$session{$name}->query_safe('SELECT 1');
		unlike($session{$name}->{stderr}, qr/ERROR/, "$decision: $name goes on");
		$session{$name}->quit;
	}
	ok(wait_for_activity($node, $run{timed}, "status = 'timed_out'"), "$decision: so does the timeout");
	my ($prepared, $n) = $done ? ('prepared', 1) : ('', 0);
	is(state($run{completed}), "completed|$prepared|$n", "$decision: completed with what was prepared");
	is(state($run{retried}), "running|$prepared|$n", "$decision: retried with it");
	is(state($run{timed}), "timed_out|$prepared|$n", "$decision: timed out with it");
	is(state($run{beaten}), 'running|later|' . ($n + 1), "$decision: the next heartbeat is newer");
	is(state($run{large}), 'running|later|' . ($n + 1), "$decision: a large one, too");
	is(sql($node, $orphans), 0, "$decision: no row is left of closed runs");
	sql($node, beat($token{beaten}, 'again'));
	ok(wait_for_flush($node), "$decision: flushed");
	is(sql($node, "SELECT details ->> 'd', count FROM taskq.heartbeat_state WHERE run_id = $run{beaten}"),
		'again|' . ($n + 2), "$decision: the flush has it");
}

# ---- the flush, while a heartbeat is about to be committed -------------------

# a commit that cannot end: no standby is there
{
	my ($run, $token) = start($node, 'slow');
	my ($other_run, $other_token) = start($node, 'other');
	my $slow = session();

	sql($node, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	sql($node, 'SELECT pg_reload_conf()');
	ok( $node->poll_query_until('postgres',
			"SELECT current_setting('synchronous_standby_names') = 'nobody'"), 'nobody is there');
	# unsaved in its slot, then new in its row
	$slow->query_safe("SET synchronous_commit = on; ${\beat($token, 'cheap')}; BEGIN; ${\beat($token, 'slow')}; INSERT INTO lines VALUES ('x')");
	ok(send_and_wait($slow, 'COMMIT'), 'a commit waits for a standby');
	sql($node, beat($other_token, 'other'));
	ok( $node->poll_query_until('postgres',
			"SELECT details ->> 'd' = 'other' FROM taskq.heartbeat_state WHERE run_id = $other_run"),
		'the flush goes on');
	sql($node, 'ALTER SYSTEM RESET synchronous_standby_names');
	sql($node, 'SELECT pg_reload_conf()');
	$slow->query_safe('SELECT 1');
	is(state($run), 'running|slow|2', 'and the commit ends');
	sql($node, "SELECT taskq.complete('$token')");
	is(state($run), 'completed|slow|2', 'with what it had');
	$slow->quit;
}

sql($node, 'SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE close_time IS NULL');
is(sql($node, 'SELECT count(*) FROM taskq.heartbeat_state'), 0, 'nothing is left behind');
unlike(slurp_file($node->logfile), qr/deadlock|TRAP|chore|taskq worker.*exited/, 'without accidents');

done_testing();
