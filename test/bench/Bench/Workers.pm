# What workers cost that nobody has to write: the program taskq, and functions in
# the database; beside the least that somebody would write.
#
# Each drains a backlog.  Costs are those of the server, of the client and of all
# that it has run, each by itself, so that they mean something on a machine that is
# shared; whoever does not serve tasks (spawn.c) has no server.
package Bench::Workers;

use strict;
use warnings;

use Bench 'percentile';
use Bench::Clients;
use Carp 'croak';
use Exporter 'import';
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(workers worker_seconds worker_turn);

# Compared are tasks per second, and CPU: "own" of server and client, or of the
# client alone.  By what entries do it: "raw" loops of pgbench, "program" taskq worker, "spawn"
# commands without tasks, "functions" in the database.
my @WORKERS = (
	{
		name => 'noop',
		title => 'taskq worker --noop, in batches of 50',
		clients => 1,
		tasks => 100_000,
		per_second => 30_000,
		cpu => 'own_cpu_us',
		target => { key => 'program', least => 0.8, measure => 'own_cpu_us' },
		entries => [
			{ key => 'raw', name => 'poll, complete_many', script => 'work_50', batch => 50 },
			{ key => 'program', name => 'taskq worker --noop', arguments => ['--noop', '--concurrency', 50] }
		]
	},
	{
		name => 'noop_4',
		title => 'Four of taskq worker --noop, in batches of 50',
		clients => 4,
		tasks => 200_000,
		per_second => 30_000,
		cpu => 'own_cpu_us',
		target => { key => 'program', least => 0.8, measure => 'own_cpu_us' },
		entries => [
			{ key => 'raw', name => 'poll, complete_many', script => 'work_50', batch => 50 },
			{ key => 'program', name => 'taskq worker --noop', arguments => ['--noop', '--concurrency', 50] }
		]
	},
	{
		name => 'exec',
		title => 'taskq worker --exec /bin/true',
		clients => 1,
		tasks => 10_000,
		per_second => 300,
		cpu => 'client_cpu_us',
		target => { key => 'program', least => 0.85, measure => 'client_cpu_us' },
		entries => [
			{ key => 'spawn', name => 'fork, exec and wait alone', command => '/bin/true' },
			{
				key => 'program',
				name => 'taskq worker --exec',
				arguments => ['--exec', '/bin/true', '--concurrency', 4]
			}
		]
	},
	functions_of('functions_off', 'off', 2, 50_000),
	functions_of('functions_on_1', 'on', 1, 25_000),
	functions_of('functions_on', 'on', 2, 50_000),
	functions_of('functions_on_8', 'on', 8, 100_000),
	functions_of('functions_on_16', 'on', 16, 150_000));

# Functions, and loops of as many connections.  Each commits every task: one alone
# waits for the disk after each, two wait for each other's turn at it, and many share
# one turn.
sub functions_of
{
	my ($name, $sync, $clients, $tasks) = @_;

	return {
		name => $name,
		title => "Functions in the database, by $clients, synchronous_commit $sync",
		clients => $clients,
		sync => $sync,
		tasks => $tasks,
		per_second => $sync eq 'on' ? 2_000 : 5_000,
		cpu => 'own_cpu_us',
		target => { key => 'functions', least => 2, measure => 'per_second' },
		entries => [
			{ key => 'raw', name => 'INSERT, complete_and_poll', script => 'insert_1', batch => 1 },
			{ key => 'functions', name => 'functions' }
		]
	};
}

# Effects of the functions, and what does them.
my $FUNCTION = q{
	DROP TABLE IF EXISTS effects;
	CREATE TABLE effects (id bigserial PRIMARY KEY, input jsonb, at timestamptz DEFAULT clock_timestamp());
	CREATE OR REPLACE FUNCTION effect(input jsonb) RETURNS void LANGUAGE plpgsql
		AS 'BEGIN INSERT INTO public.effects (input) VALUES (effect.input); END'};

# How many executes are timed, one by one.
use constant EXECUTES => 500;

sub workers
{
	my ($smoke) = @_;

	return map { { sync => 'off', %$_, $smoke ? (tasks => $_->{tasks} / 10) : () } } @WORKERS;
}

sub worker_seconds
{
	my ($workload) = @_;

	return 4 + $workload->{tasks} / $workload->{per_second};
}

# ---- who drains ------------------------------------------------------------

sub arguments_of
{
	my ($bench, $workload, $entry) = @_;

	return (
		Bench::Clients::path($bench, 'spawn'), "--count=$workload->{tasks}",
		"--command=$entry->{command}")
	  if $entry->{command};
	return ("$bench->{bin}/taskq", 'worker', '--queue', 'q', '--drain', @{ $entry->{arguments} });
}

