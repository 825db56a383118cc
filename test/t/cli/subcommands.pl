# Each subcommand that is one call: what it does, prints, and exits with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use IPC::Run;
use PostgreSQL::Test::Utils;
use TaskqProxy qw(start_proxy stop_proxy);
use TaskqTest;
use TaskqWorker;
use Test::More;

my $node = activity_node('main');
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
delete $ENV{COLUMNS};

my @timeout = ('--start-to-close', '1 min');

# Exit code and standard output, without the spaces that align it.
sub output
{
	my ($command, @arguments) = @_;
	my ($code, $stdout, $stderr) = run_taskq(undef, split(/ /, $command), @arguments);

	$stdout =~ s/ +/ /g;
	return "$code $stdout" . ($stderr =~ s/\n.*//sr);
}

for my $command (qw(schedule describe list result complete fail cancel terminate pause unpause reset retry delete health watch update-options),
	map { "queue $_" } qw(list describe configure pause unpause))
{
	my ($code, $stdout, $stderr) = run_taskq(undef, split(/ /, $command), '--help');

	is("$code$stderr", 0, "$command --help");
	is(join("\n", grep { length > 80 } split /\n/, $stdout), '', "$command --help: no line is longer than 80 columns");
	cmp_ok(scalar(split /\n/, $stdout), '<=', 34, "$command --help is short");
}

# ---- one activity -------------------------------------------------------------

is(output('schedule', 'q', 't', '{"a": 1}', @timeout, '--id', 'x', '--priority', 2, '--retry-policy', '{"maximum_attempts": 3}'),
	"0 run_id activity_id created\n1 x t\n", 'schedule');
is(output('schedule', 'q', 't', @timeout, '--json'), qq(0 {"run_id": 2, "activity_id": null, "created": true}\n), 'schedule --json');
like(output('describe', 1), qr/^0 run_id 1\nactivity_id x\nactivity_type t\n.*input \{"a": 1\}\n.*priority 2\n/s, 'describe');
like(output('describe', 1, '--json'), qr/^0 \{"run_id": 1, .*"input": \{"a": 1\},.*"result": null/, 'describe --json');
like(output('describe', 99), qr/^1 taskq: ERROR/, 'describe: no such run');
like(output('list', '--where', "activity_id = 'x' -- a comment"), qr/^0 run_id .*\n1 x t q running scheduled 1 .*\n$/, 'list --where');
like(output('list', '--limit', 1), qr/^0 .*\n2 t q running scheduled 1 .*\n$/, 'list --limit');
is(output('result', 1, '--timeout', '0.1 s'), "3 taskq: running", 'result: not yet');
is(output('complete', 1, '{"r": [1]}'), '0 ', 'complete');
is(output('result', 1), qq(0 {"r": [1]}\n), 'result');
is(output('result', 1, '--json'), qq(0 {"status": "completed", "result": {"r": [1]}, "failure": null}\n), 'result --json');

sql($node, "SELECT taskq.complete(task_token) FROM taskq.poll('q', max_tasks => 9) WHERE run_id <> 2");
is(output('fail', 2, 'no way', '--type', 'T', '--non-retryable', '--details', '[1]'), "0 retry_state\nnon_retryable_failure\n", 'fail');
like(output('result', 2), qr/^1 taskq: failed: .*"no way"/, 'result of what has failed');
is(output('retry', 2), "0 run_id activity_id created\n3 t\n", 'retry');

# ---- operators, one and many ----------------------------------------------------

my $state = sub { sql($node, "SELECT concat_ws(' ', status, run_state) FROM taskq.activities WHERE run_id = 3") };
is(output('pause', 3, '--reason', 'why'), '0 ', 'pause');
is($state->(), 'paused paused', 'it is paused');
is(output('unpause', 3, '--skip-backoff'), '0 ', 'unpause');
is($state->(), 'running scheduled', 'it goes on');
is(output('reset', 3, '--keep-paused'), '0 ', 'reset');
is(output('cancel', 3), '0 ', 'cancel');
is($state->(), 'canceled', 'it is canceled');
like(output('terminate', 3), qr/^1 taskq: ERROR/, 'terminate: not in that state');
is(output('delete', 3), '0 ', 'delete');
is(sql($node, 'SELECT count(*) FROM taskq.activities WHERE run_id = 3'), 0, 'it is gone');

schedule_task($node, 'many', $_) for 1 .. 3;
for my $command ('pause', 'unpause', 'reset', 'cancel')
{
	is(output($command, '--where', "task_queue = 'many' -- all"), "0 run_id ok error\n4 t \n5 t \n6 t \n", "$command --where");
}
like(output('terminate', '--where', "task_queue = 'many'", '--reason', 'r', '--json'),
	qr/^1 \{"run_id": 4, "ok": false, "error": "TQ003"\}\n/, 'terminate --where: exit code 1, since it was refused');
like(output('retry', '--where', "task_queue = 'many'"), qr/^0 run_id ok error new_run_id\n4 t 7\n/, 'retry --where');
like(output('delete', '--where', "task_queue = 'many'"), qr/^0 run_id ok error\n(\d t \n){6}$/, 'delete --where');

schedule_task($node, 'q', 1, "start_to_close_timeout => '1 h', activity_id => 'open'");
like(output('schedule', 'q', 't', @timeout, '--id', 'open'), qr/^1 taskq: ERROR/, 'schedule: an error');

my $run = schedule_task($node, 'options', 1, "start_to_close_timeout => '1 h', priority => 4");
schedule_task($node, 'options', 1, "start_to_close_timeout => '1 h'");
like(output('update-options', $run, '--options', '{"priority": 1}'), qr/^0 options\n\{.*"priority": 1[,}]/, 'update-options');
like(output('update-options', $run, '--restore-original', '--json'), qr/^0 \{"options": \{.*"priority": 4[,}]/, 'update-options --restore-original');
like(output('update-options', '--where', "task_queue = 'options'", '--options', '{"priority": 5}'), qr/^0 run_id ok error\n(\d+ t \n){2}$/,
	'update-options --where');
is(sql($node, "SELECT string_agg(DISTINCT priority::text, ',') FROM taskq.activities WHERE task_queue = 'options'"), '5', 'both are changed');
like(output('update-options', $run, '--options', '{"nothing": 1}'), qr/^1 taskq: ERROR/, 'update-options: an error');

# ---- queues -----------------------------------------------------------------------

is(output('queue configure', 'q', '{"max_started": 5}', '--reason', 'r'), qq(0 config\n{"max_started": 5}\n), 'queue configure');
is(output('queue pause', 'q'), qq(0 config\n{"paused": true, "max_started": 5}\n), 'queue pause');
like(output('queue list'), qr/^0 task_queue .* paused kind\n.*^q .* t activity\n/ms, 'queue list');
is(output('queue unpause', 'q'), qq(0 config\n{"max_started": 5}\n), 'queue unpause');
like(output('queue describe', 'q'), qr/^0 task_queue q\nbacklog_count 1\n/, 'queue describe');
like(output('queue describe', 'nothing'), qr/^1 taskq: there is no such queue/, 'queue describe: no such queue');
like(output('health', '--json'), qr/^0 \{"check_name": "background_worker", "status": "ok"/, 'health');
like(output('watch', 'q', '--count', 2), qr/^0  time backlog age_s started delayed paused added_s taken_s pollers\n(\d\d:\d\d:\d\d 1 .*\n){2}$/, 'watch');

# ---- all that can be said of an activity ---------------------------------------------

my $options = () = (run_taskq(undef, 'schedule', '--help'))[1] =~ /^ +--(?!json|help)/mg;
is($options + 3, sql($node, "SELECT pronargs FROM pg_proc WHERE oid = 'taskq.schedule'::regproc"), 'schedule: all its arguments');
my @named = ('schedule', 'named', 't', @timeout, '--id', 'n');
like(output(@named, '--fairness-key', 'k', '--fairness-weight', '2.5', '--identity', 'me'), qr/^0 .*\n\d+ n t\n/, 'schedule: weight, identity');
is(sql($node, "SELECT fairness_weight FROM taskq.activities WHERE activity_id = 'n'"), '2.5', '... the one is there');
like(output('schedule', 'named', 't', @timeout, '--identity', ''), qr/^1 taskq: ERROR: +identity must /, '... the other is looked at');
like(output(@named, '--id-conflict-policy', 'use_existing'), qr/^0 .*\n\d+ n f\n/, 'schedule: --id-conflict-policy');
sql($node, "SELECT taskq.terminate('n')");
like(output(@named, '--id-reuse-policy', 'reject_duplicate'), qr/^1 taskq: ERROR/, 'schedule: --id-reuse-policy');
is(output(@named, '--id-reuse-policy', 'x'), '1 taskq: --id-reuse-policy: invalid input value for enum taskq.id_reuse_policy: "x"', '... that is none');

# ---- of activities, of workflows ----------------------------------------------------

sql($node, "SELECT run_id FROM taskq.start_workflow('$_', 'W', workflow_id => 'w $_')") for 'wonly', 'both';
schedule_task($node, 'both', 1);
my $paused = sub { sql($node, "SELECT string_agg(kind || ' ' || paused, ', ' ORDER BY kind) FROM taskq.task_queues WHERE task_queue = '$_[0]'") };
my @workflow = ('--kind', 'workflow');

is(output('queue pause', 'wonly', @workflow), qq(0 config\n{"paused": true}\n), 'queue pause --kind');
is($paused->('wonly'), 'workflow true', '... of workflows, and no other');
is(output('queue unpause', 'wonly', @workflow), "0 config\n{}\n", 'queue unpause --kind');
is($paused->('wonly'), 'workflow false', '... likewise');
is(output('queue configure', 'both', '{"paused": true}', @workflow), qq(0 config\n{"paused": true}\n), 'queue configure --kind');
is($paused->('both'), 'activity false, workflow true', '... likewise');
is(output('queue pause', 'both', '--kind', 'activity', '--reason', 'r'), qq(0 config\n{"paused": true}\n), 'of activities it can be said, too');
is(output('queue unpause', 'both'), "0 config\n{}\n", 'and is meant');
is($paused->('both'), 'activity false, workflow true', '... where nothing is said');
like(output('queue describe', 'both'), qr/^0 task_queue both\n[^;]*kind activity\n\ntask_queue both\n[^;]*kind workflow\n$/, 'queue describe: both kinds');
is(() = output('queue describe', 'both', '--json') =~ /^(?:0 )?\{"task_queue": "both", /mg, 2, '... --json: an object for each');
like(output('queue describe', 'both', '--kind', 'activity'), qr/^0 task_queue both\n(?:(?!task_queue).*\n)*kind activity\n$/, '... --kind: one');
like(output('queue describe', 'wonly'), qr/^0 task_queue wonly\n(?:(?!task_queue).*\n)*kind workflow\n$/, '... there is but one');
like(output('queue describe', 'wonly', '--kind', 'activity'), qr/^1 taskq: there is no such queue/, '... not of that kind');
is(output('queue describe', 'wonly', '--kind', 'x'), '1 taskq: --kind: invalid input value for enum taskq.task_kind: "x"', '... which is none');
like(output('watch', 'wonly', '--count', 1), qr/\n\d\d:\d\d:\d\d 0 /, 'watch: no activities');
like(output('watch', 'wonly', '--count', 1, @workflow), qr/\n\d\d:\d\d:\d\d 1 /, 'watch --kind: a workflow');
like(output('watch', 'wonly', '--kind', 'x'), qr/^1 taskq: ERROR:  invalid input value for enum/, 'watch --kind: none');

# ---- what to do --------------------------------------------------------------------

$node->poll_query_until('postgres', 'SELECT count(hint) = 0 FROM taskq.health') or die 'all is not well';
like(output('health'), qr/^0 check_name status detail\n/, 'health: nothing to do');
like(output('health', '--json'), qr/"hint": null\}\n/, 'health --json: it says so');
my $trigger = sql($node, "SELECT format('ALTER TABLE %s %%s TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger
	WHERE tgenabled = 'A' AND NOT tgisinternal AND tgrelid = 'taskq.open'::regclass LIMIT 1");
sql($node, sprintf($trigger, 'DISABLE'));
like(output('health'), qr/^1 check_name status detail hint\n.*^tables critical .* Use ALTER TABLE taskq\.open ENABLE ALWAYS/ms, 'health: what to do');
like(output('health', '--json'), qr/^1 .*"check_name": "tables", .*"hint": "Use ALTER TABLE/s, '... --json');
{
	local $ENV{COLUMNS} = 80;
	like(output('health'), qr/^1 check_name .*\n\ncheck_name tables\nstatus critical\ndetail .*\nhint Use ALTER TABLE.*\n\n/s, '... on 80 columns');
}
sql($node, sprintf($trigger, 'ENABLE ALWAYS'));

# ---- on a screen that is too narrow for a table -----------------------------------

{
	local $ENV{COLUMNS} = 80;
	schedule_task($node, 'a queue with quite a long name, as they are', $_, "start_to_close_timeout => '1 h'") for 1 .. 2;
	my $wide = output('list', '--where', "task_queue LIKE 'a queue%'");

	is(join("\n", grep { length > 80 } split /\n/, $wide), '', 'list on 80 columns: no line is longer');
	like($wide, qr/^0 run_id \d+\nactivity_type .*\n\nrun_id \d+\n/s, 'but one for each value, and an empty one between runs');
	local $ENV{COLUMNS} = 1000;
	like(output('list', '--where', "task_queue LIKE 'a queue%'"), qr/^0 run_id .* schedule_time\n.*\n.*\n$/, 'on more of them, a table');
	output('delete', '--where', "task_queue LIKE 'a queue%'");
}

# ---- bad usage ---------------------------------------------------------------------

for (
	[ [ 'describe' ], qr/too few arguments/ ],
	[ [ 'describe', 1, 2 ], qr/too many arguments/ ],
	[ [ 'pause', 1, '--where', 'true' ], qr/--where and a run do not go together/ ],
	[ [ 'schedule', 'q', 't', '--where', 'true' ], qr/unrecognized option/ ],
	[ [ 'schedule', 'q', 't', '--id', 'a', '--id', 'b' ], qr/given twice/ ],
	[ [ 'describe', '-1' ], qr/^taskq: invalid option -- '1'\nTry "taskq describe --help"/ ],
	[ [ 'delete', '--where', " \n" ], qr/--where is empty/ ],
  )
{
	my ($arguments, $wanted) = @$_;
	my ($code, undef, $stderr) = run_taskq(undef, @$arguments);

	is($code, 2, "@$arguments: bad usage");
	like($stderr, $wanted, "@$arguments: it says why");
}
# Of values that are none it says which.
for (
	[ [ 'describe', 'x' ], 'RUN_ID: invalid input syntax for type bigint: "x"' ],
	[ [ 'result', 1, '--timeout', 'x$9' ], '--timeout: invalid input syntax for type interval: "x$9"' ],
	[ [ 'schedule', 'q', 't', '{', @timeout ], 'INPUT: invalid input syntax for type json' ],
	[ [ 'schedule', 'q', "t\xff", @timeout ], 'TYPE: invalid byte sequence for encoding "UTF8": 0xff' ],
	[ [ 'schedule', 'q', 't', @timeout, '--header', '[' ], '--header: invalid input syntax for type json' ],
	[ [ 'queue', 'configure', 'q', '' ], 'CONFIG: invalid input syntax for type json' ],
	[ [ 'list', '--where', '1 / 0 = 1' ], 'ERROR:  division by zero' ],
  )
{
	my ($arguments, $wanted) = @$_;
	my ($code, undef, $stderr) = run_taskq(undef, @$arguments);

	is("$code $stderr", "1 taskq: $wanted\n", "@$arguments: it says what is wrong");
}

my ($code, undef, $stderr) = run_taskq($node, 'worker', '--queue', "q\xff", '--drain', '--noop');
is($code, 2, 'a worker of a queue that cannot be ends');
like($stderr, qr/^taskq: --queue: invalid byte sequence/, '... and says why');
sql($node, 'CREATE ROLE nobody LOGIN');
my $worker = start_worker($node, '-U', 'nobody', '--queue', 'q', '--noop');
$worker->wait_log(qr/could not begin: permission denied.*could not begin: permission denied/s);
unlike($worker->log, qr/no connection/, 'a worker without access does not say that it has no connection');
is($worker->stop, 0, '... goes on trying, and ends when it is told to');
for my $how ('--drain', '--once')
{
	my ($code, undef, $log) = run_taskq($node, 'worker', '-U', 'nobody', '--queue', 'q', '--noop', $how);

	is($code, 1, "a worker without access ends with $how");
	like($log, qr/could not begin: permission denied/, '... and says why');
}
is((run_taskq(undef, 'health', '-h', '/nonexistent'))[0], 74, 'no connection');

# ---- what may be in the way -----------------------------------------------------

my $program = $ENV{TASKQ_CLI} || 'taskq';
for my $command ("$program list --json", "$program queue list", "$program describe $run", "$program watch --count 1 q")
{
	for my $where ('>/dev/full', '>&-')
	{
		my $errors = `$command 2>&1 $where`;

		is($? >> 8, 1, "$command $where: what cannot be written is not passed over");
		like($errors, qr/could not write to standard output/, '... it says why');
	}
}
is(system("$program schedule closed t 1 --start-to-close 1h <&- >&- 2>&-") >> 8, 1, 'no descriptor is open');
is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = 'closed'"), 1, '... and yet it is scheduled');

sql($node, q(SELECT run_id FROM taskq.schedule('screen', E'a\u001b[2J\nb\u009b', start_to_close_timeout => '1 h', summary => E'one\ttwo')));
like(output('list', '--where', "task_queue = 'screen'"), qr/\n\d+ a\\x1B\[2J\\x0Ab\\x9B screen /, 'a table controls no terminal');
like(output('describe', sql($node, "SELECT max(run_id) FROM taskq.activities")), qr/\nactivity_type a\\x1B\[2J\\x0Ab\\x9B\n.*summary one\ttwo\n/s, 'nor does a record');

# Of a statement that runs: its server process.
my $backend = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query ~ 'wait_for_close|delete_many'";
for my $case ('the connection', 'INT', 'TERM')
{
	my $handle = IPC::Run::start(
		$case eq 'the connection'
		? [ $program, 'result', $run, '--timeout', '1 h' ]
		: [ $program, 'delete', '--where', "task_queue = 'options' AND pg_sleep(1000) IS NOT NULL" ],
		'>', \my $out, '2>', \my $errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($backend) a") or die 'it does not run';
	if ($case eq 'the connection') { sql($node, "SELECT pg_terminate_backend(pid) FROM ($backend) a") }
	else { $handle->signal($case) }
	$handle->finish;
	is($handle->full_result(0) >> 8, $case eq 'the connection' ? 74 : 1, "$case is cut: the exit code");
	like($errors, $case eq 'the connection' ? qr/terminating connection|server closed/ : qr/canceling statement due to user request/, '... it says why');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM ($backend) a"), '... and nothing goes on in the server');
}
is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = 'options'"), 2, 'nothing is deleted');

# A server to which the statement comes after the request to cancel it ignores that.
{
	my $held = PostgreSQL::Test::Utils::tempdir() . '/held';
	my ($proxy, $port) = start_proxy($node, sub {
		return 'pass' unless $_[0] =~ /delete_many/;
		append_to_file($held, '');
		return 'hold';
	});
	my $handle = IPC::Run::start([ $program, 'delete', '-h', '127.0.0.1', '-p', $port, '--where', "task_queue = 'options' AND pg_sleep(1000) IS NOT NULL" ],
		'>', \my $out, '2>', \my $errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	wait_file($held, qr/^/);
	$handle->signal('INT');
	$handle->finish;
	is($handle->full_result(0) >> 8, 1, 'a request to cancel that has come too early is repeated');
	like($errors, qr/canceling statement due to user request/, '... until the statement ends');
	stop_proxy($proxy);
}

done_testing();
