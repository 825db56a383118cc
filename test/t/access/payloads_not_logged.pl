# What applications hand to taskq is never in a line of the server's log, at any
# log_min_messages: not in messages, DETAIL or CONTEXT of the calls, whether they
# succeed or fail, nor in what the background worker says. (PostgreSQL itself
# logs statements, if told to, and values that are no JSON.)

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $marker = 'marked_payload';
my $node = activity_node('main', split /\n/, <<'CONF');
log_min_messages = debug5
log_error_verbosity = verbose
log_statement = none
log_min_error_statement = panic
log_duration = on
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = log
log_rotation_age = 0
log_rotation_size = 0
taskq.retention = 2s
taskq.heartbeat_flush = 100ms
taskq.max_payload_size = 16kB
log_line_prefix = '%m [%p] %b '
CONF

# All lines of all files.
sub logged
{
	return join '', map { slurp_file($_) } glob $node->data_dir . '/log/*';
}

sub lines_with
{
	my ($pattern) = @_;

	my @lines = grep { /$pattern/ } split /\n/, logged();

	return join "\n", splice @lines, 0, 5;
}

# ---- calls, as the catalog has them -----------------------------------------

# Names, and what must be right for a call to go far; any other text or jsonb is
# a payload.
my %by_name = (
	task_queue => "'q'", workflow_id => "'wf'", workflow_type => "'W'", signal_name => "'s'", sticky_task_queue => "'sq'", sticky_for => "'q'",
	cron_schedule => 'NULL', timer_id => "'ti'", marker_name => "'m'", cause => "'UNHANDLED_COMMAND'", activity_type => "'t'", activity_id => "'a'", request_id => "'r'", identity => "'w'",
	fairness_key => "'f'", error_type => "'e'", access => "'worker'", activity_ids => "'{a1}'",
	run_id => ':run', task_token => ":'token'", run_ids => ":'runs'", timeout => "'1ms'", max_tasks => '1',
	retry_policy => 'NULL', ready => 'NULL', status => 'NULL', start_at => 'NULL');
my %by_type = (
	'jsonb[]' => qq('{"\\"$marker\\""}'), interval => "'1s'", integer => '1', bigint => '1',
	'double precision' => '1.5', boolean => 'false', 'uuid[]' => ":'tokens'", 'bigint[]' => ":'runs'",
	regrole => 'NULL', 'timestamp with time zone' => "'2040-01-01'");
my %payloads = (
	right => qq({"a": "$marker"}),
	scalar => qq("$marker"),
	large => qq({"a": "$marker ) . 'x' x 40000 . '"}',
	nested => qq([["$marker"]]));

my $routines = sql($node, <<'SQL');
SELECT p.oid, proname, prokind, a.name, format_type(a.type, NULL), a.n > pronargs - pronargdefaults
FROM pg_proc p, LATERAL (
	SELECT row_number() OVER (ORDER BY i) AS n, name, coalesce(all_types.type, p.proargtypes[i - 1]) AS type
	FROM unnest(p.proargnames) WITH ORDINALITY names(name, i)
	LEFT JOIN unnest(p.proallargtypes) WITH ORDINALITY all_types(type, i) USING (i)
	WHERE coalesce(p.proargmodes[i], 'i') IN ('i', 'b')) a
WHERE p.pronamespace = 'taskq'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
ORDER BY proname, p.oid, a.n
SQL

# One call of each routine per payload-like argument and payload, with only that
# and what is required, and one with all of them.
sub calls
{
	my (%routine, @calls);

	for my $line (split /\n/, $routines)
	{
		my ($oid, $name, $kind, $argument, $type, $optional) = split /\|/, $line;

		$routine{$oid} //= { name => $name, kind => $kind };
		push @{ $routine{$oid}{arguments} }, [ $argument, $type, $optional eq 't' ];
	}
	for my $r (map { $routine{$_} } sort { $a <=> $b } keys %routine)
	{
		for my $kind (sort keys %payloads)
		{
			my $is_payload = sub { !exists $by_name{ $_->[0] } && $_->[1] =~ /^(?:text|jsonb|text\[\])$/ };
			my $value = sub {
				my ($argument, $type) = @$_;
				return "$argument => " . ($by_name{$argument} // $by_type{$type}
					  // ($type eq 'jsonb' ? "'$payloads{$kind}'" : $type eq 'text' ? qq('$payloads{$kind}')
						: $type eq 'text[]' ? "'{$marker}'" : 'NULL'));
			};
			my @all = @{ $r->{arguments} };
			my @needed = grep { !$_->[2] || $_->[0] =~ /^(?:run_id|timeout|start_to_close_timeout)$/ } @all;

			for my $one (undef, grep { $is_payload->() } @all)
			{
				my @given = $one ? ((grep { $_ != $one } @needed), $one) : grep { $_->[0] ne 'activity_id' || $r->{name} =~ /^schedule/ } @all;

				push @calls, [ $r->{kind}, "taskq.$r->{name}(" . join(', ', map { $value->() } @given) . ')' ];
			}
		}
	}
	return @calls;
}

