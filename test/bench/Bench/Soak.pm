# A steady state for a long time: does anything grow?
#
# The load is everything (soak.c): retries, failures, timeouts, heartbeats,
# delays, ids, priorities and fairness keys; savepoints, prepared transactions,
# sessions that come and go; queues, fairness keys, identities and channels that
# are used once.  taskq.retention is so short that each table of closed activities
# is filled and truncated many times.  Sizes and
# memory are looked at every half a minute; what counts is how they move after
# the first third.
package Bench::Soak;

use strict;
use warnings;

use Bench qw(median say_now sum);
use Bench::Clients;
use Bench::Scenario qw(create_taskq mb number process_memory relation_sizes slope
  table verdict verdicts);
use List::Util 'max';

use constant NAME => 'soak';
use constant TITLE => 'A steady state';
use constant MINUTES => 21;

# What of the server's size is looked at.
my @GROUPS = (
	[ open => 'open activities', qr/^open$/ ],
	[ open_indexes => 'their indexes', qr/^open_/ ],
	[ heartbeats => 'heartbeats', qr/^heartbeat/ ],
	[ closed => 'closed activities', qr/^closed_(\d|long)$/ ],
	[ closed_indexes => 'their indexes', qr/^closed_.*_/ ],
	[ other => 'other tables of taskq', qr/./ ]);

my %MEMORY = (
	worker => "backend_type = 'taskq worker' AND datname = 'taskq'",
	launcher => "backend_type = 'taskq launcher'",
	sessions => "application_name IN ('bench producer', 'bench consumer')",
	visitor => "application_name = 'bench visitor'");

sub settings
{
	return { 'taskq.retention' => '60s', max_prepared_transactions => 10 };
}

# Bytes by group; whatever belongs to none of them is "other".
sub grouped
{
	my ($sizes) = @_;
	my %group = map { $_->[0] => 0 } @GROUPS;

	for my $name (keys %$sizes)
	{
		my ($found) = grep { $name =~ $_->[2] } @GROUPS;

		$group{ $found->[0] } += $sizes->{$name};
	}
	return \%group;
}

# Private memory in bytes, of the largest process of each kind.
sub memory
{
	my ($session) = @_;
	my %memory;

	for my $kind (keys %MEMORY)
	{
		my @pids = split /\n/, $session->query(
			"SELECT pid FROM pg_stat_activity WHERE $MEMORY{$kind}");

		$memory{$kind} = max(0, map { 1024 * process_memory($_, 'RssAnon') } @pids);
	}
	return \%memory;
}

sub run
{
	my ($bench, $short) = @_;
	my ($seconds, $interval, $rate, $visits) = $short ? (40, 5, 300, 20) : (1200, 30, 600, 84);
	my $session = create_taskq($bench, 'taskq');
	my $client = Bench::Clients->start(
		$bench, 'soak',
		sync => 'off',
		arguments => {
			seconds => $seconds,
			interval => $interval,
			rate => $rate,
			visits => $visits
		});
	my @points;

	while (my $line = $client->line)
	{
		my %point = (
			counts => { map { $_ => $line->{$_} + 0 } keys %$line },
			sizes => grouped(relation_sizes($session, 'taskq')),
			catalogs => sum(values %{ relation_sizes($session, 'pg_catalog') }),
			memory => memory($session),
			open => $session->query('SELECT count(*) FROM taskq.open') + 0,
			full => $session->query(
				"SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
				  WHERE nspname = 'taskq' AND relname ~ '^closed_\\d\$' AND pg_relation_size(c.oid) > 0"
			) + 0);

		push @points, \%point;
		say_now(sprintf '  %4d s: %s completed per second, %d open, tables %s MB, results %s MB in %d tables, worker %s MB',
			$line->{second}, number($line->{completed} / $interval), $point{open},
			mb($point{sizes}{open} + $point{sizes}{open_indexes}),
			mb($point{sizes}{closed} + $point{sizes}{closed_indexes}),
			$point{full}, mb($point{memory}{worker}));
	}
	my $truncated = $session->query(
		"SELECT count(*) FROM taskq.health WHERE status = 'critical'");
	$session->quit;
	return {
		points => \@points,
		interval => $interval,
		rate => $rate,
		visits => sum(map { $_->{counts}{visits} } @points),
		critical => $truncated + 0
	};
}

