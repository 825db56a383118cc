# Two gateways beside each other, one queue: who waits at one of them sees what
# is done through the other, and what one had begun the other goes on with when
# it is killed.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqSdk;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my @gateways = map { start_gateway($node) } 1 .. 2;
my ($here, $there) = @gateways;
my @long = ('-H', 'grpc-timeout: 120S');

ok($_->wait_healthy, 'a gateway serves') for @gateways;

sub started
{
	my ($gateway, $id) = @_;
	my $answer = $gateway->call(WORKFLOW_SERVICE . 'StartActivityExecution',
		framed(text(1, 'default') . text(2, 'me') . text(4, $id) . text(5, text(1, 'a type')) . text(6, text(1, 'shared')) . text(7, number(1, 600))));

	return ($answer->{body} =~ /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/)[0];
}

sub outcome_request
{
	my ($id, $run) = @_;

	return framed(text(1, 'default') . text(2, $id) . text(3, $run));
}

# The outcome of a run as a gateway tells it, whole.
sub outcome
{
	my ($gateway, $id, $run) = @_;

	return $gateway->call(WORKFLOW_SERVICE . 'PollActivityExecution', outcome_request($id, $run), @long)->{body};
}

# Wait for it, from now on.
sub waiting
{
	my ($gateway, $id, $run) = @_;

	return $gateway->start_client(WORKFLOW_SERVICE . 'PollActivityExecution', outcome_request($id, $run), @long);
}

sub waited
{
	my ($gateway, $client) = @_;

	return ($gateway->finish_client($client))[0]{body};
}

# The token of the next task.
sub token
{
	my ($gateway) = @_;

	return substr $gateway->call(WORKFLOW_SERVICE . 'PollActivityTaskQueue', activity_poll('shared'), @long)->{body}, 7, 16;
}

sub payload
{
	my ($json) = @_;

	return text(1, text(1, text(1, 'encoding') . text(2, 'json/plain')) . text(2, $json));
}

sub completed
{
	my ($gateway, $token, $json) = @_;

	return $gateway->status(WORKFLOW_SERVICE . 'RespondActivityTaskCompleted', framed(text(1, $token) . text(2, payload($json)) . text(4, 'default')));
}

# ---- each sees what the other does ------------------------------------------

for ([ 'from the first to the second', $here, $there ], [ 'from the second to the first', $there, $here ],
	[ 'at one', $here, $here ])
{
	my ($what, $client, $worker) = @$_;

	for my $json ('"one"', '{"a": 1}', 'null')
	{
		my $run = started($client, "$what $json");
		my $wait = waiting($client, "$what $json", $run);
		is(completed($worker, token($worker), $json), '0', "$what: a task is done");
		my $seen = waited($client, $wait);
		like($seen, qr/\Q$json\E/, "who waits gets $json");
		is(outcome($worker, "$what $json", $run), $seen, 'and sees what the other one shows');
	}

	my $run = started($client, "$what, early");
	is(completed($worker, token($worker), '"early"'), '0', "$what: a task is done before anybody waits");
	like(outcome($client, "$what, early", $run), qr/"early"/, 'who asks then gets it');

	$run = started($client, "$what, failed");
	my $wait = waiting($client, "$what, failed", $run);
	is($worker->status(WORKFLOW_SERVICE . 'RespondActivityTaskFailed',
		framed(text(1, token($worker)) . text(2, text(1, 'no way') . text(5, text(1, 'Sad') . number(2, 1))) . text(4, 'default'))),
		'0', "$what: a task fails");
	like(waited($client, $wait), qr/no way/, 'who waits sees why');

	$run = started($client, "$what, terminated");
	$wait = waiting($client, "$what, terminated", $run);
	is($worker->status(WORKFLOW_SERVICE . 'TerminateActivityExecution',
		framed(text(1, 'default') . text(2, "$what, terminated") . text(3, $run) . text(4, 'me') . text(6, 'enough'))),
		'0', "$what: a run is terminated");
	like(waited($client, $wait), qr/enough/, 'who waits sees that');
}

# ---- one is killed ----------------------------------------------------------

my $run = started($there, 'left');
my $token = token($there);
my $left = waiting($there, 'left', $run);
my $kept = waiting($here, 'left', $run);
$there->signal('KILL');
$there->ended;
is(($there->finish_client($left))[0]{http}, 'lost', 'who waited at the killed one has lost its connection');
my $again = waiting($here, 'left', $run);
is(completed($here, $token, '"saved"'), '0', 'a task that was handed out there is completed here');
like(waited($here, $kept), qr/"saved"/, 'who waits here gets the result');
like(waited($here, $again), qr/"saved"/, 'who comes from there as well');
$there = start_gateway($node, '--listen', "127.0.0.1:$there->{port}");
like(outcome($there, 'left', $run), qr/"saved"/, 'and so does who goes back');

# ---- programs with an SDK ---------------------------------------------------

SKIP:
{
	skip('there is no SDK for Python', 1) unless sdk_have('python');

	# the clients of one have their worker at the other
	my @addresses = map { "127.0.0.1:$_->{port}" } $here, $there;
	my @loads = map { sdk_start('python', 'load', $addresses[$_], 'sdk', $addresses[ 1 - $_ ]) } 0 .. 1;
	my $done = sub {
		my ($more) = @_;
		my $before = sql($node, q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'sdk' AND status = 'completed'));

		return $node->poll_query_until('postgres',
			"SELECT count(*) >= $before + $more FROM taskq.activities WHERE task_queue = 'sdk' AND status = 'completed'");
	};

	is(sdk_line($_), 'ready', 'a load, with its worker at the other gateway') for @loads;
	ok($done->(50), 'both are under way');
	$there->signal('KILL');
	$there->ended;
	ok($done->(50), 'one gateway is killed, and work goes on');
	$there = start_gateway($node, '--listen', $addresses[1]);
	ok($done->(50), 'it is back');
	my $sum = 0;
	for (@loads)
	{
		my $line = sdk_ask($_, 'stop');
		my ($results) = $line =~ /^(\d+) results, 0 wrong$/;
		ok($results, 'no result is wrong') or diag $line;
		$sum += $results // 0;
	}
	is(sdk_finish($_), 0, 'a program ends') for @loads;
	is(sql($node, q(SELECT count(*), count(*) FILTER (WHERE status = 'completed' AND result::numeric = input::numeric ^ 2) FROM taskq.activities WHERE task_queue = 'sdk')),
		"$sum|$sum", 'there is one run for each result, completed with it');
}

is($_->stop, 0, 'a gateway stops') for $here, $there;
done_testing();
