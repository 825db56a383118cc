# 100,000 attempts that expire in the same second are timed out and retried,
# in transactions of bounded size, whether their deadlines fit into shared
# memory or not.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant TASKS => 100_000;
use constant BATCH => 1000;

sub expire_all
{
	my ($buffer) = @_;
	my $node = activity_node("buffer_$buffer",
		"taskq.timer_buffer = $buffer", 'max_wal_size = 4GB',
		'synchronous_commit = off', 'autovacuum = off');
	my $name = "timer_buffer = $buffer";

	sql($node,
		"SELECT count(*) FROM taskq.schedule_many('q', 't',
			array_fill('1'::jsonb, ARRAY[@{[TASKS]}]), start_to_close_timeout => '1 s',
			retry_policy => taskq.retry_policy(initial_interval => '1 h'))");
	is( sql($node,
			"SELECT count(*) FROM taskq.poll('q', max_tasks => @{[TASKS]})"),
		TASKS,
		"$name: all are started at once");
	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = 0 FROM taskq.open WHERE attempt = 1"),
		"$name: all time out");
	is( sql($node,
			"SELECT count(*), count(*) FILTER (WHERE attempt = 2 AND run_state = 'scheduled'
				AND last_failure ->> 'timeout_type' = 'start_to_close'),
			  count(*) FILTER (WHERE last_attempt_complete_time < last_started_time + start_to_close_timeout)
			 FROM taskq.activities"),
		TASKS . '|' . TASKS . '|0',
		"$name: once each, none early");
	is( sql($node,
			"SELECT max(n) <= @{[BATCH]} FROM (SELECT count(*) AS n FROM taskq.open GROUP BY xmin::text) x"
		),
		't',
		"$name: in transactions of bounded size");
	diag("$name: seconds from the deadline to the last one: "
		  . sql($node,
			'SELECT round(extract(epoch FROM max(last_attempt_complete_time - last_started_time - start_to_close_timeout)), 1)
			   FROM taskq.activities')
		  . ', transactions: '
		  . sql($node, 'SELECT count(DISTINCT xmin::text) FROM taskq.open'));
	unlike(slurp_file($node->logfile), qr/(ERROR|FATAL|PANIC): /,
		"$name: without any error");
	$node->stop;
	return;
}

expire_all(65536);
expire_all(64);

done_testing();
