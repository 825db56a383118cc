# Values for arguments, as SQL expressions: typical ones, by the name of the
# argument, so that calls get deep, and hostile ones, by its type. What types
# there are comes from the catalog. Only rand() chooses: a seed repeats them.
package TaskqValues;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use List::Util qw(max);

our @EXPORT_OK = qw(chance pick);

my $json = JSON::PP->new->canonical->allow_nonref;

sub chance { return rand() < $_[0] }

sub pick { return $_[ int(rand(@_)) ] }

# Types: what TaskqFuzz reads of the catalog, by name. Keys: names that options
# may have. Others: tokens that another installation has made.
sub new
{
	my ($class, %given) = @_;

	return bless { tokens => [], last_run => 1, %given }, $class;
}

# ---- what was seen of the server ------------------------------------------

# Tokens and run ids in what a call returned: tasks, or runs that were scheduled.
sub learn
{
	my ($self, $output) = @_;

	foreach my $line (@$output)
	{
		if ($line =~ /^\(?(\w{8}-\w{4}-\w{4}-\w{4}-\w{12})[|,](\d{1,9})[|,]/)
		{
			push @{ $self->{tokens} }, $1;
			$self->{last_run} = max($self->{last_run}, $2);
		}
		$self->{last_run} = max($self->{last_run}, $1) if $line =~ /^\(?(\d{1,9})[|,][^|,]*[|,]t\)?$/;
	}
	splice(@{ $self->{tokens} }, 0, -40) if @{ $self->{tokens} } > 80;
	return;
}

# ---- typical values -------------------------------------------------------

sub quoted
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

sub some_json { return quoted($json->encode($_[0])) . '::jsonb' }

sub some_run
{
	my ($self) = @_;

	return max(1, $self->{last_run} - int(rand() ** 2 * 60));
}

sub some_token
{
	my ($self) = @_;
	my @tokens = @{ $self->{tokens} };

	return "'00000000-0000-0000-0000-000000000000'" unless @tokens;
	return quoted($tokens[ -1 - int(rand() ** 2 * @tokens) ]);
}

my %typical = (
	task_queue => sub { quoted(pick(qw(q1 q1 q2 q3))) },
	activity_type => sub { "'work'" },
	activity_id => sub { quoted('a' . int(rand(30))) },
	request_id => sub { quoted('c' . int(rand(5))) },
	identity => sub { quoted(pick(qw(w1 w2 w3))) },
	fairness_key => sub { quoted(pick(qw(k1 k2 k3))) },
	error_type => sub { quoted(pick(qw(E1 E2))) },
	access => sub { quoted(pick(qw(producer worker operator monitor developer))) },
	run_id => \&some_run,
	task_token => \&some_token,
	max_tasks => sub { pick(1, 1, 3, 10) },
	priority => sub { pick(1 .. 5) },
	role => sub { "'victim'" },
	timeout => sub { quoted(pick('1 ms', '20 ms')) },
	input => sub { some_json({ n => int(rand(100)) }) },
	config => sub {
		some_json(pick(
				{ max_started => 50 }, { paused => JSON::PP::false },
				{ queue_rate_limit => 10000 }, { queue_rate_limit => undef },
				{ fairness_weights => { k1 => 2, k2 => undef } },
				{ fairness_key_rate_limit => 1000 },
				{ max_backlog => 5000 }, { retention => '5 s' }, { retention => '0' }));
	},
	options => sub {
		some_json(pick(
				{ priority => 2 }, { start_to_close_timeout => '10 s' },
				{ task_queue => 'q2' }, { fairness_key => 'k2' },
				{ start_delay => '100 ms' },
				{ retry_policy => { maximum_attempts => 3 } }));
	},
	policy => sub { some_json({ maximum_attempts => 2, initial_interval => '50 ms' }) },
	cause => sub { some_json({ message => 'why', kind => 'application' }) },
	workflow_id => sub { quoted('w' . int(rand(20))) },
	workflow_type => sub { "'flow'" },
	signal_name => sub { quoted(pick(qw(s1 s2))) },
	sticky_task_queue => sub { "'sticky'" },
	sticky_for => sub { "'q1'" },
	timer_id => sub { quoted('t' . int(rand(5))) },
	search_attributes => sub { some_json({ CustomKeyword => pick(qw(a b)) }) },
	memo => sub { some_json({ of => int(rand(9)) }) },
	request => sub { some_json(some_request()) },
	commands => sub { some_json([ map { some_command() } 1 .. rand(4) ]) },
	completion => sub {
		"jsonb_build_object('task_token', " . some_token($_[0]) . ", 'commands', " . some_json([ some_command() ]) . ")";
	},
);

# What any of the ..._request calls may be given; each finds a part of it unknown, or all good.
sub some_request
{
	my %execution = (workflowExecution => { workflowId => 'w' . int(rand(20)) });

	return pick(
		{ %execution, signalName => 's' }, {%execution}, { %execution, reason => 'why' },
		{ workflowId => 'w' . int(rand(20)), workflowType => { name => 'flow' }, taskQueue => { name => 'q1' } },
		{ workflowId => 'w' . int(rand(20)), workflowType => { name => 'flow' }, taskQueue => { name => 'q1' }, signalName => 's' });
}

# A Payload, of JSON.
sub some_payload { return { metadata => { encoding => 'anNvbi9wbGFpbg==', pick(1, 0) ? (type => pick('S2V5d29yZA==', 'SW50')) : () }, data => pick('MQ==', 'ImEi', 'bnVsbA==') } }

sub some_failure
{
	my ($depth) = @_;

	return {
		message => 'why',
		applicationFailureInfo => { type => pick('E1', 'E2'), nonRetryable => pick(JSON::PP::true, JSON::PP::false), details => { payloads => [ some_payload() ] } },
		$depth > 0 ? (cause => some_failure($depth - 1)) : () };
}

# A command as the protocol prints it.
sub some_command
{
	my $id = 'i' . int(rand(9));

	return pick(
		{ commandType => 'COMMAND_TYPE_START_TIMER', startTimerCommandAttributes => { timerId => $id, startToFireTimeout => pick('0.05s', '3600s') } },
		{ commandType => 'COMMAND_TYPE_CANCEL_TIMER', cancelTimerCommandAttributes => { timerId => $id } },
		{ commandType => 'COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK',
			scheduleActivityTaskCommandAttributes =>
			  { activityId => $id, activityType => { name => 'work' }, taskQueue => { name => 'q1' }, startToCloseTimeout => '10s' } },
		{ commandType => 'COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK',
			userMetadata => { summary => some_payload() },
			scheduleActivityTaskCommandAttributes => {
				activityId => $id, activityType => { name => 'work' }, scheduleToCloseTimeout => '10s', heartbeatTimeout => '1s', requestEagerExecution => JSON::PP::true,
				input => { payloads => [ some_payload(), some_payload() ] }, header => { fields => { h => some_payload() } }, priority => { priorityKey => 2, fairnessKey => 'k1' },
				retryPolicy => { initialInterval => '0.05s', backoffCoefficient => 2, maximumAttempts => 3, nonRetryableErrorTypes => ['E1'] } } },
		{ commandType => 'COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK', requestCancelActivityTaskCommandAttributes => { scheduledEventId => pick('5', '6') } },
		{ commandType => 'COMMAND_TYPE_RECORD_MARKER', recordMarkerCommandAttributes => { markerName => 'm', details => { d => { payloads => [ some_payload() ] } }, failure => some_failure(1) } },
		{ commandType => 'COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES',
			upsertWorkflowSearchAttributesCommandAttributes => { searchAttributes => { indexedFields => { CustomKeyword => some_payload() } } } },
		{ commandType => 'COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES', modifyWorkflowPropertiesCommandAttributes => { upsertedMemo => { fields => { of => some_payload() } } } },
		{ commandType => 'COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION', completeWorkflowExecutionCommandAttributes => { result => { payloads => [ some_payload() ] } } },
		{ commandType => 'COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION', failWorkflowExecutionCommandAttributes => { failure => some_failure(int(rand(3))) } },
		{ commandType => 'COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION', cancelWorkflowExecutionCommandAttributes => { details => { payloads => [ some_payload() ] } } },
		{ commandType => 'COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION',
			continueAsNewWorkflowExecutionCommandAttributes => pick({}, { input => { payloads => [ some_payload() ] }, memo => { fields => { of => some_payload() } },
				searchAttributes => { indexedFields => { CustomKeyword => some_payload() } }, backoffStartInterval => '0.05s' }) });
}

my %typical_of_type = (
	text => sub { quoted('text ' . int(rand(10))) },
	jsonb => sub { some_json({ some => [ 'thing', int(rand(10)) ] }) },
	interval => sub { quoted(pick('50 ms', '1 s', '1 h')) },
	'timestamp with time zone' => sub { "now() + interval '" . pick('-1 s', '50 ms', '1 h') . "'" },
	'double precision' => sub { pick(1, 2, 1000) },
	integer => sub { pick(1, 2, 5) },
	bigint => sub { pick(1, 2, 1000) },
	smallint => sub { 1 },
	boolean => sub { pick('true', 'false') },
	uuid => \&some_token,
);

# ---- hostile values -------------------------------------------------------

my @texts = (
	"''", "' '", "'q1 '", "'Q1'", "repeat('x', 1000)", "repeat('x', 1001)",
	"repeat('x', 999) || U&'\\00e9'", "repeat(U&'\\+01F600', 250)", "repeat('y', 64)", "repeat('y', 65)",
	"repeat(U&'\\00e9', 32)", "repeat(U&'\\00e9', 33)", "repeat('z', 400)", "repeat('z', 401)",
	"repeat('w', 100000)", "repeat(E'\\001\\n\\r\\t\"\\\\', 40)", "'%s%n%d%1\$s%'", "'''; DROP TABLE x; --'",
	"'NaN'", "'null'", "'-1'", "U&'\\FEFFq1'", "U&'q1\\0301'", "U&'\\202Eq1'", "'../../q1'", "E'q1\\nq2'",
	"chr(1114111)", "'q1'::varchar(1)", "'q1'::name", "lpad('', 63, 'n')");
my @integers = (0, -1, 1, 5, 6, 32767, 32768, 2147483647, -2147483648);
my @bigints = (@integers, '9223372036854775807', '(-9223372036854775808)', '281474976710657', '2147483648', '1000000000000');
my @floats = map { "'$_'::float8" } qw(NaN Infinity -Infinity -0 0 -1 0.5 1e308 -1e308 4.9e-324 1e-300 1e9 1.0000000000000002);
my @intervals = map { "'$_'::interval" } (
	'0', '-1 s', '1 us', '-1 us', '1 mon', '1 mon -30 days', '1 day -24:00:00', '-1 day 24:00:00', '1 day -1 us',
	'178000000 years', '-178000000 years', '2147483647 days', '106751991 days', '106751990 days 23:59:59.999999', '2562047788 hours', '292000 years',
	'290000 years', '-2147483648 days', '9223372036854775.807 ms', '1 s 1 mon', '0.4 us');
my @instants = map { "'$_'::timestamptz" } (
	'infinity', '-infinity', '4714-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', 'epoch',
	'2000-01-01 00:00+00', '9999-12-31 00:00+00', '0001-01-01 00:00+00');
my @uuids = map { "'$_'::uuid" } (
	'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '80000000-0000-0000-0000-000000000000',
	'7fffffff-ffff-ffff-ffff-ffffffffffff', '00000001-0000-0000-0000-000000000001', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
my @numbers = (0, -1, 1.5, 1e300, -1e300, 9007199254740993, 2147483648, 1e-300);

# Any JSON, of options where objects have keys.
sub wild_json
{
	my ($self, $depth) = @_;
	my $kind = rand();

	return pick(undef, JSON::PP::true, JSON::PP::false, '', @numbers) if $kind < 0.35;
	return pick('1 s', '-1 s', '1 mon', 'infinity', '10 years -1 s', '1e400 s', '99999999999 days', 'NaN', 'x', 'q2', 'application',
		'timeout', 'canceled', 'x' x 1001, "\x{1F600}" x 20, "\x01\n", '300000 years', '24:00:00', 'P1Y', '1.5')
	  if $kind < 0.7 || $depth > 3;
	return [ map { $self->wild_json($depth + 1) } 1 .. rand(4) ] if $kind < 0.8;
	return { map { pick(@{ $self->{keys} }) => $self->wild_json($depth + 1) } 1 .. rand(5) };
}

sub hostile_json
{
	my ($self) = @_;
	my $kind = int(rand(14));
	my $depth;

	return some_json($self->wild_json(0)) if $kind < 7;
	return pick("'null'", "'[]'", "'{}'", "'\"\"'", "'-0'", "'1e1000'", "'1e-1000'", "'[[[[[[[[]]]]]]]]'",
		"'\"\\u0000\"'", "'{\"\": null}'", "'{\"a\": 1, \"a\": 2}'") . '::jsonb'
	  if $kind < 9;
	return "(SELECT jsonb_object_agg(i, i) FROM generate_series(1, 3000) i)" if $kind == 9;
	return "to_jsonb(repeat('x', " . pick(2097144, 2097152, 10000000, 100000) . '))' if $kind == 10;
	return "(SELECT jsonb_object_agg(k, '1 s') FROM unnest(ARRAY[" . join(', ', map { quoted($_) } @{ $self->{keys} }) . ']) k)'
	  if $kind == 11;
	$depth = pick(100, 1000, 5000, 6500, 8000, 12000, 100000);
	return "(repeat('[', $depth) || repeat(']', $depth))::jsonb" if $kind == 12;
	return "(repeat('{\"cause\": ', $depth) || '{\"message\": \"m\"}' || repeat('}', $depth))::jsonb";
}

# What stands in messages where something else should.
my @strange = (
	undef, JSON::PP::true, '', 0, -1, 1.5, 1e300, 2147483648, 'x', 'x' x 1001, "\x{1F600}\x01", [], {}, [ [] ], [undef], { '' => undef },
	'-1s', '0s', '0.0000000001s', '315576000000s', '315576000001s', '99999999999999999999', '9223372036854775807', '-1', '0', '/_sys/w/q', 'A', '!', 'AA==',
	'COMMAND_TYPE_UNSPECIFIED', '00000000-0000-0000-0000-000000000000', '9999-12-31T23:59:59.999999999Z');

# The same, but for one thing in it, at whatever depth.
sub with_strange
{
	my ($thing) = @_;

	return pick(@strange) if !ref $thing || JSON::PP::is_bool($thing) || chance(0.1);
	if (ref $thing eq 'ARRAY')
	{
		my @copy = @$thing;
		my $i = int(rand(@copy + 1));

		$copy[$i] = $i < @copy && chance(0.8) ? with_strange($copy[$i]) : pick(@strange);
		return \@copy;
	}
	my %copy = %$thing;
	my @keys = sort keys %copy;

	return { %copy, pick('x', 'payloads', 'cause', 'name', 'fields') => pick(@strange) } if !@keys || chance(0.1);
	my $key = pick(@keys);

	if   (chance(0.1)) { delete $copy{$key} }
	else               { $copy{$key} = with_strange($copy{$key}) }
	return \%copy;
}

# Messages in which one thing is wrong.
my %wrong = (
	request => sub { some_json(with_strange(some_request())) },
	commands => sub { some_json(with_strange([ map { some_command() } 1 .. 1 + rand(3) ])) },
	completion => sub { "jsonb_build_object('task_token', " . some_token($_[0]) . ", 'commands', " . some_json(with_strange([ some_command() ])) . ')' },
	failure => sub { some_json(with_strange(some_failure(2))) },
	payloads => sub { some_json(with_strange({ payloads => [ some_payload(), some_payload() ] })) },
	attributes => sub { my $command = some_command(); some_json(with_strange((grep { ref } values %$command)[0])) });

sub hostile_text
{
	my $kind = rand();

	return quoted('n' . int(rand(1e6))) if $kind < 0.3;		# one more of it
	return "repeat('x', 10000000)" if $kind < 0.33;
	return pick(@texts);
}

# Forged, foreign, or of any time.
sub hostile_token
{
	my ($self) = @_;
	my $kind = rand();
	my $token = pick(@{ $self->{tokens} }, @{ $self->{foreign} });

	return pick(@uuids) if $kind < 0.3 || !$token;
	return quoted(pick(@{ $self->{foreign} })) if $kind < 0.5 && @{ $self->{foreign} };
	substr($token, int(rand(8)), 1) = sprintf('%x', rand(16)) if $kind < 0.65;
	substr($token, 24 + int(rand(12)), 1) = sprintf('%x', rand(16)) if $kind > 0.6 && $kind < 0.85;
	return quoted($token);
}

my %hostile_of_type = (
	text => \&hostile_text,
	jsonb => \&hostile_json,
	uuid => \&hostile_token,
	interval => sub { pick(@intervals, $_[0]->{has_infinite_interval} ? ("'infinity'::interval", "'-infinity'::interval") : ()) },
	'timestamp with time zone' => sub { pick(@instants) },
	'double precision' => sub { pick(@floats) },
	integer => sub { pick(@integers) },
	bigint => sub { pick(@bigints) },
	boolean => sub { pick('true', 'false') },
	regrole => sub { pick("'-'::regrole", '4294967295::oid::regrole', '0::oid::regrole', "'no_such_role'::regrole") },
);

# ---- values ---------------------------------------------------------------

sub hostile_array
{
	my ($self, $name, $type) = @_;
	my $one = $self->value($name, $type, pick(0, 1));
	my $other = $self->value($name, $type, pick(0, 1));

	return pick(
		"'{}'", "ARRAY[NULL]::${type}[]", "ARRAY[$one, NULL]::${type}[]", "ARRAY[$one, $one, $other]::${type}[]",
		"ARRAY[[$one, $one], [$other, NULL]]::${type}[]", "array_fill($one, ARRAY[3], ARRAY[-5])",
		"array_fill($one, ARRAY[2], ARRAY[2147483645])", "array_fill(NULL::$type, ARRAY[1, 1, 1])", "array_fill($one, ARRAY[2000])",
		"'[0:0]={NULL}'") . "::${type}[]";
}

# A value for an argument of this name and type.
sub value
{
	my ($self, $name, $type, $is_hostile) = @_;
	my $known = $self->{types}->{$type};
	my $element = $type =~ s/\[\]$//r;
	my ($made, $single);

	return "NULL::$type" if $is_hostile && chance(0.15);
	if ($element ne $type)
	{
		$single = $name =~ s/ies$/y/r =~ s/s$//r;
		return $self->hostile_array($single, $element) if $is_hostile;
		return "ARRAY[" . join(', ', map { $self->value($single, $element, 0) } 0 .. rand(3)) . "]::$type";
	}
	if ($known && $known->{labels})
	{
		return quoted(pick(@{ $known->{labels} })) . "::$type";
	}
	if ($known && $known->{fields})
	{
		return "ROW(" . join(', ', map { $self->value($_->{name}, $_->{type}, $is_hostile && chance(0.4)) } @{ $known->{fields} }) . ")::$type";
	}
	$made = $is_hostile ? $hostile_of_type{$type} : $typical{$name} // $typical_of_type{$type};
	$made = $wrong{$name} if $is_hostile && $type eq 'jsonb' && $wrong{$name} && chance(0.7);
	return "NULL::$type" unless $made;
	return '(' . $made->($self) . ")::$type";
}

1;
