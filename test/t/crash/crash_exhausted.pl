# Connections, and then worker processes, are used up by others under load.
# Whoever has none waits; when there are some again, everything goes on.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCrash;
use Test::More;

# the launcher, and two workers
my $node = crash_node('main', 'max_worker_processes = 3',
	'max_logical_replication_workers = 0', 'max_parallel_workers = 0');

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(a b);

# How often somebody was refused a connection, or a worker was started.
sub times_logged
{
	my ($pattern) = @_;

	return count_matches(slurp_file($node->logfile), $pattern);
}

# Others take all connections and keep them; those of the load are ended, and
# so is the taskq worker, which needs none of theirs.
crash_rounds(
	'connections exhausted',
	$node,
	sub {
		my $refused = qr/too many clients already/;
		my $served = qr/taskq worker for database "postgres" started/;
		my $before = times_logged($refused);
		my @ended = split /\n/,
		  $node->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE application_name ~ '^[pwosda]\\d'");
		my $worker = worker_pid($node, 'postgres');
		my @others;

		local $SIG{PIPE} = 'IGNORE';
		foreach (1 .. 30)
		{
			open(my $psql, '|-', 'psql', '-Xq', '-d', $node->connstr('postgres'))
			  or die $!;
			push @others, $psql;
		}
		wait_until(sub { times_logged($refused) > $before });
		$before = times_logged($served);
		kill 'TERM', @ended, $worker;
		wait_until(sub { times_logged($served) > $before })
		  or die 'no worker without connections';
		foreach (1 .. 10)
		{
			open(my $psql, '|-', 'psql', '-Xq', '-d', $node->connstr('postgres'))
			  or die $!;
			push @others, $psql;
		}
		close($_) foreach @others;
	});

# Of three databases two have a worker. That of the load loses its own to
# another one, and gets it back when that one is in need no more.
crash_rounds(
	'worker processes exhausted',
	$node,
	sub {
		my ($load) = @_;

		$node->safe_psql('a', 'CREATE EXTENSION taskq');
		wait_served($node, qw(a postgres)) or die 'no workers';
		$node->safe_psql('b', 'CREATE EXTENSION taskq');
		wait_until(
			sub {
				my $worker = worker_pid($node, 'postgres');

				kill 'TERM', $worker if $worker;
				return $node->safe_psql('postgres', served_databases()) eq 'a b';
			}) or die 'the load keeps its worker';
		wait_for_facts($load, 200);
		$node->safe_psql($_, 'DROP EXTENSION taskq') foreach qw(a b);
		wait_served($node, 'postgres') or die 'no worker';
	});

done_testing();
