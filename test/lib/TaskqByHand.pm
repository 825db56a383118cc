# The workers of docs/workers, each in its language: what all of them have to do.
package TaskqByHand;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

our @EXPORT = qw(test_worker_in);

my $run = abs_path(dirname(__FILE__) . '/../workers/run');
my ($node, $language);

sub start_worker
{
	my $self = { log => PostgreSQL::Test::Utils::tempdir() . '/worker.log' };

	local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', 'worker');
	$self->{handle} = IPC::Run::start([ $run, $language, 'q' ], '<', \undef, '>', $self->{log}, '2>&1');
	return $self;
}

# End it; its exit code. That of a Java that is told to end says so.
sub stop_worker
{
	my ($self) = @_;
	my $code;

	kill 'TERM', $self->{handle}{KIDS}[0]{PID};
	$self->{handle}->finish;
	$code = $self->{handle}->full_result(0);
	diag slurp_file($self->{log}) if $code != 0 && $language ne 'java';
	unlike(slurp_file($self->{log}), qr/No such process/, 'nobody is killed who has ended');
	return $language eq 'java' && $code == 143 << 8 ? 0 : $code;
}

sub add
{
	my ($type, $input, $options) = @_;

	$options //= '';
	return sql($node, "SELECT run_id FROM taskq.schedule('q', '$type', '$input', start_to_close_timeout => '1 h', "
		  . "retry_policy => taskq.retry_policy(maximum_attempts => 1) $options)");
}

sub closed
{
	my ($run_id) = @_;

	return sql($node, "CALL taskq.wait_for_close($run_id, '120 s')");
}

# How far it has come, as the server has heard.
sub wait_progress
{
	my ($run_id) = @_;

	return wait_for_activity($node, $run_id, q(run_state = 'started' AND heartbeat_details > '0'));
}

sub test_outcomes
{
	is(closed(add('count', 3)), 'completed|3|', 'an activity is done');
	is(closed(add('decode', '"aGFsbG8="')), 'completed|"hallo"|', 'and another');
	# it would be retried for ever, were that not said
	my $refused = closed(sql($node, q(SELECT run_id FROM taskq.schedule('q', 'decode', '"AA=="', start_to_close_timeout => '1 h'))));
	like($refused, qr/^failed\|\|.*"InvalidOutput"/, 'what the server refuses is not tried again');
	my $unknown = sql($node, q(SELECT run_id FROM taskq.schedule('q', 'unknown', start_to_close_timeout => '1 h', retry_policy =>
		taskq.retry_policy(initial_interval => '10 ms', maximum_attempts => 3))));
	like(closed($unknown), qr/^failed\|\|.*(?:activity type|No such file)/, 'one that it does not know fails');
	is(activity($node, $unknown, 'attempt, heartbeat_details IS NULL'), '3|t', 'and is retried before; who tells no progress leaves none');
	sql($node, q(SELECT FROM taskq.schedule_many('q', 'unknown', array_fill('1'::jsonb, ARRAY[60]), start_to_close_timeout => '1 h',
		retry_policy => taskq.retry_policy(maximum_attempts => 1))));
	is(closed(add('count', 1)), 'completed|1|', 'attempts that end as they begin hold up nothing');
	return;
}

sub test_control
{
	my $run_id = add('count', 1_000_000, ", heartbeat_timeout => '4 s'");

	ok(wait_progress($run_id), 'a long one heartbeats');
	sql($node, "SELECT taskq.request_cancel(run_id => $run_id)");
	like(closed($run_id), qr/^canceled\|\|.*"details": [1-9]/, 'its cancellation is heard');

	$run_id = add('count', 1_000_000, ", heartbeat_timeout => '4 s'");
	ok(wait_progress($run_id), 'another heartbeats');
	sql($node, "SELECT taskq.terminate(run_id => $run_id)");
	is(closed(add('count', 1)), 'completed|1|', 'when it is terminated the worker goes on');
	return;
}

# The server goes away while an attempt runs and more wait.
sub test_restart
{
	my $run_id = add('count', 50);

	ok(wait_for_activity($node, $run_id, q(run_state = 'started')), 'an attempt runs');
	my @more = map { add('count', 1) } 1 .. 10;
	$node->restart;
	is(closed($run_id), 'completed|50|', 'what was done meanwhile is reported');
	is(activity($node, $run_id, 'attempt'), 1, 'of the same attempt');
	is(join(' ', map { closed($_) } @more), join(' ', ('completed|1|') x 10), 'all the others are done');
	return;
}

sub test_stop
{
	my ($worker) = @_;
	my $run_id = add('count', 60, ", heartbeat_timeout => '4 s'");

	ok(wait_progress($run_id), 'an attempt runs');
	is(stop_worker($worker), 0, 'the worker ends when it is told to');
	is(activity($node, $run_id, q(run_state, attempt, last_failure IS NULL, heartbeat_details > '0')), 'scheduled|1|t|t', 'what it had is handed back');
	my $waits = add('count', 2);
	$worker = start_worker();
	is(closed($run_id), 'completed|60|', 'and is done by the next one');
	is(closed($waits), 'completed|2|', 'so is what came meanwhile');
	is(stop_worker($worker), 0, 'one that has nothing to do ends as well');
	is(sql($node, 'SELECT count(*) FROM taskq.activities WHERE close_time IS NULL'), 0, 'nothing is left');
	return;
}

sub test_worker_in
{
	($language) = @_;
	system($run, 'have', $language) == 0 or plan(skip_all => "no $language here");
	$node = activity_node('main', q(listen_addresses = '127.0.0.1'));
	sql($node, q(CREATE ROLE worker LOGIN; SELECT taskq.grant_access('worker', 'worker')));

	my $worker = start_worker();
	test_outcomes();
	test_control();
	test_restart();
	test_stop($worker);
	done_testing();
	return;
}

1;
