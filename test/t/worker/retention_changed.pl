# taskq.retention is lowered and raised while tables hold activities that are
# kept for longer than new ones: tables that are not free are passed over, so
# that space comes back after the new retention, not the old one.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.retention = '1 h'");

sub retention
{
	my ($value) = @_;

	sql($node, "ALTER SYSTEM SET taskq.retention = '$value'");
	$node->reload;
	$node->poll_query_until('postgres', 'SHOW taskq.retention', $value) or die;
	return;
}

# Closes an activity of an id, in PL/pgSQL.
sub closing
{
	my ($id) = @_;

	return "PERFORM taskq.schedule('q', 't', activity_id => '$id', start_to_close_timeout => '1 h');
		PERFORM taskq.complete(task_token) FROM taskq.poll('q');";
}

# The table that the activity of an id is in.
sub table_of
{
	my ($id) = @_;

	return sql($node, join ' UNION ALL ',
		map { "SELECT '$_' FROM taskq.$_ WHERE activity_id = '$id'" }
		  (map { "closed_$_" } 0 .. 7), 'closed_long');
}

sub close_one
{
	my ($id) = @_;

	sql($node, "DO \$\$ BEGIN @{[closing($id)]} END \$\$");
	return table_of($id);
}

# Close activities until one is in such a table.
sub close_until
{
	my ($name, $pattern) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $table = '';

	for (my $i = 0; $table !~ $pattern && time < $deadline; $i++)
	{
		$table = close_one("$name $i");
	}
	like($table, $pattern, $name);
	return $table;
}

sub is_given_back
{
	my ($name, $table) = @_;

	ok( $node->poll_query_until('postgres',
			"SELECT pg_relation_size('taskq.$table') = 0"),
		"$name: the space of $table is given back");
	return;
}

# a row like that of a closed activity, which is kept for that long
sub put
{
	my ($table, $kept, $run_id) = @_;

	sql($node,
		"INSERT INTO taskq.$table (run_id, schedule_time, close_time, expire_time, transitions, attempt,
			status, task_queue, activity_type, fairness_key, worker, activity_id)
		 VALUES ($run_id, now(), now(), now() + '$kept', 1, 1, 'completed', 'q', 't', '', '', 'kept')");
	return;
}

is(close_one('old'), 'closed_0', 'an activity is kept for an hour');
put("closed_$_", '10 min', 1_000_000 - $_) for 1 .. 5;

# a session that hears of the change only when its statement is over
my $late = $node->background_psql('postgres');
$late->query_until(qr/begun/,
	"\\echo begun
	 DO \$\$ BEGIN
		WHILE (SELECT leaf = 0 FROM taskq.instance) LOOP PERFORM pg_sleep(0.02); END LOOP;
		@{[closing('late')]}
	 END \$\$;
");
retention('1s');
close_until('lowered: tables that hold others are passed over', qr/closed_[67]/);
$late->query_safe('SELECT');
$late->quit;
is(table_of('late'), 'closed_long', 'what would keep a table for longer is put apart');
is_given_back('lowered', "closed_$_") for 6, 7;
is_given_back('again', close_until('again', qr/closed_[67]/));

# raised, and lowered again: what is kept long comes to what is kept long
retention('1h');
close_until('raised', qr/closed_0/);
retention('1s');
is_given_back('lowered again', close_until("lowered again: closed_$_", qr/$_/)) for 6, 7;

# nowhere to go: the current one goes on
put("closed_$_", '10 min', 1_000_000 - $_) for 6, 7;
my $only = close_until('all are in use', qr/closed_[67]/);
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM taskq.activities WHERE activity_id ~ '^all are'"),
	'what has expired is not seen');
is(close_one('still'), $only, 'the same table goes on');
is( sql($node,
		"SELECT count(*) FROM taskq.activities WHERE activity_id IN ('kept', 'old')"),
	8, 'and nothing that is to be kept has gone');
is(sql($node, "SELECT run_id FROM taskq.describe('kept')"),
	999_999, 'the newest run of an id is the greatest, wherever it is');
sql($node, 'TRUNCATE taskq.closed_3');
close_until('one is free', qr/closed_3/);

# nor is a table free that somebody has locked, if only against writers
my @holders = map { $node->background_psql('postgres') } 1, 2;
$holders[0]->query_safe('BEGIN; LOCK TABLE taskq.instance IN SHARE MODE');
sql($node, 'TRUNCATE taskq.closed_4');
sql($node, 'TRUNCATE taskq.closed_5');
$holders[1]->query_safe('BEGIN; LOCK TABLE taskq.closed_4 IN SHARE MODE');
$holders[0]->query_safe('COMMIT');
close_until('one is locked', qr/closed_5/);
$_->quit for @holders;

$node->stop;
done_testing();