# The series of a measure: seconds and values.
sub series
{
	my ($result, $kind, $key) = @_;

	return map {
		[
			$_->{counts}{second},
			defined $key ? $_->{$kind}{$key} : $_->{$kind}
		]
	} @{ $result->{points} };
}

# After the first third: the median, the greatest, and what the line of least
# squares gains over the time, as a share of the median.
sub trend
{
	my @series = @_;
	my @rest = @series[ @series / 3 .. $#series ];
	my $median = median(map { $_->[1] } @rest);
	my $gain = slope(@rest) * ($rest[-1][0] - $rest[0][0]);

	return {
		median => $median,
		most => max(map { $_->[1] } @rest),
		gain => $gain,
		per_day => slope(@rest) * 86400,
		share => $median ? $gain / $median : 0
	};
}

sub measures
{
	my ($result) = @_;

	return (
		(map { [ $_->[1] . ($_->[0] =~ /^(.*)_indexes/ ? " ($1)" : ''), trend(series($result, 'sizes', $_->[0])) ] }
			@GROUPS),
		[ 'system catalogs', trend(series($result, 'catalogs')) ],
		map { [ "memory: $_", trend(series($result, 'memory', $_)) ] }
		  sort keys %MEMORY);
}

# A size is flat when the line of least squares gains less than a twentieth, or
# less than 256 kB.
sub flat
{
	my ($trend) = @_;

	return $trend->{gain} < 256 * 1024 || $trend->{share} < 0.05;
}

sub report
{
	my ($result) = @_;
	my @measures = measures($result);
	my @growing = map { $_->[0] } grep { !flat($_->[1]) } @measures;
	my $throughput = trend(map { [ $_->{counts}{second}, $_->{counts}{completed} ] }
		  @{ $result->{points} });
	my $last = $result->{points}[-1];

	return
	  number($result->{rate})
	  . " tasks per second of all kinds for $last->{counts}{second} s, and "
	  . number($result->{visits})
	  . ' visits, each to a queue, with fairness keys, by an identity and with two channels that are not used again, with savepoints and a prepared transaction; taskq.retention is '

	  . settings()->{'taskq.retention'}
	  . '. Looked at every '
	  . "$result->{interval} s; medians and trends are of the last two thirds.\n\n"
	  . table(
		[ '', 'median, MB', 'most, MB', 'trend over this time', 'flat' ],
		map {
			my ($name, $trend) = @$_;
			[
				$name,
				mb($trend->{median}),
				mb($trend->{most}),
				sprintf('%+.1f %%', 100 * $trend->{share}),
				flat($trend) ? 'yes' : '**no**'
			]
		} @measures)
	  . "\nThe throughput's trend over the same time is "
	  . sprintf('%+.1f %%', 100 * $throughput->{share})
	  . ". What is flat over minutes in which every table was filled and emptied many times, and vacuum came each minute, is flat over days: nothing of the state is older than the retention, or than the longest running activity.\n\n"
	  . verdicts(
		verdict('tables, indexes and processes that grow'
			  . (@growing ? ' (' . join(', ', @growing) . ')' : ''),
			scalar @growing, 'most', 0, '%d'),
		verdict('throughput at the end, of that after the first third',
			1 + $throughput->{share}, 'least', 0.98),
		verdict('critical lines in taskq.health',
			$result->{critical}, 'most', 0, '%d'));
}

sub plots
{
	my ($result) = @_;
	my $curve = sub {
		my ($name, @series) = @_;

		return {
			name => $name,
			points => [ map { [ $_->[0], $_->[1] / 1024 / 1024 ] } @series ]
		};
	};

	return (
		{
			file => 'soak_size',
			title => 'Sizes in a steady state',
			x => 'seconds',
			y => 'MB',
			curves => [
				map { $curve->($_->[1] . ($_->[0] =~ /^(.*)_indexes/ ? " ($1)" : ''), series($result, 'sizes', $_->[0])) }
				  grep { $_->[0] ne 'other' } @GROUPS
			]
		},
		{
			file => 'soak_memory',
			title => 'Private memory in a steady state',
			x => 'seconds',
			y => 'MB',
			curves => [
				map { $curve->($_, series($result, 'memory', $_)) } sort keys %MEMORY
			]
		});
}

1;
