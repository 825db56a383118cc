# A worker that sleeps in wait_for_task() wakes up when tasks come back: from a
# poll, a savepoint or a prepared transaction that is rolled back, from a
# session that is terminated, from a reset, an unpause, a changed queue.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 2');

start($node, 'first');

# "hold" makes the queue's only task unavailable, "give_back" ends that while
# somebody waits.
sub wakes
{
	my ($queue, $hold, $give_back, $name) = @_;
	my $holder = $node->background_psql('postgres', on_error_stop => 0);
	my $waiter = $node->background_psql('postgres');
	my $run_id = schedule($node, $queue);

	$_ =~ s/RUN/run_id => $run_id/g for $hold, $give_back;
	$holder->query_safe($hold);
	$waiter->query_until(qr/waiting/,
		"\\echo waiting\nCALL taskq.wait_for_task('$queue', '60 s');\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE query LIKE 'CALL %' AND state = 'active' AND wait_event IS NOT NULL AND backend_xmin IS NULL"
	);
	if (ref $give_back) { $give_back->() }
	else { $holder->query_safe($give_back) }
	is(eval { $waiter->query_safe('SELECT 1') }, "t\n1", $name);
	is(sql($node, "SELECT count(*) FROM taskq.poll('$queue')"),
		1, "$name: it is there");
	eval { $_->quit } for $holder, $waiter;
	return;
}

wakes('a', "BEGIN; SELECT FROM taskq.poll('a')", 'ROLLBACK',
	'a poll is rolled back');
wakes(
	'b',
	"BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('b')",
	'ROLLBACK TO s',
	'a savepoint is rolled back, the transaction is open');
wakes(
	'c',
	"BEGIN; SELECT FROM taskq.poll('c'); PREPARE TRANSACTION 'c'",
	"ROLLBACK PREPARED 'c'",
	'a prepared transaction is rolled back');
wakes(
	'd',
	"BEGIN; SELECT FROM taskq.poll('d')",
	sub {
		sql($node,
			"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state = 'idle in transaction'"
		);
	},
	'a session is terminated');
wakes('e', 'SELECT taskq.pause(RUN)', 'SELECT taskq.unpause(RUN)',
	'an activity is unpaused');
wakes(
	'f',
	"SELECT taskq.fail(task_token, 'no', next_retry_delay => '1 h') FROM taskq.poll('f')",
	'SELECT taskq.reset(RUN)',
	'an activity is reset');
wakes(
	'g',
	"SELECT taskq.fail(task_token, 'no', next_retry_delay => '1500 ms') FROM taskq.poll('g')",
	'SELECT 1',
	'a back-off ends');
wakes(
	'i',
	"SELECT taskq.update_options(RUN, options => '{\"task_queue\": \"elsewhere\"}')",
	"SELECT taskq.update_options(RUN, options => '{\"task_queue\": \"i\"}')",
	'an activity comes to the queue');
wakes(
	'j',
	"BEGIN; SELECT taskq.delete(RUN)",
	'ROLLBACK',
	'a deletion is rolled back');
wakes(
	'k',
	"BEGIN; SELECT taskq.terminate(RUN)",
	'ROLLBACK',
	'a termination is rolled back');
wakes(
	'l',
	"BEGIN; SELECT taskq.pause(RUN)",
	'ROLLBACK',
	'a pause is rolled back');
wakes(
	'h',
	"SELECT taskq.configure_queue('h', '{\"paused\": true}')",
	"SELECT taskq.configure_queue('h', '{\"paused\": false}')",
	'the queue goes on');

done_testing();
