# The table of channels is of fixed size; when it is full, asking for one more
# is an error that names the setting, and known ones go on.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', 'taskq.max_listened_queues = 3');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(postgres other);

$node->safe_psql('postgres', "SELECT taskq.channel('a'), taskq.channel('b')");
$node->safe_psql('other', "SELECT taskq.worker_channel('w')");
my ($rc, $stdout, $stderr) = $node->psql(
	'postgres',
	"SELECT taskq.channel('c')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like(
	$stderr,
	qr/ERROR:  53400: .*HINT: .*taskq\.max_listened_queues/s,
	'the fourth is 53400, with a hint');

is( $node->safe_psql(
		'postgres', "SELECT taskq.channel('a') = taskq.channel('a')"),
	't',
	'those that are known can be asked for again');

# channels of a dropped database make room
$node->safe_psql('postgres', 'DROP DATABASE other');
ok( $node->poll_query_until(
		'postgres', "SELECT taskq.channel('c') IS NOT NULL"),
	'a dropped database makes room');

done_testing();
