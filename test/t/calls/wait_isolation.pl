# A wait sees what was committed before it took its place, and is woken for what
# is committed later, at every isolation level: also where the snapshot of the
# transaction is older than its place.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $holder = $node->background_psql('postgres');

# An argument that takes time, with the snapshot taken already.
sql($node,
	"CREATE FUNCTION a_while() RETURNS interval LANGUAGE plpgsql AS
	 'BEGIN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); RETURN ''10 min''; END'");

sub returns
{
	my ($level, $call, $meanwhile, $wanted) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $start = time;

	$session->query_safe("SET default_transaction_isolation = '$level'");
	$holder->query_safe('SELECT pg_advisory_lock(1)');
	$session->query_until(qr/begun/, "\\echo begun\nCALL taskq.$call;\n\\echo done\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'")
	  or die 'it does not begin';
	sql($node, $meanwhile);
	$holder->query_safe('SELECT pg_advisory_unlock(1)');
	like($session->query_until(qr/done/, ''), $wanted, "$level: $call");
	is($session->{stderr}, '', "$level: $call: no error");
	cmp_ok(time - $start, '<', 25, "$level: $call: at once");
	$session->quit;
	return;
}

for my $level ('read committed', 'repeatable read', 'serializable')
{
	my $schedule = "taskq.schedule('$level', 't', start_to_close_timeout => '1 h')";
	my $run = schedule($node, 'closes');

	returns($level, "wait_for_task('$level', a_while())",
		"SELECT FROM $schedule", qr/^t$/m);
	returns($level, "wait_for_tasks(ARRAY['$level x', '$level'], a_while())",
		"SELECT 1", qr/^\Q$level\E$/m);
	returns($level, "wait_for_close($run, a_while())",
		"SELECT taskq.complete_by_id(run_id => $run, result => '1')", qr/^completed\|1\|$/m);
}

$holder->quit;
done_testing();
