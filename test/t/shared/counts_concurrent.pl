# Several sessions do random things in many queues, in transactions, savepoints
# and prepared transactions, some of which are rolled back, while the worker
# fires timeouts and the numbers in shared memory are forgotten, scrambled, or
# have no room. When all is quiet the counts are what the table holds.
# TASKQ_SEED repeats what is tried, not in which order it happens.

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

use constant {
	SESSIONS => 6,
	CALLS => 120,
};

my $seed = $ENV{TASKQ_SEED} || 20261120;
diag("TASKQ_SEED=$seed");
srand($seed);

my $node;
my $queues;

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

sub queue { return q('q) . int(rand($queues)) . q(') }

sub ms { return q(') . int(1 + rand($_[0])) . q( ms') }

sub run { return '(SELECT run_id FROM taskq.open TABLESAMPLE system (100) ORDER BY random() LIMIT 1)' }

# delays of milliseconds, and of up to a year
sub delay { return q(') . int(1 + exp(rand(24))) . q( ms') }

sub call
{
	my $kind = int(rand(20));
	my $options = "start_to_close_timeout => ${\ms(3000)}"
	  . (chance(0.4) ? ", start_delay => ${\delay()}" : '')
	  . (chance(0.3) ? ', priority => ' . pick(1 .. 5) : '')
	  . (chance(0.3) ? q(, fairness_key => ') . pick(qw(x y z)) . q(') : '')
	  . (chance(0.2) ? ", schedule_to_start_timeout => ${\ms(2000)}" : '')
	  . ", retry_policy => taskq.retry_policy(initial_interval => ${\delay()}, maximum_attempts => 3)";

	return "SELECT taskq.schedule(${\queue()}, 't', $options)" if $kind < 4;
	return "SELECT count(*) FROM taskq.schedule_many(${\queue()}, 't', array_fill('1'::jsonb, ARRAY[5]), $options)"
	  if $kind < 6;
	return "SELECT taskq.complete_many(ARRAY(SELECT task_token FROM taskq.poll(${\queue()}, max_tasks => 3)))"
	  if $kind < 9;
	return "SELECT taskq.fail_many(ARRAY(SELECT task_token FROM taskq.poll(${\queue()}, max_tasks => 2)), 'x')"
	  if $kind < 11;
	return "SELECT count(*) FROM taskq.poll(${\queue()}, max_tasks => 2)" if $kind < 13;
	return "SELECT taskq.pause(run_id => ${\run()})" if $kind == 13;
	return "SELECT taskq.unpause(run_id => ${\run()}, jitter => ${\delay()})" if $kind == 14;
	return "SELECT taskq.reset(run_id => ${\run()}, jitter => ${\delay()})" if $kind == 15;
	return "SELECT taskq.terminate(run_id => ${\run()})" if $kind == 16;
	return "SELECT taskq.complete_by_id(run_id => ${\run()})" if $kind == 17;
	return "SELECT taskq.update_options(run_id => ${\run()}, options => jsonb_build_object('task_queue', ${\queue()}, 'priority', "
	  . int(1 + rand(5)) . '))'
	  if $kind == 18;
	return "SELECT count(*) FROM taskq.task_queues";
}

# Calls alone and in transactions of each kind; "also" is for one session only.
sub script
{
	my ($i, $prepare, $also) = @_;
	my @lines = ('\set VERBOSITY sqlstate', 'SET client_min_messages = error;');

	foreach my $n (1 .. CALLS)
	{
		my @some = map { call() . ';' } 1 .. pick(1, 1, 2, 5);
		my $lot = rand();

		push @lines,
			$lot < 0.5 ? @some
		  : $lot < 0.65 ? ('BEGIN;', @some, 'COMMIT;')
		  : $lot < 0.75 ? ('BEGIN;', @some, 'ROLLBACK;')
		  : $lot < 0.85 ? ('BEGIN;', 'SAVEPOINT s;', @some, 'ROLLBACK TO s;', call() . ';', 'COMMIT;')
		  : $lot < 0.95 || !$prepare
		  ? ('BEGIN;', 'SAVEPOINT s;', @some, 'SAVEPOINT t;', call() . ';', 'RELEASE s;', 'COMMIT;')
		  : ('BEGIN;', @some, "PREPARE TRANSACTION 'p$i.$n';",
			pick('COMMIT', 'ROLLBACK') . " PREPARED 'p$i.$n';");
		push @lines, pick(@$also) . ';' if $also && chance(0.3);
	}
	return join("\n", @lines) . "\n";
}

