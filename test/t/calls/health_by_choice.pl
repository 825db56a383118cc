# What taskq.health says where somebody has changed taskq's tables, or has chosen
# to do without something: it judges what is there, and still answers the rest.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.heartbeat_slots = 0',
	'max_prepared_transactions = 5');

# What a new session hears of a check; one that locks cannot keep waiting.
sub health
{
	my ($check, $columns, $database) = @_;

	$columns //= 'status';
	return $node->safe_psql($database // 'postgres',
		"SET statement_timeout = '30s';
		 SELECT concat_ws('|', $columns) FROM taskq.health WHERE check_name = '$check'");
}

# ---- a size of 0 -------------------------------------------------------------

my (undef, $token) = start($node, 'q', "heartbeat_timeout => '1 min'");
sql($node, "SELECT FROM taskq.heartbeat('$token', '1')");
is(health('heartbeat_slots'), 'ok', 'no slots for heartbeats: not exceeded');

# ---- triggers ----------------------------------------------------------------

my $other = $node->background_psql('postgres');
my %triggers = (
	open => 'rows_changed',
	run_inbox => 'inbox_changed',
	instance => 'instance_changed',
	queue_config => 'queue_config_changed');
for my $table (sort keys %triggers)
{
	my $trigger = $triggers{$table};
	my $enable = "ALTER TABLE taskq.$table ENABLE ALWAYS TRIGGER $trigger";

	for my $how ('DISABLE TRIGGER', 'ENABLE REPLICA TRIGGER', 'ENABLE TRIGGER')
	{
		$other->query_safe("BEGIN; ALTER TABLE taskq.$table $how $trigger");
		is(health('tables'), 'ok', "$table, $how: what is not committed is waited for by nobody");
		$other->query_safe('COMMIT');
		is( health('tables', 'status, detail, hint'),
			"critical|trigger \"$trigger\" of \"taskq.$table\" is not always enabled, so that changes by hand go unnoticed|Use $enable.",
			"$table, $how: critical");
		sql($node, $enable);
		is(health('tables'), 'ok', "$table: enabled again");
	}
	sql($node, "ALTER TABLE taskq.$table DISABLE TRIGGER ALL");
	is(health('tables'), 'critical', "$table: all triggers are disabled");
	sql($node, $enable);
}

# ---- tables that are elsewhere -----------------------------------------------

my $hint = 'Move it back with ALTER TABLE ... SET SCHEMA taskq, or restore it from a backup.';

for my $table (
	qw(open heartbeat_state closed_0 closed_7 closed_long instance queue_config run_id_seq))
{
	$other->query_safe("BEGIN; ALTER TABLE taskq.$table SET SCHEMA public");
	is(health('background_worker'), 'ok', "$table: being moved, health answers");
	$other->query_safe('COMMIT');
	is( health('tables', 'status, detail, hint'),
		"critical|\"taskq.$table\" does not exist|$hint",
		"$table: critical when it is elsewhere");
	cmp_ok(sql($node, 'SELECT count(*) FROM taskq.health'),
		'>', 10, "$table: other checks are there");
	my ($ret, undef, $stderr) =
	  $node->psql('postgres', "SELECT FROM taskq.poll('q')");
	like($stderr, qr/relation "taskq\.$table" does not exist\nHINT:  \Q$hint\E/,
		"$table: calls say the same");
	sql($node, "ALTER TABLE public.$table SET SCHEMA taskq");
	is(health('tables'), 'ok', "$table: back again");
}
$other->quit;
is(sql($node, "SELECT count(*) FROM taskq.schedule('q', 't', start_to_close_timeout => '1h')"),
	'1', 'all goes on');

# a session that has used the table, when it is dropped
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres', 'd'), 'another database is served');
my $user = $node->background_psql('d', on_error_stop => 0);
$user->query_safe("SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1h');
	SELECT FROM taskq.poll('q')");
$node->safe_psql('d',
	'ALTER EXTENSION taskq DROP TABLE taskq.instance; DROP TABLE taskq.instance');
$user->query("SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1h');
	SELECT FROM taskq.poll('q')");
like($user->{stderr}, qr/relation "taskq\.instance" does not exist/,
	'who knew it hears what is missing, not that the extension was dropped');
$user->quit;
is(health('tables', 'status, detail', 'd'),
	'critical|"taskq.instance" does not exist',
	'a table that was dropped: critical');

# ---- snapshots -----------------------------------------------------------------

sql($node, "BEGIN; CREATE TABLE held(); PREPARE TRANSACTION 'two'");
like(health('oldest_snapshot', 'detail'), qr/^prepared transaction "two" has held/,
	'a prepared transaction is seen');
$node->safe_psql('postgres', "CREATE VIEW public.h AS "
	. sql($node, "SELECT replace(pg_get_viewdef('taskq.health'), '''00:05:00''::interval', '''00:00:00''::interval')"));
is( sql($node, "SELECT status, hint FROM public.h WHERE check_name = 'oldest_snapshot'"),
	'warning|Use COMMIT PREPARED or ROLLBACK PREPARED.',
	'one that is old is to be ended as such');
sql($node, "ROLLBACK PREPARED 'two'");
$other = $node->background_psql('postgres');
$other->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
is( sql($node, "SELECT status, hint FROM public.h WHERE check_name = 'oldest_snapshot'"),
	'warning|End that transaction, or set idle_in_transaction_session_timeout.',
	'a session too');
$other->quit;

done_testing();
