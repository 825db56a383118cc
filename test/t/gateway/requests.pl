# What clients say is kept whole, what makes no sense is refused with a word that
# helps, and one call that the server cannot bear does no harm to its neighbours.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $gateway = start_gateway($node);
my @long = ('-H', 'grpc-timeout: 60S');

ok($gateway->wait_healthy, 'it serves');

sub call
{
	my ($method, $message, @options) = @_;

	return $gateway->call(WORKFLOW_SERVICE . $method, framed($message), @options);
}

sub status
{
	my ($method, $message) = @_;

	return $gateway->status(WORKFLOW_SERVICE . $method, framed($message));
}

sub start_request
{
	my ($id, $queue) = @_;

	return text(1, 'default') . text(2, 'me') . text(4, $id) . text(5, text(1, 'a type')) . text(6, text(1, $queue // 'a queue')) . text(7, number(1, 60));
}

# A field that is a double, or a float.
sub double
{
	my ($field, $value) = @_;

	return chr($field << 3 | 1) . pack 'd<', $value;
}

sub float
{
	my ($field, $value) = @_;

	return chr($field << 3 | 5) . pack 'f<', $value;
}

sub json
{
	my ($text) = @_;

	return text(1, text(1, 'encoding') . text(2, 'json/plain')) . text(2, $text);
}

# ---- what is kept -----------------------------------------------------------

# A failure that is reported by id, with all that Temporal's has.
is(status('StartActivityExecution', start_request('by id') . text(11, number(4, 1))), '0', 'an activity is started');
call('PollActivityTaskQueue', text(1, 'default') . text(2, text(1, 'a queue')) . text(3, 'somebody'), @long);
my $failure = text(1, 'no way') . text(2, 'JavaSDK') . text(3, 'at line 7') . text(5, text(1, 'Sad'))
  . text(20, text(1, text(1, 'encoding') . text(2, 'binary/encrypted')) . text(2, 'secret')) . text(4, text(1, 'why') . text(2, 'GoSDK'));
is(status('RespondActivityTaskFailedById', text(1, 'default') . text(4, 'by id') . text(5, $failure) . text(6, 'me')), '0', 'it is failed by its id');
is(sql($node, q(SELECT failure ->> 'message', failure ->> 'source', failure -> 'encoded_attributes' -> '$payloads' -> 0 ->> 'data', failure -> 'cause' ->> 'source'
	FROM taskq.activities WHERE activity_id = 'by id')), 'no way|JavaSDK|c2VjcmV0|GoSDK', 'all of the failure is kept');

# Metadata for users: a summary, and details, which are long.
my $details = '"' . 'long ' x 1000 . '"';
is(status('StartActivityExecution', start_request('described') . text(16, text(1, text(1, '$mine') . text(2, json('7'))))
	. text(17, text(1, json('"short"')) . text(2, json($details)))), '0', 'an activity with a summary and details');
my $described = call('DescribeActivityExecution', text(1, 'default') . text(2, 'described'))->{body};
like($described, qr/\Q"short"\E/, 'the summary is given back');
like($described, qr/\Q$details\E/, 'so are details');
is(sql($node, q(SELECT summary, length(header ->> '$details'), header ->> '$$mine' FROM taskq.activities WHERE activity_id = 'described')), 'short|5000|7',
	'SQL sees both');
my $task = call('PollActivityTaskQueue', text(1, 'default') . text(2, text(1, 'a queue')) . text(3, 'somebody'), @long)->{body};
like($task, qr/\$mine/, 'a worker gets the fields of its header');
unlike($task, qr/long|\$details|\$\$/, 'and no more');

# ---- what is refused --------------------------------------------------------

for (
	[ 'no number as back-off', text(11, double(2, 'nan')), 'invalid RetryPolicy: BackoffCoefficient must be a number' ],
	[ 'an infinite back-off', text(11, double(2, 'inf')), 'invalid RetryPolicy: BackoffCoefficient must be a number' ],
	[ 'no number as weight', text(18, float(3, 'nan')), 'invalid Priority: FairnessWeight must be a number' ],
	[ 'an unknown policy of reuse', number(13, 4), 'unknown IdReusePolicy: 4' ],
	[ 'an unknown policy of conflicts', number(14, 77), 'unknown IdConflictPolicy: 77' ],
  )
{
	my ($what, $field, $problem) = @$_;

	is(status('StartActivityExecution', start_request($what) . $field), "3 $problem", $what);
}
is(status('UpdateActivityExecutionOptions', text(1, 'default') . text(3, 'described') . text(6, text(6, double(2, 'nan'))) . text(7, text(1, 'retry_policy.backoff_coefficient'))),
	'3 invalid value of retry_policy.backoff_coefficient', 'no number as a new back-off');
is(sql($node, q(SELECT count(*) FROM taskq.activities)), 2, 'nothing was started');

# Lists: their order, and tokens of pages.
for my $query ('ORDER BY StartTime', q(ExecutionStatus = 'Running' ORDER BY StartTime DESC))
{
	like(status('ListActivityExecutions', text(1, 'default') . text(4, $query)), qr/^3 .*ORDER BY is not implemented/, $query);
}
my $page = call('ListActivityExecutions', text(1, 'default') . number(2, 1))->{body};
my ($token) = $page =~ /\x12\x10(.{16})\z/s;
ok(defined $token, 'a page has a token');
my $next = sub { call('ListActivityExecutions', text(1, 'default') . number(2, 1) . text(3, $_[0]) . text(4, $_[1] // ''))->{status} };
is($next->($token), 0, 'with which the next one is asked for');
is($next->($token, q(ExecutionStatus = 'Failed')), 3, 'of the same query');
is(join(' ', map { $next->(substr($token, 0, $_) . (substr($token, $_, 1) ^ "\x01") . substr($token, $_ + 1)) } 0 .. 15), '3 ' x 15 . '3',
	'with any byte of it changed it is none');
is($next->(substr $token, 1), 3, 'nor is a shorter one');

# ---- what the server cannot bear --------------------------------------------

# Two of four calls that come together fail with an internal error, always.
sql($node, <<'SQL');
ALTER FUNCTION taskq.schedule RENAME TO schedule_as_it_is;
DO $do$
DECLARE
	f pg_proc := (SELECT p FROM pg_proc p WHERE oid = 'taskq.schedule_as_it_is'::regproc);
BEGIN
	EXECUTE format($$CREATE FUNCTION taskq.schedule(%s) RETURNS %s LANGUAGE plpgsql AS $body$
		BEGIN
			IF activity_id ~ '[02]$' THEN
				RAISE 'a bug' USING ERRCODE = 'XX000';
			END IF;
			RETURN QUERY SELECT * FROM taskq.schedule_as_it_is(%s);
		END $body$ $$, pg_get_function_arguments(f.oid), pg_get_function_result(f.oid),
		(SELECT string_agg('$' || n, ', ' ORDER BY n) FROM generate_series(1, f.pronargs) n));
END $do$
SQL
my $offset = $gateway->offset;
my $batch = $gateway->start_client(WORKFLOW_SERVICE . 'StartActivityExecution', framed(start_request('bad####', 'bad')), '-u', '-n', 4);
my @outcomes = $gateway->finish_client($batch);
is(join(' ', map { "$_->{status}x$_->{count}" } grep { $_->{status} } @outcomes), '13x2', 'those whose calls fail hear of it');
like((grep { $_->{status} } @outcomes)[0]{message}, qr/a bug/, 'and why');
is(sql($node, q(SELECT string_agg(activity_id, ' ' ORDER BY activity_id) FROM taskq.activities WHERE task_queue = 'bad')), 'bad0001 bad0003', 'the others are done');
like(substr($gateway->log, $offset), qr/statement "schedule" failed, and connections are made anew: a bug/, 'it is logged');
sql($node, 'DROP FUNCTION taskq.schedule; ALTER FUNCTION taskq.schedule_as_it_is RENAME TO schedule');
is(status('StartActivityExecution', start_request('afterwards')), '0', 'and it goes on');

# ---- what could not be given back -------------------------------------------

my $gone = $gateway->start_client(WORKFLOW_SERVICE . 'PollActivityTaskQueue', activity_poll('returned'), @long, '-s');
sql($node, q(SELECT taskq.schedule('returned', 't', start_to_close_timeout => '1h')));
ok($node->poll_query_until('postgres', q(SELECT run_state = 'started' FROM taskq.activities WHERE task_queue = 'returned')), 'a task is on its way');
$node->stop('fast');
$gateway->finish_client($gone, 1);
my $tried = sub {
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if ($gateway->metric(q(taskq_gateway_statements_total{statement="release_many",outcome="unsent"})) // 0) > 0;
		select undef, undef, undef, 0.1;
	}
};
ok($tried->(), 'its client goes while there is no server');
$node->start;
ok($node->poll_query_until('postgres', q(SELECT run_state = 'scheduled' AND attempt = 1 FROM taskq.activities WHERE task_queue = 'returned')),
	'it is given back when the server is there again');

is($gateway->stop, 0, 'it stops');
done_testing();
