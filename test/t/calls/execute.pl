# CALL taskq.execute: schedules, waits, and returns what the activity has returned
# or raises how it has ended; a statement that is cancelled cancels the run that it
# has made.

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

# A session that executes, once it has made the run of that queue and sleeps:
# (session, run_id, task_token).
sub execute_in
{
	my ($queue, $arguments) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $call = "CALL taskq.execute('$queue', 't', '\"in\"', start_to_close_timeout => '1 h' $arguments)";

	$session->query_until(qr/begun/,
		"\\set VERBOSITY verbose\n\\echo begun\n$call;\n\\echo done :SQLSTATE\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE query LIKE 'CALL taskq.execute(''$queue''%' AND wait_event_type = 'Extension'")
	  or die "nobody waits in $queue";
	my ($run, $token) = split /\|/, sql($node, "SELECT run_id, task_token FROM taskq.poll('$queue')");
	return ($session, $run, $token);
}

# How it ends: output and error.
sub ended
{
	my ($session) = @_;
	my $out = $session->query_until(qr/done \w+/, '');
	my $error = $session->{stderr};

	$out =~ s{^begun\n}{};
	chomp $out;
	$session->{stderr} = '';
	$session->quit;
	return ($out, $error);
}

sub is_result
{
	my ($name, $report, $result, $arguments) = @_;
	my ($session, $run, $token) = execute_in($name, $arguments // '');

	sql($node, sprintf $report, $token);
	my ($out) = ended($session);
	is($out, "${result}done 00000", "$name: the result");
	return;
}

is_result('object', q(SELECT taskq.complete('%s', '{"a": 1}')), qq({"a": 1}\n));
is_result('null', q(SELECT taskq.complete('%s')), "\n");
is_result('json null', q(SELECT taskq.complete('%s', 'null')), "null\n");
is_result('tries again', q(SELECT taskq.fail('%s', 'once'); CALL taskq.wait_for_task('tries again'); SELECT taskq.complete(task_token, '2') FROM taskq.poll('tries again')),
	"2\n", q(, retry_policy => taskq.retry_policy(initial_interval => '10 ms')));

# SQLSTATE, word, message, the failure, and which run.
sub raises
{
	my ($name, $report, $code, $word, $message, $failure, $arguments) = @_;
	my ($session, $run, $token) = execute_in($name, $arguments // '');

	sql($node, sprintf $report, $report =~ /run_id => %s/ ? $run : $token);
	my ($out, $error) = ended($session);
	is($out, "done $code", "$name: SQLSTATE");
	like($error, qr/ERROR:  $code: \Q$message\E\n/, "$name: message");
	like($error, qr/CONSTRAINT NAME:  $word\n/, "$name: word");
	like($error, qr/HINT:  .*run_id $run\./, "$name: which run");
	my ($detail) = $error =~ /DETAIL:  (.*)\n/;
	is($detail, $failure // activity($node, $run, 'failure'), "$name: the failure");
	return;
}

raises('fails', q(SELECT taskq.fail('%s', 'no "mail" 100%%s', non_retryable => true, details => '[1]')),
	'TQ010', 'activity_failed', 'no "mail" 100%s');
raises('no failure', q(SELECT taskq.fail_with('%s', '{"non_retryable": true, "type": "x"}')),
	'TQ010', 'activity_failed', 'activity has not completed');
raises('canceled', q(SELECT taskq.request_cancel(run_id => run_id) FROM taskq.open WHERE task_queue = 'canceled'; SELECT taskq.report_canceled('%s', '"x"'))
	=~ s/run_id => run_id/activity_id => activity_id/r, 'TQ011', 'activity_canceled', 'Activity canceled', undef, ", activity_id => 'canceled'");
raises('terminated', q(SELECT taskq.terminate(run_id => %s, reason => 'enough')),
	'TQ012', 'activity_terminated', 'enough');
{
	my (undef, undef, $error) = $node->psql('postgres',
		q(CALL taskq.execute('times out', 't', schedule_to_close_timeout => '50 ms')), extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($error, qr/TQ013: activity ScheduleToStart timeout\n.*"timeout_type".*CONSTRAINT NAME:  activity_timed_out/s, 'timed out');
}
{
	my (undef, undef, $error) = $node->psql('postgres',
		q(CALL taskq.execute('goes on', 't', start_to_close_timeout => '1 h', timeout => '10 ms')), extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my $run = sql($node, q(SELECT run_id FROM taskq.activities WHERE task_queue = 'goes on'));

	like($error, qr/TQ014: .*"run_id": "$run".*run_id $run\..*CONSTRAINT NAME:  wait_over/s, 'the wait is over');
	is(activity($node, $run, 'status'), 'running', '... and the activity goes on');
}

# Kept for no time: nothing is known of how it has ended.
sql($node, q(SELECT taskq.configure_queue('forgets', '{"retention": "0"}')));
{
	my ($session, undef, $token) = execute_in('forgets', '');

	sql($node, "SELECT taskq.complete('$token')");
	my ($out) = ended($session);
	is($out, 'done TQ001', 'retention 0');
}

# A cancel and a timeout: the run that the call has made is
# cancelled, one that it has found is not.
for my $how ('cancel', 'timeout')
{
	for my $made (1, 0)
	{
		my $queue = "$how $made";
		my $run = $made ? undef : schedule($node, $queue, "activity_id => '$queue'");
		my $session = $node->background_psql('postgres', on_error_stop => 0);

		$session->query_safe("SET statement_timeout = '100 ms'") if $how eq 'timeout';
		$session->query_until(qr/begun/,
			"\\echo begun\nCALL taskq.execute('$queue', 't', activity_id => '$queue', id_conflict_policy => 'use_existing', start_to_close_timeout => '1 h');\n\\echo done :SQLSTATE\n");
		if ($how eq 'cancel')
		{
			$node->poll_query_until('postgres',
				"SELECT count(pg_cancel_backend(pid)) = 1 FROM pg_stat_activity
				  WHERE query LIKE 'CALL taskq.execute(''$queue''%' AND wait_event_type = 'Extension'");
		}
		my ($out) = ended($session);
		is($out, 'done 57014', "$queue: as any statement");
		is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue' AND status = 'canceled'"),
			$made, "$queue: the run");
	}
}

# It works under any isolation level, and sees what is committed while it waits.
for my $level ('repeatable read', 'serializable')
{
	sql($node, "ALTER DATABASE postgres SET default_transaction_isolation = '$level'");
	is_result($level, q(SELECT taskq.complete('%s', '1')), "1\n");
	my ($session) = execute_in("$level canceled", '');
	$node->poll_query_until('postgres',
		"SELECT count(pg_cancel_backend(pid)) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL taskq.execute(''$level canceled''%' AND state = 'active'");
	my ($out) = ended($session);
	is($out, 'done 57014', "$level: canceled");
	is(sql($node, "SELECT run_state FROM taskq.activities WHERE task_queue = '$level canceled'"), 'cancel_requested', "$level: the worker is asked to stop");
}
sql($node, 'ALTER DATABASE postgres RESET default_transaction_isolation');

# While it waits it holds nothing.
{
	my ($session, undef, $token) = execute_in('holds', '');

	is(sql($node, q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.execute(''holds''%'
		AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)}), '0', 'no snapshot while it waits');
	is(sql($node, q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE a.query LIKE 'CALL taskq.execute(''holds''%' AND l.locktype <> 'virtualxid'}), '0', 'no lock');
	sql($node, "SELECT taskq.complete('$token')");
	ended($session);
}

# What is wrong makes no run.
for my $case (
	[ q(CALL taskq.execute('wrong', 't', start_to_close_timeout => '1 h', timeout => NULL)), '22023', 'timeout NULL' ],
	[ q(CALL taskq.execute('wrong', 't', start_to_close_timeout => '1 h', timeout => '-1 s')), '22023', 'negative timeout' ],
	[ q(CALL taskq.execute('wrong', 't')), '22023', 'no timeout' ],
	[ q(CALL taskq.execute(NULL, 't', start_to_close_timeout => '1 h')), '22004', 'no queue' ],
	[ q(BEGIN; CALL taskq.execute('wrong', 't', start_to_close_timeout => '1 h')), '25001', 'in a transaction block' ],
	[ q(DO $x$ DECLARE v jsonb; BEGIN CALL taskq.execute('wrong', 't', start_to_close_timeout => '1 h', result => v); END $x$), '25001', 'in a DO block' ],
	[ q(SET default_transaction_read_only = on; CALL taskq.execute('wrong', 't', start_to_close_timeout => '1 h')), '25006', 'READ ONLY' ])
{
	is(sqlstate($node, $case->[0]), $case->[1], $case->[2]);
}
is(sql($node, q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'wrong')), '0', 'wrong calls make no run');

done_testing();
