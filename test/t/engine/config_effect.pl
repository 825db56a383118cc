# configure_queue takes effect at commit, in all sessions, also in the middle of
# their transactions; a rollback leaves nothing; two sessions lose no update.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5');
my $a = $node->background_psql('postgres', on_error_stop => 0);
my $b = $node->background_psql('postgres', on_error_stop => 0);

sub configure
{
	my ($config, $queue) = @_;

	$queue //= 'q';
	return "SELECT taskq.configure_queue('$queue', '$config')";
}

sub config
{
	my ($queue) = @_;

	$queue //= 'q';
	return sql($node,
		"SELECT config FROM taskq.task_queues WHERE task_queue = '$queue'");
}

my $take = "SELECT count(*) FROM taskq.poll('q')";
my $ready = "CALL taskq.wait_for_task('q', '0')";

schedule($node, 'q') for 1 .. 30;
$b->query_safe('PREPARE take AS ' . $take);
is($b->query_safe('EXECUTE take'), 1, 'another session polls');

$a->query_safe('BEGIN');
is($a->query_safe(configure('{"paused": true}')), '{"paused": true}', 'the effective config');
is($a->query_safe($take), 0, 'the own transaction sees it');
is($b->query_safe('EXECUTE take'), 1, 'nobody else does, before the commit');
$a->query_safe('COMMIT');
is($b->query_safe('EXECUTE take'), 0, 'at the commit they do');
is($b->query_safe($ready), 'f', 'wait_for_task, too');

$b->query_safe('BEGIN');
is($b->query_safe('EXECUTE take'), 0, 'in a transaction');
sql($node, configure('{"paused": false}'));
is($b->query_safe('EXECUTE take'), 1, 'it shows in the middle of it');
sql($node, configure('{"paused": true}'));
is($b->query_safe('EXECUTE take'), 0, 'both ways');
$b->query_safe('COMMIT');
sql($node, configure('{"paused": false}'));

$a->query_safe('BEGIN; ' . configure('{"paused": true}') . '; ROLLBACK');
is($a->query_safe($take), 1, 'a rollback leaves nothing, here');
is($b->query_safe('EXECUTE take'), 1, 'nor there');
$a->query_safe('BEGIN; SAVEPOINT s; ' . configure('{"paused": true}') . '; ROLLBACK TO s');
is($a->query_safe($take), 1, 'nor does ROLLBACK TO SAVEPOINT');
$a->query_safe('COMMIT');
is($a->query_safe($take), 1, 'after the commit, too');
is(config(), '{"paused": false}', 'the config is as it was');
$a->query_safe('BEGIN; ' . configure('{"paused": true}') . "; PREPARE TRANSACTION 'p'");
is($b->query_safe('EXECUTE take'), 1, 'prepared: not yet');
$a->query_safe("COMMIT PREPARED 'p'");
is($b->query_safe('EXECUTE take'), 0, 'COMMIT PREPARED');
is($a->query_safe($take), 0, 'in the session that prepared it');
sql($node, configure('{"paused": null}'));

# A load of the settings that is cancelled is not taken for complete.
sql($node, configure('{"paused": true}'));
sql($node, "DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM taskq.configure_queue('many' || i, '{\"max_backlog\": 5}'); END LOOP; END \$\$");
for my $ms (1 .. 6)
{
	$b->query("SET statement_timeout = '${ms}ms'; EXECUTE take");
	# the timeout may cancel its own removal
	$b->query('RESET statement_timeout')
	  until $b->query('SHOW statement_timeout') eq '0';
	$b->{stderr} = '';
	sql($node, configure('{"max_backlog": 1000}', 'other'));
}
is($b->query_safe('EXECUTE take'), 0, 'still paused');
sql($node, configure('{"paused": null}'));

# Two sessions at once: the second waits and merges.
sql($node, configure('{}', 'merge'));
$a->query_safe('BEGIN; ' . configure('{"max_started": 5, "fairness_weights": {"x": 2}}', 'merge'));
$b->query_until(qr/begun/,
	"\\echo begun\n" . configure('{"max_backlog": 7, "fairness_weights": {"y": 3}}', 'merge') . ";\n\\echo done\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
  or die;
$a->query_safe('COMMIT');
$b->query_until(qr/done/, '');
is( config('merge'),
	'{"max_backlog": 7, "max_started": 5, "fairness_weights": {"x": 2, "y": 3}}',
	'neither change is lost');

# The same for the first row of a queue.
$a->query_safe('BEGIN; ' . configure('{"max_started": 5}', 'first'));
$b->query_until(qr/begun/,
	"\\echo begun\n" . configure('{"max_backlog": 7}', 'first') . ";\n\\echo done\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
  or die;
$a->query_safe('COMMIT');
$b->query_until(qr/done/, '');
is(config('first'), '{"max_backlog": 7, "max_started": 5}',
	'two that make the first row');
$a->query_safe('BEGIN; ' . configure('{"max_started": 5}', 'first2'));
$b->query_until(qr/begun/,
	"\\echo begun\n" . configure('{"max_backlog": 7}', 'first2') . ";\n\\echo done\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
  or die;
$a->query_safe('ROLLBACK');
$b->query_until(qr/done/, '');
is(config('first2'), '{"max_backlog": 7}', 'one of them is rolled back');

# Under a transaction snapshot: a serialization failure, not a loop.
$a->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, configure('{"max_started": 6}', 'merge'));
$a->query("SET LOCAL statement_timeout = '60s'; " . configure('{"max_started": 7}', 'merge'));
like($a->{stderr}, qr/could not serialize access/, 'REPEATABLE READ: an update');
$a->{stderr} = '';
$a->query('ROLLBACK');
$a->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, configure('{"max_started": 6}', 'unseen'));
$a->query("SET LOCAL statement_timeout = '60s'; " . configure('{"max_started": 7}', 'unseen'));
like($a->{stderr}, qr/could not serialize access/, 'REPEATABLE READ: a new row');
$a->{stderr} = '';
$a->query('ROLLBACK');

# A transaction snapshot does not hide limits: they are as of now.
$a->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, configure('{"paused": true}'));
is($a->query_safe($take), 0, 'a pause holds for transactions that are older');
$a->query_safe('COMMIT');

# Many sessions, many keys.
my $script = PostgreSQL::Test::Utils::tempdir() . '/configure.sql';
append_to_file($script,
	"\\set n random(1, 1000000)\nSELECT taskq.configure_queue('race', jsonb_build_object('fairness_weights', jsonb_build_object('k' || :client_id || '.' || :n % 50, 2)));\n"
);
$node->command_ok(
	[
		'pgbench', '-n', '-c', '4', '-j', '2', '-t', '50', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres'
	],
	'four sessions');
is(sql($node, "SELECT revision FROM taskq.queue_config WHERE task_queue = 'race'"),
	200, 'every change is there');

$_->quit for $a, $b;
done_testing();
