# More queues, fairness keys and pollers than shared memory has room for: limits
# of configured queues hold, nothing stops for ever; statistics may be lost.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main',
	'taskq.max_queues = 16',
	'taskq.max_lanes = 16',
	'taskq.max_pollers = 16');

sub configure
{
	my ($queue, $config) = @_;

	return sql($node, "SELECT taskq.configure_queue('$queue', '$config')");
}

sub fill
{
	my ($queue, $n, $arguments) = @_;

	$arguments //= '';
	return sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't',
			array_fill(NULL::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h' $arguments)"
	);
}

sub take
{
	my ($queue, $n) = @_;

	return sql($node,
		"SELECT count(*) FROM taskq.poll('$queue', max_tasks => $n)");
}

# Use many queues, so that all others are forgotten if they can be.
sub flood
{
	return sql($node,
		"DO \$\$ BEGIN FOR i IN 1 .. 60 LOOP PERFORM FROM taskq.poll('flood' || i, 'poller' || i); END LOOP; END \$\$"
	);
}

configure('rate', '{"queue_rate_limit": 0.0001}');
configure('room', '{"max_started": 3}');
fill('rate', 5);
fill('room', 10);
is(take('rate', 5), 1, 'a rate limit');
is(take('room', 5), 3, 'max_started');
flood();
is(take('rate', 5), 0, 'the rate limit holds');
is(take('room', 5), 0, 'max_started holds');
flood();
sql($node,
	"SELECT taskq.complete_by_id(run_id => min(run_id)) FROM taskq.activities WHERE task_queue = 'room' AND run_state = 'started'"
);
flood();
is(take('room', 5), 1, 'there is room for one more');
cmp_ok(sql($node, 'SELECT count(*) FROM taskq.stat_task_queues'),
	'<=', 16, 'as many statistics as there is room for');
cmp_ok(sql($node, 'SELECT count(*) FROM taskq.pollers'),
	'<=', 16, 'and pollers');

# A configuration that limits nothing is no reason to stop; neither is a queue
# that is not configured.
configure('free', '{"retention": "1 d", "fairness_weights": {"a": 2}}');
fill('free', 3);
fill('plain', 3);
flood();
is(take('free', 3), 3, 'a queue without limits');
is(take('plain', 3), 3, 'a queue that is not configured');

# More queues with limits than there is room for: each holds, none stops.
for my $i (1 .. 40)
{
	configure("limited$i", '{"max_started": 2}');
	fill("limited$i", 5);
}
my @got = map { take("limited$_", 3) } 1 .. 40;
is("@got", join(' ', (2) x 40), 'forty queues with max_started');
@got = map { take("limited$_", 3) } 1 .. 40;
is("@got", join(' ', (0) x 40), 'it holds for all of them');
sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM (
		SELECT DISTINCT ON (task_queue) run_id FROM taskq.activities
		 WHERE task_queue LIKE 'limited%' AND run_state = 'started' ORDER BY task_queue, run_id) x");
@got = map { take("limited$_", 3) } 1 .. 40;
is("@got", join(' ', (1) x 40), 'each has room for one more');

# More queues at their rates than there is room for: those that find no room
# hand out nothing for now, but never too much.
for my $i (1 .. 40)
{
	configure("rated$i", '{"max_started": null, "queue_rate_limit": 0.001}');
	fill("rated$i", 5);
}
@got = map { take("rated$_", 3) } 1 .. 40;
is(scalar(grep { $_ > 1 } @got), 0, 'never more than the burst');
cmp_ok(scalar(grep { $_ == 1 } @got), '>=', 10, 'some get their burst');
@got = map { $got[ $_ - 1 ] + take("rated$_", 3) } 1 .. 40;
is(scalar(grep { $_ > 1 } @got), 0, 'still not');
is(sql($node, "CALL taskq.wait_for_task('rated1', '300 ms')"),
	'f', 'wait_for_task does not spin');
is( sql($node,
		"SET taskq.clock_offset = '2000s'; SELECT count(*) FROM taskq.poll('rated40')"
	),
	1,
	'when others owe nothing any more there is room again');
is(take('plain', 1) + take('flood1', 1), 0, 'empty polls go on');
fill('plain', 1);
is(take('plain', 1), 1, 'a queue without a limit goes on');

for my $i (1 .. 40)
{
	configure("rated$i", '{"queue_rate_limit": null}');
	take("rated$i", 1);
}

# Many keys.
for my $i (1 .. 50)
{
	fill('keys', 2, ", fairness_key => 'k$i'");
}
is(take('keys', 20), 20, 'many keys: a poll');
is(take('keys', 100), 80, 'and all the rest');
is( sql($node,
		"SELECT count(*) FROM taskq.activities WHERE task_queue = 'keys' AND run_state = 'started'"
	),
	100,
	'each once');
configure('keyed', '{"queue_rate_limit": 0.001, "fairness_key_rate_limit": 0.001}');
for my $i (1 .. 30)
{
	fill('keyed', 1, ", fairness_key => 'k$i'");
}
is(take('keyed', 30), 1, "many keys: the queue's limit holds");

# Pollers in transactions that stay open: nothing is forgotten under them.
my @sessions = map { $node->background_psql('postgres') } 1 .. 3;
configure('held', '{"max_started": 3}');
fill('held', 10);
$_->query_safe("BEGIN; SELECT FROM taskq.poll('held')") for @sessions;
flood();
is(take('held', 5), 0, 'uncommitted starts hold their places');
$sessions[0]->query_safe('ROLLBACK');
flood();
is(take('held', 5), 1, 'one is free');
$_->query_safe('COMMIT') for @sessions[ 1, 2 ];
flood();
is(take('held', 5), 0, 'three run');
$_->quit for @sessions;

# Databases that are dropped leave nothing behind.
sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION taskq');
wait_served($node, 'postgres', 'other');
for my $round (1 .. 3)
{
	$node->safe_psql('other',
		"SELECT taskq.configure_queue('q', '{\"max_started\": 1}');
		 SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h');
		 SELECT count(*) FROM generate_series(1, 20) i, taskq.poll('q' || i);");
	is( $node->safe_psql('other',
			"SELECT count(*) FROM taskq.poll('q', max_tasks => 5)"),
		1,
		'another database');
	sql($node, 'DROP DATABASE other');
	sql($node, 'CREATE DATABASE other');
	$node->safe_psql('other', 'CREATE EXTENSION taskq');
	wait_served($node, 'postgres', 'other');
}
fill('plain', 1);
is(take('plain', 1), 1, 'goes on');

done_testing();
