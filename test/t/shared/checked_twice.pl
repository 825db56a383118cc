# A commit can be seen by others a moment before it tells the cursors. When the
# worker checks them in that moment it does not say that polls pass over the
# task; the commit tells, and the task is polled. The session stops in between
# for as long as a file exists.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.cursor_check_interval = 1d', 'log_min_messages = debug1');
my $file = $node->basedir . '/linger';
my $session = $node->background_psql('postgres');

sql($node, "CREATE FUNCTION linger(text) RETURNS void LANGUAGE c AS 'taskq', 'taskq_linger'");
start($node, 'q');
is(sql($node, "SELECT count(*) FROM taskq.poll('q')"), '0', 'the cursor is past all that there is');
append_to_file($file, '');
$session->query_until(qr/going/, "\\echo going\nBEGIN; SELECT linger('$file'); SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h'); COMMIT;\n");
ok($node->poll_query_until('postgres', "SELECT count(*) = 2 FROM taskq.open"), 'the commit is seen');

# a new worker checks at once
my $offset = -s $node->logfile;
my $worker = worker_pid($node, 'postgres');
sql($node, "SELECT pg_terminate_backend($worker)");
$node->wait_for_log(qr/taskq looks again/, $offset);
unlink $file or die;
$session->query_safe('SELECT 1');
is(sql($node, "SELECT count(*) FROM taskq.poll('q')"), '1', 'it has told, and the task is polled');
unlike(slurp_file($node->logfile), qr/passed over/, 'the worker has found nothing');

$session->quit;
$node->stop;
done_testing();
