# What the races say, as Markdown and plots: one section for each, and the
# targets.  Sections of the scenarios are their own (Bench::Scenario).
package Bench::Report;

use strict;
use warnings;

use Bench;
use Bench::Drain '%DRAIN';
use Bench::Peers '%PEERS';
use Bench::Race qw(middle ratios);
use Bench::Scenario qw(number table verdict verdicts);
use Bench::Sizes '%SIZES';
use Bench::Workers 'workers';
use Bench::Workflows qw(workflows workflow_plots workflow_text workflow_verdicts);
use Bench::Workloads 'races';
use Exporter 'import';

our @EXPORT_OK = qw(%SECTION race_plots);

# Section => what writes it.
our %SECTION = (
	machine => \&machine,
	targets => \&targets,
	drain => \&drain,
	peers => \&peers,
	sizes => \&sizes,
	workers => \&workers_section,
	workflows => \&workflows_section,
	map {
		my $name = $_->{name};
		($name => sub { race($name) })
	} races());

sub result
{
	my ($name) = @_;

	return Bench::load_result("race_$name");
}

# ---- saying things -------------------------------------------------------

sub digits
{
	my ($value, $digits) = @_;

	return defined $value ? sprintf("%.${digits}f", $value) : '';
}

# Median, least and greatest of the rounds' ratios to the baseline.
sub spread
{
	return sprintf '%.2f (%.2f – %.2f)', ratios(@_);
}

