# A row that somebody's open transaction has locked keeps no other timer from
# firing; its own fires when that transaction is over, if it still has to.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $options =
  "start_to_close_timeout => '500 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)";
my %run;
my %session;

for my $name (qw(completed rolled_back beaten))
{
	my $report = $name eq 'beaten' ? 'heartbeat' : 'complete';

	$session{$name} = $node->background_psql('postgres');
	$run{$name} = $session{$name}->query_safe(
		"SELECT FROM taskq.schedule('$name', 't', $options);
		 SELECT run_id, task_token FROM taskq.poll('$name') \\gset
		 \\echo :run_id
		 BEGIN;
		 SELECT FROM taskq.$report(:'task_token')");
	$run{$name} =~ s/\D//g;
}
my ($free) = start($node, 'free', $options);

ok(wait_for_activity($node, $free, 'close_time IS NOT NULL'),
	'timers of other rows fire');
is( sql($node,
		"SELECT count(*) FROM taskq.activities
		  WHERE run_state = 'started' AND last_started_time + start_to_close_timeout < clock_timestamp()"
	),
	3,
	'rows that are held are overdue');

$session{completed}->query_safe('COMMIT');
is(activity($node, $run{completed}, 'status'),
	'completed', 'a completion that commits after the deadline stands');

$session{rolled_back}->query_safe('ROLLBACK');
ok( wait_for_activity($node, $run{rolled_back}, "status = 'timed_out'"),
	'one that is rolled back is followed by the timeout');

$session{beaten}->query_safe('COMMIT');
ok(wait_for_activity($node, $run{beaten}, "status = 'timed_out'"),
	'so is a heartbeat that commits');
is(activity($node, $run{beaten}, 'total_heartbeat_count'),
	1, 'which is not lost');
is( activity($node, $run{completed}, 'status'),
	'completed', 'and no timer follows the completion');
$_->quit for values %session;

# what happens inside a long transaction takes effect with its commit
my $session = $node->background_psql('postgres');
$session->query_safe(
	"BEGIN;
	 SELECT FROM taskq.schedule('late', 't', schedule_to_start_timeout => '200 ms', start_to_close_timeout => '1 h');
	 SELECT FROM taskq.schedule('late2', 't', start_to_close_timeout => '200 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1));
	 SELECT FROM taskq.poll('late2')");
$node->poll_query_until('postgres',
	"SELECT clock_timestamp() > xact_start + interval '300 ms' FROM pg_stat_activity
	  WHERE state = 'idle in transaction'");
$session->query_safe('COMMIT');
ok( $node->poll_query_until(
		'postgres',
		"SELECT status = 'timed_out' FROM taskq.activities WHERE task_queue = 'late'"),
	'a task committed after its ScheduleToStart deadline is closed');
ok( $node->poll_query_until(
		'postgres',
		"SELECT status = 'timed_out' FROM taskq.activities WHERE task_queue = 'late2'"),
	'so is an attempt committed after its StartToClose deadline');
$session->quit;

done_testing();
