# Clients that don't have a session for themselves: behind PgBouncer in
# transaction mode, where everything but LISTEN works, and with libpq's pipeline
# mode, where several calls are one transaction up to the next sync.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $bouncer;

# ---- pipelines

my $schedule = "SELECT taskq.schedule('pipe', 't', start_to_close_timeout => '1 h');\n";
my $work = "SELECT taskq.complete(task_token) FROM taskq.poll('pipe');\n";

$node->pgbench(
	'-n -M extended -c 4 -j 2 -t 50', 0,
	[qr/processed: 200\/200/], [qr/^$/],
	'schedule, poll and complete in one pipeline',
	{ pipe_all => "\\startpipeline\n" . $schedule x 3 . $work x 3 . "\\endpipeline\n" });
$node->pgbench(
	'-n -M prepared -c 4 -j 2 -t 50', 0,
	[qr/processed: 200\/200/], [qr/^$/],
	'a wait that comes first in its pipeline',
	{ pipe_wait => "$schedule\\startpipeline\nCALL taskq.wait_for_task('pipe');\n$work\\endpipeline\n" });
is( sql($node, "SELECT sum(completed), sum(scheduled) FROM taskq.stat_task_queues WHERE task_queue = 'pipe'"),
	sql($node, "SELECT count(*) FILTER (WHERE status = 'completed') || '|' || 800 FROM taskq.activities"),
	'nothing is lost or done twice');
sql($node, 'SELECT taskq.complete(task_token) FROM taskq.poll($$pipe$$, max_tasks => 1000)');
is(sql($node, 'SELECT count(*) FROM taskq.open'), '0', 'nothing is left');

$node->pgbench(
	'-n -M extended -t 1', 2, [], [qr/division by zero/],
	'an error in a pipeline',
	{ pipe_error => "\\startpipeline\n$schedule" . "SELECT 1 / 0;\n$schedule\\endpipeline\n" });
is(sql($node, 'SELECT count(*) FROM taskq.open'), '0', 'undoes all of it');
$node->pgbench(
	'-n -M extended -t 1', 2, [], [qr/wait_for_task\(\) cannot (?:be executed within a pipeline|run inside a transaction block|wait inside)/],
	'a wait would commit what comes before it in the pipeline',
	{ pipe_late => "\\startpipeline\n$schedule" . "CALL taskq.wait_for_task('pipe');\n\\endpipeline\n" });
is(sql($node, 'SELECT count(*) FROM taskq.open'), '0', 'and is refused');

# ---- PgBouncer

