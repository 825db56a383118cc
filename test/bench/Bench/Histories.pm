# Histories of workflows in a steady state: short runs come and go, and as many as one
# in a hundred of them are alive from first to last and go on with signals.  So each
# table of histories has something to be kept whenever its turn comes to be emptied.
# taskq.retention is so short that this happens many times.
package Bench::Histories;

use strict;
use warnings;

use Bench qw(median say_now sum);
use Bench::Clients;
use Bench::Scenario qw(create_taskq mb number relation_sizes slope table verdict verdicts);
use List::Util qw(max min);

use constant NAME => 'histories';
use constant TITLE => 'Histories of workflows in a steady state';
use constant MINUTES => 21;

my @GROUPS = (
	[ open => 'open runs', qr/^open$/ ],
	[ open_indexes => 'their indexes', qr/^open_/ ],
	[ closed => 'closed runs, and their indexes', qr/^closed_run_/ ],
	[ leaves => 'histories', qr/^history_\d$/ ],
	[ leaves_indexes => 'their indexes', qr/^history_\d_/ ],
	[ other => 'other tables of taskq', qr/^(?!history_long)/ ],
	[ long => 'histories of living runs, and their indexes', qr/./ ]);

# Of these a greater size would be a fault; living runs write more and more.
my @STEADY = grep { $_->[0] ne 'long' } @GROUPS;

sub settings
{
	return { 'taskq.retention' => '60s' };
}

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

sub run
{
	my ($bench, $short) = @_;
	my %load = $short ? (seconds => 60, interval => 5, runs => 50, living => 30, signals => 5)
	  : (seconds => 1200, interval => 10, runs => 100, living => 1200, signals => 10);
	my $session = create_taskq($bench, 'taskq');
	my $files = sub {
		return split / /, $session->query(
			"SELECT string_agg(pg_relation_filenode('taskq.history_' || i)::text, ' ' ORDER BY i) FROM generate_series(0, 7) i");
	};
	my $client = Bench::Clients->start($bench, 'soak', sync => 'off',
		arguments => { %load, producers => 0, consumers => 0, visitors => 0, runners => 2 });
	my @files = $files->();
	my @emptied = (0) x 8;
	my @points;

	while (my $line = $client->line)
	{
		my @now = $files->();
		my %point = (
			counts => { map { $_ => $line->{$_} + 0 } keys %$line },
			sizes => grouped(relation_sizes($session, 'taskq')),
			events => $session->query("SELECT sum(next_event_id - 1) FROM taskq.open WHERE scope = -1") + 0);

		$emptied[$_] += $now[$_] != $files[$_] for 0 .. 7;
		@files = @now;
		push @points, \%point;
		say_now(sprintf '  %4d s: %s runs per second, histories %s MB, of living runs %s MB, emptied %s', $line->{second},
			number($line->{runs} / $load{interval}), mb($point{sizes}{leaves}), mb($point{sizes}{long}), join ' ', @emptied);
	}
	my %result = (
		%load,
		points => \@points,
		emptied => \@emptied,
		alive => $session->query("SELECT count(*) FROM taskq.open WHERE activity_id LIKE 'living %'") + 0,
		whole => $session->query("SELECT count(*) FROM taskq.open WHERE activity_id LIKE 'living %' AND taskq.replay(run_id)
			AND (SELECT count(*) = max(event_id) FROM taskq.workflow_history(run_id))") + 0,
		critical => $session->query("SELECT count(*) FROM taskq.health WHERE status = 'critical'") + 0);
	$session->quit;
	return \%result;
}

# After the first third: median, greatest, and what the line of least squares gains.
sub trend
{
	my ($result, $value) = @_;
	my @series = map { [ $_->{counts}{second}, $value->($_) ] } @{ $result->{points} };
	my @rest = @series[ @series / 3 .. $#series ];
	my $median = median(map { $_->[1] } @rest);
	my $gain = slope(@rest) * ($rest[-1][0] - $rest[0][0]);

	return { median => $median, most => max(map { $_->[1] } @rest), gain => $gain, share => $median ? $gain / $median : 0 };
}

sub flat
{
	my ($trend) = @_;

	return $trend->{gain} < 256 * 1024 || $trend->{share} < 0.1;
}

sub report
{
	my ($result) = @_;
	my @measures = map { my $key = $_->[0]; [ $_->[1], trend($result, sub { $_[0]{sizes}{$key} }) ] } @STEADY;
	my $long = trend($result, sub { $_[0]{sizes}{long} / $_[0]{events} });
	my @growing = map { $_->[0] } grep { !flat($_->[1]) } @measures;
	my $last = $result->{points}[-1];
	my $throughput = trend($result, sub { $_[0]{counts}{runs} });

	return number(sum(map { $_->{counts}{runs} } @{ $result->{points} }))
	  . " runs in $last->{counts}{second} s, and " . number($result->{living}) . ' that are alive from first to last and took '
	  . number(sum(map { $_->{counts}{steps} } @{ $result->{points} }))
	  . ' workflow tasks; taskq.retention is ' . settings()->{'taskq.retention'}
	  . ". Looked at every $result->{interval} s; medians and trends are of the last two thirds.\n\n"
	  . table([ '', 'median, MB', 'most, MB', 'trend over this time', 'flat' ],
		map {
			my ($name, $trend) = @$_;
			[ $name, mb($trend->{median}), mb($trend->{most}), sprintf('%+.1f %%', 100 * $trend->{share}), flat($trend) ? 'yes' : '**no**' ]
		} @measures)
	  . "\nThe living runs have " . number($last->{events}) . ' events in the end, in ' . mb($last->{sizes}{long})
	  . sprintf(" MB of history_long: %d bytes each, with a trend of %+.1f %%. The tables of histories were emptied %s times.\n\n",
		$last->{sizes}{long} / $last->{events}, 100 * $long->{share}, join(', ', @{ $result->{emptied} }))
	  . verdicts(
		verdict('the table of histories emptied least often, times', min(@{ $result->{emptied} }), 'least', 2, '%d'),
		verdict('tables and indexes that grow' . (@growing ? ' (' . join(', ', @growing) . ')' : ''), scalar @growing, 'most', 0, '%d'),
		verdict('living runs whose histories are whole, of all', $result->{whole} / $result->{living}, 'least', 1),
		verdict('throughput at the end, of that after the first third', 1 + $throughput->{share}, 'least', 0.98),
		verdict('critical lines in taskq.health', $result->{critical}, 'most', 0, '%d'));
}

1;
