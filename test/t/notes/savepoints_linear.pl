# A savepoint for each task, as drivers and loops with EXCEPTION make them: what
# the end of one costs depends on what was done in it, not on how much the
# transaction has done before. Counted are the notes that are looked at, or told
# of, and the index entries that polls read, so that time decides nothing.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'fsync = off', 'taskq.max_queues = 5000');
my $session = $node->background_psql('postgres');
$session->query_safe('SET client_min_messages = warning');

sql($node, "CREATE FUNCTION notes_steps() RETURNS bigint LANGUAGE c AS 'taskq', 'taskq_notes_steps'");
sql($node, q(SELECT taskq.configure_queue('limited', '{"max_started": 1000000, "max_backlog": 1000000}')));
start($node, 'first');

# Steps of a transaction, which is committed; entries that it reads of the index
# of what is ready.
my $entries = 0;

sub steps
{
	my (@statements) = @_;
	my $read = "SELECT pg_stat_get_xact_tuples_returned('taskq.open_ready'::regclass);";
	my ($before, $from, $to, $now) = split /\n/,
	  $session->query_safe(join "\n", 'SELECT notes_steps(); BEGIN;', $read,
		@statements, $read, 'COMMIT; SELECT notes_steps();');

	$entries = $to - $from;
	return $now - $before;
}

# A block for each of n numbers i, which is kept, or not.
sub blocks
{
	my ($n, $body, $kept) = @_;
	my $then = $kept ? '' : "RAISE division_by_zero;";

	return "DO \$do\$ BEGIN FOR i IN 1..$n LOOP
		BEGIN $body; $then EXCEPTION WHEN division_by_zero THEN NULL; END;
	END LOOP; END \$do\$;";
}

# Savepoints each in the one before.
sub nested
{
	my ($n, $body) = @_;

	return map { "SAVEPOINT s$_; DO \$do\$ DECLARE i int := $_; BEGIN $body; END \$do\$;" } 1 .. $n;
}

# n and 4n of them: the work is four times as much, or less.
sub is_linear
{
	my ($name, $n, $steps) = @_;
	my ($few, $many) = map { $steps->($_) } $n, 4 * $n;

	cmp_ok($many, '<=', 8 * $few + 40 * $n, "$name: $few, $many");
	return;
}

my $options = "start_to_close_timeout => '1 h'";
my $held = '(SELECT task_token FROM held WHERE number = i)';
my @bodies = (
	[ 'schedule', "PERFORM taskq.schedule('s', 't', $options)" ],
	[ 'keys', "PERFORM taskq.schedule('k', 't', $options, fairness_key => 'k' || i)" ],
	[ 'queues', "PERFORM taskq.schedule('q' || i, 't', $options)" ],
	[ 'poll', "PERFORM * FROM taskq.poll('p')" ],
	[ 'poll many queues', "PERFORM * FROM taskq.poll('p' || i)" ],
	[ 'limits', "PERFORM taskq.schedule('limited', 't', $options, fairness_key => 'k' || i % 20);
		PERFORM * FROM taskq.poll('limited')" ],
	[ 'heartbeat', "PERFORM taskq.heartbeat((SELECT task_token FROM held LIMIT 1), '1')" ],
	[ 'heartbeats', "PERFORM taskq.heartbeat($held, '1')" ],
	[ 'complete', "PERFORM taskq.fail($held, 'x')" ]);

# n attempts that are held, and n queues with a task; queue "limited" is known
sub prepare
{
	my ($n) = @_;

	$session->query_safe(
		"SELECT count(*) FROM taskq.poll('limited');
		 SELECT count(*) FROM generate_series(1, $n) i, taskq.schedule('p' || i, 't', $options);
		 DROP TABLE IF EXISTS held;
		 SELECT count(*) FROM taskq.schedule_many('h', 't', array_fill('1'::jsonb, ARRAY[$n]), $options);
		 CREATE TABLE held AS SELECT row_number() OVER () AS number, task_token FROM taskq.poll('h', max_tasks => $n);
		 ALTER TABLE held ADD PRIMARY KEY (number)");
	return;
}

sql($node, "SELECT count(*) FROM taskq.schedule_many('p', 't', array_fill('1'::jsonb, ARRAY[4000]), $options)");
for my $body (@bodies)
{
	my ($name, $call) = @$body;

	for my $kept (1, 0)
	{
		is_linear("$name, blocks that are " . ($kept ? 'kept' : 'rolled back'), 250,
			sub { prepare($_[0]); steps(blocks($_[0], $call, $kept)) });
	}
	is_linear("$name, nested, kept", 80,
		sub { prepare($_[0]); steps(nested($_[0], $call)) });
	is_linear("$name, nested, rolled back", 80,
		sub { prepare($_[0]); steps(nested($_[0], $call), 'ROLLBACK TO s1;') });
}

# ten thousand, every other one rolled back
is_linear('all of it', 2500, sub {
	my ($n) = @_;

	prepare(1);
	my $steps = steps(blocks($n,
		"PERFORM taskq.schedule('all $n', 't', $options); PERFORM * FROM taskq.poll('all $n');
		 PERFORM taskq.heartbeat((SELECT task_token FROM held LIMIT 1), '1');
		 IF i % 2 = 0 THEN RAISE division_by_zero; END IF", 1));
	return $steps + $entries;
});
$session->quit;
$node->stop;
done_testing();
