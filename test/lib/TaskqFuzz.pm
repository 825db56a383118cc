# Calls of everything that schema taskq has, with typical and with hostile
# arguments, in all kinds of statements and transactions. What there is to call
# is read from the catalog: a new function is called without being named here.
#
# Each client is a process with a session and a stream of random numbers of its
# own, so a seed repeats what each of them tries, not how they interleave. A
# statement may end in an error that says what the caller did; any other end is
# a finding: an internal error, a constraint of taskq's own tables, a syntax
# error, a lost connection, and for a client with few rights an answer that
# needs more of them.
package TaskqFuzz;

use strict;
use warnings;

use Exporter 'import';
use IPC::Open2;
use JSON::PP;
use List::Util qw(shuffle sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqValues qw(chance pick);

our @EXPORT = qw(fuzz_setup fuzz fuzz_tokens);

use constant {
	MEMORY_EVERY => 50,			# steps between two looks at a session's memory
	REMEMBERED => 12,			# statements that a finding is told with
	MAX_FINDINGS => 5,			# of one client
	MANY_OPEN => 2000,			# activities, before some are removed
};

# What a caller may be told: SQLSTATEs, or their first characters. Not among
# them: 23 (taskq's tables have constraints, which its calls keep to), 42 (what
# is called is there), 53 but for channels that are full, P0, XX.
our $grant_race = qr/tuple concurrently updated/;
my $clean = qr{^$|^(?:0A|21|22|24|25|26|2D|34|3B|40|42501|42704|42809|42883|42P03|42P05|42P13|53400|54|55|57014|TQ00[1-4]|TQ01[0-4]$)};

my $json = JSON::PP->new;

# ---- what there is --------------------------------------------------------

my $catalog = q{
WITH routines AS (
	SELECT p.*, ARRAY(SELECT t FROM unnest(proargtypes) WITH ORDINALITY a(t, n) ORDER BY n) AS inputs
	FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace AND prokind IN ('f', 'p')
)
SELECT json_build_object(
	'functions', (SELECT json_agg(json_build_object(
			'oid', oid::text, 'name', proname, 'is_procedure', prokind = 'p', 'strict', proisstrict, 'variadic', provariadic <> 0,
			'rows', (SELECT typtype = 'c' OR typname = 'record' FROM pg_type WHERE oid = prorettype),
			'required', pronargs - pronargdefaults,
			'from_sql', prorettype NOT IN ('trigger'::regtype, 'internal'::regtype) AND 'internal'::regtype <> ALL (inputs),
			'allowed', has_function_privilege(oid, 'EXECUTE') AND has_schema_privilege('taskq', 'USAGE'),
			'arguments', (SELECT coalesce(json_agg(json_build_object('type', format_type(t, NULL), 'name',
					coalesce((SELECT (array_agg(name ORDER BY place))[n] FROM unnest(proargnames) WITH ORDINALITY i(name, place)
						WHERE proargmodes IS NULL OR proargmodes[place] IN ('i', 'b', 'v')), '')) ORDER BY n), '[]')
				FROM unnest(inputs) WITH ORDINALITY a(t, n)))
			ORDER BY proname, oid)
		FROM routines),
	'relations', (SELECT json_agg(json_build_object('name', relname, 'kind', relkind,
			'allowed', has_schema_privilege('taskq', 'USAGE') AND relkind = 'v' AND has_table_privilege(oid, 'SELECT'),
			'owned', pg_has_role(relowner, 'USAGE')) ORDER BY relname)
		FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('r', 'v', 'S')),
	'settings', (SELECT json_agg(json_build_object('name', name, 'least', min_val, 'most', max_val) ORDER BY name)
		FROM pg_settings WHERE name LIKE 'taskq.%' AND context IN ('user', 'superuser') AND name <> 'taskq.clock_offset'),
	'types', (SELECT json_object_agg(format_type(oid, NULL), CASE typtype
			WHEN 'e' THEN json_build_object('labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
			ELSE json_build_object('fields', (SELECT json_agg(json_build_object('name', attname, 'type', format_type(atttypid, NULL)) ORDER BY attnum)
				FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped)) END)
		FROM pg_type t WHERE typnamespace = 'taskq'::regnamespace AND typtype IN ('c', 'e')),
	'parallel', (SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')),
	'at_commit', current_setting('debug_assertions') = 'off',
	'version', current_setting('server_version_num')::int)
};

# What clients use: calls caught in a subtransaction, in a function that says it
# only reads, between commits, and when a transaction is about to commit.
my $helpers = q{
CREATE SCHEMA fuzz;
GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
CREATE FUNCTION fuzz.caught(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	IF SQLSTATE ~ '^(XX|23|P0)' THEN RAISE; END IF;
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION fuzz.only_reads(call text) RETURNS void LANGUAGE plpgsql STABLE AS 'BEGIN EXECUTE call; END';
CREATE PROCEDURE fuzz.commits(call text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	COMMIT;
	EXECUTE call;
	ROLLBACK;
	PERFORM fuzz.caught(call);
END $$;
CREATE TABLE fuzz.last (call text);
GRANT INSERT, SELECT ON fuzz.last TO PUBLIC;
CREATE FUNCTION fuzz.at_last() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE NEW.call; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER at_last AFTER INSERT ON fuzz.last DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION fuzz.at_last();
GRANT SELECT ON pg_backend_memory_contexts TO PUBLIC;
GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts() TO PUBLIC;
};

# To be run once in a database: what clients use. Roles of the clients may then
# be given rights.
sub fuzz_setup
{
	my ($node, $database) = @_;

	$node->safe_psql($database, $helpers);
	return;
}

# Tokens of started attempts of a database, to be used in another.
sub fuzz_tokens
{
	my ($node, $database) = @_;

	return split /\n/,
	  $node->safe_psql($database,
		"SELECT count(*) FROM taskq.schedule_many('q1', 't', array_fill('1'::jsonb, ARRAY[5]), start_to_close_timeout => '1 h') \\g /dev/null
		 SELECT task_token FROM taskq.poll('q1', max_tasks => 5)");
}

# ---- a session ------------------------------------------------------------

my $end = '@end of answer@';

sub connect_as
{
	my ($node, $database, $role, $log) = @_;
	my ($from, $to);

	local $ENV{PGOPTIONS} = '-c statement_timeout=1s -c lock_timeout=500ms -c client_min_messages=error';
	open(my $saved, '>&', \*STDERR) or die $!;
	open(STDERR, '>', $log) or die $!;
	my $pid = open2($from, $to, 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d',
		$node->connstr($database) . " user=$role");
	open(STDERR, '>&', $saved) or die $!;
	return { from => $from, to => $to, pid => $pid };
}

# Run a statement: its SQLSTATE ("lost" with the connection), message, output.
sub ask
{
	my ($self, $sql) = @_;
	my ($from, $to) = @{ $self->{session} }{qw(from to)};
	my (@output, $state);

	push @{ $self->{said} }, $sql;
	shift @{ $self->{said} } if @{ $self->{said} } > REMEMBERED;
	print $to "$sql;\n\\echo $end :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo $end\n";
	$to->flush;
	while (defined(my $line = <$from>))
	{
		chomp $line;
		if ($line eq $end)
		{
			$state->[1] .= join ' ', @output[ $state->[2] .. $#output ];
			return (@$state[ 0, 1 ], [ @output[ 0 .. $state->[2] - 1 ] ]);
		}
		if ($line =~ /^\Q$end\E (\S+) ?(.*)/)
		{
			$state = [ $1 eq '00000' ? '' : $1, $2, scalar @output ];
			next;
		}
		push @output, $line;
	}
	return ('lost', 'the connection is lost', []);
}

sub finding
{
	my ($self, $text) = @_;

	push @{ $self->{findings} },
	  "$self->{role}: $text\n" . join('', map { '    ' . substr($_, 0, 1500) . ";\n" } @{ $self->{said} });
	die "too many findings\n" if @{ $self->{findings} } >= MAX_FINDINGS;
	return;
}

# Run a statement and judge how it ends.
sub try
{
	my ($self, $sql, %about) = @_;
	my ($state, $message, $output) = $self->ask($sql);
	my $expected = $about{not_from_sql} ? qr{^(?:42846|42804|0A000|39P01)} : qr/^$/;

	$self->{ends}->{ $about{name} }->{ $state || 'ok' }++ if $about{name};
	$self->{values}->learn($output) if $about{learn};
	if ($state eq 'lost')
	{
		$self->finding($message);
		die "lost\n";
	}
	$self->finding("$state $message") if $state !~ $clean && $state !~ $expected;
	$self->finding("was allowed to: $sql") if $about{denied} && $state =~ /^(?:$|TQ)/;
	$self->finding("was not allowed to: $sql") if $about{allowed} && $state eq '42501';
	return $state;
}

# ---- calls ----------------------------------------------------------------

# Values of the arguments of a function, those of the defaults left out at
# random, as [name, type, value].
sub arguments
{
	my ($self, $function) = @_;
	my @arguments = @{ $function->{arguments} };
	my $hostility = pick(0, 0, 0.15, 0.15, 0.3, 0.9);
	my $wordiness = pick(0, 0.2, 0.5, 1);
	my ($n, @given) = (0);

	foreach my $argument (@arguments)
	{
		my ($name, $type) = @$argument{qw(name type)};

		next if $n++ >= $function->{required} && $name ne '' && !chance($wordiness);
		push @given, [ $name, $type, $self->{values}->value($name, $type, chance($hostility)) ];
	}
	return @given;
}

sub call
{
	my ($function, @values) = @_;

	$values[-1] = "VARIADIC $values[-1]" if $function->{variadic};
	return "taskq.$function->{name}(" . join(', ', @values) . ')';
}

sub named { return map { $_->[0] eq '' ? $_->[2] : "$_->[0] => $_->[2]" } @_ }

# A call as one of many kinds of statements; may be several, to be run in order.
# Those with a "BEGIN" are for outside a transaction.
sub statements
{
	my ($self, $function) = @_;
	my @arguments = $self->arguments($function);
	my $call = call($function, named(@arguments));
	my $quoted = '$call$' . ($function->{is_procedure} ? "CALL $call" : "SELECT * FROM $call") . '$call$';
	my $name = 'p' . ++$self->{statements};
	my $way = int(rand(44));
	my $n = 0;

	return "SELECT $call" unless $function->{from_sql};
	return "CALL fuzz.commits($quoted)" if $way == 0;
	return "SELECT fuzz.caught($quoted)" if $way <= 2;
	return "SELECT fuzz.only_reads($quoted)" if $way == 3;
	return "INSERT INTO fuzz.last VALUES ($quoted)" if $way == 4 && $self->{at_commit};
	return "CALL $call" if $function->{is_procedure};
	return ("PREPARE $name" . (@arguments ? '(' . join(', ', map { $_->[1] } @arguments) . ')' : '') . ' AS SELECT * FROM '
		  . call($function, map { ($_->[0] eq '' ? '' : "$_->[0] => ") . '$' . ++$n } @arguments),
		"EXECUTE $name" . (@arguments ? '(' . join(', ', map { $_->[2] } @arguments) . ')' : ''), 'DEALLOCATE ALL')
	  if $way <= 7;
	return ('BEGIN', "DECLARE c CURSOR " . ($self->{at_commit} ? pick('', 'WITH HOLD') : '') . " FOR SELECT * FROM $call", 'FETCH 1 FROM c',
		pick('FETCH ALL FROM c', 'MOVE 2 FROM c', 'CLOSE c'), pick('COMMIT', 'COMMIT', 'ROLLBACK'), 'CLOSE ALL')
	  if $way <= 9;
	return "SELECT $call FROM generate_series(1, 3)" if $way <= 11;
	return "SELECT ($call).*" if $way == 12 && $function->{rows};
	return "SELECT * FROM $call LIMIT " . pick(0, 1) if $way <= 14;
	return "WITH x AS MATERIALIZED (SELECT * FROM $call) SELECT count(*) FROM x a, x b" if $way == 15;
	return "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF) SELECT * FROM $call" if $way == 16;
	return "SELECT count(x) FROM generate_series(1, 2) g, LATERAL $call x" if $way == 17;
	return "SELECT 1 WHERE EXISTS (SELECT FROM $call)" if $way == 18;
	return "INSERT INTO fuzz.last SELECT 'SELECT 1' FROM $call" if $way == 19;
	return ('BEGIN', "SET LOCAL $self->{parallel} = on", "SELECT count(x) FROM $call x", 'COMMIT') if $way == 20;
	return ('SET statement_timeout = ' . pick(1, 2, 5, 20), "SELECT * FROM $call", 'RESET statement_timeout') if $way == 21;
	return ('BEGIN', 'SET LOCAL ' . pick("IntervalStyle = sql_standard", "search_path = ''", "TimeZone = 'Asia/Kathmandu'", 'row_security = off',
			"work_mem = '64kB'", 'array_nulls = off', 'enable_indexscan = off', 'plan_cache_mode = force_generic_plan'),
		"SELECT * FROM $call", 'COMMIT')
	  if $way == 22;
	return "SELECT $call" if $way <= 30;
	return "SELECT * FROM $call";
}

# One call of a function, or what there is to do with another kind of object.
sub use_function
{
	my ($self, $function, $in_transaction) = @_;
	my @statements = $self->statements($function);
	my %about = (
		name => $function->{name}, learn => scalar($function->{name} =~ /schedule|poll|retry/), not_from_sql => !$function->{from_sql},
		denied => scalar(!$function->{allowed} && !$function->{strict} && @statements == 1 && $statements[0] =~ /^(?:SELECT (?!1|fuzz)|CALL taskq)/),
		allowed => scalar($function->{allowed} && @statements == 1 && $statements[0] !~ /fuzz/));

	@statements = grep { !/^(?:BEGIN|COMMIT|ROLLBACK)$/ } @statements if $in_transaction;
	$self->try($_, %about) foreach @statements;
	return;
}

sub use_view
{
	my ($self, $view) = @_;
	my $name = "taskq.$view->{name}";
	my ($run, $queue, $id) = map { $self->{values}->value($_->[0], $_->[1], chance(0.2)) }
	  ([ 'run_id', 'bigint' ], [ 'task_queue', 'text' ], [ 'activity_id', 'text' ]);
	my $condition = $view->{name} eq 'activities'
	  ? pick("run_id = $run", "activity_id = $id", "task_queue = $queue AND status = 'failed'", "run_id > $run - 3 AND input IS NOT NULL")
	  : $view->{name} =~ /queue|pollers/ ? "task_queue = $queue" : 'true';

	return $self->try(
		pick("SELECT count(v) FROM $name v", "SELECT length(v::text) FROM $name v WHERE $condition",
			"SELECT count(*) FROM $name a JOIN $name b ON a = b WHERE " . $condition =~ s/\b(run_id|activity_id|task_queue|status|input)\b/a.$1/gr,
			"SELECT md5(v::text) FROM $name v WHERE $condition", "SELECT max(length(v::text)) FROM $name v ORDER BY 1 LIMIT 1"),
		name => $view->{name}, allowed => 1);
}

# What nobody may do but the owner, nor anybody at all with a view.
sub overstep
{
	my ($self, $relation) = @_;
	my $name = "taskq.$relation->{name}";
	my @steps = $relation->{kind} eq 'S'
	  ? ("SELECT nextval('$name')", "SELECT * FROM $name", "SELECT setval('$name', 1)")
	  : ("SELECT count(*) FROM $name", "DELETE FROM $name", "TRUNCATE $name", "LOCK $name IN EXCLUSIVE MODE", "COPY $name TO stdout",
		"ALTER TABLE $name RENAME TO x", "CREATE TRIGGER t BEFORE INSERT ON $name EXECUTE FUNCTION fuzz.at_last()",
		"GRANT SELECT ON $name TO CURRENT_USER", "CREATE INDEX ON $name ((1))", "CREATE FUNCTION taskq.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA taskq TO CURRENT_USER", 'ALTER EXTENSION taskq ADD TABLE fuzz.last', 'DROP EXTENSION taskq');
	my $sql = pick(@steps);
	my ($state, $message) = $self->ask($sql);

	# of two who GRANT at a time PostgreSQL itself stops one
	return if $sql =~ /^GRANT/ && ($message // '') =~ /$grant_race/;

	# a GRANT of what one has is a warning
	$self->finding("$state $message, not 42501") if $state !~ /^(?:42501|42809|25|40|57014|55)/ && ($state || $sql !~ /^GRANT/);
	return;
}

sub use_setting
{
	my ($self, $setting) = @_;
	my $value = pick($setting->{least}, $setting->{most}, pick(-1, 0, 1, 1000, 2000000000), "'NaN'", "'x'", "'1 d'", "'1e308'");

	$self->try("SET $setting->{name} = " . ($value =~ /^'/ ? $value : "'$value'"), name => 'SET');
	$self->use_function(pick(@{ $self->{functions} })) for 1 .. 2;
	return $self->try("RESET $setting->{name}");
}

# Everything in turn, in another order each time.
sub next_thing
{
	my ($self, $in_transaction) = @_;
	my $thing;

	$self->{deck} = [ shuffle(@{ $self->{things} }) ] unless @{ $self->{deck} };
	$thing = shift @{ $self->{deck} };
	return $self->use_function($thing, $in_transaction) if $thing->{arguments};
	return $self->use_setting($thing) if exists $thing->{least};
	return $thing->{allowed} ? $self->use_view($thing) : $self->overstep($thing);
}

# So that there is something to report, to pause and to time out.
sub make_work
{
	my ($self) = @_;
	my $values = $self->{values};
	my $queue = $values->value('task_queue', 'text', 0);
	my $id = pick('NULL', $values->value('activity_id', 'text', 0));

	$self->try("SELECT * FROM taskq.schedule($queue, 'work', '1', activity_id => $id, id_conflict_policy => 'use_existing',"
		  . ' start_to_close_timeout => ' . pick("'1 h'", "'300 ms'", "'2 s'") . ', heartbeat_timeout => ' . pick('NULL', "'200 ms'", "'1 min'") . ')',
		name => 'schedule', learn => 1) if $self->{works}->{schedule};
	$self->try("SELECT * FROM taskq.poll($queue, max_tasks => " . pick(1, 2, 5) . ')', name => 'poll', learn => 1)
	  if $self->{works}->{poll};
	$self->make_steps if $self->{works}->{complete_workflow_task} && chance(0.4);
	return;
}

# The same of a workflow, with commands that may be any.
sub make_steps
{
	my ($self) = @_;
	my $values = $self->{values};
	my $id = $values->value('workflow_id', 'text', 0);

	$self->try("SELECT run_id, created FROM taskq.start_workflow('q1', 'flow', workflow_id => $id, id_conflict_policy => 'use_existing', "
		  . 'task_timeout => ' . pick("'1 min'", "'300 ms'") . ')', name => 'start_workflow') if $self->{works}->{start_workflow};
	for (1 .. pick(1, 1, 3))
	{
		$self->try("SELECT * FROM taskq.poll_workflow_task('q1')", name => 'poll_workflow_task', learn => 1);
		$self->try("SELECT * FROM taskq.complete_workflow_task('" . ($values->{tokens}->[-1] // next) . "', "
			  . $values->value('commands', 'jsonb', chance(0.4)) . pick('', ', force_new_task => true', ', return_new_task => true', ", sticky_task_queue => 'sticky'") . ')',
			name => 'complete_workflow_task');
	}
	return;
}

sub transaction
{
	my ($self) = @_;
	my $end = pick('COMMIT', 'COMMIT', 'ROLLBACK', 'PREPARE');
	my $mode = pick('', '', 'ISOLATION LEVEL REPEATABLE READ', 'ISOLATION LEVEL SERIALIZABLE', 'READ ONLY',
		'ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE');

	$self->try("BEGIN $mode");
	# PostgreSQL itself fails an assertion when the wait for its snapshot is canceled in a savepoint
	$self->try('SELECT 1') if $mode =~ /DEFERRABLE/;
	for (1 .. 1 + rand(5))
	{
		my $savepoint = pick('', 'ROLLBACK TO s', 'RELEASE s');

		$self->try('SAVEPOINT s') if $savepoint;
		$self->make_work if chance(0.3);
		$self->next_thing(1);
		$self->try('ROLLBACK TO s') if $savepoint && $self->try($savepoint) eq '25P02';
		last if chance($self->try('SELECT 1') eq '25P02' ? 0.8 : 0.2);
	}
	if ($end eq 'PREPARE')
	{
		my $name = "'$self->{role} " . ++$self->{prepared} . "'";

		$self->try("PREPARE TRANSACTION $name");
		return $self->try(pick('COMMIT', 'ROLLBACK') . " PREPARED $name");
	}
	return $self->try($end);
}

# Bytes in use in memory contexts: {all}, and by name.
sub memory
{
	my ($self) = @_;
	my ($state, $message, $output) = $self->ask(
		"SELECT coalesce(name, 'all') || '|' || sum(used_bytes) FROM pg_backend_memory_contexts GROUP BY ROLLUP (name)");

	$self->finding("$state $message") if $state;
	return { map { split /\|/, $_, 2 } @$output };
}

sub keep_small
{
	my ($self) = @_;

	return $self->try("SELECT count(*) FROM taskq.delete_many(ARRAY(SELECT run_id FROM taskq.open ORDER BY run_id LIMIT "
		  . '(SELECT greatest(count(*) - ' . MANY_OPEN / 2 . ', 0) FROM taskq.open HAVING count(*) > ' . MANY_OPEN . ')))');
}

sub step
{
	my ($self, $n) = @_;

	if ($n % MEMORY_EVERY == 0)
	{
		push @{ $self->{memory} }, $self->memory;
		$self->keep_small if $self->{is_owner};
	}
	$self->make_work if chance(0.3);
	return $self->transaction if chance(0.3);
	return $self->next_thing(0);
}

# ---- clients --------------------------------------------------------------

# One client, in a process of its own; what it has to say as a hash.
sub client
{
	my ($node, $client, %options) = @_;
	my $self = bless { %$client, said => [], findings => [], deck => [], memory => [], ends => {} }, 'TaskqFuzz';
	my $log = "${PostgreSQL::Test::Utils::log_path}/fuzz_$client->{n}.err";
	my ($known, $steps);

	srand($options{seed} * 100 + $client->{n});
	$self->{session} = connect_as($node, $client->{database}, $client->{role}, $log);
	$known = $json->decode(join '', @{ ($self->ask($catalog))[2] });
	$self->{functions} = [ grep { $_->{name} =~ ($options{functions} // qr/./) } @{ $known->{functions} } ];
	$self->{things} = [ (@{ $self->{functions} }) x 2, $options{functions} ? () : (@{ $known->{settings} }, grep { $_->{allowed} || !$_->{owned} } @{ $known->{relations} }) ];
	$self->{works} = { map { $_->{name} => $_->{allowed} } @{ $self->{functions} } };
	$self->{parallel} = $known->{parallel};
	# an assertion of PostgreSQL's own forbids subtransactions at commit, even PL/pgSQL's
	$self->{at_commit} = $known->{at_commit};
	$self->{values} = TaskqValues->new(
		types => $known->{types}, foreign => $options{foreign} // [],
		has_infinite_interval => $known->{version} >= 170000,
		keys => [ 'kind', 'jitter', 'paused', 'max_started', 'max_backlog', 'queue_rate_limit', 'fairness_weights', 'fairness_key_rate_limit', 'retention', '', 'x' x 100,
			map { $_->{name} } map { @{ $_->{arguments} } } @{ $known->{functions} } ]);
	eval {
		local $SIG{ALRM} = sub { $self->finding('hangs'); die "hangs\n" };
		while ($steps++ < $options{steps} || ($options{go_on} && $options{go_on}->()))
		{
			alarm($PostgreSQL::Test::Utils::timeout_default);
			$self->step($steps);
		}
		push @{ $self->{memory} }, $self->memory;
		1;
	} or $self->{ended} = $@;
	push @{ $self->{findings} }, "$client->{role}: $self->{ended}" if $self->{ended} && !@{ $self->{findings} };
	alarm(0);
	close($self->{session}->{to});
	waitpid($self->{session}->{pid}, 0);
	unlink $log unless @{ $self->{findings} };
	return { steps => $steps, map { $_ => $self->{$_} } qw(role findings memory ends) };
}

# Run clients, each {database, role, is_owner}, until each has made "steps" and
# "go_on" is false. Options: seed, foreign (tokens), functions (a pattern:
# only those). Returns what each of them has to say: role, steps, findings,
# ends ({function}{SQLSTATE} = how often), memory (looks, {context} = bytes).
sub fuzz
{
	my ($node, $clients, %options) = @_;
	my ($n, @running, @reports) = (0);

	foreach my $client (@$clients)
	{
		my ($reader, $pid);
		my $file = "${PostgreSQL::Test::Utils::tmp_check}/fuzz_$n.json";

		$client->{n} = $n++;
		$pid = fork // die "cannot fork: $!";
		if (!$pid)
		{
			my $report = eval { client($node, $client, %options) } // { role => $client->{role}, findings => ["$client->{role}: $@"] };

			append_to_file($file, $json->encode($report));
			require POSIX;
			POSIX::_exit(0);
		}
		push @running, [ $pid, $file ];
	}
	foreach my $client (@running)
	{
		waitpid($client->[0], 0);
		push @reports, $json->decode(slurp_file($client->[1]));
		unlink $client->[1];
	}
	return @reports;
}

1;
