# The program taskq, its commands, function workers, the taskq worker and the server
# are killed in any order while tasks run: every task ends completed, once, with its
# effect once where that is in the database, and at least once where it is not.
#
# TASKQ_SEED repeats the order.  LONG=1 makes fifty rounds.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use List::Util 'shuffle';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqCrash;
use TaskqTest;
use TaskqWorker;
use Test::More;

my $seed = $ENV{TASKQ_SEED} || time;
my $rounds = $ENV{LONG} ? 50 : 5;
my $more = 15;					# tasks of each kind for each round
my $log = PostgreSQL::Test::Utils::tempdir() . '/effects';

note("TASKQ_SEED=$seed");
srand $seed;

my $node = activity_node('main', 'restart_after_crash = on', 'taskq.function_workers = 2', 'max_worker_processes = 12',
	'synchronous_commit = on', "wal_writer_delay = '10s'");
my $scheduled = 0;

sql($node, <<'SQL');
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION app;
SELECT taskq.grant_access('app', 'developer');
SET ROLE app;
CREATE TABLE app.effects (k int, pid int DEFAULT pg_backend_pid());
CREATE FUNCTION app.effect(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO app.effects VALUES (input::int); PERFORM pg_sleep(0.02); RETURN input; END $$;
SELECT taskq.register_function('effect', 'app.effect(jsonb)', 'functions', concurrency => 2);
SQL
append_to_file($log, '');
$ENV{EFFECTS} = $log;

sub schedule_more
{
	my $retries = "retry_policy => taskq.retry_policy(initial_interval => '1 ms', backoff_coefficient => 1)";
	my $inputs = 'ARRAY(SELECT to_jsonb(i) FROM generate_series(' . ($scheduled + 1) . ', ' . ($scheduled + $more) . ') i)';

	sql($node, "SELECT count(*) FROM taskq.schedule_many('functions', 'effect', $inputs, start_to_close_timeout => '1 h', $retries)");
	sql($node, "SELECT count(*) FROM taskq.schedule_many('commands', 'effect', $inputs, start_to_close_timeout => '1 h',
		heartbeat_timeout => '1 s', $retries)");
	$scheduled += $more;
	return;
}

# The file has the number of each command that has had its effect.
sub start_program
{
	return start_worker($node, '--queue', 'commands', '--concurrency', 3, '--exec', 'read -r k && echo "$k" >>"$EFFECTS" && sleep 0.05');
}

sub completed
{
	my ($queue) = @_;

	return "SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue' AND status = 'completed'";
}

# ---- what is killed -----------------------------------------------------------

my $program = start_program();

# A command of the program that runs now.
sub some_command
{
	my $command;

	wait_until(sub {
		my $children = "/proc/$program->{pid}/task/$program->{pid}/children";

		($command) = -e $children ? split(' ', slurp_file($children)) : ();
		# all may be done by now
		schedule_more() if !defined $command && sql($node, completed('commands')) == $scheduled;
		return defined $command;
	}) or die 'no command runs';
	return $command;
}

# A process whose death the server answers with a restart.
sub kill_process
{
	my ($kind) = @_;
	my $pid = some_process($node, $kind);

	kill 'KILL', $pid;
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)") or die 'no restart';
	return;
}

my %kill = (
	'the program' => sub {
		$program->signal('KILL');
		$program->ended;
		$program = start_program();
	},
	'a command' => sub { kill 'KILL', some_command() },
	'a function worker' => sub { kill_process('taskq function worker') },
	'the taskq worker' => sub { kill_process('taskq worker') },
	'the server' => sub {
		kill_server($node);
		start_again($node);
	});

my @order = map { shuffle(sort keys %kill) } 1 .. ($rounds / keys %kill);

note('killed: ' . join ', ', @order);
for my $round (1 .. @order)
{
	my %before = map { ($_ => sql($node, completed($_))) } qw(functions commands);

	schedule_more();
	# under load: both kinds get on
	for my $queue (sort keys %before)
	{
		my $wanted = $before{$queue} + 1;

		$node->poll_query_until('postgres', 'SELECT (' . completed($queue) . ") >= $wanted") or die "round $round: $queue stand still";
	}
	$kill{ $order[ $round - 1 ] }->();
}

# ---- what has become of it ------------------------------------------------------

for my $queue (qw(functions commands))
{
	ok($node->poll_query_until('postgres', completed($queue), $scheduled), "$queue: all $scheduled tasks are completed");
	is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue'"), $scheduled, '... each once');
}
is(sql($node, 'SELECT count(*), count(DISTINCT k) FROM app.effects'), "$scheduled|$scheduled", 'an effect in the database is there once');
my %effects = map { $_ => 1 } split /\n/, slurp_file($log);
is(scalar(grep { $effects{$_} } 1 .. $scheduled), $scheduled, 'one outside of it at least once');
cmp_ok(sql($node, 'SELECT count(*) FROM taskq.activities WHERE attempt > 1'), '>', 0, 'attempts were hit');
is($program->stop, 0, 'the program ends as asked');

done_testing();