# Programs, to their end.
sub programs
{
	my ($bench, $workload, $entry) = @_;
	my @command = arguments_of($bench, $workload, $entry);
	my $env = { PGOPTIONS => "-c synchronous_commit=$workload->{sync}" };
	my @pids = map {
		$bench->spawn("$bench->{dir}/worker.$_.log", { database => 'taskq', env => $env }, @command)
	} 1 .. $workload->{clients};

	for my $pid (@pids)
	{
		waitpid $pid, 0;
		croak "$command[0] failed, see its log" if $? != 0;
	}
	return;
}

# Who holds a task from one run to the next ends with one in hand.
sub raw
{
	my ($bench, $workload, $entry) = @_;

	waitpid $bench->spawn(
		"$bench->{dir}/raw.log",
		{ database => 'taskq', env => { PGOPTIONS => "-c synchronous_commit=$workload->{sync}" } },
		"$bench->{bin}/pgbench", '-n', '-M', 'prepared', '-D', 'got=false',
		'-c', $workload->{clients}, '-j', $workload->{clients} > 1 ? 2 : 1,
		'-t', $workload->{tasks} / $workload->{clients} / $entry->{batch},
		'-f', "$Bench::DIR/taskq/$entry->{script}.sql"), 0;
	croak "pgbench failed:\n" . Bench::read_file("$bench->{dir}/raw.log") if $? != 0;
	return;
}

# Functions begin when they are registered.
sub functions
{
	my ($bench, $workload) = @_;
	my $session = $bench->session('taskq');

	$session->query("SELECT taskq.register_function('email.send', 'effect(jsonb)', 'q', concurrency => $workload->{clients})");
	my $last = $session->query('SELECT max(run_id) FROM taskq.open');
	$session->query("CALL taskq.wait_for_close($last, '1 hour')") if $last ne '';
	while ($session->query('SELECT count(*) FROM taskq.open') > 0)
	{
		sleep 0.01;
	}
	$session->quit;
	return;
}

# ---- a turn ------------------------------------------------------------

sub set_up
{
	my ($bench, $workload) = @_;

	$bench->set('taskq.function_workers' => $workload->{clients}, synchronous_commit => $workload->{sync});
	$bench->reset('taskq');
	$bench->sql($FUNCTION);
	$bench->pgbench(
		script => 'taskq/schedule_50.sql',
		sync => 'off',
		transactions => $workload->{tasks} / 50);
	$bench->sql('VACUUM ANALYZE');
	$bench->sql('CHECKPOINT');
	return;
}

# Seconds that clients and what they have run have used, those that have ended.
sub ended_cpu
{
	my (undef, undef, $user, $system) = times;

	return $user + $system;
}

# The time of CALL taskq.execute() by a client that waits: from its statement to the
# result, which comes after the commit of the effect.
sub executes
{
	my ($bench) = @_;
	my $run = $bench->pgbench(
		script => 'taskq/execute.sql',
		sync => 'off',
		transactions => EXECUTES,
		rate => 100,
		log => 'execute');

	my @ms = Bench::latencies($run);
	unlink @{ $run->{logs} };
	return percentile(0.5, @ms);
}

# One turn of one entry; costs per task.
sub worker_turn
{
	my ($bench, $workload, $entry) = @_;
	my $key = $entry->{key};
	my $way = { raw => \&raw, functions => \&functions }->{$key} // \&programs;

	Bench::Clients::path($bench, 'spawn');
	set_up($bench, $workload);
	my ($clock, $server, $client, $cpu) = (time, $bench->server_cpu, ended_cpu(), Bench::cpu_seconds());
	$way->($bench, $workload, $entry);
	my $seconds = time - $clock;
	my $client_cpu = ended_cpu() - $client;
	my $server_cpu = $key eq 'spawn' ? 0 : $bench->server_cpu - $server;
	my $closed = $key eq 'spawn' ? $workload->{tasks} : $workload->{tasks} - $bench->open_tasks('taskq');

	croak "$key: $closed of $workload->{tasks} were done" if $closed < $workload->{tasks} - $workload->{clients};
	my %turn = (
		tasks => $closed,
		per_second => $closed / $seconds,
		cpu_us => 1e6 * (Bench::cpu_seconds() - $cpu) / $closed,
		own_cpu_us => 1e6 * ($server_cpu + $client_cpu) / $closed,
		server_cpu_us => 1e6 * $server_cpu / $closed,
		client_cpu_us => 1e6 * $client_cpu / $closed);

	$turn{execute_ms} = executes($bench) if $key eq 'functions';
	return \%turn;
}

1;
