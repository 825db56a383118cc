# REPEATABLE READ and SERIALIZABLE: where another transaction has changed the
# row since the snapshot a call fails with 40001; no attempt is lost, none is
# handed out twice, and reports that do not collide succeed.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $code = <<'EOS';
CREATE FUNCTION code(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate;
END $$;
CREATE TABLE got (run_id bigint, attempt int, token uuid);
EOS
sql($node, $code);

# What a call in a transaction with an old snapshot meets after another has
# committed.
sub meets
{
	my ($level, $other, $call) = @_;
	my $session = $node->background_psql('postgres');
	my $result;

	$session->query_safe("BEGIN ISOLATION LEVEL $level; SELECT 1");
	is(sqlstate($node, $other), 'ok', "$other");
	$result = $session->query_safe("SELECT code(\$c\$ $call \$c\$)");
	$session->query_safe('ROLLBACK');
	$session->quit;
	return $result;
}

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my ($run_id, $token);

	for my $call ('complete(%s)', 'fail(%s, $$no$$)', 'heartbeat(%s)')
	{
		my ($other_run, $other_token) = start($node, "$level $call");

		($run_id, $token) = start($node, "$level $call");
		is( meets($level, "SELECT taskq.complete('$token')",
				sprintf("SELECT taskq.$call", "'$token'")),
			'40001', "$level: $call after another completion");
		($run_id, $token) = start($node, "$level $call");
		is( meets($level, "SELECT taskq.complete('$other_token')",
				sprintf("SELECT taskq.$call", "'$token'")),
			'ok', "$level: $call of another run") if $level ne 'SERIALIZABLE';
	}

	is( meets($level,
			"SELECT FROM taskq.schedule('q', 't', activity_id => 'new', start_to_close_timeout => '1 h')",
			"SELECT taskq.terminate('new')"),
		'40001', "$level: terminating what is newer than the snapshot");
	sql($node, "SELECT taskq.delete('new')");

	my $queue = "$level poll";
	schedule($node, $queue);
	is( meets($level, "SELECT FROM taskq.poll('$queue')",
			"SELECT FROM taskq.poll('$queue')"),
		'40001', "$level: polling what another has started");

	schedule($node, $level, "activity_id => '$level'");
	sql($node, "SELECT taskq.delete('$level')");
	is( meets($level,
			"SELECT FROM taskq.schedule('q', 't', activity_id => '$level', start_to_close_timeout => '1 h')",
			"SELECT FROM taskq.schedule('q', 't', activity_id => '$level', start_to_close_timeout => '1 h', id_conflict_policy => 'use_existing')"
		),
		'40001', "$level: scheduling with an id that is taken since");

	# what the id policies would have to see is newer than the snapshot
	for my $policy ("id_reuse_policy => 'reject_duplicate'", "request_id => 'r'")
	{
		schedule($node, $level, "activity_id => 'closed', request_id => 'r'");
		is( meets($level,
				"SELECT FROM taskq.complete_by_id('closed')",
				"SELECT taskq.schedule('q', 't', activity_id => 'closed', start_to_close_timeout => '1 h', $policy)"
			),
			'40001', "$level: scheduling with the id of a run that was closed since: $policy");
		sql($node, "SELECT taskq.delete('closed')");
	}
}

# eight pollers, all of them with snapshots, retrying
sub drain
{
	my ($level) = @_;
	my $poll = <<"EOS";
BEGIN ISOLATION LEVEL $level;
INSERT INTO got SELECT run_id, attempt, task_token FROM taskq.poll('drain', max_tasks => 2);
COMMIT;
EOS

	sql($node,
		"TRUNCATE got;
		 SELECT count(*) FROM taskq.schedule_many('drain', 't', array_fill('1'::jsonb, ARRAY[400]),
			start_to_close_timeout => '1 h')");
	$node->pgbench('-n -c 8 -j 2 -t 50 --max-tries=50',
		0, [], [], "pollers, $level", { "drain_" . lc(substr($level, 0, 3)) => $poll });
	sql($node,
		"INSERT INTO got SELECT run_id, attempt, task_token FROM taskq.poll('drain', max_tasks => 400)");
	is( sql($node,
			'SELECT count(*), count(DISTINCT run_id), count(DISTINCT token), max(attempt) FROM got'),
		'400|400|400|1',
		"$level: eight pollers, each task once");
	return;
}

drain('REPEATABLE READ');
drain('SERIALIZABLE');

done_testing();
