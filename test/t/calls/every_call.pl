# What may surround any call: savepoints and exception blocks, cursors, two-phase
# commit, the isolation levels, DISCARD, timeouts and cancels while it waits for
# a lock, other extensions before and after taskq.  Whatever it is, the call does
# what it does alone, or nothing, and the session goes on.  All calls are tried,
# as the catalog has them.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCalls;
use TaskqTest;
use Test::More;

# The others' libraries, as far as they are here; all of them look at everything.
chomp(my $libraries = `pg_config --pkglibdir`);
my @others = grep { -e "$libraries/$_.so" } qw(pg_stat_statements auto_explain pgaudit);
my $node = activity_node(
	'main',
	"shared_preload_libraries = '" . join(', ', 'taskq', @others) . "'",
	'max_prepared_transactions = 5',
	'max_locks_per_transaction = 1000',
	'taskq.max_queues = 20000',
	'taskq.max_lanes = 20000',
	'taskq.max_pollers = 20000',
	"pg_stat_statements.track = 'all'",
	'auto_explain.log_min_duration = 0',
	'auto_explain.log_analyze = on',
	'auto_explain.log_nested_statements = on',
	"pgaudit.log = 'all'",
	'pgaudit.log_relation = on');

for my $other (grep { $_ ne 'auto_explain' } @others)
{
	sql($node, "CREATE EXTENSION $other");
}
prepare_worlds($node);
sql($node, <<'SQL');
CREATE FUNCTION undone(call text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	PERFORM 1 / 0;
EXCEPTION WHEN division_by_zero THEN
	NULL;
END
$$;
SQL

my @calls = every_call($node);
my @functions = grep { $_->{kind} eq 'f' } @calls;
my @procedures = grep { $_->{kind} eq 'p' } @calls;

cmp_ok(scalar @functions, '>=', 40, 'functions are found in the catalog');
cmp_ok(scalar @procedures, '>', 2, 'and procedures');

# Run what is given for each call, with CALL for its text, in a world for each.
# Returns how the statements ended, and the states of the worlds.
my $number = 0;

sub in_worlds
{
	my ($calls, @statements) = @_;
	my @worlds = make_worlds($node, map { $number++; "w$number" } @$calls);
	my $script = "\\o /dev/null\n";

	for my $i (0 .. $#worlds)
	{
		my $text = call_in($calls->[$i], $worlds[$i]);

		for my $statement (@statements)
		{
			$script .= $statement =~ s/CALL/$text/r . ";\n\\echo :SQLSTATE\n";
		}
		$script .= "\\echo .\n";
	}
	my ($rc, $out) = $node->psql('postgres', $script, on_error_stop => 0);
	my @codes = map { join ' ', split } split /^\.\n?/m, $out;
	return (\@codes, [ states(@worlds) ]);
}

sub states
{
	my (@worlds) = @_;

	return split /\n/, sql($node, "CALL settle(); SELECT * FROM states('{" . join(',', map { $_->{queue} } @worlds) . "}')"), -1;
}

# What the calls do alone, and what is there if they do nothing.
my ($codes, $alone) = in_worlds([@calls], 'CALL');
my ($nothing) = states(make_worlds($node, 'nothing'));
my %done;

is($codes->[$_], '00000', "$calls[$_]{name} succeeds") for 0 .. $#calls;
$done{ $calls[$_]{text} } = $alone->[$_] for 0 .. $#calls;
cmp_ok(scalar(grep { $_ ne $nothing } @$alone), '>', 30, 'most of them do something');

# All statements succeed, and the calls have done what they do, or nothing.
sub surrounded
{
	my ($name, $does, $calls, @statements) = @_;
	my ($codes, $states) = in_worlds($calls, @statements);
	my @ended = map { $codes->[$_] =~ /^(00000 ?)+$/ ? () : "$calls->[$_]{name}: $codes->[$_]" } 0 .. $#$calls;

	is("@ended", '', "$name: succeed");
	return judge($name, $does, $calls, $states);
}

sub judge
{
	my ($name, $does, $calls, $states) = @_;

	for my $i (0 .. $#$calls)
	{
		my $wanted = $does ? $done{ $calls->[$i]{text} } : $nothing;

		next if $states->[$i] eq $wanted;
		fail("$name: $calls->[$i]{name}");
		diag("$states->[$i]\ninstead of\n$wanted");
	}
	return pass("$name: " . ($does ? 'they do what they do alone' : 'they do nothing'));
}

my @plain = grep { $_->{kind} ne 'p' } @calls;

for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	surrounded($level, 1, \@plain, "BEGIN ISOLATION LEVEL $level", 'CALL', 'COMMIT');
	surrounded("$level by default", 1, \@procedures, "SET default_transaction_isolation = '$level'", 'CALL');
}
surrounded('rolled back', 0, \@plain, 'BEGIN', 'CALL', 'ROLLBACK');
surrounded('after a savepoint rolled back', 1, \@plain,
	'BEGIN', 'SAVEPOINT s', 'CALL', 'ROLLBACK TO s', 'CALL', 'RELEASE s', 'COMMIT');
surrounded('in an exception block', 0, \@plain, 'SELECT undone($call$CALL$call$)');
surrounded('after an exception block', 1, \@plain, 'BEGIN', 'SELECT undone($call$CALL$call$)', 'CALL', 'COMMIT');

surrounded('by a cursor', 1, \@plain,
	'BEGIN', 'DECLARE c SCROLL CURSOR FOR CALL', 'FETCH 1 FROM c', 'FETCH FIRST FROM c', 'CLOSE c', 'COMMIT');
surrounded('by a cursor WITH HOLD', 1, \@plain,
	'BEGIN', 'DECLARE c CURSOR WITH HOLD FOR CALL', 'COMMIT', 'FETCH 1 FROM c', 'CLOSE c');
surrounded('by a cursor that is not used', 0, \@plain, 'BEGIN', 'DECLARE c CURSOR FOR CALL', 'COMMIT');
surrounded('by a cursor in a savepoint', 0, \@plain,
	'BEGIN', 'DECLARE c CURSOR FOR CALL', 'SAVEPOINT s', 'FETCH 1 FROM c', 'ROLLBACK TO s', 'COMMIT');

surrounded('COMMIT PREPARED', 1, \@plain, 'BEGIN', 'CALL', "PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'");
surrounded('ROLLBACK PREPARED', 0, \@plain, 'BEGIN', 'CALL', "PREPARE TRANSACTION 'p'", "ROLLBACK PREPARED 'p'");
surrounded('after ROLLBACK PREPARED', 1, \@plain,
	'BEGIN', 'SAVEPOINT s', 'CALL', "PREPARE TRANSACTION 'p'", "ROLLBACK PREPARED 'p'", 'CALL');

surrounded('after DISCARD ALL', 1, \@calls, 'DISCARD ALL', 'CALL', 'RESET ALL');
surrounded('prepared, DISCARD PLANS', 1, \@plain,
	'PREPARE s AS CALL', 'DISCARD PLANS', 'EXECUTE s', 'DEALLOCATE s');

# The procedures commit, so they refuse to be in a transaction.
my ($refused, $states) = in_worlds(\@procedures, 'BEGIN', 'CALL', "PREPARE TRANSACTION 'p'");
is(join(' ', map { (split)[1] } @$refused), join(' ', ('25001') x @procedures), 'procedures do not run in a transaction');
judge('in a transaction', 0, \@procedures, $states);

# What a call waits for, and who ends the wait.
my $locker = $node->background_psql('postgres');
my $tables = sql($node,
	"SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r'");
my $lock_rows = join '; ', map { "SELECT count(*) FROM (SELECT FROM $_ FOR UPDATE) l" } split /, /, $tables;

sql($node, <<'SQL');
CREATE PROCEDURE cancel_all() LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'victim') LOOP
		PERFORM pg_cancel_backend(pid) FROM pg_stat_activity
		 WHERE application_name = 'victim' AND state = 'active' AND wait_event_type IN ('Lock', 'Extension');
		COMMIT;
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.001);
	END LOOP;
