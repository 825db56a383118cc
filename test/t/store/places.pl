# A session remembers where the rows of its attempts are. Rows move, and other
# rows come to their places, or the table ends before them: reports reach the
# right run all the same.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = activity_node('main', 'autovacuum = off');
my $options = "start_to_close_timeout => '1 h'";
my $worker = $node->background_psql('postgres');

# Rows that fill pages, and go again.
sub fill
{
	my ($n) = @_;

	sql($node,
		"SELECT FROM taskq.schedule_many('filler', 't',
			array_fill(to_jsonb(repeat('x', 200)), ARRAY[$n]), $options)");
	return;
}

sub clear
{
	sql($node,
		"SELECT count(*) FROM (SELECT taskq.terminate(run_id => run_id) FROM taskq.activities
		  WHERE task_queue = 'filler' AND status = 'running') t");
	sql($node, 'VACUUM taskq.open');
	return;
}

sub place
{
	my ($run_id) = @_;

	return sql($node, "SELECT ctid FROM taskq.open WHERE run_id = $run_id");
}

sub pages
{
	return sql($node,
		"SELECT pg_relation_size('taskq.open') / current_setting('block_size')::int");
}

# The worker starts an attempt; (run, place, block).
sub start_attempt
{
	my ($queue) = @_;
	my $run_id = schedule($node, $queue);

	$worker->query_safe("SELECT run_id, task_token AS $queue FROM taskq.poll('$queue') \\gset");
	my $place = place($run_id);
	my ($block) = $place =~ /(\d+),/;
	return ($run_id, $place, $block);
}

# Others write the row until it is in another page; what it leaves behind is
# kept from being cleaned up meanwhile.
sub move
{
	my ($run_id, $block) = @_;
	my $reader = $node->background_psql('postgres');

	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	for my $minutes (1 .. 100)
	{
		sql($node,
			"SELECT taskq.update_options(run_id => $run_id, options => '{\"start_to_close_timeout\": \"$minutes min\"}')"
		);
		last if place($run_id) !~ /^\($block,/;
	}
	$reader->quit;
	isnt((place($run_id) =~ /(\d+),/)[0], $block, 'the row has moved');
	return;
}

# The worker completes its attempt.
sub complete
{
	my ($queue, $run_id, $name) = @_;

	$worker->query_safe("SELECT taskq.complete(:'$queue')");
	is(activity($node, $run_id, 'status'), 'completed', $name);
	return;
}

# a newer version, next to the old one
my ($run) = start_attempt('near');
sql($node,
	"SELECT taskq.update_options(run_id => $run, options => '{\"heartbeat_timeout\": \"7 min\"}')");
complete('near', $run, 'changed by another');
is(activity($node, $run, 'heartbeat_timeout'),
	'00:07:00', 'the newer version was read');

# the end of the table, which is then cut off
fill(1000);
($run, undef, my $block) = start_attempt('beyond');
clear();
move($run, $block);
# unless somebody has a snapshot, or a lock, that keeps vacuum from it
for (1 .. 50)
{
	sql($node, 'VACUUM (TRUNCATE, INDEX_CLEANUP ON) taskq.open');
	last if pages() <= $block;
	usleep(100_000);
}
SKIP:
{
	skip 'vacuum does not cut the table off', 1 if pages() > $block;
	pass('the table ends before the place');
}
complete('beyond', $run, 'its place is no more');

# another run in the same place
($run, my $place, $block) = start_attempt('taken');
fill(100);
move($run, $block);
sql($node, 'VACUUM taskq.open');
my $other;
for (1 .. 1000)
{
	$other = schedule($node, 'other');
	last if place($other) eq $place;
}
is(place($other), $place, 'another run has come to the place');
complete('taken', $run, 'the run of the token is meant');
is(activity($node, $other, 'status'), 'running', 'not the other one');

# started in a transaction that is rolled back
$run = schedule($node, 'undone');
$worker->query_safe("BEGIN; SELECT task_token AS undone FROM taskq.poll('undone') \\gset\n ROLLBACK");
is($node->safe_psql('postgres', "SELECT run_state FROM taskq.activities WHERE run_id = $run"),
	'scheduled', 'rolled back');
$worker->query_safe("SELECT task_token AS again FROM taskq.poll('undone') \\gset");
complete('again', $run, 'started again');

$worker->quit;
done_testing();
