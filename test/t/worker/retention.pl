# Closed activities go when their retention is over, and an idle system ends
# up with empty tables.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', "taskq.retention = '2s'");
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');

my $sizes = "SELECT sum(pg_relation_size('taskq.closed_' || i))
	FROM generate_series(0, 7) i";
my $leaf = 'SELECT leaf FROM taskq.instance';

# Closes n activities.
sub run_activities
{
	my ($n, $queue) = @_;

	$node->safe_psql(
		'postgres',
		"SELECT FROM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, ARRAY[$n]),
			start_to_close_timeout => '1h');
		 SELECT FROM taskq.complete_many(
			ARRAY(SELECT task_token FROM taskq.poll('$queue', max_tasks => $n)))"
	);
	return;
}

run_activities(100, 'q');
is($node->safe_psql('postgres', 'SELECT count(*) FROM taskq.activities'),
	'100', 'closed activities can be seen');
my $first = $node->safe_psql('postgres', $leaf);
ok( $node->poll_query_until(
		'postgres', 'SELECT count(*) = 0 FROM taskq.activities'),
	'until they expire');
ok($node->poll_query_until('postgres', "$sizes", '0'),
	'the space is given back');
isnt($node->safe_psql('postgres', $leaf), $first, 'by filling another leaf');

# nobody is waited for: a reader, or a writer that is not done
run_activities(100, 'q');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN');
$reader->query_safe('SELECT count(*) FROM taskq.activities');
ok( $node->poll_query_until(
		'postgres', 'SELECT count(*) = 0 FROM taskq.activities'),
	'expired while somebody reads');
is( $node->safe_psql(
		'postgres', 'SELECT count(*) FROM pg_locks WHERE NOT granted'),
	'0',
	'nobody waits for a lock');
isnt($node->safe_psql('postgres', $sizes), '0', 'and nothing is truncated');
$reader->query_safe('COMMIT');
$reader->quit;
ok($node->poll_query_until('postgres', $sizes, '0'), 'until the reader ends');

# a queue that keeps its activities longer has them apart
$node->safe_psql('postgres',
	q(SELECT taskq.configure_queue('long', '{"retention": "4s"}')));
run_activities(1500, 'long');
is( $node->safe_psql('postgres', 'SELECT count(*) FROM taskq.closed_long'),
	'1500', 'longer retention');
ok( $node->poll_query_until(
		'postgres', 'SELECT count(*) = 0 FROM taskq.closed_long'),
	'which ends as well');
is($node->safe_psql('postgres', $sizes), '0', 'the leaves were not used');

# The setting is in whole seconds; a queue has its own to the microsecond.
for my $case ([ '0.5s', '0' ], [ '0.6s', '1s' ], [ '1500ms', '2s' ])
{
	$node->append_conf('postgresql.conf', "taskq.retention = '$case->[0]'");
	$node->reload;
	ok($node->poll_query_until('postgres', 'SHOW taskq.retention', $case->[1]), "$case->[0] is $case->[1]");
}
is($node->safe_psql('postgres', q(SELECT taskq.configure_queue('short', '{"retention": "0.5s"}') ->> 'retention')), '0.5s', 'half a second of a queue');

done_testing();
