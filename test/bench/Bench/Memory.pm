# Memory: what taskq takes of shared memory with its defaults, and that a
# session's own memory does not grow from call to call.
package Bench::Memory;

use strict;
use warnings;

use Bench 'say_now';
use Bench::Clients;
use Bench::Scenario qw(create_taskq mb number table verdict verdicts PAYLOAD);

use constant NAME => 'memory';
use constant TITLE => 'Memory';
use constant MINUTES => 3;

# Each loop makes this many calls.
my @CALLS = (
	"SELECT run_id FROM taskq.schedule('q', 'email.send', '"
	  . PAYLOAD
	  . "', start_to_close_timeout => '30 s')",
	"SELECT task_token FROM taskq.poll('q', 'w')",
	'SELECT $1 FROM taskq.heartbeat($1::uuid, \'{"progress": 1}\')',
	'SELECT taskq.complete($1)');

sub settings
{
	return {};
}

# Size of the shared memory segment.  Hash tables do not show up under their
# names, so what taskq takes is the difference to a server without it.
sub segment
{
	my ($bench) = @_;

	return $bench->sql('SELECT sum(allocated_size) FROM pg_shmem_allocations',
		'postgres') + 0;
}

sub shared
{
	my ($bench) = @_;
	my $without = Bench->new(settings => { shared_preload_libraries => '' });
	my %named = map { split /\|/ } split /\n/, $bench->sql(
		"SELECT name, allocated_size FROM pg_shmem_allocations WHERE name LIKE 'taskq%'",
		'postgres');

	return { bytes => segment($bench) - segment($without), named => \%named };
}

sub run
{
	my ($bench, $short) = @_;
	my $loops = $short ? 10_000 : 250_000;
	my $shared = shared($bench);

	create_taskq($bench, 'taskq')->quit;
	my $client = Bench::Clients->start(
		$bench, 'calls',
		sync => 'off',
		arguments => {
			sql => join('; ', @CALLS),
			loops => $loops,
			report => 2500,
			probe => 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts'
		});
	my @points;

	while (my $line = $client->line)
	{
		next if !$line->{private_kb};
		push @points,
		  {
			calls => @CALLS * $line->{loops},
			private => 1024 * $line->{private_kb},
			resident => 1024 * $line->{rss_kb},
			contexts => $line->{probe} + 0
		  };
	}
	say_now(sprintf '  shared %s MB; private after %s calls %s MB, after %s calls %s MB',
		mb($shared->{bytes}),
		map { number($_->{calls}), mb($_->{private}) } @points[ 0, -1 ]);
	return { shared => $shared, points => \@points };
}

# After 10,000 calls, in between, and at the end.
sub shown
{
	my ($result) = @_;
	my @points = @{ $result->{points} };
	my %seen;

	return grep { !$seen{ $_->{calls} }++ } @points[ 0, $#points / 10, $#points / 2, $#points ];
}

sub report
{
	my ($result) = @_;
	my @points = @{ $result->{points} };

	return
	    'With its default settings taskq takes '
	  . mb($result->{shared}{bytes})
	  . " MB of shared memory.\n\n"
	  . "One session that schedules, polls, heartbeats and completes. \"Private\" is the anonymous memory of its process, \"contexts\" what PostgreSQL's memory contexts hold, caches included; what is resident grows with the shared buffers that were touched.\n\n"
	  . table(
		[ 'calls', 'private, kB', 'contexts, kB', 'resident, MB' ],
		map {
			[
				number($_->{calls}),
				(map { number($_ / 1024) } @$_{qw(private contexts)}),
				mb($_->{resident})
			]
		} shown($result))
	  . "\n"
	  . verdicts(
		verdict('shared memory, MB', $result->{shared}{bytes} / 1024 / 1024, 'most', 16),
		verdict('growth of private memory from 10 thousand to a million calls, kB',
			($points[-1]{private} - $points[0]{private}) / 1024, 'most', 256, '%d'),
		verdict('growth of memory contexts, kB',
			($points[-1]{contexts} - $points[0]{contexts}) / 1024, 'most', 16, '%d'));
}

sub plots
{
	return ();
}

1;
