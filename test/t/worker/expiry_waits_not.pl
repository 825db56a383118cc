# Whatever is locked of the tables of closed activities and of taskq.instance,
# expiry waits for no lock, so that timeouts fire and readers read meanwhile.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.retention = '8 s'");
my $pid;

sub leaf { return sql($node, 'SELECT leaf FROM taskq.instance') }

# Close an activity; the number of its leaf, which is not the current one any
# more when this returns.
sub close_one
{
	my ($name) = @_;
	my (undef, $token) = start($node, $name);

	sql($node, "SELECT taskq.complete('$token')");
	for my $number (0 .. 7)
	{
		next if sql($node, "SELECT count(*) FROM taskq.closed_$number WHERE task_queue = '$name'") == 0;
		$node->poll_query_until('postgres', "SELECT leaf <> $number FROM taskq.instance")
		  or die "leaf $number is current for ever";
		return $number;
	}
	die "$name is not closed";
}

sub hold
{
	my (@statements) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe($_) for 'BEGIN', @statements;
	return $session;
}

# Until a condition holds timeouts have to fire, and the worker must not wait.
sub goes_on
{
	my ($name, $condition) = @_;
	my $session = $node->background_psql('postgres');
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($late, $waits, $done) = (0, 0, 0);

	while (!$late && !$waits && !$done && time < $deadline)
	{
		my $run = schedule($node, 'waits', "schedule_to_start_timeout => '1 s'");

		$late = !$node->poll_query_until('postgres',
			"SELECT NOT EXISTS (SELECT FROM taskq.open WHERE run_id = $run)
			   OR EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND wait_event_type = 'Lock')");
		$waits = sql($node, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid") eq 't';
		$done = sql($node, "SELECT $condition") eq 't';
	}
	$session->quit;
	ok($done && !$late && !$waits, "$name: nobody waits");
	return;
}

sub emptied
{
	my ($number, $name) = @_;

	ok($node->poll_query_until('postgres',
			"SELECT pg_relation_size('taskq.closed_$number') = 0"),
		"$name: then it is emptied");
	return;
}

start($node, 'first');
$pid = worker_pid($node, 'postgres');

for my $case (
	[ 'indexes of a leaf', 'REINDEX TABLE taskq.closed_%d' ],
	[ 'a TOAST table', 'REINDEX TABLE pg_toast.pg_toast_%2$d' ])
{
	my ($name, $statement) = @$case;
	my $number = close_one($name);
	my $oid = sql($node, "SELECT 'taskq.closed_$number'::regclass::oid");
	my $session = hold(sprintf($statement, $number, $oid));

	goes_on($name,
		"EXISTS (SELECT FROM taskq.health WHERE check_name = 'retention' AND detail ~ '^taskq.closed_$number cannot')");
	$session->query_safe('COMMIT');
	$session->quit;
	emptied($number, $name);
}

for my $case (
	[ 'taskq.instance', 'LOCK TABLE taskq.instance' ],
	[ 'its index', 'REINDEX TABLE taskq.instance' ])
{
	my ($name, $statement) = @$case;
	my $number = close_one($name);
	my $session = hold($statement);
	my $until = time + 5;

	goes_on($name,
		"clock_timestamp() > to_timestamp($until)");
	$session->query_safe('COMMIT');
	$session->quit;
	emptied($number, $name);
}

is(worker_pid($node, 'postgres'), $pid, 'all this time it was one worker');
done_testing();
