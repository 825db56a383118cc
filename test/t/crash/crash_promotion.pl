# The primary is killed under load and its standby promoted; clients go there.
# A synchronous standby has all that was acknowledged. An asynchronous one may
# miss what was acknowledged after it had heard of the primary last, and has
# all before; of what it misses nothing is left that could disturb.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCrash;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('server0');

# small files of WAL, so that backups are small
$primary->init(allows_streaming => 1, extra => ['--wal-segsize=1']);
$primary->append_conf('postgresql.conf', crash_settings());
$primary->start;
prepare_database($primary);

# Where clients look for the server that can be written to.
sub connect_to_either
{
	my (@nodes) = @_;

	return
		'host=' . join(',', map { $_->host } @nodes)
	  . ' port=' . join(',', map { $_->port } @nodes)
	  . ' dbname=postgres target_session_attrs=read-write';
}

# A new standby that keeps up with the primary.
sub new_standby
{
	my ($n, $synchronous) = @_;
	my $standby = PostgreSQL::Test::Cluster->new("server$n");

	$primary->backup("backup$n");
	$standby->init_from_backup($primary, "backup$n", has_streaming => 1);
	$standby->start;
	$primary->wait_for_catchup($standby);
	$primary->append_conf('postgresql.conf',
		"synchronous_standby_names = '" . ($synchronous ? "server$n" : '') . "'");
	$primary->reload;
	$primary->poll_query_until(
		'postgres',
		"SELECT sync_state = '"
		  . ($synchronous ? 'sync' : 'async')
		  . "' FROM pg_stat_replication")
	  or die 'the standby is not what it should be';
	return $standby;
}

my $n = 0;

sub promotion
{
	my ($name, $synchronous, $fault) = @_;

	foreach (1 .. crash_round_count())
	{
		my $old = $primary;
		my $standby = new_standby(++$n, $synchronous);

		$primary = crash_round(
			$name, $primary,
			connect_to_either($primary, $standby),
			sub { return ($standby, $fault->($standby, @_)) });
		$old->clean_node;
	}
	return;
}

# Nobody waits for a standby that is gone: not the one that is promoted.
sub promote
{
	my ($standby) = @_;

	$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$standby->reload;
	$standby->promote;
	return;
}

promotion(
	'promotion of a synchronous standby',
	1,
	sub {
		my ($standby) = @_;

		kill_server($primary);
		promote($standby);
		return;
	});
promotion(
	'promotion of an asynchronous standby',
	0,
	sub {
		my ($standby, $load) = @_;
		my $heard = now_us();

		$primary->wait_for_catchup($standby);
		$standby->stop;
		wait_for_facts($load, 200);
		kill_server($primary);

		$standby->start;
		promote($standby);
		return ($heard, now_us());
	});

done_testing();
