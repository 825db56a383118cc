# What a task writes and occupies.  Nothing here depends on time: with one
# connection, no full-page images, no autovacuum and VACUUM called instead, the
# numbers are the same in every run, so a regression fails.  The statements are
# those of the benchmarks (test/bench/taskq), with a payload of 210 bytes.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $tasks = 5000;
my $tables = join ', ', 'taskq.open', map { "taskq.closed_$_" } 0 .. 7;
my $node = activity_node(
	'main',
	'wal_level = replica',
	'full_page_writes = off',
	'autovacuum = off',
	'checkpoint_timeout = 1h',
	'taskq.arm_after = 1min',    # on a slow machine, too, no start gets that old
	'shared_buffers = 128MB');

# The benchmarks' scripts, by name, with an identity of fixed length: the default
# contains the process id.
my $dir = PostgreSQL::Test::Utils::tempdir();
my %script;
for my $path (glob "$FindBin::RealBin/../../bench/taskq/*_*.sql")
{
	my ($name) = $path =~ m{([^/]*)\.sql$};
	my $content = slurp_file($path);

	$content =~ s{(taskq\.poll\('q'|NULL, 'q')}{$1, '12345\@local/pgbench'}g;
	$script{$name} = "$dir/$name.sql";
	append_to_file($script{$name}, $content);
}
$script{schedule} = "$FindBin::RealBin/../../bench/taskq/schedule.sql";
$script{poll} = "$dir/poll.sql";
append_to_file($script{poll},
	"SELECT task_token FROM taskq.poll('q', '12345\@local/pgbench');\n");

# A number that the server tells.
sub number
{
	return sql($node, "SELECT @_");
}

sub wal
{
	return number("pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
}

# Transactions that got an id so far, that is, wrote.
sub xids
{
	return number('pg_snapshot_xmax(pg_current_snapshot())');
}

# Run a script so many times.
sub bench
{
	my ($name, $times, @options) = @_;
	my @command = ('pgbench', '-n', '-M', 'prepared', '-t', $times, @options);

	my ($output, $errors);

	run_log([ @command, '-f', $script{$name}, $node->connstr('postgres') ],
		'>', \$output, '2>', \$errors)
	  or die $errors;
	return;
}

# WAL bytes per task of what a block does for n tasks.
sub wal_of
{
	my ($n, $block) = @_;
	my $before = wal();

	$block->();
	return (wal() - $before) / $n;
}

sub at_most
{
	my ($value, $limit, $name) = @_;

	cmp_ok($value, '<=', $limit, $name);
	note("$name: $value, at most $limit");
	return;
}

# Empty tables and counters, as after CREATE EXTENSION, with the retention of
# queue q if it isn't the default.
sub fresh
{
	my ($retention) = @_;

	sql($node, 'DROP EXTENSION IF EXISTS taskq; CREATE EXTENSION taskq');
	wait_for_health();
	sql($node,
		qq(SELECT taskq.configure_queue('q', '{"retention": "$retention"}')))
	  if defined $retention;

	# what only the first task does: the token key, sequences, catalogs
	bench('cycle_1', 1);
	sql($node, 'CHECKPOINT');
	return;
}

sub wait_for_health
{
	$node->poll_query_until('postgres',
		"SELECT status = 'ok' FROM taskq.health WHERE check_name = 'background_worker'"
	) or die 'no worker';
	return;
}

# The write-ahead log from there on, in words.
sub run_waldump
{
	my ($from) = @_;
	my ($out, $err);

	# it ends with an error, at the end of what there is
	IPC::Run::run [ 'pg_waldump', '-p', $node->data_dir . '/pg_wal', '-s', $from ],
	  '>', \$out, '2>', \$err;
	return $out;
}

sub hot_share
{
	return number(
		"n_tup_hot_upd::float8 / n_tup_upd FROM pg_stat_all_tables
		  WHERE relid = 'taskq.open'::regclass");
}

# A server with assertions wants a row locked before it is written without
# waiting: one more record for a start.
my $claim_lock = sql($node, 'SHOW debug_assertions') eq 'on' ? 60 : 0;

# ---- step by step --------------------------------------------------------

fresh();
at_most(wal_of(1000, sub { bench('poll', 1000) }), 0.5,
	'WAL of a poll that finds nothing');
my $before;
my $schedule =
  wal_of($tasks, sub { bench('schedule', $tasks) });
at_most($schedule, 580, 'WAL of schedule');
sql($node, "VACUUM $tables");
at_most(number("pg_relation_size('taskq.open')") / $tasks,
	750, 'heap bytes of a task that waits');
at_most(number("pg_indexes_size('taskq.open')") / $tasks,
	80, 'index bytes of a task that waits');
my $work = wal_of(2000, sub { bench('work_1', 2000) });
my $start = wal_of(2000, sub { bench('poll', 2000) });
at_most($start, 235 + $claim_lock, 'WAL of a start');
at_most($work - $start, 540, 'WAL of a completion');

# ---- what is dead in the indexes -----------------------------------------

# A page of an index that is full is rid of all dead entries at once: behind the
# newest rows they are marked already.  Records of such removals per task.
fresh();
$before = number('pg_current_wal_insert_lsn()');
bench('cycle_1', $tasks);
sql($node, 'SELECT pg_switch_wal()');
my $removals = grep { /desc: DELETE/ && /rmgr: Btree/ } split /\n/,
  run_waldump($before);
cmp_ok($removals, '>', 0, 'full pages of indexes are cleaned');
at_most($removals / $tasks, 0.02, 'and all dead entries go together');

# ---- the whole life ------------------------------------------------------

# Run tasks one at a time, then vacuum; WAL bytes per task.
sub life
{
	return wal_of(
		$tasks,
		sub {
			bench('cycle_1', $tasks);
			sql($node, "VACUUM $tables");
		});
}

fresh();
$before = xids();
my $retained = life();
is(number('count(*) FROM taskq.open'), '0', 'all were closed');
is(number('count(*) FROM taskq.activities'), $tasks + 1, 'and are retained');
at_most((xids() - $before) / $tasks,
	3.01, 'transactions of schedule, poll and complete');
is(hot_share(), '1', 'all starts are HOT');
at_most(number("pg_relation_size('taskq.closed_0')") / $tasks,
	400, 'heap bytes of a closed task');
at_most(number("pg_indexes_size('taskq.closed_0')") / $tasks,
	30, 'index bytes of a closed task');
at_most(number("pg_relation_size('taskq.open')"),
	80 * 8192, 'space of closed tasks is used again');
for my $index ('open_pkey', 'open_ready')
{
	at_most(number("pg_relation_size('taskq.$index')"),
		8 * 8192, "and that in $index");
}

my $expiry = wal_of(
	$tasks,
	sub {
		sql($node, "ALTER SYSTEM SET taskq.clock_offset = '5d'");
		sql($node, 'SELECT pg_reload_conf()');
		ok( $node->poll_query_until('postgres',
				"SELECT pg_relation_size('taskq.closed_0') = 0"),
			'they expire');
	});
at_most($retained + $expiry, 1350 + $claim_lock, 'WAL of a whole life, retained, expired');
sql($node, 'ALTER SYSTEM RESET taskq.clock_offset');
sql($node, 'SELECT pg_reload_conf()');

fresh('0');
at_most(life(), 900 + $claim_lock, 'WAL of a whole life, retention 0');
is(number('count(*) FROM taskq.activities'), '0', 'nothing is retained');

# ---- fewer transactions --------------------------------------------------

fresh();
$before = xids();
bench('busy_1', $tasks, '-D', 'got=false');
my $closed = number(
	"count(*) FROM taskq.activities WHERE status = 'completed'");
at_most((xids() - $before) / $closed, 2.02,
	'transactions of schedule and complete_and_poll');
is(hot_share(), '1', 'all starts of a busy worker are HOT');

fresh();
$before = xids();
my $batches = wal_of(
	$tasks,
	sub {
		bench('cycle_50', $tasks / 50);
		sql($node, "VACUUM $tables");
	});
is(number('count(*) FROM taskq.open'), '0', 'all were closed in batches');
at_most((xids() - $before) / $tasks, 0.065,
	'transactions in batches of 50');
at_most($batches, 1240, 'WAL of a task in batches of 50');
is(hot_share(), '1', 'all starts of batches are HOT');

$node->stop;
done_testing();