END
$$;
SQL

# Call everything behind an obstacle, which the locker makes, three times; then,
# in the same session, without it. A call that had to wait each time has done
# nothing until then.
sub obstructed
{
	my ($name, $obstacle, $least, @calls) = @_;
	my @worlds = make_worlds($node, map { $number++; "w$number" } @calls);
	my @texts = map { call_in($calls[$_], $worlds[$_]) } 0 .. $#worlds;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my %how = (lock_timeout => '55P03', statement_timeout => '57014', pg_cancel_backend => '57014');
	my @always = 0 .. $#calls;

	for my $how (sort keys %how)
	{
		my $canceler;

		$locker->query_safe('BEGIN; ' . $obstacle->(@worlds));
		if ($how =~ /cancel/)
		{
			$session->query(q(SET application_name = 'victim'));
			$canceler = $node->background_psql('postgres');
			$canceler->query_until(qr/begun/, "\\echo begun\nCALL cancel_all();\n");
		}
		else
		{
			$session->query("SET $how = '1ms'");
		}
		my @ended = ended($session, @texts);
		my @wrong = grep { $ended[$_] !~ /^(?:00000|$how{$how})$/ } @always;
		is(join(', ', map { "$calls[$_]{name}: $ended[$_]" } @wrong), '', "$name, $how: no other error");
		calm($session, $canceler);
		$locker->query_safe('ROLLBACK');
		# an operation on many tells the error of each run
		my @states = $how eq 'lock_timeout' ? states(@worlds) : ();
		@always = grep { $ended[$_] eq $how{$how} || @states && $calls[$_]{name} =~ /_many$/ && $states[$_] eq $nothing } @always;
	}
	cmp_ok(scalar @always, '>=', $least, "$name: so many calls are ended");
	my @calls_ended = map { $calls[$_] } @always;
	my @worlds_ended = map { $worlds[$_] } @always;
	judge("$name, ended", 0, \@calls_ended, [ states(@worlds_ended) ]);
	my @ended = ended($session, map { $texts[$_] } @always);
	is(join(' ', grep { $_ ne '00000' } @ended), '', "$name: the session goes on");
	judge("$name, then", 1, \@calls_ended, [ states(@worlds_ended) ]);
	note "$name: @{[map { $_->{name} } @calls_ended]}";
	$session->quit;
	return;
}

