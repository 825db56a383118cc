# A schema "evil" full of what could be taken for something else: functions and
# operators with the names that taskq uses. Armed with better matches it has
# overloads for all argument types that pg_catalog has none for: a call that is
# written exactly does not meet them while pg_catalog comes first. Armed with
# copies it has those of pg_catalog as well, domains with the names of types and
# views with those of relations, for a search_path in which evil comes first.
# Whatever runs of it says so in the server's log: "hijacked".
package TaskqHostile;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(statements used_names make_evil hijacked);

# Types that operands may have.
my $types = q('{text,name,bool,int2,int4,int8,float8,numeric,interval,timestamptz,jsonb,uuid,oid,xid,regclass,text[],"\"char\"",bit}'::regtype[]);

my $schema = <<"SQL";
CREATE SCHEMA evil;
CREATE TABLE evil.names (name text PRIMARY KEY, is_operator bool);
CREATE TABLE evil.types (type regtype PRIMARY KEY);			-- to be armed against
INSERT INTO evil.types SELECT unnest($types);
CREATE FUNCTION evil.caught(what text) RETURNS bool LANGUAGE plpgsql SET search_path = pg_catalog AS \$evil\$
BEGIN
	RAISE LOG 'hijacked: % as %', what, current_user;
	RETURN true;
END
\$evil\$;
CREATE VIEW evil.overloads AS
WITH sources AS MATERIALIZED (					-- what an argument accepts besides its own type
	SELECT castsource::regtype AS type, casttarget AS target FROM pg_cast JOIN evil.types ON type = castsource WHERE castcontext = 'i'
	UNION
	SELECT type, oid FROM evil.types, pg_type WHERE typname IN ('anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray')
), known AS MATERIALIZED (
	SELECT true AS is_operator, oprname::text AS name, ARRAY[oprleft, oprright] AS arguments, oprresult AS result
	FROM pg_operator JOIN evil.names ON is_operator AND oprname = name
	WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b'
	UNION ALL
	SELECT false, proname::text, ARRAY(SELECT unnest(proargtypes)), prorettype
	FROM pg_proc JOIN evil.names ON NOT is_operator AND proname = name
	WHERE pronamespace = 'pg_catalog'::regnamespace AND pronargs <= 3 AND provariadic = 0
), other AS (
	SELECT is_operator, name, arguments[1:place - 1] || s.type::oid || arguments[place + 1:] AS arguments, result, s.type
	FROM known, generate_series(1, cardinality(arguments)) place, sources s
	WHERE s.target = arguments[place]
	UNION ALL
	SELECT is_operator, name, ARRAY[type, type]::oid[],
		CASE WHEN name IN ('<', '>', '=', '<>', '<=', '>=', '?') THEN 'bool'::regtype ELSE type END, type
	FROM evil.names, evil.types WHERE is_operator
)
SELECT true AS is_copy, is_operator, name, array_to_string(arguments::regtype[], ', ') AS arguments, result::regtype
FROM known
UNION ALL
SELECT DISTINCT ON (is_operator, name, arguments) false, is_operator, name, array_to_string(arguments::regtype[], ', '),
	CASE WHEN (SELECT typtype = 'p' FROM pg_type WHERE oid = result) THEN type ELSE result::regtype END
FROM other o
WHERE NOT EXISTS (SELECT FROM known k WHERE (k.is_operator, k.name, k.arguments) = (o.is_operator, o.name, o.arguments))
	AND NOT arguments && (SELECT array_agg(oid) FROM pg_type WHERE typtype = 'p');
CREATE FUNCTION evil.arm(copies bool) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS \$evil\$
DECLARE
	o evil.overloads;
	f text;
BEGIN
	FOR o IN SELECT * FROM evil.overloads WHERE is_copy <= copies LOOP
		BEGIN
			f := format('evil.%I', CASE WHEN o.is_operator THEN 'op ' || o.name || ' ' || o.result ELSE o.name END);
			EXECUTE format('CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS %L',
				f, o.arguments, o.result, format('BEGIN PERFORM evil.caught(%L);%s END', f, CASE WHEN o.result <> 'void'::regtype THEN ' RETURN NULL;' END));
			IF o.is_operator THEN
				EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s)',
					o.name, split_part(o.arguments, ', ', 1), split_part(o.arguments, ', ', 2), f);
			END IF;
		EXCEPTION WHEN invalid_function_definition OR feature_not_supported THEN
			NULL;							-- a signature that PL/pgSQL cannot have
		END;
	END LOOP;
	DELETE FROM evil.types;
END
\$evil\$;
SQL

# Domains and views; names of relations are those of taskq and of pg_catalog.
my $decoys = <<'SQL';
DO $evil$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{text,name,bool,int2,int4,int8,float8,numeric,interval,timestamptz,jsonb,uuid,oid,regclass,regrole,regnamespace,regprocedure,bit}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%1$I CHECK (evil.caught(%L))', t, 'type ' || t);
	END LOOP;
	FOR t IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'pg_catalog'::regnamespace
		AND relname IN (SELECT name FROM evil.names) LOOP
		EXECUTE format('CREATE VIEW evil.%I AS SELECT * FROM pg_catalog.%1$I WHERE evil.caught(%L)', t, 'relation ' || t);
	END LOOP;
END
$evil$;
SQL

# Statements without comments; literals and bodies apart, as '' and $$n$$.
sub statements
{
	my ($script) = @_;
	my @bodies;

	$script =~ s/^\\.*$//mg;
	$script =~ s{
		/\*.*?\*/ | --[^\n]*						# comments
		| '(?:[^']|'')*'							# literals
		| (\$\w*\$)(?<body>.*?)\1					# bodies
	}{
		my $token = substr($&, 0, 1);
		push @bodies, $+{body} if $token eq '$';
		$token eq "'" ? "''" : $token eq '$' ? '$$' . $#bodies . '$$' : ' ';
	}gexs;
	return ([ grep { /\S/ } split /;/, $script ], \@bodies);
}

# Names of operators and of functions that a script uses, bodies included.
sub used_names
{
	my ($script) = @_;
	my ($statements, $bodies) = statements($script);
	my $text = join ';', @$statements, @$bodies;
	my $sign = qr/[-+*\/<>=~!@#%^&|`?]/;
	my %operators = map { $_ => 1 } $text =~ /(?<!$sign)($sign+)(?!$sign)/g;
	my %functions = map { $_ => 1 } $text =~ /(?<![\w.])([a-z_]\w*)\s*\(/g;

	delete $operators{'=>'};
	return ([ sort keys %operators ], [ sort keys %functions ]);
}

# Make the schema evil in a database, as this role, for these names of
# operators and of other things.
sub make_evil
{
	my ($node, $database, $role, $copies, $operators, $names) = @_;
	my $values = join ', ',
	  (map { "('$_', true)" } @$operators),
	  (map { "('$_', false)" } @$names);

	$node->safe_psql($database,
		"SET SESSION AUTHORIZATION $role; SET client_min_messages = warning; SET jit = off;
		 $schema
		 INSERT INTO evil.names VALUES $values;
		 DELETE FROM evil.names WHERE is_operator AND name NOT IN (SELECT oprname FROM pg_operator);
		 SELECT evil.arm(" . ($copies ? 'true' : 'false') . ');' . ($copies ? $decoys : ''));
	return;
}

# What ran of it since then, according to the log.
sub hijacked
{
	my ($node, $offset) = @_;
	my %seen = map { $_ => 1 } slurp_file($node->logfile, $offset) =~ /LOG:  (hijacked: .*)/g;

	return join "\n", sort keys %seen;
}

1;
