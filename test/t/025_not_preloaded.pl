# Without shared_preload_libraries the extension can be created, so that a
# dump can be restored, and says what to do.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

my ($rc, $stdout, $stderr) = $node->psql('postgres', 'CREATE EXTENSION taskq');
is($rc, 0, 'the extension can be created');
like(
	$stderr,
	qr/WARNING: .*taskq is not in shared_preload_libraries.*HINT: .*shared_preload_libraries = 'taskq'/s,
	'with a warning and a hint');

for my $call (
	"taskq.channel('q')",
	"taskq.schedule('q', 't', start_to_close_timeout => '1h')",
	"taskq.poll('q')")
{
	($rc, $stdout, $stderr) = $node->psql('postgres', "SELECT $call",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:  55000: .*HINT: .*shared_preload_libraries/s,
		"$call is 55000, with a hint");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM taskq.activities'),
	'0', 'views of tables work');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'");
$node->restart;
ok(wait_served($node, 'postgres'), 'once it is loaded, a worker comes');
is($node->safe_psql('postgres', "SELECT created FROM taskq.schedule('q', 't', start_to_close_timeout => '1h')"),
	't', 'and calls work');

done_testing();
