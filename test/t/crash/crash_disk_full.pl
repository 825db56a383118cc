# The disk of the data is full under load, then that of the WAL. What cannot be
# written is refused, or the server ends; when there is room again, everything
# that was acknowledged is there and goes on.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqCrash;
use TaskqDisk;
use Test::More;

my $disks = small_disks();
my $node = PostgreSQL::Test::Cluster->new('main');

mkdir "$disks/data/pgdata", 0700;
symlink("$disks/data/pgdata", $node->data_dir) or die $!;
$node->init(extra => [ '-X', "$disks/wal/pg_wal", '--wal-segsize=1' ]);
$node->append_conf('postgresql.conf',
	crash_settings() . "min_wal_size = '2MB'\nmax_wal_size = '8MB'");
$node->start;
prepare_database($node);

my $no_space = qr/No space left on device/;

# A checkpoint, too, takes the server down with it, which lets nobody in then.
my $keeps_out = qr/FATAL:  could not write init file/;

crash_rounds(
	'data disk full',
	$node,
	sub {
		my ($load) = @_;
		my $offset = -s $node->logfile;

		fill_disk("$disks/data");
		$node->wait_for_log($no_space, $offset);
		wait_until(
			sub {
				return refusals($load, '53100') >= 20
				  || slurp_file($node->logfile, $offset) =~ $keeps_out;
			}) or die 'nobody misses the room';
		empty_disk("$disks/data");
		survive();
	});

# Whoever has to begin a new file of the WAL takes the server down with it,
# and while there is no room it may not come up again.
crash_rounds(
	'WAL disk full',
	$node,
	sub {
		my $offset = -s $node->logfile;

		fill_disk("$disks/wal");
		wait_until(
			sub {
				answers('SELECT pg_switch_wal(), taskq.stat_reset()');
				return slurp_file($node->logfile, $offset) =~ /PANIC:.*$no_space/;
			}) or die 'nobody misses the room';
		empty_disk("$disks/wal");
		survive();
	});

# Does the server answer this? Nothing is piped into psql, which may be gone
# before it reads.
sub answers
{
	my ($statement) = @_;

	return run_log(
		[ 'psql', '-Xqt', '-d', $node->connstr('postgres'), '-c', $statement ]);
}

# Wait until the server has recovered by itself, or has given up; then start it.
sub survive
{
	my $pid_file = $node->data_dir . '/postmaster.pid';
	my $pid = -e $pid_file ? (split /\n/, slurp_file($pid_file))[0] : 0;

	wait_until(
		sub {
			return !$pid
			  || !kill(0, $pid)
			  || answers('SELECT');
		}) or die 'the server does not come back';
	start_again($node) if !$pid || !kill(0, $pid);
	return;
}

done_testing();
