# Twenty databases with the extension, from template1, at once: commands on them
# and on the extension, committed, rolled back and refused, while workers work and
# waiters wait. Who is concerned is told, nobody else notices, and what a database
# took in shared memory is free when it is gone.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

use constant N => 20;

# Room for the twenty and three more, so that whoever is not forgotten is missed.
my $node = taskq_node('main', 'max_worker_processes = 40', 'max_connections = 120',
	'taskq.max_databases = ' . (N + 3), "taskq.launcher_naptime = '1h'", 'autovacuum = off');
my @databases = map { sprintf 'd%02d', $_ } 1 .. N;

my $scripts = PostgreSQL::Test::Utils::tempdir();
my $number = 0;

# Run psql scripts, [database, script] each, at the same time; what each said.
sub at_once
{
	my @runs;

	for my $job (@_)
	{
		my ($database, $script) = @$job;
		my $run = { said => '' };
		my $file = "$scripts/" . ++$number;

		append_to_file($file, $script);
		$run->{harness} = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr($database), '-f', $file ],
			'<', '/dev/null', '>', \$run->{said}, '2>', \$run->{said},
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		push @runs, $run;
	}
	return @runs;
}

sub said
{
	my (@runs) = @_;

	$_->{harness}->finish for @runs;
	return map { my $said = $_->{said}; chomp $said; $said } @runs;
}

# The same in each of these databases.
sub in_each
{
	my ($statement, @in) = @_;

	return said(at_once(map { [ $_, $statement ] } @in));
}

sub waiters
{
	my ($n) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = $n FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND state = 'active' AND wait_event_type = 'Extension'");
}

$node->safe_psql('template1', 'CREATE EXTENSION taskq');
sub create_all
{
	my $i = 0;
	my @share;

	push @{ $share[ $i++ % 4 ] }, "CREATE DATABASE $_" for @databases;
	return join '', said(at_once(map { [ 'postgres', join '; ', @$_ ] } @share));
}
is(create_all(), '', 'four sessions make twenty databases');
ok(wait_served($node, @databases), 'each has a worker at once');

# In each somebody waits, a timer runs, and an attempt is under way.
my $prepare = <<'SQL';
SELECT FROM taskq.schedule('late', 't', activity_id => 'late', start_to_close_timeout => '2 s', retry_policy => taskq.retry_policy(maximum_attempts => 1));
SELECT FROM taskq.schedule('held', 't', activity_id => 'held', start_to_close_timeout => '1 h');
SELECT FROM taskq.poll('late');
SELECT task_token FROM taskq.poll('held')
SQL
my @tokens = map { /(\S+)\s*$/ } in_each($prepare, @databases);
is(scalar @tokens, N, 'tasks in each');
my %waiter;
@waiter{@databases} = at_once(map { [ $_, "CALL taskq.wait_for_task('awaited', '10 min')" ] } @databases);
ok(waiters(N), 'a waiter in each');

# What is done, where, what it says, and what the waiter there hears (undef: nothing yet).
my %commands = (
	d01 => [ 'd01', 'DROP EXTENSION taskq', '', '55000' ],
	d02 => [ 'd02', 'BEGIN; DROP EXTENSION taskq; ROLLBACK', '' ],
	d03 => [ 'd03', 'BEGIN; DROP EXTENSION taskq; CREATE EXTENSION taskq; COMMIT', '', '55000' ],
	d04 => [ 'd04', 'BEGIN; DROP EXTENSION taskq; CREATE EXTENSION taskq; ROLLBACK', '' ],
	d05 => [ 'postgres', 'DROP DATABASE d05 WITH (FORCE)', '', '57P01|server closed the connection' ],
	d06 => [ 'postgres', 'DROP DATABASE d06', '55006' ],
	d07 => [ 'postgres', 'ALTER DATABASE d07 RENAME TO e07', '55006' ],
	d08 => [ 'postgres', 'CREATE DATABASE copy TEMPLATE d08', '55006' ],
	d09 => [ 'postgres', 'BEGIN; ALTER DATABASE d09 RENAME TO e09; ROLLBACK', '55006' ],
	d10 => [ 'd10', 'BEGIN; SAVEPOINT s; DROP SCHEMA taskq CASCADE; ROLLBACK', '2BP01' ],
	postgres => [ 'postgres', q(BEGIN; CREATE EXTENSION taskq; SELECT FROM taskq.schedule('awaited', 't', start_to_close_timeout => '1 h');
		SELECT FROM taskq.poll('awaited'); SELECT FROM taskq.channel('awaited'); ROLLBACK), '' ],
	d11 => [ 'd11', 'DO $$BEGIN BEGIN DROP EXTENSION taskq; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; END$$', '' ]);