my $script = "\\o /dev/null\n";
for my $call (calls())
{
	my ($kind, $text) = @$call;

	$script .= $kind eq 'p' ? "CALL $text;\n" : <<"SQL";
BEGIN;
SELECT run_id AS run FROM taskq.schedule('q', 't', '{"a": "$marker"}', start_to_close_timeout => '1h') \\gset
SELECT task_token AS token FROM taskq.poll('q', 'w') \\gset
\\set tokens '{' :token '}'
\\set runs '{' :run '}'
SELECT * FROM $text;
\\echo :SQLSTATE
ROLLBACK;
SQL
}
my (undef, $states, $errors) = $node->psql('postgres', $script, on_error_stop => 0, on_error_die => 0);
my %ended = map { $_ => 1 } split /\n/, $states;
ok($ended{'00000'}, 'some calls succeed');
cmp_ok(scalar keys %ended, '>', 3, 'others fail, in several ways') or diag(join ' ', sort keys %ended);
is(join("\n", grep { /$marker/ && !/^LINE/ } split /\n/, $errors), '', 'nor do errors tell it to the client');

# of a token that is stale, of what is too deep in a batch, of what does not match
for my $call ("taskq.complete(gen_random_uuid(), '\"$marker\"')",
	"taskq.fail(gen_random_uuid(), '$marker', details => '\"$marker\"')",
	"taskq.heartbeat(gen_random_uuid(), '\"$marker\"')",
	"taskq.schedule_many('q', 't', ARRAY[ARRAY['\"$marker\"'::jsonb]], start_to_close_timeout => '1h')",
	"taskq.complete_many(ARRAY[gen_random_uuid()], ARRAY['\"$marker\"'::jsonb, '\"$marker\"'])",
	"taskq.complete_by_id('none', '\"$marker\"')",
	"taskq.schedule('q', 't', '\"$marker\"')")
{
	isnt(sqlstate($node, "SELECT * FROM $call"), 'ok', "fails: $call");
}

# ---- failures between attempts, timers, the worker ----------------------------

my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
# each in a queue of its own, and closed at last, whoever polls what is retried
my $queues = 0;
for my $timeout ("start_to_close_timeout => '200ms', $once",
	"start_to_close_timeout => '200ms', retry_policy => taskq.retry_policy(initial_interval => '50ms', maximum_attempts => 2)",
	"start_to_close_timeout => '1h', heartbeat_timeout => '200ms', $once",
	"start_to_close_timeout => '1h'")
{
	sql($node, <<"SQL");
BEGIN;
SELECT taskq.schedule('timers $queues', 't', '"$marker"', schedule_to_close_timeout => '2s', header => '{"h": "$marker"}', summary => '$marker', $timeout);
SELECT task_token AS token FROM taskq.poll('timers $queues') \\gset
SELECT taskq.heartbeat(:'token', '"$marker"');
SELECT taskq.heartbeat(:'token', to_jsonb(repeat('$marker ', 500)));
COMMIT;
SQL
	$queues++;
}
my ($failing, $token) = start($node, 'failing', "input => '\"$marker\"'");
sql($node, "SELECT taskq.fail('$token', repeat('$marker ', 700), 'e', to_jsonb(repeat('$marker ', 700)), stack_trace => repeat('$marker ', 700),
	cause => '{\"message\": \"$marker\"}', last_heartbeat_details => '\"$marker\"')");
sql($node, "SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE run_id = $failing AND close_time IS NULL");
my $ended = schedule($node, 'failing', "input => '\"$marker\"'");
sql($node, "SELECT taskq.pause(run_id => $ended, reason => '$marker'); SELECT taskq.terminate(run_id => $ended, reason => '$marker')");

# a chore of the worker that fails with rows in hand, and goes on
schedule($node, 'broken', "input => '\"$marker\"', schedule_to_start_timeout => '1s'");
sql($node, "ALTER TABLE taskq.instance RENAME COLUMN leaf_since TO gone");
ok( $node->poll_query_until('postgres',
		"SELECT pg_read_file(pg_current_logfile('stderr')) ~ 'column \"leaf_since\" does not exist'"),
	'a chore fails');
sql($node, "ALTER TABLE taskq.instance RENAME COLUMN gone TO leaf_since");
ok( $node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM taskq.activities WHERE task_queue ~ '^(timers|broken|failing)')"),
	'timeouts fire, and what is closed expires');
sql($node, "SELECT pg_terminate_backend(" . worker_pid($node, 'postgres') . ')');

sql($node, q(DO $$ BEGIN RAISE LOG 'hear_%', 'this'; END $$));
$node->stop;

# ---- what was logged ----------------------------------------------------------

ok(logged() =~ /"taskq worker".*"debug/i || logged() =~ /taskq worker DEBUG/, 'the worker was heard in detail');
ok(logged() =~ /ERROR:  TQ001/, 'and so were errors of taskq');
is(scalar(() = logged() =~ /hear_this/g), 3, 'a line is found in each kind of log');
is(lines_with($marker), '', 'no payload is in any line');

done_testing();
