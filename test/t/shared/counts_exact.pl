# Counted while others commit, the numbers are exact. Every transaction of the
# load holds a lock in common; whoever gets it alone knows that none is half
# done, and compares the view with the table. In between all numbers are
# forgotten, and counted anew under load, again and again.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

use constant COMPARISONS => 200;

my $node = activity_node('main', 'log_statement = none',
	'log_min_messages = warning', 'taskq.retention = 0');

sql($node,
	"CREATE FUNCTION forget() RETURNS void LANGUAGE c AS '\$libdir/taskq', 'taskq_counts_forget_all';
	 CREATE TABLE found (scans int, in_view text, in_table text);
	 SELECT taskq.configure_queue('limited', '{\"max_started\": 1}')");

# What the load does: short transactions in five queues, no deadline within the
# time of the test.
my $load = $node->basedir . '/load.sql';
append_to_file($load, <<'EOS');
\set q random(1, 5)
\set level random(1, 5)
\set lot random(1, 12)
BEGIN;
SELECT pg_advisory_xact_lock_shared(1);
\if :lot <= 3
SELECT taskq.schedule('q' || :q, 't', start_to_close_timeout => '1 h', priority => :level::int);
\elif :lot = 4
SELECT taskq.schedule_many('q' || :q, 't', array_fill('1'::jsonb, ARRAY[4]), start_to_close_timeout => '1 h', start_delay => make_interval(hours => :level::int));
\elif :lot <= 8
SELECT taskq.complete_many(ARRAY(SELECT task_token FROM taskq.poll('q' || :q, max_tasks => 2)));
\elif :lot = 9
SELECT taskq.fail_many(ARRAY(SELECT task_token FROM taskq.poll('q' || :q)), 'x', next_retry_delay => make_interval(hours => :level::int));
\elif :lot = 10
SAVEPOINT s;
SELECT taskq.pause(run_id => run_id) FROM taskq.poll('q' || :q);
\if :level <= 2
ROLLBACK TO s;
\endif
\elif :lot = 11
SELECT FROM taskq.poll('q' || :q, max_tasks => 5);
SELECT taskq.schedule('q' || :q, 't', start_to_close_timeout => '1 h');
\else
SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.poll('q' || :q);
\endif
\if :level = 1 and :lot % 3 = 0
ROLLBACK;
\else
COMMIT;
\endif
EOS
my $running = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '6', '-j', '2', '-T',
		$PostgreSQL::Test::Utils::timeout_default + ($ENV{TASKQ_TEST_SECONDS} // 0),
		'-f', $load, '-h', $node->host, '-p', $node->port, 'postgres'
	],
	'>', \my $out, '2>', \my $err);

# A poll with a limit waits for the count.
my $compare = $node->basedir . '/compare.sql';
my $view = counts_of_view();
my $table = counts_of_table();
my $scans = count_scans();
my $comparison = <<"EOS";
SELECT count(*) FROM taskq.poll('limited');
BEGIN;
SELECT pg_advisory_xact_lock(1);
SELECT $scans AS before \\gset
SELECT $view AS in_view \\gset
SELECT $scans - :before AS scans \\gset
INSERT INTO found VALUES (:scans, :'in_view', $table);
COMMIT;
EOS

append_to_file($compare,
	join('', map { ($_ % 4 ? "SELECT forget();\n" : '') . $comparison } 1 .. COMPARISONS));
do
{
	$node->command_ok(
		[ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $compare ],
		'count and compare');
} while (time_left());
$running->signal('INT');
$running->finish;
is(sql($node, "SELECT count(*) FROM found WHERE in_view <> in_table"),
	0, 'what was counted under load, and what commits moved since, is exact')
  or diag(sql($node, 'SELECT * FROM found WHERE in_view <> in_table LIMIT 3'));
cmp_ok(sql($node, 'SELECT count(*) FROM found WHERE scans = 0'),
	'>', COMPARISONS / 2, 'most of the time from memory');
cmp_ok(sql($node, 'SELECT count(DISTINCT in_view) FROM found'),
	'>', COMPARISONS / 2, 'while much happened');
note(sql($node, 'SELECT max(in_view), count(*) FROM found WHERE scans = 0'));

$node->stop;
done_testing();
