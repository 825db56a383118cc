# Random queries of sqlsmith over what schema taskq has end in rows or in errors
# of PostgreSQL's parser and of taskq's calls, never in an internal one, nor do
# they crash anything. TaskqFuzz.pm knows better how to call taskq; sqlsmith
# knows all of SQL's places where a call can stand.
#
# It calls what it finds in pg_proc, but no function that returns a set, and
# little of it would be taskq's: it is shown a view of that name instead, with
# taskq's functions alone, none of which seems to return a set.
#
# TASKQ_SEED repeats the queries; TASKQ_TEST_SECONDS makes it go on.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant QUERIES => 600;

my ($sqlsmith) = grep { -x } map { "$_/sqlsmith" } split /:/, $ENV{PATH};

plan skip_all => 'sqlsmith is not installed (Debian has a package of that name)' unless $sqlsmith;

my $seed = $ENV{TASKQ_SEED} || 20261129;
diag("TASKQ_SEED=$seed");
my $node = activity_node('main', 'max_worker_processes = 16', 'fsync = off', 'taskq.retention = 20s', 'log_min_messages = error',
	'log_line_prefix = \'%m [%p] %e "%b" \'');

sql($node, q{
	CREATE ROLE smith LOGIN;
	SELECT taskq.grant_access('smith', part) FROM unnest('{producer,worker,operator,monitor,developer}'::text[]) part;
	CREATE SCHEMA smith;
	CREATE TABLE smith.thing (i int, b bigint, t text, j jsonb, u uuid, v interval, z timestamptz, f float8, o boolean,
		ta text[], ua uuid[], ba bigint[], ja jsonb[], p taskq.retry_policy);
	INSERT INTO smith.thing VALUES
		(1, 1, 'q', '{}', gen_random_uuid(), '1 s', now(), 1, true, '{a,b}', ARRAY[gen_random_uuid()], '{1,2}', '{1,2}', taskq.retry_policy()),
		(0, -9223372036854775808, '', '{"priority": "x"}', gen_random_uuid(), '-1 mon', 'infinity', 'NaN', false, '{NULL}', '{}', '{{1},{2}}', '[0:0]={"null"}', NULL),
		(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
	GRANT USAGE ON SCHEMA smith TO smith;
	GRANT ALL ON smith.thing TO smith;
	ALTER ROLE smith SET search_path = smith, pg_catalog;
	ALTER ROLE smith SET statement_timeout = '10s'});
my $columns = sql($node, q{SELECT string_agg(CASE attname WHEN 'proretset' THEN 'false AS proretset' ELSE attname END, ', ')
	FROM pg_attribute WHERE attrelid = 'pg_proc'::regclass AND attnum <> 0 AND attname NOT IN ('tableoid', 'cmin', 'cmax', 'xmin', 'xmax', 'ctid')});
sql($node, "CREATE VIEW smith.pg_proc AS SELECT $columns FROM pg_catalog.pg_proc
	WHERE pronamespace = 'taskq'::regnamespace AND prokind = 'f' AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype);
	GRANT SELECT ON smith.pg_proc TO smith");

my ($queries, $round, $output) = (0, 0);
do
{
	my $target = $node->connstr('postgres') . ' user=smith';
	my @command = ($sqlsmith, "--target=$target", '--exclude-catalog', '--max-queries=' . QUERIES, '--seed=' . ($seed + $round++), '--verbose');
	my $ended = IPC::Run::run(\@command, '>&', \$output, IPC::Run::timeout(5 * $PostgreSQL::Test::Utils::timeout_default));

	ok($ended, "sqlsmith says its queries, seed $seed and $round") or diag(substr($output, -3000));
	$queries += QUERIES;
} while (time_left());

my @log = split /\n/, slurp_file($node->logfile);
is(join("\n", grep { /\] (?:XX|58|23|53)|PANIC|TRAP|terminated by signal/ } @log), '', "nothing but errors of the caller in $queries queries");
is(join("\n", grep { /"taskq (?:worker|launcher)" (?:WARNING|ERROR|FATAL)/ } @log), '', 'nor a word of the worker');
cmp_ok(scalar(grep { /\] (?:TQ|22004)/ } @log), '>', 0, 'taskq was reached');
is(sql($node, "SELECT string_agg(check_name || ': ' || detail, ', ') FROM taskq.health WHERE status = 'critical'"), '', 'nothing is critical');
my ($run_id, $token) = start($node, 'afterwards');
sql($node, "SELECT taskq.complete('$token', '1')");
is(activity($node, $run_id, 'status'), 'completed', 'a task is scheduled, polled and completed');

$node->stop;
done_testing();
