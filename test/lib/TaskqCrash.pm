# Rounds of a crash test: a load is started, something is done to the server
# under it, the server recovers, the load goes on for a while and ends, and
# everything that it was told is judged (TaskqJudge.pm).
#
# TASKQ_SEED repeats what the clients try, not in which order it happens.
# LONG=1 makes 20 rounds of each kind, TASKQ_PATIENCE is how many seconds
# anything may take. The logs of the clients are kept with those of the servers.
package TaskqCrash;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqHistory;
use TaskqJudge;
use TaskqRunJudge;
use Test::More;
use Time::HiRes qw(clock_gettime usleep CLOCK_MONOTONIC);

our @EXPORT = qw(crash_settings crash_node prepare_database crash_rounds
  crash_round crash_round_count some_process kill_server
  start_again accepts wait_until wait_for_facts
  refusals now_us);

use constant {
	PRODUCERS => 3,
	WORKERS => 4,
	OPERATORS => 1,
	STARTERS => 2,
	DECIDERS => 3,
	AGENTS => 1,
	NAP_MS => 12,			# of each client between two calls
	BEFORE => 400,			# facts before something happens, at least
	AFTER => 300,			# and after it
};

my $seed = $ENV{TASKQ_SEED} || time;
my $rounds = $ENV{LONG} ? 20 : 1;
my %program;					# client of activities, and of workflows
my %running;				# pid => name
my @counts;					# reports of all rounds

note("TASKQ_SEED=$seed");

# Settings of a server for such tests. What nobody has flushed stays unflushed,
# so that a commit that does not wait for its flush is lost in a crash.
sub crash_settings
{
	return join("\n",
		"shared_preload_libraries = 'taskq'",
		'restart_after_crash = on',
		'synchronous_commit = on',
		"wal_writer_delay = '10s'",
		'wal_writer_flush_after = 0',
		'log_statement = none',
		'log_min_messages = warning',
		"log_line_prefix = '%m [%p] %b %a '",
		'max_connections = 30',
		"taskq.heartbeat_flush = '200ms'",
		'');
}

# A running server that is ready for rounds.
sub crash_node
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', crash_settings() . join("\n", @settings));
	$node->start;
	prepare_database($node);
	return $node;
}

# What replay() has to say against a run.
my $replayed = <<'SQL';
CREATE FUNCTION replayed(run bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN taskq.replay(run) THEN '' ELSE 'false' END;
EXCEPTION
	WHEN SQLSTATE 'TQ001' THEN RETURN '';
	WHEN data_corrupted THEN RETURN SQLERRM;
END
$$;
-- of all runs under load: replay() looks several times, so each is locked meanwhile
CREATE PROCEDURE replay_all(INOUT problems text) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	problem text;
BEGIN
	problems := '';
	FOR run IN SELECT run_id FROM taskq.workflows ORDER BY 1 LOOP
		PERFORM FROM taskq.open WHERE run_id = run FOR UPDATE;
		problem := replayed(run);
		IF problem <> '' THEN
			problems := problems || format(E'workflow run %s: %s\n', run, problem);
		END IF;
		COMMIT;
	END LOOP;
END
$$;
SQL

sub prepare_database
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres',
		'CREATE EXTENSION taskq;
		 CREATE TABLE done (run_id bigint, attempt int, result jsonb);
		 CREATE TABLE beats (details text);
		 CREATE TABLE sent (mark text PRIMARY KEY)');
	$node->safe_psql('postgres', $replayed);
	wait_served($node, 'postgres') or die 'no worker';
	return;
}

# ---- waiting -------------------------------------------------------------

sub now_us
{
	return int(1e6 * clock_gettime(CLOCK_MONOTONIC));
}

# Wait until a condition holds; false if it takes too long.
sub wait_until
{
	my ($condition) = @_;
	my $deadline =
	  now_us() + 1e6 * ($ENV{TASKQ_PATIENCE} || $PostgreSQL::Test::Utils::timeout_default);

	until ($condition->())
	{
		return 0 if now_us() > $deadline;
		usleep(20_000);
	}
	return 1;
}

