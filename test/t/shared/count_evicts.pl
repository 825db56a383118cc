# A queue whose tasks all go while the worker counts is empty when that is
# published, and may have to make room for a queue that has no entry yet.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.max_queues = 16');

# The worker has to read the control data of this one when it counts, and those
# are out of line.
my ($large) = start($node, 'large');
sql($node,
	"UPDATE taskq.open SET control = jsonb_build_object('filler',
		(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i)) WHERE run_id = $large");

# The entries of those that come first make room for the later ones.
schedule($node, "absent $_") for 1 .. 4;
sql($node, "SELECT taskq.configure_queue('limited', '{\"max_started\": 1}')");
schedule($node, 'limited');
schedule($node, "filler $_") for 1 .. 14;
schedule($node, 'empty', "activity_id => 'goes', start_delay => '1 h'");

# Stop the worker in the middle of a count.
my $pid = worker_pid($node, 'postgres');
my $toast = sql($node,
	"SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'taskq.open'::regclass");
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; REINDEX TABLE $toast");
sql($node, "SELECT FROM taskq.poll('limited')");
ok( $node->poll_query_until(
		'postgres',
		"SELECT wait_event_type = 'Lock' AND query = 'counts' FROM pg_stat_activity WHERE pid = $pid"
	),
	'the worker is counting');
sql($node, "SELECT taskq.terminate('goes')");
$session->query_safe('COMMIT');
$session->quit;

ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM taskq.poll('limited')"),
	'it has counted');
is(worker_pid($node, 'postgres'), $pid, 'and lives');
is( sql($node, 'SELECT ' . counts_of_view()),
	sql($node, 'SELECT ' . counts_of_table()),
	'the counts are right');

done_testing();
