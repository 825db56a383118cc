# A channel takes room as long as somebody listens to it: whatever ends that, a
# statement, a rollback, the end of the session or of the server, frees it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant SIZE => 4;

my $node = activity_node(
	'main',
	'taskq.max_listened_queues = ' . SIZE,
	'max_prepared_transactions = 2',
	'restart_after_crash = on');
$node->safe_psql('postgres', 'CREATE DATABASE other');
sql($node, 'CREATE ROLE worker LOGIN; CREATE ROLE nobody LOGIN');
sql($node, "SELECT taskq.grant_access('worker', 'worker')");

my @channels = split /\n/,
  sql($node, "SELECT taskq.channel('q' || i) FROM generate_series(1, 100) i");
my ($channel, $second, @others) = @channels;

# All but one of the channels are listened to by a session that stays, so one
# more is refused if and only if the other one is, too.
my $holder;

sub hold
{
	$holder = $node->background_psql('postgres');
	$holder->query_safe("LISTEN $_") for @others[ 0 .. SIZE - 2 ];
	return;
}

sub is_free
{
	return sqlstate($node, "SELECT taskq.channel('probe')") ne '53400';
}

sub becomes_free
{
	return $node->poll_query_until('postgres',
		"SELECT taskq.channel('probe') IS NOT NULL");
}

# A session's process; psql may tell of notifications, too.
sub pid_of
{
	my ($session) = @_;

	return $session->query_safe('SELECT pg_backend_pid()') =~ /^(\d+)/ ? $1 : die 'no pid';
}

hold();

# ---- statements, in a session that stays -------------------------------------

# each begins with a session that does not listen
my @listened = (
	[ "LISTEN $channel", 'LISTEN' ],
	[ "LISTEN $channel; LISTEN $channel", 'twice' ],
	[ "BEGIN; LISTEN $channel; LISTEN $channel; COMMIT", 'twice in a transaction' ],
	[ "BEGIN; LISTEN $channel; SAVEPOINT s; UNLISTEN $channel; ROLLBACK TO s; COMMIT", 'UNLISTEN that is rolled back' ],
	[ "LISTEN $channel; BEGIN; UNLISTEN *; ROLLBACK", 'UNLISTEN * that is rolled back' ],
	[ "BEGIN; SAVEPOINT s; LISTEN $channel; RELEASE s; COMMIT", 'in a savepoint' ],
	[ "BEGIN; SAVEPOINT s; LISTEN $channel; SAVEPOINT t; UNLISTEN *; ROLLBACK TO t; RELEASE s; COMMIT", 'in a savepoint, with another in it' ],
	[ "BEGIN; UNLISTEN $channel; LISTEN $channel; COMMIT", 'after UNLISTEN' ],
	[ "LISTEN $channel; BEGIN; UNLISTEN *; LISTEN $channel; COMMIT", 'after UNLISTEN *' ],
	[ "DO \$\$ BEGIN EXECUTE 'LISTEN $channel'; END \$\$", 'by EXECUTE' ],
	[ "DO \$\$ BEGIN EXECUTE 'LISTEN $channel'; COMMIT; EXECUTE 'UNLISTEN $channel'; ROLLBACK; END \$\$", 'in transactions of DO' ],
	[ "BEGIN; LISTEN $channel; COMMIT AND CHAIN; UNLISTEN $channel; ROLLBACK", 'in a chain' ],
	[ "LISTEN $channel; DISCARD TEMP; RESET ALL", 'DISCARD of something else' ],
);
my @not_listened = (
	[ "LISTEN $channel; UNLISTEN $channel", 'UNLISTEN' ],
	[ "LISTEN $channel; LISTEN $channel; UNLISTEN $channel", 'UNLISTEN after twice' ],
	[ "LISTEN $channel; UNLISTEN *", 'UNLISTEN *' ],
	[ "LISTEN $channel; DISCARD ALL", 'DISCARD ALL' ],
	[ "BEGIN; LISTEN $channel; UNLISTEN $channel; COMMIT", 'UNLISTEN in the same transaction' ],
	[ "BEGIN; LISTEN $channel; ROLLBACK", 'rolled back' ],
	[ "BEGIN; LISTEN $channel; SELECT 1/0; COMMIT", 'failed' ],
	[ "BEGIN; SAVEPOINT s; LISTEN $channel; ROLLBACK TO s; COMMIT", 'savepoint rolled back' ],
	[ "BEGIN; SAVEPOINT s; SAVEPOINT t; LISTEN $channel; RELEASE t; ROLLBACK TO s; COMMIT", 'savepoint in a savepoint rolled back' ],
	[ "BEGIN; LISTEN $channel; PREPARE TRANSACTION 'p'", 'PREPARE, which PostgreSQL refuses' ],
	[ "LISTEN taskq; LISTEN taskq_q1; LISTEN ${channel}0; LISTEN taskq_0123456789abcdef; LISTEN \"taskq_Q1_0123456789abcdef\"", 'names that are none of ours' ],
);
for my $case (map({ [ @$_, 1 ] } @listened), map({ [ @$_, 0 ] } @not_listened))
{
	my ($script, $what, $listened) = @$case;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query("$_;") for split /;\s*(?![^\$]*END)/, $script;
	is(is_free() ? 0 : 1, $listened, "$what: " . ($listened ? 'listened to' : 'not listened to'));
	$session->quit;
	ok(becomes_free(), "$what: free when the session ends");
}

