# Databases that come and go quickly: the launcher and the workers that it
# starts for them leave no trace in the log.  Titles of processes.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');
my $session = $node->background_psql('postgres');

for my $round (1 .. 15)
{
	$session->query_safe('CREATE DATABASE quick');
	$session->query_safe('DROP DATABASE quick');
	$session->query_safe('CREATE DATABASE quick');
	$node->safe_psql('quick', 'CREATE EXTENSION taskq') if $round % 3 == 0;
	$session->query_safe('ALTER DATABASE quick RENAME TO quicker');
	$session->query_safe('DROP DATABASE quicker');
}
ok(wait_served($node), 'nothing is left');
unlike(slurp_file($node->logfile), qr/FATAL: /, 'no worker was late');

# The title tells which database.
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres'), 'a worker');
my $pid = worker_pid($node, 'postgres');
SKIP:
{
	skip 'no titles here', 2 unless -r "/proc/$pid/cmdline";
	like(slurp_file("/proc/$pid/cmdline"),
		qr/taskq worker postgres/, 'the title of a worker');
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('other', 'CREATE EXTENSION taskq');
	wait_served($node, 'postgres', 'other');
	$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO another');
	wait_served($node, 'postgres', 'another');
	$pid = worker_pid($node, 'another');
	like(slurp_file("/proc/$pid/cmdline"),
		qr/taskq worker another/, 'and after a rename');
}

$session->quit;
done_testing();