# Wait until clients have heard of so many facts more.
sub wait_for_facts
{
	my ($load, $more) = @_;
	my $wanted = acknowledged($load) + $more;

	return wait_until(sub { acknowledged($load) >= $wanted });
}

# How often clients have been refused for this reason.
sub refusals
{
	my ($load, $state) = @_;

	acknowledged($load);
	return $load->{refused}->{$state} // 0;
}

# How many facts have been acknowledged so far. Counts refusals, too.
sub acknowledged
{
	my ($load) = @_;

	foreach my $file (glob("$load->{dir}/*.log"))
	{
		my $read = \$load->{read}->{$file};
		my $text;

		open(my $log, '<', $file) or die "$file: $!";
		seek($log, $$read // 0, 0);
		$$read = ($$read // 0) + (read($log, $text, 10_000_000) // 0);
		$load->{acknowledged} += count_matches($text, qr/\tok\t/);
		$load->{refused}->{$_}++ foreach $text =~ /\tfailed\t.*\tstate=(\w+)/g;
	}
	return $load->{acknowledged};
}

# Wait until the server can be written to, by whom has no connection yet. A psql that
# gets none may have ended before it is given its query, which IPC::Run dies of.
sub accepts
{
	my ($node) = @_;

	return wait_until(sub { (eval { ($node->psql('postgres', 'SELECT pg_is_in_recovery()'))[1] } // '') eq 'f' });
}

# Kill the postmaster; its children notice by themselves.
sub kill_server
{
	my ($node) = @_;
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	$node->kill9;
	wait_until(sub { !kill(0, $pid) }) or die "process $pid stays";
	return;
}

# Start a server that was killed, or has ended by itself. It may take a moment
# until the last of its old processes is gone.
sub start_again
{
	my ($node) = @_;
	my @start = (
		'pg_ctl', '-w', '-s', '-D', $node->data_dir, '-l', $node->logfile,
		'-o', '--cluster-name=' . $node->name, 'start');

	wait_until(sub { PostgreSQL::Test::Utils::system_log(@start) == 0 })
	  or BAIL_OUT('the server does not start again');
	$node->_update_pid(1);
	return;
}

# ---- load ----------------------------------------------------------------

sub build_clients
{
	my $source = "$FindBin::RealBin/../../history";

	chomp(my $include = `pg_config --includedir`);
	chomp(my $lib = `pg_config --libdir`);
	foreach my $name (qw(client workflow_client))
	{
		$program{$name} = PostgreSQL::Test::Utils::tempdir() . "/history_$name";
		system('cc', '-std=gnu11', '-O2', '-Wall', "-I$include", '-o', $program{$name},
			"$source/$name.c", "$source/fact.c", "-L$lib", '-lpq') == 0
		  or die "cannot build $name";
	}
	return;
}

# Begin a load of the servers that "connect" names.
sub start_load
{
	my ($round, $connect) = @_;
	my $load = {
		round => $round,
		dir => join('/', $PostgreSQL::Test::Utils::log_path,
			basename($0, '.pl') . "_history_$round"),
		acknowledged => 0
	};
	my $n = 0;

	build_clients() if !%program;
	mkdir $load->{dir} or die "$load->{dir}: $!";
	$connect .= " options='-c client_min_messages=error'";
	foreach my $role (('producer') x PRODUCERS, ('worker') x WORKERS,
		('operator') x OPERATORS, ('starter') x STARTERS, ('decider') x DECIDERS,
		('agent') x AGENTS)
	{
		my $client = $program{ $role =~ /^[sda]/ ? 'workflow_client' : 'client' };
		my $name = substr($role, 0, 1) . "$round.$n";
		my $pid = fork // die "cannot fork: $!";

		if ($pid == 0)
		{
			exec($client, $role, $name, $seed * 1000 + $round * 50 + $n,
				"$load->{dir}/$name.log", "$connect application_name=$name",
				NAP_MS);
			die "$client: $!";
		}
		$running{$pid} = $name;
		push @{ $load->{$role} }, $pid;
		$n++;
	}
	return $load;
}

# Wait until these clients have ended; false if one does not, or not well.
sub wait_for_end
{
	my (@left) = @_;
	my $well = 1;

	wait_until(
		sub {
			foreach my $pid (my @now = @left)
			{
				next if waitpid($pid, 1) != $pid;	# WNOHANG
				$well = 0 if $?;
				delete $running{$pid};
				@left = grep { $_ != $pid } @left;
			}
			return !@left;
		});
	diag("client $running{$_} does not end") foreach @left;
	return $well && !@left;
}

# Let the load end: nothing new comes, and what is open is worked off. Where an
# operator's unpause may be lost, it is repeated. What is still open, as text.
sub drain
{
	my ($load, $node, $lossy) = @_;
	my @workers = map { @{ $load->{$_} } } qw(worker decider agent);
	my @others = map { @{ $load->{$_} } } qw(producer operator starter);
	my $well;
	my $open;

	kill 'USR1', @workers, @others;
	$well = wait_for_end(@others);
	wait_until(
		sub {
			$node->safe_psql('postgres',
				"SELECT taskq.unpause(run_id => run_id) FROM taskq.activities
				  WHERE status = 'paused'") if $lossy;
			$open = $node->safe_psql('postgres',
				"SELECT (SELECT count(*) FROM taskq.activities
				  WHERE close_time IS NULL AND activity_id ~ '^[a-z]$load->{round}\\.')
				 + (SELECT count(*) FROM taskq.workflows
				  WHERE status = 'running' AND workflow_id ~ '^[a-z]$load->{round}\\.')");
			return $open == 0;
		});
	kill 'TERM', @workers;
	$well = wait_for_end(@workers) && $well;
	return ($open > 0 ? "$open activities or workflows do not move" : ()),
	  ($well ? () : 'clients did not end well');
}

END
{
	my $status = $?;

	kill 'KILL', keys %running if %running;
	waitpid($_, 0) foreach keys %running;
	$? = $status;
}

# ---- rounds --------------------------------------------------------------

# What a client can read when all is over, of the activities of one round.
sub read_final
{
	my ($node, $round) = @_;
	my $rows = sub {
		return [ map { [ split /\t/, $_, -1 ] }
			  split /\n/,
			$node->safe_psql('postgres', $_[0], extra_params => [ '-F', "\t" ])
		];
	};

	return {
		activities => $rows->(
			"SELECT run_id, activity_id, status, attempt, result, failure ->> 'message', cancel_reason, priority,
				heartbeat_details ->> 'n',
				status = 'timed_out' AND close_time < CASE failure ->> 'timeout_type'
				  WHEN 'schedule_to_start' THEN execution_time + schedule_to_start_timeout
				  WHEN 'start_to_close' THEN last_started_time + start_to_close_timeout
				  WHEN 'heartbeat' THEN last_started_time + heartbeat_timeout
				  ELSE execution_time + schedule_to_close_timeout END
			   FROM taskq.activities WHERE activity_id ~ '^[a-z]$round\\.'
				AND workflow_run_id IS NULL"),
		done => $rows->(
			"SELECT run_id, attempt, result FROM done
			  WHERE result #>> '{}' ~ '^[a-z]$round\\.'"),
		beats => $rows->("SELECT details FROM beats WHERE details ~ '^[a-z]$round\\.'"),
		sent => $rows->("SELECT mark FROM sent WHERE mark ~ '^[a-z]$round\\.'"),
		runs => $rows->(
			"SELECT run_id, workflow_id, status, replayed(run_id) FROM taskq.workflows
			  WHERE workflow_id ~ '^[a-z]$round\\.'"),
		events => $rows->(
			"SELECT e.run_id, e.event_id, e.event_type,
				coalesce(CASE e.event_type
				  WHEN 'marker_recorded' THEN e.attributes ->> 'markerName'
				  WHEN 'workflow_execution_signaled' THEN taskq.payloads(e.attributes -> 'input') #>> '{}'
				  WHEN 'activity_task_completed' THEN taskq.payloads(e.attributes -> 'result') #>> '{}'
				  WHEN 'workflow_execution_cancel_requested' THEN e.attributes ->> 'cause'
				  WHEN 'workflow_execution_terminated' THEN e.attributes ->> 'reason' END, ''),
				coalesce(e.attributes ->> CASE WHEN e.event_type ~ '^activity_task_' THEN 'scheduledEventId' ELSE 'startedEventId' END, ''),
				coalesce(CASE e.event_type
				  WHEN 'timer_fired' THEN
					e.event_time < b.event_time + (b.attributes ->> 'startToFireTimeout')::interval
				  WHEN 'workflow_execution_timed_out' THEN
					e.event_time < f.event_time + (f.attributes ->> 'workflowRunTimeout')::interval END, false),
				coalesce(e.attributes ->> 'continuedExecutionRunId', '')
			   FROM taskq.workflow_events e
			   LEFT JOIN taskq.workflow_events b ON b.run_id = e.run_id AND e.event_type = 'timer_fired'
				AND b.event_id = (e.attributes ->> 'startedEventId')::bigint
			   LEFT JOIN taskq.workflow_events f ON f.run_id = e.run_id AND e.event_type = 'workflow_execution_timed_out' AND f.event_id = 1
			  WHERE e.workflow_id ~ '^[a-z]$round\\.' ORDER BY 1, 2")
	};
}

# A round: "fault" is done to the server under load, with the load as argument,
# and returns the server that serves from then on, and from when until when
# what it acknowledged may be lost, if any of it may.
sub crash_round
{
	my ($name, $node, $connect, $fault) = @_;
	my $round = @counts + 1;
	my $load = start_load($round, $connect);
	my ($lost_after, $lost_before, @problems);

	srand($seed + $round);
	wait_for_facts($load, BEFORE + int(rand(BEFORE)))
	  or push @problems, 'the load does not get going';
	($node, $lost_after, $lost_before) = $fault->($load);
	accepts($node) or push @problems, 'no server that can be written to';
	push @problems, split /\n/, $node->safe_psql('postgres', "CALL replay_all('')");
	wait_for_facts($load, AFTER) or push @problems, 'the load does not go on';
	push @problems, drain($load, $node, defined $lost_after);

	my $facts = read_history($load->{dir}, $lost_after, $lost_before);
	my $final = read_final($node, $round);

	push @problems, judge([ grep { $_->{client} =~ /^[pwo]/ } @$facts ], $final);
	push @problems, judge_runs([ grep { $_->{client} =~ /^[sda]/ } @$facts ], $final);
	report($name, $facts, $final);
	is(join("\n", @problems), '', "$name (seed $seed, round $round)");
	return $node;
}

sub report
{
	my ($name, $facts, $final) = @_;
	my %n = (ok => 0, failed => 0, unknown => 0);

	$n{ $_->{how} }++ foreach @$facts;
	push @counts, \%n;
	note("$name: $n{ok} facts acknowledged, $n{failed} refused, $n{unknown} unknown; "
		  . @{ $final->{activities} } . ' activities, ' . @{ $final->{runs} } . ' runs with '
		  . @{ $final->{events} } . ' events');
	return;
}

# As many rounds as are asked for, of one kind, on one server. It is started
# anew for each further one: the launcher remembers how often a worker has ended,
# and would wait ever longer.
sub crash_rounds
{
	my ($name, $node, $fault) = @_;

	foreach my $n (1 .. $rounds)
	{
		$node->restart if $n > 1;
		crash_round($name, $node, $node->connstr('postgres'),
			sub { $fault->(@_); return $node });
	}
	return;
}

sub crash_round_count
{
	return $rounds;
}

# Some process of this kind, or of a client of the load.
sub some_process
{
	my ($node, $type) = @_;
	my $pid;

	wait_until(
		sub {
			$pid = $node->safe_psql(
				'postgres',
				"SELECT pid FROM pg_stat_activity
				  WHERE backend_type = '$type' AND pid <> pg_backend_pid()
				  ORDER BY random() LIMIT 1");
			return $pid ne '';
		}) or die "there is no $type";
	return $pid;
}

1;