# ---- sessions ----------------------------------------------------------------

# ten times as many as there are channels, one after the other
my $next = <<'SQL';
SELECT pg_backend_pid() AS pid \gset
\c
SET client_min_messages = error;
SELECT pg_terminate_backend(:pid, 60000);
SQL
my $script = join '', map { "LISTEN $_;\n$next" } @channels[ 0 .. 10 * SIZE ];
my ($rc, $stdout, $stderr) = $node->psql('postgres', $script);
is("$rc $stderr", '0 ', 'short sessions in turn');

my @sessions = map { $node->background_psql('postgres') } 1 .. 3;
$_->query_safe("LISTEN $channel") for @sessions;
ok(!is_free(), 'several listen to one channel');
$sessions[0]->query_safe("UNLISTEN $channel");
(pop @sessions)->quit;
ok(!is_free(), 'all but one stop');
my $pid = pid_of($sessions[1]);
sql($node, "SELECT pg_terminate_backend($pid, 60000)");
ok(is_free(), 'the last one is terminated');
$sessions[0]->query_safe("BEGIN; LISTEN $channel");
$pid = pid_of($sessions[0]);
sql($node, "SELECT pg_terminate_backend($pid, 60000)");
ok(is_free(), 'one is terminated in its transaction');

# ---- who may -----------------------------------------------------------------

my $session = $node->background_psql('postgres',
	extra_params => [ '-U', 'nobody' ]);
$session->query_safe("LISTEN $_") for @channels;
ok(is_free(), 'who may not ask for a channel takes no room by LISTEN');
my $worker = $node->background_psql('postgres',
	extra_params => [ '-U', 'worker' ]);
$worker->query_safe("LISTEN $channel");
ok(!is_free(), 'who may does');
$session->query_safe("LISTEN $channel");
$worker->quit;
ok(!is_free(), 'who may not keeps what is there');
$session->quit;
my $elsewhere = $node->background_psql('other');
$elsewhere->query_safe("LISTEN $_") for @channels;
ok(becomes_free(), 'LISTEN in a database without the extension takes none');
$elsewhere->quit;

# ---- the extension goes and comes --------------------------------------------

$session = $node->background_psql('postgres');
$session->query_safe("LISTEN $channel");
sql($node, 'DROP EXTENSION taskq');
sql($node, 'CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres'), 'the extension is made anew');
schedule($node, 'q1');
like(hear($session, qr/"$channel" received/),
	qr/"$channel" received/, 'who listens hears of it');
$session->quit;

# ---- crash -------------------------------------------------------------------

$session = $node->background_psql('postgres');
$session->query_safe("LISTEN $channel");
ok(!is_free(), 'all are listened to');
$pid = pid_of($session);
my $offset = -s $node->logfile;
kill 'KILL', $pid;
ok(wait_for_recovery($node, $offset), 'a session is killed, and the server starts again');
$_->{run}->finish for $session, $holder;
ok(is_free(), 'nobody listens');
hold();
ok(is_free(), 'all but one are listened to');
$session = $node->background_psql('postgres');
$session->query_safe("LISTEN $channel");
ok(!is_free(), 'and then all');

$_->quit for $session, $holder;
done_testing();
