# Small file systems that a test may fill.
#
# test/run makes them, as root, and says where they are. Without it the test
# runs itself again in a user namespace of its own, in which everybody may
# mount; there it is the same user, as PostgreSQL refuses to run as root.
package TaskqDisk;

use strict;
use warnings;

use Exporter 'import';
use File::Path;
use File::Temp;
use Test::More;

our @EXPORT = qw(small_disks fill_disk empty_disk);

my $script = '
	dir=$1 user=$2 group=$3
	shift 3
	mkdir "$dir/data" "$dir/wal"
	mount -t tmpfs -o size=96m tmpfs "$dir/data"
	mount -t tmpfs -o size=24m tmpfs "$dir/wal"
	exec unshare -U --map-user="$user" --map-group="$group" "$@"';

# Run the test again where it may mount, unless somebody has mounted for it, or
# that is not possible. While the test is compiled: later its output would have
# been redirected.
sub run_in_namespace
{
	my $dir;
	my @command = ('unshare', '-Urm', 'sh', '-euc', $script, 'sh');
	my @as_who = ($>, (split / /, $))[0]);

	return if $ENV{TASKQ_SMALL_DISKS};
	$dir = File::Temp->newdir;
	return if system("@command[0, 1] unshare -U --map-user=1 true 2>/dev/null") != 0;
	mkdir "$dir/try";
	return if system('unshare', '-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', "$dir/try") != 0;
	rmdir "$dir/try";
	$ENV{TASKQ_SMALL_DISKS} = $dir;
	my $status = system(@command, $dir, @as_who, $^X, (map { "-I$_" } @INC), $0);
	rmtree("$dir");
	exit($status >> 8 || $status & 127);
}

# The directory of the file systems "data" and "wal". Skips the test if there
# are none. A core file would be as large as they are, and stay.
sub small_disks
{
	my $dir = $ENV{TASKQ_SMALL_DISKS};

	plan skip_all =>
	  'NOT TESTED: small disks take root in test/run, or user namespaces'
	  unless defined $dir && -d "$dir/data" && -d "$dir/wal";
	system('prlimit', '--core=0', '--pid', $$) == 0 or die 'cannot forbid core files';
	return $dir;
}

# Leave no room on a file system.
sub fill_disk
{
	my ($disk) = @_;
	my $block = "\0" x 65536;

	open(my $ballast, '>', "$disk/ballast") or die "$disk/ballast: $!";
	1 while syswrite($ballast, $block);
	1 while syswrite($ballast, substr($block, 0, 512));
	close($ballast);
	return;
}

sub empty_disk
{
	my ($disk) = @_;

	unlink("$disk/ballast") or die "$disk/ballast: $!";
	return;
}

run_in_namespace();

1;
