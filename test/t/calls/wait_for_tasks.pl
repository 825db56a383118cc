# CALL taskq.wait_for_tasks: one session for several queues. CALL
# taskq.wait_for_close by activity id.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use TaskqWait;
use Test::More;

my $node = activity_node('main');
my @sessions;

sub wait_in
{
	my ($call) = @_;

	push @sessions, begin_wait($node, $call);
	return $sessions[-1];
}

sub take
{
	my ($queue) = @_;

	return is(sql($node, "SELECT count(*) FROM taskq.poll('$queue')"),
		1, "the task of $queue");
}

# Which queue.
schedule($node, 'b');
is(sql($node, "CALL taskq.wait_for_tasks('{a,b,c}')"), 'b', 'the one with a task');
schedule($node, 'a');
is(sql($node, "CALL taskq.wait_for_tasks('{a,b,c}')"), 'a', 'the first in order');
is(sql($node, "CALL taskq.wait_for_tasks('{c,b,a}')"), 'b', 'in another order');
take($_) for qw(a b);
is(sql($node, "CALL taskq.wait_for_tasks('{a,b,c}', '0')"), '', 'none');
is(sql($node, "CALL taskq.wait_for_tasks('{a,b,c}', '50 ms')"), '', 'the time is up');

# Woken for each, listed for each.
for my $queue (qw(x y z))
{
	my $waiter = wait_in("wait_for_tasks('{x,y,z}', '10 min')");

	is( sql($node,
			"SELECT string_agg(task_queue, ' ' ORDER BY task_queue) FROM taskq.pollers WHERE waiting"),
		'x y z',
		'listed as waiting for each');
	schedule($node, $queue);
	is_woken($waiter, $queue, "a task of $queue");
	take($queue);
	is(sql($node, 'SELECT count(*) FROM taskq.pollers WHERE waiting'),
		0, 'and not any more');
}
my $waiter = wait_in("wait_for_tasks('{x,x,y,x}', '10 min')");
schedule($node, 'y');
is_woken($waiter, 'y', 'a queue that is named several times');
take('y');
$waiter = wait_in("wait_for_tasks('{x,y,z}', '10 min')");
schedule($node, 'y', "start_delay => '500 ms'");
is_woken($waiter, 'y', 'a task that becomes due');
take('y');
my $many = join ',', map { "m$_" } 1 .. 64;
$waiter = wait_in("wait_for_tasks('{$many}', '10 min')");
schedule($node, 'm64');
is_woken($waiter, 'm64', 'the last of 64 queues');
take('m64');

# Several waiters with queues in common: each task finds its own.
my @waiters = map { wait_in("wait_for_tasks('$_', '10 min')") }
  '{p,q}', '{q,r}', '{r,p}';
schedule($node, 'q');
is_woken($waiters[0], 'q', 'the first waiter');
take('q');
schedule($node, 'q');
is_woken($waiters[1], 'q', 'the second');
take('q');
schedule($node, 'r');
is_woken($waiters[2], 'r', 'the third');
take('r');
@waiters = (wait_in("wait_for_tasks('{s,t}', '2 s')"), wait_in("wait_for_task('t', '10 min')"));
schedule($node, 't', "start_delay => '3 s'");
is_woken($waiters[0], '', 'who knew of a delayed task leaves');
is_woken($waiters[1], 't', 'the other one knows it');
take('t');

# Named twice.
schedule($node, 'twice');
is(sql($node, "CALL taskq.wait_for_tasks('{other,twice,twice}', '10 min')"), 'twice', 'a queue that is named twice');
take('twice');
@waiters = (wait_in("wait_for_tasks('{twice,twice}', '10 min')"));
schedule($node, 'twice');
is_woken($waiters[0], 'twice', 'wakes who waits');
take('twice');

# Errors.
for my $case (
	[ 'NULL', '22004', 'no array' ],
	[ "'{}'", '22023', 'empty' ],
	[ "'{a,NULL}'", '22023', 'a NULL element' ],
	[ "'{a,\"\"}'", '22023', 'an empty name' ],
	[ "'{{a,b},{c,d}}'", '22023', 'two dimensions' ],
	[ "'{a,/_sys/x}'", '22023', 'a reserved name' ],
	[ "array_fill('q'::text, '{65}')", '22023', 'too many' ],
	[ "'{a}', NULL", '22023', 'timeout NULL' ],
	[ "'{a}', '-1 s'", '22023', 'negative timeout' ])
{
	is(sqlstate($node, "CALL taskq.wait_for_tasks($case->[0])"),
		$case->[1], $case->[2]);
}
is(sqlstate($node, "BEGIN; CALL taskq.wait_for_tasks('{a}', '0')"),
	'25001', 'in a transaction block');
is( sqlstate($node,
		"DO \$\$ DECLARE q text; BEGIN CALL taskq.wait_for_tasks('{a}', '0', q); END \$\$"),
	'25001',
	'in a DO block');

# The close of the latest run of an activity id.
my $run = schedule($node, 'close', "activity_id => 'id'");
$waiter = wait_in("wait_for_close(activity_id => 'id', timeout => '10 min')");
sql($node, "SELECT taskq.complete_by_id('id', '1')");
is_woken($waiter, 'completed|1|', 'by activity id');
is(sql($node, "CALL taskq.wait_for_close(activity_id => 'id')"),
	'completed|1|', 'closed already');
my $second = schedule($node, 'close', "activity_id => 'id'");
is( sql($node, "CALL taskq.wait_for_close(activity_id => 'id', timeout => '0')"),
	'running||',
	'of two runs the latest');
is(sql($node, "CALL taskq.wait_for_close($run, activity_id => 'id')"),
	'completed|1|', 'of two runs the one that is named');
$waiter = wait_in("wait_for_close(activity_id => 'id', timeout => '10 min')");
sql($node, "SELECT taskq.terminate('id'); SELECT taskq.schedule('close', 't', activity_id => 'id', start_to_close_timeout => '1 h')");
is_woken($waiter, 'terminated||{"kind": "terminated", "message": "terminated"}',
	'the run that was meant when the call began');
for my $case (
	[ '', '22004', 'neither' ],
	[ "activity_id => 'unknown'", 'TQ001', 'an unknown activity id' ],
	[ "$run, activity_id => 'unknown'", 'TQ001', 'another id than that of the run' ],
	[ "-1, activity_id => 'id'", 'TQ001', 'another run' ],
	[ "activity_id => repeat('x', 1001)", '22023', 'too long' ])
{
	is(sqlstate($node, "CALL taskq.wait_for_close($case->[0])"),
		$case->[1], $case->[2]);
}
my (undef, undef, $error) = $node->psql('postgres',
	"CALL taskq.wait_for_close(-1, activity_id => 'id')");
like($error, qr/^DETAIL:  \{\}$/m, 'of the run that has the id nothing is told');

eval { $_->quit } for @sessions;
done_testing();
