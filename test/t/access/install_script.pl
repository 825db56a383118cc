# The install script gives nobody a hold: see TaskqScript.pm for how it is
# looked at. That each rule would be heard is shown by a script that breaks all.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqScript;
use Test::More;

my $node = taskq_node('main', 'jit = off');
my $script = install_script();

# one statement per sin, and what is to be said about it
my @sins = (
	[ 'CREATE FUNCTION taskq.sin_definer() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1',
		'runs as its owner: sin_definer' ],
	[ q(CREATE FUNCTION taskq.sin_string() RETURNS int LANGUAGE sql AS 'SELECT 1'),
		'not bound: sin_string' ],
	[ 'CREATE FUNCTION taskq.sin_path() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$',
		'not bound: sin_path' ],
	[ 'CREATE FUNCTION taskq.sin_public_path() RETURNS int LANGUAGE plpgsql SET search_path = public AS $$ BEGIN RETURN 1; END $$',
		'not bound: sin_public_path' ],
	[ q(CREATE FUNCTION taskq.sin_execute(t text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN EXECUTE 'DROP TABLE ' || t; END $$),
		qr/^statement put together: EXECUTE/ ],
	[ 'CREATE OR REPLACE FUNCTION taskq.sin_replace() RETURNS int LANGUAGE sql RETURN 1',
		'replaces: taskq.sin_replace' ],
	[ 'CREATE TABLE IF NOT EXISTS taskq.sin_adopt (a int) USING heap',
		'adopts: taskq.sin_adopt' ],
	[ 'CREATE SCHEMA IF NOT EXISTS taskq', 'adopts: taskq' ],
	[ 'CREATE TABLE taskq.sin_am (a int)', 'not on heap: sin_am' ],
	[ 'SET search_path = public, evil, pg_catalog', 'path: SET search_path' ],
	[ 'SET search_path = pg_catalog, evil', 'path: SET search_path' ],
	[ q(CREATE VIEW taskq.sin_operator AS SELECT o.start_to_close * interval '1 s' AS a FROM taskq.open o),
		qr/^inexact: .*view taskq.sin_operator uses operator \*$/ ],
	[ q(CREATE VIEW taskq.sin_literal AS SELECT o.control ? '1' AS a FROM taskq.open o),
		qr/^inexact: .*view taskq.sin_literal uses operator \?$/ ],
	[ q(CREATE VIEW taskq.sin_enum AS SELECT status < 'failed' AS a FROM taskq.closed_0),
		qr/^inexact: .*view taskq.sin_enum uses operator <$/ ],
	[ 'CREATE VIEW taskq.sin_function AS SELECT left(relname, 3) FROM pg_class',
		qr/^inexact: .*view taskq.sin_function uses function left$/ ],
	[ 'CREATE FUNCTION taskq.sin_body(a int) RETURNS bool LANGUAGE sql RETURN a < 1.5',
		qr/^inexact: function taskq.sin_body\(integer\) uses operator <$/ ],
	[ 'CREATE FUNCTION taskq.sin_argument(a text = left(current_user, 1)) RETURNS text LANGUAGE sql RETURN a',
		qr/^inexact: function taskq.sin_argument\(text\) uses function left$/ ],
	[ q(CREATE TABLE taskq.sin_default (a text DEFAULT 1 || 'a'::text) USING heap),
		qr/^inexact: default value for column a of table taskq.sin_default uses operator \|\|$/ ],
	[ 'CREATE TABLE taskq.sin_check (a float8 CHECK (a < 1.5)) USING heap',
		qr/^inexact: constraint sin_check_a_check on table taskq.sin_check uses operator <$/ ],
	[ q(CREATE INDEX sin_predicate ON taskq.closed_0 (run_id) WHERE status = 'failed'),
		qr/^inexact: index taskq.sin_predicate uses operator =$/ ],
	[ 'CREATE INDEX sin_key ON taskq.closed_0 ((priority + 1.5::float8))',
		qr/^inexact: index taskq.sin_key uses operator \+$/ ],
	[ 'CREATE TABLE public.sin_table (a int) USING heap', 'not in taskq: table sin_table' ],
	[ 'CREATE TYPE public.sin_type AS (a int)', 'not in taskq: type sin_type' ],
	[ 'CREATE FUNCTION public.sin_elsewhere() RETURNS int LANGUAGE sql RETURN 1',
		'not in taskq: function sin_elsewhere()' ],
	[ 'GRANT SELECT ON taskq.open TO PUBLIC', 'for PUBLIC: open' ],
	[ 'GRANT USAGE ON SCHEMA taskq TO PUBLIC', 'for PUBLIC: schema taskq' ],
	[ 'CREATE FUNCTION taskq.sin_public() RETURNS int LANGUAGE sql RETURN 1',
		'for PUBLIC: sin_public' ]);
my $sinful = join ";\n", $script, (map { $_->[0] } @sins), '';

make_hostile($node, $sinful);
is(join("\n", script_complaints($node, $script)),
	'', 'nothing is wrong with the install script');

my @complaints = script_complaints($node, $sinful);
for my $sin (@sins)
{
	my ($statement, $said) = @$sin;

	ok((grep { ref $said ? $_ =~ $said : $_ eq $said } @complaints), "heard of: $statement");
}
diag(join "\n", 'complaints:', @complaints) unless Test::More->builder->is_passing;

done_testing();