sub begin_round
{
	my ($prepare, $also, $sessions) = @_;
	my @running;

	foreach my $i (1 .. ($sessions // SESSIONS))
	{
		my $file = $node->basedir . "/script_$i.sql";

		open(my $handle, '>', $file) or die $!;
		print $handle script($i, $prepare, $i == 1 ? $also : undef);
		close($handle);
		push @running,
		  IPC::Run::start(
			[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $file ],
			'>', '/dev/null', '2>', $node->basedir . "/errors_$i",
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	return @running;
}

# No call may fail but for what random calls run into: rows of which another
# knows more, deadlocks, and transactions that failed before PREPARE.
sub end_round
{
	my ($name, @running) = @_;
	my %unexpected;

	$_->finish foreach @running;
	foreach my $i (1 .. @running)
	{
		$unexpected{$_}++
		  foreach grep { !/^(?:TQ00[123]|22004|22023|25P02|40P01|42704)$/ }
		  slurp_file($node->basedir . "/errors_$i") =~ /(?:ERROR|FATAL|PANIC):  (.*)/g;
	}
	is(join(' ', %unexpected), '', "$name: SQLSTATEs");
	return;
}

sub round
{
	my ($name, @arguments) = @_;

	end_round($name, begin_round(@arguments));
	counts_become_right($node, $name);
	return;
}

sub begin_node
{
	my ($name, @settings) = @_;

	$node = activity_node(
		$name,
		'log_statement = none',
		'max_prepared_transactions = 20',
		'restart_after_crash = on',
		'taskq.retention = 0',
		@settings);
	sql($node, "CREATE FUNCTION forget() RETURNS void LANGUAGE c AS '\$libdir/taskq', 'taskq_counts_forget_all'");
	return;
}

# ---- enough room ---------------------------------------------------------

# A poll of a queue with a limit waits until the worker has counted.
my $count_now = q(SELECT count(*) FROM taskq.poll('limited'));
my @forget = ('SELECT forget()', 'DELETE FROM taskq.open WHERE false',
	"SELECT forget(); $count_now");

begin_node('main');
$queues = 5;
counts_known($node);
ok(wait_counted($node), 'counted before anything is there');
sql($node, q(SELECT taskq.configure_queue('limited', '{"max_started": 1}')));
round('one round');
round('another round');
round('prepared transactions', 1);
round('forgotten under load', 0, \@forget);
round('all of it', 1, \@forget);
round('all of it again', 1, \@forget) while time_left();

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $offset = -s $node->logfile;
my @running = begin_round(0);
sql($node, 'SELECT pg_sleep(0.3)');
kill 'KILL', $pid;
eval { $_->finish } foreach @running;
wait_for_recovery($node, $offset);
counts_become_right($node, 'a crash');
round('after a crash');

$offset = worker_pid($node, 'postgres');
@running = begin_round(1, \@forget);
for (1 .. 5)
{
	my $worker = worker_pid($node, 'postgres');

	sql($node, "SELECT pg_terminate_backend($worker)") if $worker ne '';
	sql($node, 'SELECT pg_sleep(0.1)');
}
end_round('the worker is terminated', @running);
wait_served($node, 'postgres');
counts_become_right($node, 'the worker is terminated');
eval { $session->quit };
$node->stop;

# ---- too little room -----------------------------------------------------

begin_node('small', 'taskq.max_queues = 16', 'taskq.max_delays = 16',
	'taskq.max_lanes = 16');
$queues = 40;
end_round('too many queues', begin_round(0));
ok( $node->poll_query_until('postgres',
		'SELECT ' . counts_of_view() . ' = ' . counts_of_table()),
	'too many queues: the table is read');
$queues = 4;
# some may time out meanwhile
sql($node, "SELECT count(*) FROM taskq.delete_many(ARRAY(SELECT run_id FROM taskq.open WHERE task_queue NOT IN ('q0', 'q1', 'q2', 'q3')
	AND (control ->> 'taken_from') IS NULL))");
round('few queues, many delays');

# Queues that are polled push out those that hold something.
sql($node, "SELECT count(*) FROM generate_series(1, 60) i, LATERAL taskq.poll('flood' || i)");
counts_become_right($node, 'numbers that were pushed out are not taken for zero');
round('after a flood of queues');
round('the same with prepared transactions', 1, \@forget);
$node->stop;

done_testing();
