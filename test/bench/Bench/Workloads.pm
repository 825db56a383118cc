# What is raced: the workloads, their entries, and what we want of them.
package Bench::Workloads;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = ('races');

# Entries of a race: key, name, contestant, and the script if it is another one
# than the workload's.
my %ENTRY = (
	r2 => { name => 'R2' },
	r2_tuned => { name => 'R2 tuned' },
	taskq => { name => 'taskq' },
	taskq_0 => { name => 'taskq, retention 0' },
	taskq_busy => {
		name => 'taskq, busy worker',
		contestant => 'taskq',
		script => 'busy_1',
		define => { got => 'false' }
	},
	taskq_0_busy => {
		name => 'taskq, retention 0, busy worker',
		contestant => 'taskq_0',
		script => 'busy_1',
		define => { got => 'false' }
	},
	pgq => { name => 'PgQ' },
	round_trip => {
		name => 'SELECT 1',
		contestant => 'floor',
		script => 'round_trip'
	},
	write => {
		name => 'INSERT, primary key only',
		contestant => 'floor',
		script => 'write'
	},
	write_3 => {
		name => 'three INSERTs, primary key only',
		contestant => 'floor',
		script => 'write_3'
	});

# Targets are the least ratio to R2, by the measure named.
my @RACES = (
	{
		name => 'floor',
		title => 'What a statement costs at least',
		clients => 4,
		sync => 'off',
		tasks => 1,
		entries => [qw(round_trip write)],
		seconds => 3
	},
	{
		name => 'schedule',
		title => 'Schedule, one per transaction',
		script => 'schedule',
		clients => 4,
		sync => 'off',
		tasks => 1,
		entries => [qw(r2 r2_tuned taskq taskq_0 pgq)],
		seconds => 4,
		measure => 'cpu_us',
		targets => { taskq => 0.9, taskq_0 => 0.9 }
	},
	{
		name => 'schedule_sync',
		title => 'Schedule, one per transaction, synchronous commit',
		script => 'schedule',
		clients => 8,
		sync => 'on',
		tasks => 1,
		entries => [qw(r2 taskq taskq_0 pgq)],
		seconds => 4,
		measure => 'cpu_us',
		targets => { taskq => 0.9, taskq_0 => 0.9 }
	},
	{
		name => 'schedule_many',
		title => 'Schedule 100 per call',
		script => 'schedule_100',
		clients => 4,
		sync => 'off',
		tasks => 100,
		entries => [qw(r2 taskq taskq_0 pgq)],
		seconds => 4,
		measure => 'cpu_us',
		targets => { taskq => 0.85, taskq_0 => 0.85 }
	},
	{
		name => 'cycle',
		title => 'Full cycle, one at a time',
		script => 'cycle_1',
		clients => 4,
		sync => 'off',
		tasks => 1,
		closes => 1,
		entries => [qw(r2 r2_tuned taskq taskq_0 taskq_busy taskq_0_busy write_3)],
		seconds => 36,
		warmup => 4,
		measure => 'per_second',
		targets => {
			taskq => 1.25,
			taskq_0 => 1.4,
			taskq_busy => 1.6,
			taskq_0_busy => 1.9
		}
	},
	{
		name => 'cycle_sync',
		title => 'Full cycle, one at a time, synchronous commit',
		script => 'cycle_1',
		clients => 8,
		sync => 'on',
		tasks => 1,
		closes => 1,
		entries => [qw(r2 r2_tuned taskq taskq_0 write_3)],
		seconds => 36,
		warmup => 4,
		measure => 'per_second',
		targets => { taskq => 1.15, taskq_0 => 1.3 }
	},
	{
		name => 'batches',
		title => 'Full cycle in batches of 50',
		script => 'cycle_50',
		clients => 4,
		sync => 'off',
		tasks => 50,
		closes => 1,
		entries => [qw(r2 r2_tuned taskq taskq_0)],
		seconds => 8,
		warmup => 2,
		measure => 'per_second',
		targets => { taskq => 1.1, taskq_0 => 1.4 }
	});

# All races with whole entries.  Seconds override those of the workloads.
sub races
{
	my ($seconds) = @_;

	return map {
		my $race = $_;
		{
			warmup => 0,
			closes => 0,
			%$race,
			$seconds
			? (
				seconds => $seconds,
				warmup => $race->{warmup} ? 1 + int($seconds / 10) : 0)
			: (),
			entries => [
				map { { key => $_, contestant => $_, %{ $ENTRY{$_} } } }
				  @{ $race->{entries} }
			]
		}
	} @RACES;
}

1;
