# The queues that others have written, each by its own interface: filled in its
# fastest way, then drained in its fastest way.
#
# graphile-worker and pg-boss are programs of Node.js (peers/), which tell when
# they are ready and when they are done; taskq is drained by such a program, too,
# so that it can be told apart what the client costs.  PgQ's ticker is pgqd, its
# consumer pgbench.
package Bench::Peers;

use strict;
use warnings;

use Bench qw(cpu_seconds process_cpu);
use Carp 'croak';
use Exporter 'import';
use File::Spec;
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK =
  qw(%PEERS available drain_all fill peer_seconds peer_turn reset_peer);

our %PEERS = (
	name => 'peers',
	title => 'Fill and drain, each in its fastest way',
	sync => 'off',
	tasks => 100_000,
	batch => 50,
	clients => 4,
	target => 1.5,
	entries => [
		{
			key => 'graphile',
			name => 'graphile-worker',
			short => "graphile-\nworker"
		},
		{ key => 'taskq', name => 'taskq, batches of 50', short => 'taskq' },
		{
			key => 'taskq_node',
			name => 'taskq, batches of 50, Node.js client',
			short => "taskq,\nNode.js"
		},
		{ key => 'pgq', name => 'PgQ, one consumer', short => 'PgQ' },
		{
			key => 'pgboss',
			name => 'pg-boss, batches of 1,000',
			short => 'pg-boss'
		}
	]);

# Those that a program plays: where, and how what is open is counted.
my %PROGRAM = (
	graphile => {
		program => 'graphile.mjs',
		database => 'graphile',
		open => 'SELECT count(*) FROM graphile_worker.jobs',
		vacuum => 'graphile_worker._private_jobs'
	},
	pgboss => {
		program => 'pgboss.mjs',
		database => 'pgboss',
		open => "SELECT count(*) FROM pgboss.job WHERE state < 'completed'",
		vacuum => 'pgboss.job'
	},
	taskq_node => {
		program => 'taskq.mjs',
		contestant => 'taskq',
		database => 'taskq',
		open => 'SELECT count(*) FROM taskq.open',
		vacuum => 'taskq.open'
	});

my $MODULES = "$Bench::DIR/peers/node_modules";

# The Node.js that comes with the peers, else the system's.
sub node
{
	my ($own) = glob "$MODULES/node-linux-*/bin/node";

	return $own // 'node';
}

# About how long a turn takes.
sub peer_seconds
{
	my ($entry) = @_;
	my $per_second = $entry->{key} eq 'pgboss' ? 10_000 : 20_000;

	return 4 + $PEERS{tasks} / $per_second;
}

# What can't be raced is left out, with the reason.
sub available
{
	my ($bench, $entry) = @_;

	return (1) if !$PROGRAM{ $entry->{key} } && $entry->{key} ne 'pgq';
	if ($entry->{key} eq 'pgq')
	{
		return (0, 'postgresql-NN-pgq3 is not installed')
		  if !$bench->has_contestant('pgq');
		return (0, 'pgqd is not installed') if !pgqd();
		return (1);
	}
	return (0, 'npm ci was not run in test/bench/peers') if !-d $MODULES;
	return (1);
}

sub pgqd
{
	my ($path) = grep { -x } map { "$_/pgqd" } File::Spec->path;

	return $path;
}

# ---- programs ------------------------------------------------------------

# Have a program do one thing; what that cost, in seconds: by the clock, of the
# machine, and of the server and the program.
sub act
{
	my ($bench, $key, $action, $tasks) = @_;
	my $program = $PROGRAM{$key};

	pipe(my $read_go, my $go) or croak "pipe: $!";
	pipe(my $said, my $write_said) or croak "pipe: $!";
	my $pid = fork // croak "fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<&', $read_go;
		open STDOUT, '>&', $write_said;
		open STDERR, '>', "$bench->{dir}/$key.$action.log";
		$bench->become_client($program->{database});
		{ exec node(), "$Bench::DIR/peers/$program->{program}", $action,
			$tasks; }
		POSIX::_exit(127);
	}
	close $read_go;
	close $write_said;
	await($bench, $said, 'ready', "$key.$action.log");

	my ($clock, $cpu, $server, $own) =
	  (time, cpu_seconds(), $bench->server_cpu, process_cpu($pid));
	print $go "go\n";
	close $go;
	await($bench, $said, 'done', "$key.$action.log");
	my $seconds = time - $clock;
	$own = process_cpu($pid) - $own;
	waitpid $pid, 0;
	sleep 1;
	return {
		seconds => $seconds,
		cpu => cpu_seconds() - $cpu,
		own_cpu => $own + $bench->server_cpu - $server
	};
}

