# One thing that fails keeps a chore from no other, and nothing of what the
# chore had taken on is lost: counts, expiry, notifications.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.retention = '8s'",
	"taskq.notify_interval = '10s'");
my $forget = "CREATE FUNCTION public.forget() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_hints'";

sql($node, $forget);

# Counts: a row with control data that cannot be decoded is counted.
my ($run) = start($node, 'counted');
sql($node,
	"UPDATE taskq.open SET control = '{\"reset_jitter\": 1e30}' WHERE run_id = $run;
	 SELECT taskq.configure_queue('limited', '{\"max_started\": 1}')");
sql($node, 'SELECT public.forget()');
schedule($node, 'limited');
ok( $node->poll_query_until(
		'postgres', "SELECT count(*) = 1 FROM taskq.poll('limited')"),
	'counts: a row that cannot be decoded stops no other queue');
sql($node,
	"UPDATE taskq.open SET control = NULL WHERE run_id = $run;
	 SELECT taskq.terminate(run_id => $run)");

# Counts: who misses them is remembered while they fail.
sql($node, 'SELECT public.forget()');
my $pid = worker_pid($node, 'postgres');
my $offset = -s $node->logfile;
kill 'STOP', $pid;
sql($node,
	"SELECT taskq.configure_queue('later', '{\"max_started\": 1}');
	 SELECT FROM taskq.schedule('later', 't', start_to_close_timeout => '1 h');
	 SELECT count(*) FROM taskq.poll('later');
	 ALTER TABLE taskq.open RENAME TO gone");
kill 'CONT', $pid;
$node->wait_for_log(qr/ERROR: .*CONTEXT: [^\n]*chore "counts"/s, $offset);
sql($node, 'ALTER TABLE taskq.gone RENAME TO open');
ok( $node->poll_query_until(
		'postgres', "SELECT count(*) = 1 FROM taskq.poll('later')"),
	'counts: made after an error');

# Expiry: a leaf that cannot be emptied stops neither the other leaves nor
# rotation.
sql($node,
	"CREATE TABLE public.holds (run_id bigint REFERENCES taskq.closed_0)");
start($node, 'closed');
sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.open WHERE task_queue = 'closed'");
$offset = -s $node->logfile;
$node->wait_for_log(
	qr/ERROR:  cannot truncate a table referenced in a foreign key constraint.*chore "retention"/s,
	$offset);
for my $i (1, 2)
{
	my $leaf = sql($node, 'SELECT leaf FROM taskq.instance');

	start($node, "closed $i");
	sql($node,
		"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.open WHERE task_queue = 'closed $i'");
	ok( $node->poll_query_until(
			'postgres', "SELECT leaf NOT IN (0, $leaf) FROM taskq.instance"),
		"expiry: another leaf is filled, $i");
}
ok( $node->poll_query_until(
		'postgres',
		"SELECT sum(pg_relation_size('taskq.closed_' || i)) = 0 FROM generate_series(1, 7) i"),
	'expiry: other leaves are emptied');
is(sql($node, "SELECT pg_relation_size('taskq.closed_0') > 0"),
	't', 'expiry: the one that cannot be is not');
is(worker_pid($node, 'postgres'), $pid, 'it was one worker');

done_testing();