# When and how a result came to be.
sub origin
{
	my ($result) = @_;
	my $workload = $result->{workload};
	my $rounds = @{ $result->{rounds} };
	my @parts;

	push @parts, "$workload->{clients} connections" if $workload->{clients};
	push @parts, "synchronous_commit $workload->{sync}" if $workload->{sync};
	push @parts, $rounds == 1 ? '1 round' : "$rounds rounds";
	push @parts, "turns of $workload->{seconds} s" if $workload->{seconds};
	push @parts, "after a warm-up of $workload->{warmup} s"
	  if $workload->{warmup};
	push @parts, number($workload->{backlog}) . ' tasks'
	  if $workload->{backlog};
	push @parts, number($workload->{tasks}) . ' tasks'
	  if ($workload->{tasks} // 0) > 100;
	return join(', ', @parts) . ". Measured $result->{time}.\n\n";
}

sub entries
{
	my ($result) = @_;

	return
	  grep { $result->{rounds}[0]{ $_->{key} } }
	  @{ $result->{workload}{entries} };
}

# ---- sections ------------------------------------------------------------

# Each way in which results were made, once; it should be one.
sub machine
{
	my %seen;

	for my $name (map { "race_$_" } keys %SECTION)
	{
		my $result = Bench::load_result($name) // next;
		my $machine = $result->{machine};
		my $settings = join ', ',
		  map { "`$_ = $result->{settings}{$_}`" }
		  grep { $_ !~ /^(listen|log)/ } sort keys %{ $result->{settings} };

		$seen{'command'}{"`$result->{command}`"} = 1 if $result->{command};
		$seen{'processor'}{"$machine->{cores} × $machine->{cpu}"} = 1;
		$seen{'memory'}{"$machine->{memory_gb} GB"} = 1;
		$seen{'system'}{"$machine->{system}, Linux $machine->{kernel}"} = 1;
		$seen{'PostgreSQL'}{ $result->{postgresql} } = 1;
		$seen{'settings'}{"$settings; the rest as initdb leaves it"} = 1;
	}
	return %seen
	  ? join '', map { "- $_: " . join('; ', sort keys %{ $seen{$_} }) . "\n" }
	  grep { $seen{$_} } qw(command processor memory system PostgreSQL settings)
	  : undef;
}

sub race
{
	my ($name) = @_;
	my $result = result($name) // return undef;
	my $rounds = $result->{rounds};
	my @entries = entries($result);
	my $baseline = $entries[0]{key};
	my @rows;

	for my $entry (@entries)
	{
		my $key = $entry->{key};
		my $first = $key eq $baseline;

		push @rows,
		  [
			$entry->{name},
			number(middle($rounds, $key, 'per_second')),
			digits(middle($rounds, $key, 'cpu_us'), 1),
			digits(middle($rounds, $key, 'latency_ms'), 3),
			$first ? '' : spread($rounds, $key, $baseline, 'per_second'),
			$first ? '' : spread($rounds, $key, $baseline, 'cpu_us')
		  ];
	}
	return
	  origin($result)
	  . table(
		[
			'', 'tasks/s', 'CPU µs per task', 'ms per transaction',
			"× $entries[0]{name}, tasks/s",
			"× $entries[0]{name}, CPU"
		],
		@rows);
}

sub drain
{
	my $result = result('drain') // return undef;
	my $round = $result->{rounds}[-1];
	my @rows;

	for my $entry (entries($result))
	{
		my $turn = $round->{ $entry->{key} };

		push @rows,
		  [
			$entry->{name},
			number($turn->{tasks}),
			number($turn->{per_second}),
			digits($turn->{cpu_us}, 1),
			number($turn->{tenths}[0]),
			number($turn->{tenths}[4]),
			number($turn->{tenths}[9]),
			digits(middle($result->{rounds}, $entry->{key}, 'slope'), 2)
		  ];
	}
	return origin($result)
	  . table(
		[
			'',
			'drained',
			'tasks/s',
			'CPU µs per task',
			'first tenth, tasks/s',
			'fifth',
			'last',
			'last / first'
		],
		@rows);
}

sub peers
{
	my $result = result('peers') // return undef;
	my $rounds = $result->{rounds};
	my @entries = entries($result);
	my $baseline = $entries[0]{key};
	my @rows;

	for my $entry (@entries)
	{
		my $key = $entry->{key};
		my $cpu = middle($rounds, $key, 'cpu_us');

		push @rows,
		  [
			$entry->{name},
			digits(middle($rounds, $key, 'fill_cpu_us'), 1),
			number(middle($rounds, $key, 'per_second')),
			digits($cpu, 1),
			number(1e6 / $cpu),
			$key eq $baseline ? '' : spread($rounds, $key, $baseline, 'cpu_us')
		  ];
	}
	return origin($result)
	  . table(
		[
			'',
			'fill, CPU µs per task',
			'drain, tasks/s',
			'drain, CPU µs per task',
			'drain, tasks per CPU second',
			'× graphile-worker'
		],
		@rows);
}

sub sizes
{
	my $result = result('sizes') // return undef;
	my $round = $result->{rounds}[0];
	my @rows;

	for my $entry (entries($result))
	{
		my $size = $round->{ $entry->{key} };

		push @rows,
		  [
			$entry->{name}, digits($size->{wal}, 0),
			digits($size->{batch_wal}, 0), digits($size->{wal_schedule}, 0),
			digits($size->{disk_open}, 0), digits($size->{disk_closed}, 0),
			digits($size->{transactions}, 2)
		  ];
	}
	return origin($result)
	  . table(
		[
			'',
			'WAL, whole life',
			'the same, batches of 50',
			'WAL, schedule',
			'disk, waiting',
			'disk, closed',
			'transactions'
		],
		@rows);
}

# What of an entry's CPU a worker of that kind is measured by.
sub worker_row
{
	my ($result, $entry, $cpu) = @_;
	my ($rounds, $key) = ($result->{rounds}, $entry->{key});
	my $baseline = $result->{workload}{entries}[0]{key};

	return [
		$entry->{name},
		number(middle($rounds, $key, 'per_second')),
		digits(middle($rounds, $key, 'server_cpu_us'), 1),
		digits(middle($rounds, $key, 'client_cpu_us'), 1),
		$key eq $baseline ? '' : spread($rounds, $key, $baseline, 'per_second'),
		$key eq $baseline ? '' : spread($rounds, $key, $baseline, $cpu)
	];
}

sub workers_section
{
	my $text = '';

	for my $workload (workers())
	{
		my $result = result($workload->{name}) // next;
		my ($baseline, @others) = entries($result);

		$text .= "$workload->{title}: "
		  . origin($result)
		  . table(
			[
				'', 'tasks/s', 'CPU µs per task, server', 'client and commands',
				'× the first, tasks/s', '× the first, CPU'
			],
			map { worker_row($result, $_, $workload->{cpu}) } $baseline, @others)
		  . "\n";
		my @ms = grep { defined } map { $_->{functions}{execute_ms} } @{ $result->{rounds} };
		$text .= sprintf "`CALL taskq.execute()`, one at a time, from the statement to the result: p50 %.2f ms.\n\n", Bench::median(@ms)
		  if @ms;
	}
	return $text eq '' ? undef : $text =~ s/\n\z//r;
}

sub workflows_section
{
	my $text = join "\n", map {
		my $result = result($_->{name});
		$result
		  ? "$_->{title}: " . origin($result) . workflow_text($result->{workload}, $result->{rounds})
		  : ()
	} workflows();

	return $text eq '' ? undef : $text;
}

# ---- targets -------------------------------------------------------------

sub race_verdicts
{
	my ($race) = @_;
	my $result = result($race->{name}) // return;
	my ($baseline, @others) = entries($result);

	return map {
		my ($ratio) =
		  ratios($result->{rounds}, $_->{key}, $baseline->{key},
			$race->{measure});
		verdict(
			"$race->{title}: $_->{name}, × $baseline->{name} by "
			  . ($race->{measure} eq 'cpu_us' ? 'CPU' : 'tasks/s'),
			$ratio, 'least', $race->{targets}{ $_->{key} });
	} grep { $race->{targets}{ $_->{key} } } @others;
}

# What a target of workers is about.
my %MEASURES = (
	per_second => 'tasks/s',
	own_cpu_us => 'CPU',
	client_cpu_us => 'CPU of the client and its commands');

sub worker_verdicts
{
	my ($workload) = @_;
	my $result = result($workload->{name}) // return;
	my ($key, $least, $measure) = @{ $workload->{target} }{qw(key least measure)};
	my ($baseline) = entries($result);
	my ($ratio) = ratios($result->{rounds}, $key, $baseline->{key}, $measure);

	return verdict("$workload->{title}: × $baseline->{name} by $MEASURES{$measure}",
		$ratio, 'least', $least);
}

sub targets
{
	my @verdicts = map { race_verdicts($_) } grep { $_->{targets} } races();

	push @verdicts, map { worker_verdicts($_) } workers();
	push @verdicts, map {
		my $result = result($_->{name});
		$result ? workflow_verdicts($result->{workload}, $result->{rounds}) : ()
	} workflows();

	if (my $result = result('drain'))
	{
		for my $entry (grep { $_->{key} =~ /^taskq/ } entries($result))
		{
			push @verdicts,
			  verdict(
				"$DRAIN{title}: $entry->{name}, last tenth / first tenth",
				middle($result->{rounds}, $entry->{key}, 'slope'),
				'least', $DRAIN{target});
		}
	}
	if (my $result = result('peers'))
	{
		my ($baseline, $taskq) = entries($result);

		push @verdicts,
		  verdict(
			"Drain: $taskq->{name}, × $baseline->{name} by CPU",
			(
				ratios(
					$result->{rounds}, $taskq->{key}, $baseline->{key},
					'cpu_us')
			)[0],
			'least',
			$PEERS{target});
	}
	if (my $result = result('sizes'))
	{
		for my $entry (grep { $SIZES{targets}{ $_->{key} } } entries($result))
		{
			push @verdicts,
			  verdict(
				"WAL bytes per task, whole life: $entry->{name}",
				$result->{rounds}[0]{ $entry->{key} }{wal},
				'most', $SIZES{targets}{ $entry->{key} }, '%.0f');
		}
	}
	return @verdicts ? verdicts(@verdicts) : undef;
}

# ---- plots ---------------------------------------------------------------

# The lead of everybody over R2 in each race.
sub lead_plot
{
	my @races = grep { $_->{targets} && result($_->{name}) } races();
	my @names = (
		[ r2_tuned => 'R2 tuned' ],
		[ taskq => 'taskq' ],
		[ taskq_0 => 'taskq, retention 0' ],
		[ taskq_busy => 'taskq, busy worker' ],
		[ taskq_0_busy => 'retention 0, busy worker' ],
		[ pgq => 'PgQ' ]);
	my @bars;

	for my $name (@names)
	{
		my ($key, $title) = @$name;

		push @bars,
		  {
			name => $title,
			values => [
				map {
					(ratios(result($_->{name})->{rounds}, $key, 'r2', 'cpu_us'))[0]
				} @races
			]
		  };
	}
	return if !@races;
	return {
		file => 'lead',
		title => 'Tasks per CPU second, as a multiple of R2\'s',
		y => '× R2',
		line => 1,
		groups => [ map { $_->{name} =~ tr/_/\n/r } @races ],
		bars => [
			grep {
				grep { defined } @{ $_->{values} }
			} @bars
		]
	};
}

sub drain_plot
{
	my $result = result('drain') // return;
	my $round = $result->{rounds}[-1];

	return {
		file => 'drain',
		title => 'Drain of a backlog of '
		  . number($result->{workload}{backlog})
		  . ', one at a time',
		x => 'seconds',
		y => 'tasks per second',
		curves => [
			map {
				my $curve = $round->{ $_->{key} }{curve};
				{
					name => $_->{name},
					points => [ map { [ $_, $curve->[$_] ] } 0 .. $#$curve ]
				}
			} entries($result)
		]
	};
}

sub peers_plot
{
	my $result = result('peers') // return;
	my @entries = entries($result);

	return {
		file => 'peers',
		title => 'CPU of fill and drain, each in its fastest way',
		y => 'µs per task',
		groups => [ map { $_->{short} // $_->{name} } @entries ],
		bars => [
			map {
				my ($measure, $name) = @$_;
				{
					name => $name,
					values => [
						map { middle($result->{rounds}, $_->{key}, $measure) }
						  @entries
					]
				}
			} [ fill_cpu_us => 'fill' ],
			[ cpu_us => 'drain' ]
		]
	};
}

sub race_plots
{
	return (
		lead_plot(), drain_plot(), peers_plot(),
		workflow_plots({ map { ($_->{name} => result($_->{name})) } workflows() }));
}

1;
