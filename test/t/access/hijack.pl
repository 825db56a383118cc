# Nobody can have taskq run functions, operators, types or relations of his own
# in place of those it means: not by search_path, pg_temp or the settings of a
# database, neither in a call nor in a view, nor while the extension is created,
# nor in the worker. All functions, procedures and views are tried, as the
# catalog has them.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqHostile;
use TaskqScript;
use Test::More;

my $node = taskq_node('main', "taskq.retention = '1s'", "taskq.heartbeat_flush = '100ms'");
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my @parts = qw(producer worker operator monitor developer);
my $hostile = 'evil, public, pg_catalog';

# every word of taskq's code that could be a name
my ($operators, $functions) = used_names(install_script());
my %words = map { $_ => 1 } (@$functions, map { slurp_file($_) =~ /\b([a-z_]\w+)\b/g }
	glob "$FindBin::RealBin/../../../src/*.c $FindBin::RealBin/../../../src/*/*.c $FindBin::RealBin/../../../sql/*.sql");

$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN") for qw(attacker everything nobody grantee);
$node->safe_psql('postgres', 'CREATE DATABASE app OWNER attacker');
$node->safe_psql('app', 'GRANT ALL ON SCHEMA public TO attacker; GRANT CREATE ON DATABASE app TO attacker');

# one name each of what is known to exist
my $known = $node->safe_psql('app',
	"SELECT DISTINCT proname FROM pg_proc UNION SELECT relname FROM pg_class WHERE relkind IN ('r', 'v')");
