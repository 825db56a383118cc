# A lint of the install script. Its text is looked at, and it is loaded where
# it should not be: into a database with a schema of better matches
# (TaskqHostile.pm) that comes after pg_catalog in the search_path. What is
# written exactly does not meet them, whatever is not is bound to them, and the
# catalog tells.
package TaskqScript;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;
use TaskqHostile;

our @EXPORT = qw(install_script make_hostile script_complaints);

# Types of taskq are armed against as they are made; its tables would be another
# access method's.
my $arm = <<'SQL';
CREATE FUNCTION evil.arm_again() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $evil$
BEGIN
	INSERT INTO evil.types
		SELECT y.oid FROM pg_event_trigger_ddl_commands() c, pg_type y
		WHERE c.object_type = 'type' AND c.schema_name = 'taskq' AND y.oid = c.objid AND y.typtype = 'e';
	IF FOUND THEN
		PERFORM evil.arm(false);
	END IF;
END
$evil$;
CREATE EVENT TRIGGER arm ON ddl_command_end WHEN TAG IN ('CREATE TYPE') EXECUTE FUNCTION evil.arm_again();
CREATE ACCESS METHOD evil_heap TYPE TABLE HANDLER heap_tableam_handler;
SQL

# What the catalog says once the script is loaded.
my $found = <<'SQL';
SELECT DISTINCT rule || ': ' || object FROM (
	SELECT 'inexact' AS rule, pg_describe_object(classid, objid, 0) || ' uses ' || name AS object
	FROM pg_depend d JOIN (
		SELECT 'pg_operator'::regclass AS class, oid, 'operator ' || oprname AS name FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace
		UNION ALL SELECT 'pg_proc'::regclass, oid, 'function ' || proname FROM pg_proc WHERE pronamespace = 'evil'::regnamespace
	) e ON (d.refclassid, d.refobjid) = (e.class, e.oid)
	WHERE d.classid NOT IN ('pg_operator'::regclass, 'pg_event_trigger'::regclass)
	UNION ALL
	SELECT 'runs as its owner', proname FROM pg_proc WHERE pronamespace = 'taskq'::regnamespace AND prosecdef
	UNION ALL
	SELECT 'not bound', p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.pronamespace = 'taskq'::regnamespace AND CASE l.lanname WHEN 'sql' THEN p.prosqlbody IS NULL
		WHEN 'c' THEN false
		ELSE 'search_path=pg_catalog, pg_temp' <> ALL (coalesce(p.proconfig, '{}')) END
	UNION ALL
	SELECT 'language', p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.pronamespace = 'taskq'::regnamespace AND l.lanname NOT IN ('c', 'sql', 'plpgsql')
	UNION ALL
	SELECT 'not in taskq', pg_describe_object(c.class, c.oid, 0) FROM (
		SELECT 'pg_class'::regclass AS class, oid, relnamespace AS schema FROM pg_class WHERE relkind <> 't'
		UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
		UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
		UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type) c
	WHERE c.oid >= 16384 AND schema NOT IN ('taskq'::regnamespace, 'evil'::regnamespace, 'pg_toast'::regnamespace)
	UNION ALL
	SELECT 'for PUBLIC', proname FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
	WHERE pronamespace = 'taskq'::regnamespace AND a.grantee = 0
	UNION ALL
	SELECT 'for PUBLIC', relname FROM pg_class, aclexplode(relacl) a
	WHERE relnamespace = 'taskq'::regnamespace AND a.grantee = 0
	UNION ALL
	SELECT 'for PUBLIC', 'schema ' || nspname FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'taskq' AND a.grantee = 0
	UNION ALL
	SELECT 'not on heap', relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam
	WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('r', 'm') AND a.amname <> 'heap'
) x ORDER BY 1
SQL

# The script, from beside the tests.
sub install_script
{
	return slurp_file((glob "$FindBin::RealBin/../../../sql/taskq--?.?.sql")[0]);
}

# What is wrong with the text.
sub text_complaints
{
	my ($script) = @_;
	my ($statements, $bodies) = statements($script);
	my @complaints;

	for my $statement (@$statements)
	{
		my ($named) = $statement =~ /\A\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+)?\w+\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)/i;

		$named //= '?';
		push @complaints, "replaces: $named" if $statement =~ /\bOR\s+REPLACE\b/i;
		push @complaints, "adopts: $named" if $statement =~ /\bIF\s+NOT\s+EXISTS\b/i;
		push @complaints, "path: $1"
		  if $statement =~ /\A\s*(SET\s+(?:LOCAL\s+|SESSION\s+)?search_path)/i;
	}
	for my $body (@$bodies)
	{
		$body =~ s/'(?:[^']|'')*'/''/g;
		push @complaints, "statement put together: $1"
		  while $body =~ /\b(EXECUTE\s+(?!format\()[^;]*)/gi;
	}
	return @complaints;
}

# Make the hostile database, with overloads of what is used in a script.
sub make_hostile
{
	my ($node, $script) = @_;
	my ($operators, $functions) = used_names($script);

	$node->safe_psql('postgres', 'CREATE DATABASE hostile TEMPLATE template0');
	make_evil($node, 'hostile', 'DEFAULT', 0, $operators, $functions);
	$node->safe_psql('hostile', $arm);
	return;
}

# Everything that is wrong with a script, sorted. It is loaded into a copy of
# the hostile database.
sub script_complaints
{
	my ($node, $script) = @_;
	my $database = 'victim';
	my ($rc, $stdout, $stderr);

	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $database");
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE hostile");

	my $loaded = $script;
	$loaded =~ s/^\\echo.*$//m;
	$loaded =~ s/^SELECT (?:pg_catalog\.pg_extension_config_dump|taskq\.installed)\(.*$//mg;
	$loaded =~ s/'MODULE_PATHNAME'/'\$libdir\/taskq'/g;
	($rc, $stdout, $stderr) = $node->psql($database,
		"SET search_path = pg_catalog, evil;\nSET default_table_access_method = evil_heap;\nSET check_function_bodies = off;\n$loaded");
	my @complaints = $rc == 0
	  ? split /\n/, $node->safe_psql($database, $found)
	  : "does not load: $stderr";
	return sort(@complaints, text_complaints($script));
}

1;
