# Fifty timers of each kind, spread over a second: none is early. How late they
# are is reported, not judged.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

use constant TIMERS => 50;

my $node = activity_node('main');

# 50 activities, number n with a timeout of 300 + 20 n ms
sub fill
{
	my ($queue, $timeout) = @_;

	sql($node,
		"SELECT count(*) FROM generate_series(1, @{[TIMERS]}) n,
		   taskq.schedule('$queue', 't', $timeout => (300 + 20 * n) * interval '1 ms',
			 schedule_to_close_timeout => '1 h',
			 retry_policy => taskq.retry_policy(maximum_attempts => 1))");
	return;
}

sub judge
{
	my ($queue, $deadline, $name) = @_;
	my @ms;

	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = @{[TIMERS]} FROM taskq.activities
			  WHERE task_queue = '$queue' AND status = 'timed_out'"),
		"$name: all fire");
	@ms = split /\n/,
	  sql($node,
		"SELECT extract(epoch FROM close_time - ($deadline)) * 1000
		   FROM taskq.activities WHERE task_queue = '$queue'");
	is(scalar(grep { $_ < 0 } @ms), 0, "$name: none is early");
	diag(
		sprintf '%s: median lateness %.2f ms, maximum %.2f ms',
		$name, median(@ms), (sort { $b <=> $a } @ms)[0]);
	return;
}

for my $arm_after ('5s', '0')
{
	my $how = $arm_after eq '0' ? 'armed at once' : 'in memory';

	$node->append_conf('postgresql.conf', "taskq.arm_after = $arm_after");
	$node->reload;
	fill("started $how", 'start_to_close_timeout');
	fill("silent $how", 'heartbeat_timeout');
	sql($node,
		"SELECT count(*) FROM taskq.poll('started $how', max_tasks => @{[TIMERS]});
		 SELECT count(*) FROM taskq.poll('silent $how', max_tasks => @{[TIMERS]})");
	judge("started $how", 'last_started_time + start_to_close_timeout',
		"StartToClose, $how");
	judge("silent $how", 'last_started_time + heartbeat_timeout',
		"Heartbeat, $how");
}
fill('unpolled', 'schedule_to_start_timeout');
judge('unpolled', 'schedule_time + schedule_to_start_timeout',
	'ScheduleToStart');

done_testing();