# Its settings back to a session, and no cancel any more. One may be on its way,
# and hit what comes next.
sub calm
{
	my ($session, $canceler) = @_;

	do { $session->query('RESET ALL') } until $session->query('SELECT current_setting($$application_name$$)') =~ /^(?!victim)./;
	$canceler->quit if $canceler;
	$session->query('SELECT 1');
	$session->{stderr} = '';
	return;
}

# How statements end in a session.
sub ended
{
	my ($session, @statements) = @_;
	my $out = $session->query("\\o /dev/null\n" . join('', map { "$_;\n\\echo :SQLSTATE\n" } @statements) . "\\o\n");

	$session->{stderr} = '';
	return split /\n/, $out;
}

my @no_waits = grep { $_->{kind} ne 'p' } @calls;
obstructed('locked tables', sub { "LOCK TABLE $tables" }, 40, @calls);
obstructed('locked rows', sub { $lock_rows }, 20, @no_waits);
obstructed('changed rows', sub {
	my $homes = join ', ', map { "'$_->{queue} w'" } @_;

	"SELECT count(*) FROM taskq.terminate_many(ARRAY(SELECT run_id FROM taskq.open WHERE scope = 0));
	 SELECT count(*) FROM (SELECT taskq.terminate_workflow(run_id => run_id) FROM taskq.open WHERE home_queue IN ($homes)) t"
}, 20, @no_waits);
obstructed('heartbeats and ids in open transactions', sub {
	join ';', map { (
		"SELECT taskq.heartbeat('$_->{started_token}'), taskq.heartbeat('$_->{canceling_token}')",
		"SELECT taskq.schedule('elsewhere', 't', activity_id => '$_->{queue} new', start_to_close_timeout => '1 h')") } @_
}, 10, @no_waits);

$locker->quit;

# A wait that nothing is in the way of.
my ($world) = make_worlds($node, 'waits');
for my $call (grep { $_->{kind} eq 'p' } @calls)
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $text = call_in($call, { %$world, closed => $world->{paused}, ended => $world->{idle}, queue => 'nothing here' });

	$session->query("SET statement_timeout = '1ms'");
	is(join(' ', ended($session, $text)), '57014', "$call->{name}: statement_timeout");
	$session->query(q(RESET ALL; SET application_name = 'victim'));
	my $canceler = $node->background_psql('postgres');
	$canceler->query_until(qr/begun/, "\\echo begun\nCALL cancel_all();\n");
	is(join(' ', ended($session, $text)), '57014', "$call->{name}: pg_cancel_backend");
	calm($session, $canceler);
	is(join(' ', ended($session, call_in($call, $world))), '00000', "$call->{name}: goes on");
	$session->quit;
}

# Nothing is left of all that.
is( sql($node, "SELECT check_name, status, detail FROM taskq.health WHERE status <> 'ok' AND check_name NOT IN ('background_worker', 'timer_lateness', 'dead_rows')"),
	'', 'health, but for what a slow machine does to it');
is( sql($node,
		"SELECT sum(backlog_count + delayed_count + started_count + paused_count) = (SELECT count(*) FROM taskq.open WHERE scope <> -1) FROM taskq.task_queues WHERE kind = 'activity'"),
	't', 'the views count right');
is(sql($node, 'SELECT count(*) FROM taskq.pollers WHERE waiting'), '0', 'nobody is taken to wait');

# The others were there.
my $log = slurp_file($node->logfile);
my %traces = (
	auto_explain => sub { $log =~ /duration: .* plan:/ },
	pgaudit => sub { $log =~ /AUDIT: .*taskq\.complete/ },
	pg_stat_statements => sub { sql($node, "SELECT count(*) > 0 FROM pg_stat_statements WHERE query LIKE '%taskq.complete%'") eq 't' });
for my $other (sort keys %traces)
{
  SKIP:
	{
		skip "$other is not installed", 1 unless grep { $_ eq $other } @others;
		ok($traces{$other}->(), "$other has seen the calls");
	}
}

# In the other order, the calls do the same.
$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . join(', ', @others, 'taskq') . "'");
$node->restart;
wait_served($node, 'postgres') or die 'no worker';
surrounded('other extensions first', 1, \@calls, 'CALL');
surrounded('other extensions first, COMMIT PREPARED', 1, \@plain, 'BEGIN', 'CALL', "PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'");
my @complaints = grep { /\] (?:ERROR|WARNING|FATAL|PANIC): |terminated by signal/ && !/due to administrator command/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @complaints), '', 'no process of taskq complains, and none has crashed');

done_testing();