my $program = (grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin')[0];
if (!$program)
{
  SKIP: { skip 'pgbouncer is not installed', 1 }
	done_testing();
	exit;
}

my $superuser = sql($node, 'SELECT current_user');
my $sockets = $node->host;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $ini = $node->basedir . '/pgbouncer.ini';
append_to_file($ini, <<"EOS");
[databases]
postgres = host=$sockets port=@{[ $node->port ]} dbname=postgres user=$superuser
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $sockets
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_login_retry = 1
query_wait_timeout = $PostgreSQL::Test::Utils::timeout_default
server_reset_query_always = 1
ignore_startup_parameters = extra_float_digits, options
EOS
my $bouncer_log = '';
$bouncer = IPC::Run::start([ $program, $ini ], '>&', \$bouncer_log);
my $pooled = "host=$sockets port=$port dbname=postgres user=$superuser";
$bouncer->pump until $bouncer_log =~ /process up/ || !$bouncer->pumpable;

# Twelve clients with three connections: a token is good on any of them.
my $files = PostgreSQL::Test::Utils::tempdir();
append_to_file("$files/cycle.sql", <<'SQL');
SELECT run_id FROM taskq.schedule('pooled', 't', start_to_close_timeout => '1 h', heartbeat_timeout => '1 h') \gset
CALL taskq.wait_for_task('pooled', '100ms');
SELECT task_token AS token FROM taskq.poll('pooled', 'worker-:client_id') \gset
SELECT taskq.heartbeat(':token', '1', 'worker-:client_id');
SELECT taskq.complete(':token', '1', 'worker-:client_id');
SQL
my ($out, $err) = run_command(
	[ 'pgbench', '-n', '-c', '12', '-t', '20', '-f', "$files/cycle.sql", $pooled ]);
like($out, qr/processed: 240\/240/, 'all work is done') or diag $err, $bouncer_log;
is( sql($node, "SELECT count(*), count(DISTINCT run_id), sum(total_heartbeat_count) FROM taskq.activities
	WHERE task_queue = 'pooled' AND status = 'completed' AND attempt = 1"),
	'240|240|240', 'once each, whatever the connection');
is(sql($node, "SELECT count(*) FROM taskq.pollers WHERE task_queue = 'pooled' AND identity LIKE 'worker-%'"),
	'12', 'workers are who they say they are');

# A client that runs this behind the pooler, and then sits there.
sub client
{
	my ($script) = @_;
	my %client = (in => $script, out => '');

	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $pooled ], \$client{in}, '>', \$client{out}, '2>', \$client{out},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$client{run}->pump while length $client{in};
	return \%client;
}

sub says
{
	my ($client, $wanted) = @_;

	$client->{run}->pump until $client->{out} =~ $wanted;
	return $client->{out};
}

sub waiting
{
	my ($n) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = $n FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND state = 'active' AND wait_event_type = 'Extension'");
}

# Waits keep a server connection each, and wake up as anywhere.
my $run = schedule($node, 'closes');
my @waiters = map { client("CALL taskq.$_;\n") } "wait_for_task('w', '10 min')", "wait_for_close($run, '10 min')";
ok(waiting(2), 'two clients wait behind the pooler');
my $other = client("SELECT 'scheduled' FROM taskq.schedule('w', 't', start_to_close_timeout => '1 h');
	SELECT taskq.complete_by_id(run_id => $run, result => '7');\n");
like(says($other, qr/scheduled/), qr/^scheduled$/m, 'a third one works meanwhile');
like(says($waiters[0], qr/\n/), qr/^t\n/, 'a task wakes the one');
like(says($waiters[1], qr/\n/), qr/^completed\|7\|\n/, 'an end the other');

# The client goes, the wait and the tasks of its transaction with it.
my $gone = client("CALL taskq.wait_for_task('nothing', '10 min');\n");
ok(waiting(1), 'a client waits');
$gone->{run}->kill_kill;
ok(waiting(0), 'its wait ends when it goes');
$gone = client("BEGIN;\nSELECT 'polled' FROM taskq.poll('w');\n");
says($gone, qr/polled/);
is(sql($node, "SELECT count(*) FROM taskq.poll('w')"), '0', 'a client has polled');
$gone->{run}->kill_kill;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.poll('w')"), 'its task is back when it goes');

# LISTEN takes a connection of one's own, to the server; the rest may be pooled.
my $asks = client("SELECT taskq.channel('heard'), taskq.worker_channel('me');\n");
my ($queue, $worker) = says($asks, qr/\n/) =~ /(\w+)\|(\w+)/;
my $listener = $node->background_psql('postgres');
$listener->query_safe("LISTEN $queue; LISTEN $worker");
my $producer = client(<<'SQL');
SELECT run_id AS run FROM taskq.schedule('heard', 't', start_to_close_timeout => '1 h') \gset
SELECT count(*) FROM taskq.poll('heard', 'me');
SELECT taskq.request_cancel(run_id => :run);
SQL
my $heard = '';
$heard = hear($listener, qr/"$_"/, $heard) for $queue, $worker;
like($heard, qr/"$_"/, 'who listens directly hears what is done behind the pooler') for $queue, $worker;

$listener->quit;
$_->{run}->kill_kill for @waiters, $other, $asks, $producer;
done_testing();

END
{
	local ($?, $@);

	eval { $bouncer->kill_kill(grace => 1) } if $bouncer;
}