sub await
{
	my ($bench, $said, $word, $log) = @_;
	my $line = <$said> // '';

	return if $line eq "$word\n";
	open my $file, '<', "$bench->{dir}/$log";
	my @log = <$file>;
	croak "instead of $word: $line@log";
}

# ---- setting up, filling, draining ---------------------------------------

sub database_of
{
	my ($key) = @_;

	return $PROGRAM{$key}
	  ? $PROGRAM{$key}{database}
	  : Bench::contestant($key)->{database};
}

sub open_of
{
	my ($bench, $key) = @_;

	return $bench->open_tasks($key) if !$PROGRAM{$key};
	return $bench->sql($PROGRAM{$key}{open}, $PROGRAM{$key}{database});
}

sub reset_peer
{
	my ($bench, $key) = @_;
	my $program = $PROGRAM{$key};

	$bench->reset($program ? $program->{contestant} : $key)
	  if !$program || $program->{contestant};
	if ($program && !$program->{contestant})
	{
		$bench->sql("DROP DATABASE IF EXISTS $program->{database}",
			'postgres');
		delete $bench->{databases}{ $program->{database} };
		$bench->database($program->{database});
		act($bench, $key, 'setup', 0);
		$bench->sql('CHECKPOINT', 'postgres');
	}
	$bench->sql(
		'ALTER DATABASE ' . database_of($key) . ' SET synchronous_commit = off',
		'postgres');
	return;
}

sub by_pgbench
{
	my ($bench, %option) = @_;
	my $run = $bench->pgbench(%option, sync => 'off', tail => 1);

	return { map { $_ => $run->{$_} } qw(seconds cpu own_cpu) };
}

sub fill
{
	my ($bench, $key, $tasks) = @_;

	return act($bench, $key, 'fill', $tasks) if $PROGRAM{$key};
	return by_pgbench(
		$bench,
		database => database_of($key),
		script => Bench::script($key, 'schedule_50'),
		clients => $PEERS{clients},
		transactions => $tasks / $PEERS{clients} / $PEERS{batch});
}

sub drain_all
{
	my ($bench, $key, $tasks) = @_;

	return act($bench, $key, 'drain', $tasks) if $PROGRAM{$key};
	return drain_pgq($bench) if $key eq 'pgq';
	return by_pgbench(
		$bench,
		database => database_of($key),
		script => Bench::script($key, 'work_50'),
		clients => $PEERS{clients},
		transactions => $tasks / $PEERS{clients} / $PEERS{batch});
}

# PgQ hands out what lies between two ticks: wait for the one after the last
# event, then consume batch by batch.
sub drain_pgq
{
	my ($bench) = @_;
	my $session = $bench->session('pgq');
	my $patience = time + 60;
	my $ticks = $session->query('SELECT count(*) FROM pgq.tick');

	$session->query("SELECT pgq.force_tick('q')");
	while ($session->query('SELECT count(*) FROM pgq.tick') <= $ticks)
	{
		croak 'pgqd does not tick' if time > $patience;
		sleep 0.05;
	}
	$ticks = $session->query('SELECT count(*) FROM pgq.tick');
	$session->quit;
	return by_pgbench(
		$bench,
		database => 'pgq',
		script => 'pgq/work.sql',
		transactions => $ticks);
}

# Fill and drain one; costs and gains per task that was closed.
sub peer_turn
{
	my ($bench, $entry) = @_;
	my ($key, $tasks) = ($entry->{key}, $PEERS{tasks});

	reset_peer($bench, $key);
	my $fill = fill($bench, $key, $tasks);

	# what autovacuum would do a minute later: nobody is to suffer from plans
	# that were made for an empty table
	$bench->sql('VACUUM ANALYZE', database_of($key));
	my $scheduled = open_of($bench, $key);
	my $drain = drain_all($bench, $key, $tasks);
	my $closed = $scheduled - open_of($bench, $key);

	croak "$key: filled with $scheduled instead of $tasks"
	  if $scheduled != $tasks;
	return {
		tasks => $closed,
		fill_per_second => $scheduled / $fill->{seconds},
		fill_cpu_us => 1e6 * $fill->{cpu} / $scheduled,
		per_second => $closed / $drain->{seconds},
		cpu_us => 1e6 * $drain->{cpu} / $closed,
		own_cpu_us => 1e6 * $drain->{own_cpu} / $closed
	};
}

1;
