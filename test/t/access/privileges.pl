# Who may do what is what docs/reference.md says: each routine, view, table,
# sequence and type, as the catalog has them, against PUBLIC, each part that
# grant_access knows, pg_monitor and the owner. A new call that is not listed
# there, or is granted to others, is found here.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my @parts = qw(producer worker operator monitor developer);
my $reference = slurp_file("$FindBin::RealBin/../../../docs/reference.md");

# ---- what the document says ------------------------------------------------

sub section
{
	my ($title) = @_;

	$reference =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms or die "no section $title";
	return $1;
}

# Names of the calls that a section describes.
sub calls_of
{
	my ($title) = @_;

	return section($title) =~ /^(?:CALL |\| `)?taskq\.(\w+) *\(/mg;
}

# Likewise of a part of one.
sub calls_below
{
	my ($title) = @_;

	$reference =~ /^### \Q$title\E\n(.*?)(?=^##|\z)/ms or die "no part $title";
	return $1 =~ /^taskq\.(\w+) *\(/mg;
}

sub views_of
{
	return section('Views') =~ /^### (\w+)$/mg;
}

# The names that one row of the table of parts means, views included.
sub granted
{
	my ($part) = @_;
	my ($text) = section('Access') =~ /^\| `$part` \| (.*) \|$/m or die "no part $part";
	my @names;

	for my $item (split /, /, $text)
	{
		push @names,
		    $item eq 'the [operators](#operators)' ? calls_of('Operators')
		  : $item eq 'the [commands](#commands)' ? grep({ /^command_/ } calls_of('Commands'))
		  : $item eq 'the calls of [workers of workflows](#workers-of-workflows)' ? calls_below('Workers of workflows')
		  : $item =~ /^(\w+) and its `_request` form$/ ? ($1, "$1_request")
		  : $item =~ /^(\w+) and their `_request` forms$/ ? ($1, map { "${_}_request" } $1, grep { /_workflow$/ } @names)
		  : $item eq 'all reading functions and views but functions' ? (calls_of('Reading'), grep { $_ ne 'functions' } views_of())
		  : $item eq 'the `_by_id` and `_many` forms' ? grep({ /_(?:by_id|many)$/ } calls_of('Workers'))
		  : $item =~ /^\w+$/ ? $item
		  : $item eq 'payloads included' ? ()
		  : die "what is \"$item\" of $part?";
	}
	return @names;
}

sub list
{
	my %seen = map { $_ => 1 } @_;

	return join ' ', sort keys %seen;
}

my ($owned) = section('Access') =~ /^(`\w+`(?:, `\w+`)*,? and `\w+`) are for superusers and the owner/m;
my @owned = $owned =~ /`(\w+)`/g;
my ($monitored) = section('Access') =~ /`pg_monitor` can read the views of queues and (`\w+`) without a grant/;

# ---- what the catalog says -------------------------------------------------

my $schema = "'taskq'::regnamespace";

# Routines are internal if their comment says so; what the planner or a trigger
# calls cannot be called by anybody.
my $routine = "FROM pg_proc p WHERE pronamespace = $schema AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)";
my $internal = "coalesce(obj_description(p.oid, 'pg_proc'), '') LIKE 'internal: %'";
my $public_routines = sql($node, "SELECT string_agg(DISTINCT proname, ' ') $routine AND NOT $internal");

# Everything that can be granted, with its ACL and what would be the default.
my $objects = <<SQL;
SELECT 'routine' AS kind, proname::text AS name, proowner AS owner, coalesce(proacl, acldefault('f', proowner)) AS acl FROM pg_proc WHERE pronamespace = $schema
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END, relname, relowner,
	coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
	FROM pg_class WHERE relnamespace = $schema AND relkind NOT IN ('i', 'c')
UNION ALL
SELECT 'column', attname, relowner, attacl FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = $schema
UNION ALL
SELECT 'type', typname, typowner, coalesce(typacl, acldefault('T', typowner)) FROM pg_type WHERE typnamespace = $schema AND typelem = 0
UNION ALL
SELECT 'schema', nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE oid = $schema
SQL

# What is granted to a role (0 = PUBLIC), in a kind of objects: "name privilege".
sub grants
{
	my ($role, $kinds) = @_;

	return split /\n/,
	  sql($node,
		"SELECT DISTINCT o.name || CASE WHEN a.privilege_type IN ('EXECUTE', 'SELECT') THEN '' ELSE ' ' || a.privilege_type END
				|| CASE WHEN a.is_grantable THEN ' grantable' ELSE '' END
		   FROM ($objects) o, aclexplode(o.acl) a
		  WHERE a.grantee = $role AND o.kind IN ($kinds) AND a.grantee <> o.owner");
}

# Internal routines that these views call.
sub used_by_views
{
	my $views = join ', ', map { "'$_'" } @_;

	return () unless @_;
	return split /\n/,
	  sql($node,
		"SELECT DISTINCT p.proname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
		   JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
		   JOIN pg_proc p ON p.oid = d.refobjid
		  WHERE c.relnamespace = $schema AND c.relname IN ($views)");
}

# ---- the matrix ------------------------------------------------------------

my @views = views_of();
is( list(@views),
	sql($node, "SELECT string_agg(relname, ' ' ORDER BY relname COLLATE \"C\") FROM pg_class WHERE relnamespace = $schema AND relkind = 'v'
		AND coalesce(obj_description(oid, 'pg_class'), '') NOT LIKE 'internal: %'"),
	'the views are those of the document');
is(list((map { my $part = $_; grep { my $n = $_; !grep { $_ eq $n } @views } granted($part) } @parts), @owned),
	list(split / /, $public_routines),
	'every call belongs to a part, or to the owner alone');
my %described = map { $_ => 1 } $reference =~ /taskq\.(\w+) *\(/g;
is(list(grep { !$described{$_} } split / /, $public_routines), '', 'every call is described');

is(list(grants('0', "'routine', 'view', 'table', 'sequence', 'column', 'schema'")),
	'', 'PUBLIC: nothing');
is(list(map { s/^.* //r } grants('0', "'type'")), 'USAGE', 'PUBLIC: types as everywhere, in a schema it may not use');

for my $part (@parts)
{
	my @names = granted($part);
	my @seen = grep { my $name = $_; grep { $_ eq $name } @views } @names;
	my $role = "r_$part";

	sql($node, "CREATE ROLE $role; SELECT taskq.grant_access('$role', '$part')");
	is(list(grants("'$role'::regrole", "'routine', 'view'")),
		list(@names, used_by_views(@seen)),
		"$part: what the document says, and what its views call");
	is(list(grants("'$role'::regrole", "'table', 'sequence', 'column', 'type'")), '', "$part: nothing else");
	is(list(grants("'$role'::regrole", "'schema'")), 'taskq USAGE', "$part: may use the schema");
}
my @monitored = grep { /queue|^pollers$/ || "`$_`" eq $monitored } @views;
is(list(grants("'pg_monitor'::regrole", "'routine', 'view'")),
	list(@monitored, used_by_views(@monitored)),
	'pg_monitor: the views that the document says, and what they call');
is(list(grants("'pg_monitor'::regrole", "'table', 'sequence', 'column', 'type', 'schema'")),
	'taskq USAGE', 'pg_monitor: nothing else');
is(sql($node, "SELECT string_agg(DISTINCT a.grantee::regrole::text, ' ') FROM ($objects) o, aclexplode(o.acl) a
		WHERE a.grantee NOT IN (0, o.owner, 'pg_monitor'::regrole) AND a.grantee::regrole::text NOT LIKE 'r\\_%'"),
	'', 'nobody else has anything');
is(sql($node, "SELECT count(DISTINCT o.owner) FROM ($objects) o"), '1', 'one owner of all');

# ---- granted and taken back ------------------------------------------------

sub permutations
{
	my @rest = @_;

	return [] unless @rest;
	return map { my $i = $_; map { [ $rest[$i], @$_ ] } permutations(@rest[ grep { $_ != $i } 0 .. $#rest ]) } 0 .. $#rest;
}

my $script = '';
my @orders = permutations(@parts);
for my $order (@orders[ grep { $_ % 3 == 0 } 0 .. $#orders ])
{
	$script .= join '', map { "SELECT taskq.grant_access('r_all', '$_') \\g /dev/null\n" } @parts;
	$script .= join '', map { "SELECT taskq.revoke_access('r_all', '$_') \\g /dev/null\n" } @$order;
	$script .= "SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'r_all'::regrole;\n";
}
is(list(split /\n/, sql($node, "CREATE ROLE r_all;\n$script")),
	'0', 'all parts granted, and taken back in whatever order: nothing is left');
sql($node, "SELECT taskq.revoke_access('r_$_', '$_')") for @parts;
is(sqlstate($node, 'DROP ROLE r_all, ' . join ', ', map { "r_$_" } @parts), 'ok', 'the roles can be dropped');

# two at a time: the second waits for the first
sql($node, 'CREATE ROLE r_first; CREATE ROLE r_second');
for my $call (qw(grant_access revoke_access))
{
	my $first = $node->background_psql('postgres');
	my ($out, $errors) = ('', '');

	$first->query_safe("BEGIN; SELECT taskq.$call('r_first', 'worker')");
	my $second = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "SELECT taskq.$call('r_second', 'worker')" ],
		'<', '/dev/null', '>', \$out, '2>', \$errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%$call%'"), "$call: waits for another");
	$first->query_safe('COMMIT');
	$second->finish;
	is($errors, '', "$call: and goes on");
	$first->quit;
}
is(sqlstate($node, 'DROP ROLE r_first, r_second'), 'ok', 'both have done it');

# that a call which is listed nowhere is heard of
sql($node, q{CREATE FUNCTION taskq.unlisted() RETURNS int LANGUAGE sql RETURN 1});
isnt(list(grants('0', "'routine'")), '', 'a new call that PUBLIC may execute is seen');
isnt(sql($node, "SELECT string_agg(DISTINCT proname, ' ') $routine AND NOT $internal"),
	$public_routines, '... and so is one that belongs to no part');

done_testing();
