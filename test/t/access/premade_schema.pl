# The schema taskq is the extension's own. One that somebody made before, or
# puts in its place afterwards, is never taken for it: who owns a schema can put
# functions and operators into it that others then run.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = taskq_node('main');
my $by_evil = "SET SESSION AUTHORIZATION evil;";

# Run statements in database app; what they return, or the SQLSTATE.
sub app
{
	my ($statements) = @_;
	my ($rc, $stdout, $stderr) = $node->psql('app', $statements,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	return $stderr =~ /ERROR:  (\w{5})/ ? $1 : $stdout;
}

$node->safe_psql('postgres', 'CREATE ROLE evil LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE app OWNER evil');

# what would be called when an operand does not match exactly
my $weapons = <<'SQL';
CREATE SCHEMA taskq;
CREATE FUNCTION taskq.times(bigint, interval) RETURNS interval LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('is_superuser')::bool OR current_user <> 'evil' THEN
		ALTER ROLE evil SUPERUSER;
	END IF;
	RETURN interval '0';
END $$;
CREATE OPERATOR taskq.* (LEFTARG = bigint, RIGHTARG = interval, FUNCTION = taskq.times);
CREATE TABLE taskq.open (run_id bigint);
SQL
app("$by_evil $weapons");
is(app('CREATE EXTENSION taskq'), '42P06',
	'a schema of that name is not adopted');
is(app('CREATE EXTENSION taskq SCHEMA taskq'), '0A000',
	'nor when it is named');
is(app("SELECT count(*) FROM pg_extension WHERE extname = 'taskq'"),
	'0', '... and nothing is left behind');
is(app("$by_evil SELECT count(*) FROM taskq.open"),
	'0', '... what was in it is as it was');
app("$by_evil DROP SCHEMA taskq CASCADE");
is(app('CREATE EXTENSION taskq SCHEMA public'), '0A000',
	'there is no other schema to install it in');
app("CREATE EXTENSION taskq; SELECT taskq.grant_access('evil', 'producer')");
ok(wait_served($node, 'app'), 'installed once the name is free');
is( app(
		"SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
		  WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
			AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'taskq')
			AND classid = 'pg_namespace'::regclass"),
	'schema taskq',
	'the schema is a member of the extension');
is(app("$by_evil CREATE FUNCTION taskq.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
	'42501', 'whoever owns the database makes nothing in it');
is(app("$by_evil ALTER SCHEMA taskq RENAME TO mine"), '42501', '... nor moves it away');
is( app(
		"$by_evil SELECT status FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h') s,
				taskq.describe(run_id => s.run_id)"),
	'running',
	'it works');

# what somebody puts in place of the schema is not taken for it
app('ALTER SCHEMA taskq RENAME TO moved');
app("$by_evil $weapons");
is(app("SELECT moved.schedule('q', 't', start_to_close_timeout => '1 h')"),
	'55000', 'another schema in its place: calls raise');
is(app("SELECT * FROM moved.describe(run_id => 1)"), '55000', '... reading, too');
app("$by_evil DROP SCHEMA taskq CASCADE");
is(app("SELECT moved.schedule('q', 't', start_to_close_timeout => '1 h')"),
	'3F000', 'no schema of that name');
app('ALTER SCHEMA moved RENAME TO taskq');
is( app(
		"SELECT status FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h') s,
				taskq.describe(run_id => s.run_id)"),
	'running',
	'under its own name it works again');

is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'evil'"),
	'f', 'evil got nothing of it');

# the schema and what was granted on it go with the extension
app('CREATE ROLE app_worker');
app("SELECT taskq.grant_access('app_worker', 'worker'), taskq.grant_access('app_worker', 'operator')");
is(app('DROP ROLE app_worker'), '2BP01', 'a role that something is granted to is not dropped');
is(app('DROP SCHEMA taskq CASCADE'), '2BP01', 'the schema is not dropped by itself');
app('DROP EXTENSION taskq');
is(app("SELECT count(*) FROM pg_namespace WHERE nspname = 'taskq'"), '0', 'DROP EXTENSION takes the schema along');
is(app('DROP ROLE app_worker'), '', '... and the grants: the role can be dropped');

done_testing();