my @concerned = sort keys %commands;
my %answers;
@answers{@concerned} = said(at_once(map { [ @{ $commands{$_} }[ 0, 1 ] ] } @concerned));
for my $database (@concerned)
{
	my (undef, $command, $says, $heard) = @{ $commands{$database} };

	is(join(' ', $answers{$database} =~ /ERROR:  (\S+)/g), $says, "$command: what it says");
	next unless $heard;
	like((said(delete $waiter{$database}))[0], qr/$heard/, "$command: the waiter is told");
}
my @left = grep { !/d01|d03|d05/ } @databases;
ok(waiters(scalar @left), 'the others wait on');
ok(wait_served($node, @left, 'd03'), 'workers are where the extension is');
$node->poll_query_until($_, "SELECT status = 'timed_out' FROM taskq.describe('late')")
  or fail("$_: timeout") for @left;
pass('all timers fire');
is(join(' ', in_each("SELECT count(*) FROM taskq.activities", 'd03')), '0', 'an extension that was made again is empty');
in_each("SELECT FROM taskq.schedule('awaited', 't', start_to_close_timeout => '1 h')", @left);
is(join('', said(map { $waiter{$_} } @left)), 't' x @left, 'all waiters are woken');
my %token;
@token{@databases} = @tokens;
is(join('', said(at_once(map { [ $_, "SELECT taskq.complete('$token{$_}')" ] } @left))), '', 'all attempts can be completed');

# Now that nobody waits, they can be renamed, copied and dropped, all of them at once.
is( join('', said(at_once(map { [ 'postgres', $_ ] }
			'ALTER DATABASE d02 RENAME TO e02', 'CREATE DATABASE copy TEMPLATE d04', 'ALTER DATABASE d06 RENAME TO e06',
			'DROP DATABASE d07', 'DROP DATABASE d08', 'BEGIN; ALTER DATABASE d09 RENAME TO e09; ROLLBACK'))),
	'', 'commands on databases that only the worker uses');
my @served = ((grep { !/d02|d06|d07|d08/ } @left), qw(d03 e02 e06 copy));
ok(wait_served($node, @served), 'workers afterwards');
is(join('', in_each("SELECT count(*) FROM taskq.poll('awaited')", 'e02', 'copy')), '11', 'with their tasks');

# Nothing of them is left, so that there is room for as many again.
is(join('', said(at_once(map { [ 'postgres', "DROP DATABASE $_" ] } @served, 'd01'))), '', 'all are dropped at once');
ok(wait_served($node), 'no worker is left');
is(create_all(), '', 'twenty others');
ok(wait_served($node, @databases), 'have workers');
is( join('', in_each("SELECT count(*) FROM taskq.health WHERE status <> 'ok' AND check_name NOT IN ('background_worker', 'timer_lateness', 'oldest_snapshot')", @databases)),
	'0' x N, 'in good health');
my @complaints = grep { /\] (?:ERROR|WARNING|FATAL|PANIC): |terminated by signal/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @complaints), '', 'no process of taskq complains');

done_testing();
