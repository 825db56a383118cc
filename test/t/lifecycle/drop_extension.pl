# Whoever waits when the extension is dropped is woken at once and told so,
# whatever the command; and nothing happens when the drop is rolled back.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 2');
my @sessions;

# A session in a call; it sleeps when this returns.
sub wait_in
{
	my ($call) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$session->query_until(qr/begun/,
		"\\set VERBOSITY sqlstate\n\\echo begun\nCALL taskq.$call;\n\\echo done\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE pid = $pid AND state = 'active' AND wait_event_type = 'Extension'"
	) or die "no waiter";
	push @sessions, $session;
	return $session;
}

sub waiters
{
	my $run = schedule($node, 'elsewhere');

	return (
		wait_in("wait_for_task('q', '10 min')"),
		wait_in("wait_for_tasks('{p,q}', '10 min')"),
		wait_in("wait_for_close($run, '10 min')"),
		wait_in("wait_for_workflow(run_id => " . sql($node, "SELECT run_id FROM taskq.start_workflow('q', 'w')") . ", timeout => '10 min')"));
}

# All of them fail, before they would look by themselves.
sub told
{
	my ($name, @waiters) = @_;
	my $start = time;

	for my $waiter (@waiters)
	{
		$waiter->query_until(qr/done/, '');
		like($waiter->{stderr}, qr/ERROR:  55000/, "$name: 55000");
	}
	cmp_ok(time - $start, '<', 20, "$name: at once");
	ok(wait_served($node), "$name: the worker leaves");
	return;
}

sub again
{
	sql($node, 'CREATE EXTENSION taskq');
	wait_served($node, 'postgres') or die 'no worker';
	return;
}

# Rolled back, in part or as a whole: they wait on, and heartbeats are kept.
my @waiters = waiters();
my (undef, $token) = start($node, 'beats');
sql($node, qq(SELECT taskq.heartbeat('$token', '"here"')));
sql($node, 'BEGIN; DROP EXTENSION taskq; ROLLBACK');
sql($node,
	'BEGIN; SAVEPOINT s; DROP EXTENSION taskq; ROLLBACK TO s; COMMIT');
sql($node,
	'BEGIN; SAVEPOINT s; SAVEPOINT t; DROP EXTENSION taskq CASCADE; RELEASE t; ROLLBACK TO s; COMMIT');
is( sql($node,
		"SELECT taskq.fail('$token', 'x', next_retry_delay => '1 ms') IS NOT NULL;
		 CALL taskq.wait_for_task('beats');
		 SELECT heartbeat_details FROM taskq.poll('beats')"),
	qq(t\nt\n"here"),
	'a drop that was rolled back loses no heartbeats');
is( sql($node,
		"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND state = 'active'"),
	4,
	'nor ends waits');
schedule($node, 'p');
$waiters[1]->query_until(qr/done/, '');
is($waiters[1]->{stderr}, '', 'they are woken by tasks');

sql($node, 'DROP EXTENSION taskq');
told('DROP EXTENSION', @waiters[ 0, 2, 3 ]);
again();

@waiters = waiters();
sql($node, 'BEGIN; SAVEPOINT s; DROP EXTENSION taskq; RELEASE s; COMMIT');
told('in a savepoint', @waiters);
again();

@waiters = waiters();
sql($node,
	'BEGIN; DROP EXTENSION taskq; SAVEPOINT s; CREATE EXTENSION taskq; ROLLBACK TO s; COMMIT');
told('before a savepoint in which it is made again', @waiters);

sql($node, 'CREATE ROLE owner SUPERUSER; SET ROLE owner; CREATE EXTENSION taskq');
wait_served($node, 'postgres') or die 'no worker';
@waiters = waiters();
sql($node, 'DROP OWNED BY owner CASCADE');
told('DROP OWNED', @waiters);
again();

@waiters = waiters();
sql($node, "BEGIN; DROP EXTENSION taskq; PREPARE TRANSACTION 'p'");
is( sql($node,
		"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND state = 'active'"),
	4,
	'prepared only');
sql($node, "COMMIT PREPARED 'p'");
told('COMMIT PREPARED', @waiters);
again();

@waiters = waiters();
sql($node, "DO 'BEGIN EXECUTE ''DROP EXTENSION taskq''; END'");
told('in a DO block', @waiters);
again();

# A command that does not drop it ends no wait.
@waiters = waiters();
sql($node, 'CREATE ROLE nobody; DROP OWNED BY nobody; CREATE SCHEMA s; DROP SCHEMA s');
sql($node, "CREATE EXTENSION IF NOT EXISTS taskq");
is( sql($node,
		"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND state = 'active'"),
	4,
	'other commands');

# Prepared calls, and calls that meet the drop in progress.
my @calls = (
	"SELECT * FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h')",
	"SELECT * FROM taskq.poll('q')",
	"SELECT taskq.heartbeat('00000000-0000-0000-0000-000000000000')",
	"SELECT taskq.complete('00000000-0000-0000-0000-000000000000')",
	"SELECT taskq.configure_queue('q', '{}')",
	"SELECT * FROM taskq.describe(run_id => 1)",
	"SELECT * FROM taskq.activities");
my @callers;
my $dropper = $node->background_psql('postgres');

for my $call (@calls)
{
	my $caller = $node->background_psql('postgres', on_error_stop => 0);

	$caller->query("\\set VERBOSITY sqlstate\nPREPARE s AS $call;\nEXECUTE s;");
	$caller->{stderr} = '';
	push @callers, $caller;
}
$dropper->query_safe('BEGIN; DROP EXTENSION taskq');
$_->query_until(qr/begun/, "\\echo begun\nEXECUTE s;\n\\echo done\n")
  for @callers;
$node->poll_query_until('postgres',
	"SELECT count(*) >= 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
$dropper->query_safe('COMMIT');
for my $i (0 .. $#calls)
{
	$callers[$i]->query_until(qr/done/, '');
	$callers[$i]->query('EXECUTE s');
	unlike($callers[$i]->{stderr}, qr/XX000/, "$calls[$i]: no internal error");
	like(
		$callers[$i]->{stderr},
		qr/ERROR:  (55000|42883|3F000|42P01)\s/,
		"$calls[$i]: told why");
}

eval { $_->quit } for @sessions, @callers, $dropper;
done_testing();
