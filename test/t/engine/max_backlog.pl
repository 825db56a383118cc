# max_backlog: schedule raises TQ004 beyond it. What counts is due, not paused,
# and committed, or of the own transaction.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $one = "SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h')";

sub many
{
	my ($n) = @_;

	return "SELECT taskq.schedule_many('q', 't', array_fill(NULL::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h')";
}

sub fails_with
{
	my ($statement, $state, $name) = @_;

	return is(sqlstate($node, $statement), $state, $name);
}

sql($node, q(SELECT taskq.configure_queue('q', '{"max_backlog": 3}')));
fails_with($one, 'ok', "task $_ of 3") for 1 .. 3;
fails_with($one, 'TQ004', 'no fourth');
my ($rc, $out, $err) = $node->psql('postgres', $one);
like($err, qr/backlog limit of task queue "q" reached/, 'the message');

# What makes room.
my $token = sql($node, "SELECT task_token FROM taskq.poll('q')");
fails_with($one, 'ok', 'a started one does not count');
my $run = sql($node,
	"SELECT min(run_id) FROM taskq.activities WHERE run_state = 'scheduled'");
sql($node, "SELECT taskq.pause(run_id => $run)");
fails_with($one, 'ok', 'a paused one does not count');
sql($node, "SELECT taskq.unpause(run_id => $run)");
is(sql($node, "SELECT backlog_count FROM taskq.task_queues"),
	4, 'who comes back is not refused');
fails_with($one, 'TQ004', 'but counts');
sql($node, "SELECT FROM taskq.poll('q', max_tasks => 2)");
sql($node, "SELECT taskq.fail('$token', 'x', next_retry_delay => '1 h')");
fails_with($one, 'ok', 'a back-off does not count');
fails_with($one, 'TQ004', 'full');

# Statements that are too large leave nothing; in a transaction its own count.
sql($node, "SELECT FROM taskq.poll('q', max_tasks => 10)");
fails_with(many(4), 'TQ004', 'four at once');
is(sql($node, 'SELECT sum(backlog_count) FROM taskq.task_queues'),
	0, 'leave nothing');
fails_with(many(3), 'ok', 'three at once');
sql($node, "SELECT FROM taskq.poll('q', max_tasks => 10)");
fails_with("BEGIN; $one; $one; $one; $one", 'TQ004', 'own tasks count');
fails_with("BEGIN; $one; $one; SELECT FROM taskq.poll('q'); $one; $one; COMMIT",
	'ok', 'but not those that one has started');
fails_with($one, 'TQ004', 'three are there');

# Others' uncommitted ones do not count.
sql($node, "SELECT FROM taskq.poll('q', max_tasks => 10)");
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; ' . many(3));
fails_with(many(3), 'ok', "others' uncommitted tasks do not count");
$session->query_safe('COMMIT');
is(sql($node, 'SELECT sum(backlog_count) FROM taskq.task_queues'),
	6, 'so there can be more');
fails_with($one, 'TQ004', 'then no more');
$session->quit;

# Other queues, no limit.
sql($node, "SELECT taskq.schedule('other', 't', start_to_close_timeout => '1 h')");
sql($node, q(SELECT taskq.configure_queue('q', '{"max_backlog": 0}')));
fails_with(many(10), 'ok', '0 is no limit');
sql($node, q(SELECT taskq.configure_queue('q', '{"max_backlog": 1, "max_started": 1}')));
fails_with($one, 'TQ004', 'lowered: the next is refused');
is(sql($node, "SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'q'"),
	16, 'nothing is dropped');
sql($node, q(SELECT taskq.configure_queue('q', '{"max_backlog": null}')));
fails_with($one, 'ok', 'unset: no limit');

done_testing();