my @names = sort grep { $words{$_} } split /\n/, $known;
make_evil($node, 'app', 'attacker', 1, $operators, \@names);
$node->safe_psql('app',
	"GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC;
	 ALTER DATABASE app SET search_path = $hostile");

my $offset = -s $node->logfile;
$node->safe_psql('app',
	"SELECT 'a'::pg_catalog.text || 'b'::pg_catalog.text; SELECT left('a', 1); SELECT '1'::evil.int4; SELECT FROM pg_class LIMIT 1");
is( hijacked($node, $offset),
	join("\n",
		qq(hijacked: evil."left" as $superuser),
		qq(hijacked: evil."op || text" as $superuser),
		"hijacked: relation pg_class as $superuser",
		"hijacked: type int4 as $superuser"),
	'the traps work');

$offset = -s $node->logfile;
$node->safe_psql('app', 'CREATE EXTENSION taskq');
is(hijacked($node, $offset), '', 'CREATE EXTENSION runs none of it');
for my $role (qw(everything attacker))
{
	$node->safe_psql('app', "SELECT taskq.grant_access('$role', '$_')") for @parts;
}
is(hijacked($node, $offset), '', 'nor does grant_access');

# What to give for an argument: by its name, else by its type.
my %by_name = (
	task_queue => "'q'", activity_type => "'t'", activity_id => "'a'",
	run_id => ':run', task_token => ":'token'", run_ids => ":'runs'",
	timeout => "'1ms'", config => q('{"paused": false}'),
	options => q('{"priority": 2}'), access => "'worker'", role => "'grantee'",
	max_tasks => '1', retry_policy => 'NULL', ready => 'NULL', status => 'NULL');
my %by_type = (
	text => "'x'", 'text[]' => "'{x}'", jsonb => q('{"a": 1}'),
	'jsonb[]' => q('{1}'), interval => "'1s'", integer => '1', bigint => '1',
	'double precision' => '1.5', boolean => 'true', uuid => ":'token'",
	'uuid[]' => ":'tokens'", 'bigint[]' => ":'runs'", regrole => "'grantee'",
	'timestamp with time zone' => "'2040-01-01'");

# Calls as text: with all arguments, with those that are required, and views.
sub calls
{
	my @calls = map { [ $_, "SELECT * FROM taskq.$_" ] } split /\n/,
	  $node->safe_psql('app',
		"SET search_path = pg_catalog;
		 SELECT relname FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'v' ORDER BY relname"
	  );
	my $routines = $node->safe_psql('app', <<'SQL');
SET search_path = pg_catalog;
SELECT p.oid, proname, prokind, pronargs - pronargdefaults, a.n, a.name, format_type(a.type, NULL)
FROM pg_proc p LEFT JOIN LATERAL (
	SELECT row_number() OVER (ORDER BY i) AS n, name, coalesce(all_types.type, p.proargtypes[i - 1]) AS type
	FROM unnest(p.proargnames) WITH ORDINALITY names(name, i)
	LEFT JOIN unnest(p.proallargtypes) WITH ORDINALITY all_types(type, i) USING (i)
	WHERE coalesce(p.proargmodes[i], 'i') IN ('i', 'b')) a ON true
WHERE p.pronamespace = 'taskq'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
ORDER BY proname, p.oid, a.n
SQL
	my (%routine, @order);

	for my $line (split /\n/, $routines)
	{
		my ($oid, $name, $kind, $required, $n, $argument, $type) = split /\|/, $line, -1;

		push @order, $oid unless $routine{$oid};
		$routine{$oid} //= { name => $name, kind => $kind, required => $required };
		next if $n eq '';
		my $value = $by_name{$argument} // $by_type{$type} // 'NULL';
		$value = ':closed' if $name =~ /^retry/ && $argument eq 'run_id';
		push @{ $routine{$oid}{given} }, "$argument => $value";
	}
	for my $oid (@order)
	{
		my ($name, $kind, $required, $given) = @{ $routine{$oid} }{qw(name kind required given)};
		my @given = @{ $given // [] };
		my @few = grep {
			$required-- > 0 || /^(?:run_id|timeout) /
		} @given;

		for my $arguments ([@given], @few ? [@few] : ())
		{
			push @calls, [ $name,
				($kind eq 'p' ? 'CALL ' : 'SELECT * FROM ') . "taskq.$name(" . join(', ', @$arguments) . ')' ];
		}
	}
	return @calls;
}

# How each call ends, as one role, with temporary decoys and this search_path.
sub outcomes
{
	my ($role, $path, @calls) = @_;
	my $script = '';

	$script .= "CREATE TEMP VIEW $_ AS TABLE evil.$_;\n" for grep { $known =~ /^$_$/m } qw(pg_proc pg_class pg_stat_activity);
	$script .= "CREATE DOMAIN pg_temp.$_ AS evil.$_;\n" for qw(text jsonb name regclass);
	$script .= "CREATE TEMP TABLE $_ (run_id pg_catalog.int8);\n" for qw(open activities instance queue_config);
	$script .= "SET search_path = $path;\n\\o /dev/null\n";
	for my $call (@calls)
	{
		my ($name, $text) = @$call;
		my $alone = $text =~ /^CALL/;

		$script .= $alone ? "SET ROLE $role;\n" : <<"SQL";
BEGIN;
SELECT run_id AS closed FROM taskq.schedule('q', 't', start_to_close_timeout => '1h') \\gset
SELECT taskq.terminate(run_id => :closed);
SELECT run_id AS run FROM taskq.schedule('q', 't', '1', 'a', start_to_close_timeout => '1h') \\gset
SELECT task_token AS token FROM taskq.poll('q', 'w') \\gset
\\set tokens '{' :token '}'
\\set runs '{' :run '}'
SET LOCAL ROLE $role;
SQL
		$script .= "$text;\n\\echo $name :SQLSTATE\n";
		$script .= $alone ? "RESET ROLE;\n" : "ROLLBACK;\n";
	}
	my ($rc, $stdout) = $node->psql('app', $script, on_error_stop => 0, on_error_die => 0);
	return $stdout;
}

my @calls = calls();

cmp_ok(scalar @calls, '>', 80, 'calls are found in the catalog');
for my $role (qq("$superuser"), qw(everything attacker nobody))
{
	my $clean = outcomes($role, 'pg_catalog, pg_temp', @calls);

	$offset = -s $node->logfile;
	is(outcomes($role, $hostile, @calls), $clean, "$role: all calls end as they do elsewhere");
	is(hijacked($node, $offset), '', "$role: none runs what is evil");
	$offset = -s $node->logfile;
	is(outcomes($role, "pg_temp, $hostile", @calls), $clean, "$role: temporary objects change nothing");
	is(hijacked($node, $offset), '', "$role: none runs what is temporary");
	my %ended = map { (split / /)[1] => 1 } split /\n/, $clean;
	ok($role eq 'nobody' ? !$ended{'00000'} : $ended{'00000'}, "$role: some calls succeed, or none may");
}

# The worker: timeouts of all kinds, heartbeats, notifications, retention, with
# the owner of the database having chosen its search_path.
$offset = -s $node->logfile;
my $worker = worker_pid($node, 'app');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
my $listener = $node->background_psql('app');
my $channel = $listener->query_safe("SELECT taskq.channel('notify')");
$listener->query_safe("LISTEN $channel");
$node->safe_psql('app', <<'SQL');
SELECT taskq.configure_queue('long', '{"retention": "2s"}');
SELECT taskq.schedule('late', 't', start_to_close_timeout => '1h', schedule_to_start_timeout => '100ms');
SELECT taskq.schedule('late', 't', start_to_close_timeout => '1h', schedule_to_close_timeout => '100ms');
SELECT taskq.schedule('notify', 't', start_to_close_timeout => '1h', schedule_to_close_timeout => '2s', start_delay => '10ms');
SELECT taskq.schedule('long', 't', start_to_close_timeout => '200ms', schedule_to_close_timeout => '1s');
SELECT taskq.schedule('silent', 't', start_to_close_timeout => '1h', heartbeat_timeout => '200ms', schedule_to_close_timeout => '1s');
SELECT taskq.poll('long');
SELECT task_token AS token FROM taskq.poll('silent') \gset
SELECT taskq.heartbeat(:'token', '1');
SQL
like(hear($listener, qr/notification/), qr/notification/, 'the worker notifies');
ok( $node->poll_query_until(
		'app',
		'SELECT NOT EXISTS (SELECT FROM taskq.activities) AND epoch OPERATOR(pg_catalog.>) 2 FROM taskq.instance'),
	'it fires timeouts and empties what is expired');
$listener->quit;
is(hijacked($node, $offset), '', 'it runs nothing that is evil');

done_testing();
