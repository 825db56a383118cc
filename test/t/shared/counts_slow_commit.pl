# A commit that takes long, since it waits for a standby that does not come,
# keeps nobody from counting, and no count keeps others from committing. What
# the slow ones do is counted once, whenever they come to an end.

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

my $node = activity_node(
	'main',
	'synchronous_commit = local',
	'wal_level = replica',
	'max_wal_senders = 1',
	'max_prepared_transactions = 10');

sql($node,
	"CREATE FUNCTION forget() RETURNS void LANGUAGE c AS 'taskq', 'taskq_counts_forget_all';
	 SELECT FROM taskq.configure_queue('limited', '{\"max_started\": 4}')");

sub standby
{
	my ($wanted) = @_;

	sql($node, "ALTER SYSTEM SET synchronous_standby_names = '$wanted'");
	sql($node, 'SELECT pg_reload_conf()');
	return $node->poll_query_until('postgres',
		"SELECT current_setting('synchronous_standby_names') = '$wanted'");
}

# Begin a transaction whose commit has to wait, and wait until it does.
sub slow
{
	my (@statements) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$session->query_safe(
		join('; ', 'SET synchronous_commit = on', 'BEGIN', @statements));
	$session->{stdin} .= "COMMIT;\n";
	$session->{run}->pump_nb;
	ok( $node->poll_query_until('postgres',
			"SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid"),
		"a commit waits: $statements[0]");
	return $session;
}

sub poll { return sql($node, "SELECT count(*) FROM taskq.poll('limited', max_tasks => $_[0])") }

my (undef, $token) = start($node, 'limited');
schedule($node, 'limited') for 1 .. 10;
schedule($node, 'paused');
ok(standby('nobody'), 'there is no standby');

my @slow = (
	slow("SELECT count(*) FROM taskq.schedule_many('limited', 't', array_fill('1'::jsonb, ARRAY[5]), start_to_close_timeout => '1 h')"),
	slow("SELECT FROM taskq.poll('limited')"),
	slow("SELECT taskq.complete('$token')"),
	slow("SELECT taskq.pause(run_id => run_id) FROM taskq.activities WHERE task_queue = 'paused'"),
	slow("SELECT taskq.schedule('delayed', 't', start_to_close_timeout => '1 h', start_delay => '1 h')"));

# Two attempts run, one of them in a commit that is not visible yet.
sql($node, 'SELECT forget()');
is(poll(1), 1, 'whoever needs the numbers gets them');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event ~ 'Taskq(Counts|Commits)'"),
	'and nobody waits for them');
schedule($node, 'limited') for 1 .. 20;
ok(counts_known($node), 'the views know them, too');
is( sql($node, 'SELECT ' . counts_of_view() . ' = ' . counts_of_table()),
	't', 'and say what the table shows');

# again, while others commit
foreach my $round (1 .. 5)
{
	sql($node,
		"SELECT forget();
		 SELECT FROM taskq.schedule('limited', 't', start_to_close_timeout => '1 h');
		 SELECT FROM taskq.schedule('other $round', 't', start_to_close_timeout => '1 h')");
	is(sql($node, "SELECT count(*) FROM taskq.poll('limited', max_tasks => 1)"),
		$round <= 1 ? 1 : 0, "round $round: up to max_started");
	ok(wait_counted($node), "round $round: known");
	is( sql($node, 'SELECT ' . counts_of_view() . ' = ' . counts_of_table()),
		't', "round $round: right");
}

# a commit that counts before the slow ones end, and a count while they end
sql($node, 'SELECT forget()');
ok(standby(''), 'the standby is not needed any more');
$_->query_safe('SELECT 1') foreach @slow;
$_->quit foreach @slow;
ok(wait_counted($node), 'the slow commits end');
counts_are_right($node, 'what they did is counted once');
is(sql($node, "SELECT started_count FROM taskq.task_queues WHERE task_queue = 'limited'"),
	3, 'one attempt has ended, one begun');
is(poll(5), 1, 'so there is room for one more');
is(poll(5), 0, 'not for two');

# what is prepared is not known, before and after a count
sql($node,
	"BEGIN; SELECT FROM taskq.schedule('prepared', 't', start_to_close_timeout => '1 h'); PREPARE TRANSACTION 'p'");
sql($node, 'SELECT forget()');
is(sql($node, "SELECT taskq.terminate(run_id => min(run_id)) FROM taskq.activities WHERE task_queue = 'limited' AND run_state = 'started'"),
	'', 'an attempt ends');
is(poll(1), 0, 'nothing is handed out while a prepared transaction is undecided');
sql($node, "COMMIT PREPARED 'p'");
ok(wait_counted($node), 'but then');
counts_are_right($node, 'with what it did');
is(poll(5), 1, 'the limit counts');

unlike(slurp_file($node->logfile), qr/TRAP|chore|taskq worker.*exited/, 'without accidents');

done_testing();
