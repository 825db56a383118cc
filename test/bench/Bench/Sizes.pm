# What a task writes and occupies: WAL bytes over its whole life, bytes on disk
# while it waits and after it was closed, transactions.  One connection,
# full_page_writes off, autovacuum off and VACUUM called instead, so that
# nothing depends on when it comes: these numbers are free of noise.  (fsync is
# off, too: it takes time and changes nothing that is counted.)
#
# The whole life of taskq's tasks ends with their expiry: the clock of taskq is
# set to a time after their retention, and the worker empties the table.
package Bench::Sizes;

use strict;
use warnings;

use Bench::Peers qw(drain_all fill reset_peer);
use Carp 'croak';
use Exporter 'import';
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(%SIZES size_of sizes_seconds sizes_settings);

our %SIZES = (
	name => 'sizes',
	title => 'What a task writes and occupies',
	tasks => 20_000,
	targets => { taskq => 1350, taskq_0 => 900 },
	entries => [
		{ key => 'r2', name => 'R2' },
		{ key => 'r2_tuned', name => 'R2 tuned' },
		{ key => 'taskq', name => 'taskq' },
		{ key => 'taskq_0', name => 'taskq, retention 0' },
		{ key => 'pgq', name => 'PgQ' },
		{ key => 'graphile', name => 'graphile-worker', program => 1 },
		{ key => 'pgboss', name => 'pg-boss', program => 1 }
	]);

# About how long an entry takes.
sub sizes_seconds
{
	my ($entry) = @_;

	return 3 + $SIZES{tasks} / ($entry->{program} ? 4000 : 1500);
}

# Settings for the whole of it, and back.
sub sizes_settings
{
	my ($bench, $on) = @_;

	$bench->set(
		full_page_writes => $on ? 'off' : undef,
		autovacuum => $on ? 'off' : undef,
		fsync => $on ? 'off' : undef);
	return;
}

# Transactions that a database has committed.
sub transactions
{
	my ($bench, $database) = @_;

	return $bench->sql(
		"SELECT xact_commit FROM pg_stat_database WHERE datname = '$database'",
		'postgres');
}

# Bytes of all tables and indexes that are not the system's, on disk.
sub bytes_on_disk
{
	my ($bench, $database) = @_;

	return $bench->sql(
		q(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)
			FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		   WHERE relkind = 'r' AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'),
		$database);
}

# Vacuum everything but the catalogs, which would have to do with setting up.
sub settle
{
	my ($bench, $database) = @_;

	my $tables = $bench->sql(
		q(SELECT string_agg(c.oid::regclass::text, ', ')
			FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		   WHERE relkind = 'r' AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'),
		$database);

	$bench->sql("VACUUM $tables", $database);
	return;
}

# Let all that is retained expire, and wait until it is gone.
sub expire
{
	my ($bench, $database) = @_;
	my $patience = time + 120;
	my $session = $bench->session($database);

	$bench->set('taskq.clock_offset' => '5d');
	while (
		$session->query(
			"SELECT sum(pg_relation_size('taskq.closed_' || i)) FROM generate_series(0, 7) i"
		) > 0)
	{
		croak 'closed activities do not expire' if time > $patience;
		sleep 0.1;
	}
	$session->quit;
	$bench->set('taskq.clock_offset' => undef);
	return;
}

# Tasks one after the other through their whole life.
sub whole_life
{
	my ($bench, $key, $script, $tasks, $per_call) = @_;
	my $database = Bench::contestant($key)->{database};
	my $is_taskq = $database eq 'taskq';

	$bench->reset($key);
	my ($disk, $commits, $wal) = (
		bytes_on_disk($bench, $database),
		transactions($bench, $database),
		$bench->wal);
	my $run = $bench->pgbench(
		database => $database,
		script => Bench::script($key, $script),
		transactions => $tasks / $per_call);
	my %size =
	  (transactions =>
		  (transactions($bench, $database) - $commits) / $tasks);
	croak "$key: " . $bench->open_tasks($key) . ' tasks are still open'
	  if $bench->open_tasks($key) > 0;
	settle($bench, $database);
	$size{disk_closed} = (bytes_on_disk($bench, $database) - $disk) / $tasks;
	expire($bench, $database) if $key eq 'taskq';
	$size{wal} = ($bench->wal - $wal) / $tasks;
	return \%size;
}

# Tasks that wait, then are worked off.
sub backlog
{
	my ($bench, $key, $tasks) = @_;
	my $database = Bench::contestant($key)->{database};
	my %size;

	$bench->reset($key);
	my $disk = bytes_on_disk($bench, $database);
	my $run = $bench->pgbench(
		database => $database,
		script => Bench::script($key, 'schedule'),
		transactions => $tasks);
	$size{wal_schedule} = $run->{wal} / $tasks;
	settle($bench, $database);
	$size{disk_open} = (bytes_on_disk($bench, $database) - $disk) / $tasks;
	return \%size;
}

# PgQ keeps events until its tables rotate, by TRUNCATE: nothing to be counted.
sub size_of_pgq
{
	my ($bench, $tasks) = @_;

	$bench->reset('pgq');
	my ($disk, $commits, $wal) = (
		bytes_on_disk($bench, 'pgq'),
		transactions($bench, 'pgq'), $bench->wal);
	my $run = $bench->pgbench(
		database => 'pgq',
		script => 'pgq/schedule.sql',
		transactions => $tasks);
	my %size = (
		wal_schedule => $run->{wal} / $tasks,
		disk_open => (bytes_on_disk($bench, 'pgq') - $disk) / $tasks);

	drain_all($bench, 'pgq', $tasks);
	settle($bench, 'pgq');
	$size{transactions} = (transactions($bench, 'pgq') - $commits) / $tasks;
	$size{wal} = ($bench->wal - $wal) / $tasks;
	return \%size;
}

# Those that have programs: filled by 1,000 per call, drained in their own way.
sub size_of_program
{
	my ($bench, $key, $tasks) = @_;

	reset_peer($bench, $key);
	my ($disk, $commits, $wal) = (
		bytes_on_disk($bench, $key),
		transactions($bench, $key), $bench->wal);
	fill($bench, $key, $tasks);
	my %size = (wal_schedule => ($bench->wal - $wal) / $tasks);
	settle($bench, $key);
	$size{disk_open} = (bytes_on_disk($bench, $key) - $disk) / $tasks;
	drain_all($bench, $key, $tasks);
	settle($bench, $key);
	$size{transactions} = (transactions($bench, $key) - $commits) / $tasks;
	$size{wal} = ($bench->wal - $wal) / $tasks;
	return \%size;
}

# Everything about one entry.
sub size_of
{
	my ($bench, $entry) = @_;
	my ($key, $tasks) = ($entry->{key}, $SIZES{tasks});

	return size_of_program($bench, $key, $tasks) if $entry->{program};
	return size_of_pgq($bench, $tasks) if $key eq 'pgq';
	my %size = (
		%{ whole_life($bench, $key, 'cycle_1', $tasks, 1) },
		%{ backlog($bench, $key, $tasks) });
	my $batches = whole_life($bench, $key, 'cycle_50', $tasks, 50);
	$size{"batch_$_"} = $batches->{$_} for qw(wal transactions);
	return \%size;
}

1;
