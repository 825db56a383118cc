# Each API key is for a role of PostgreSQL: a call may do what that role may.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $keys = PostgreSQL::Test::Utils::tempdir() . '/keys';

append_to_file($keys, join '', map { "key-of-$_ $_\n" } qw(producer worker operator nobody));
chmod 0600, $keys;
sql($node, qq(
	CREATE ROLE producer; CREATE ROLE worker; CREATE ROLE operator;
	SELECT taskq.grant_access('producer', 'producer');
	SELECT taskq.grant_access('worker', 'worker');
	SELECT taskq.grant_access('operator', 'operator')));

my $gateway = start_gateway($node, '--api-key-file', $keys, '--pool', 2);
ok($gateway->wait_healthy, 'it serves');

sub called_as
{
	my ($role, $method, $message, @options) = @_;

	return $gateway->call(WORKFLOW_SERVICE . $method, framed($message),
		'-H', "authorization: Bearer key-of-$role", @options);
}

sub start_request
{
	my ($id) = @_;

	return text(1, 'default') . text(2, 'me') . text(4, $id) . text(5, text(1, 'a type')) . text(6, text(1, 'a queue'))
	  . text(7, number(1, 60));
}
my $poll = text(1, 'default') . text(2, text(1, 'a queue')) . text(3, 'somebody');
my $cancel = text(1, 'default') . text(2, 'one');

is(called_as('producer', 'StartActivityExecution', start_request('one'))->{status}, 0, 'a producer may start');
is(called_as('worker', 'StartActivityExecution', start_request('two'))->{status}, 7, 'a worker may not');
is(called_as('producer', 'PollActivityTaskQueue', $poll, '-H', 'grpc-timeout: 5S')->{status}, 7, 'a producer may not poll');
my $polled = called_as('worker', 'PollActivityTaskQueue', $poll, '-H', 'grpc-timeout: 5S');
is($polled->{status}, 0, 'a worker may');
like($polled->{body}, qr/a type/, 'and gets what the producer has started');
is(called_as('worker', 'RequestCancelActivityExecution', $cancel)->{status}, 7, 'a worker may not cancel');
is(called_as('operator', 'RequestCancelActivityExecution', $cancel)->{status}, 0, 'an operator may');
my $denied = called_as('nobody', 'StartActivityExecution', start_request('three'));
is("$denied->{status} $denied->{message}", '7 role "nobody" does not exist', 'a role that does not exist may not do anything');
is(called_as('nobody', 'PollActivityTaskQueue', $poll, '-H', 'grpc-timeout: 60S')->{status}, 7, 'nor wait for anything');
$gateway->wait_log(qr/warning: no connection to the database for role nobody: .*role "nobody" does not exist/);
sql($node, q(CREATE ROLE nobody));
my $other;
for (1 .. 100)
{
	$other = called_as('nobody', 'StartActivityExecution', start_request('three'))->{message};
	last if $other ne $denied->{message};
	select undef, undef, undef, 0.1;
}
is($other, 'permission denied for schema taskq', 'when it exists, it may not either');
is(sql($node, q(SELECT count(DISTINCT rolname) FROM pg_stat_activity, LATERAL (SELECT usename AS rolname) r WHERE application_name = 'taskq-gateway')), 1,
	'one role connects for all');

# A worker's commits wake its own polls, of whatever role.
my $waiting = $gateway->start_client(WORKFLOW_SERVICE . 'PollActivityTaskQueue', framed($poll =~ s/a queue/b queue/r),
	'-H', 'authorization: Bearer key-of-worker', '-H', 'grpc-timeout: 60S');
ok($gateway->wait_metric('taskq_gateway_parked_polls', 1), 'a worker waits');
is(called_as('producer', 'StartActivityExecution', start_request('four') =~ s/a queue/b queue/r)->{status}, 0, 'a producer starts');
ok($gateway->wait_metric('taskq_gateway_parked_polls', 0), 'the worker has it');
$gateway->finish_client($waiting);

# What a worker has completed, and the gateway need not look for, is shown to
# who may see it and to nobody else.
sub waiting_as
{
	my ($role, $run) = @_;

	return $gateway->start_client(WORKFLOW_SERVICE . 'PollActivityExecution', framed(text(1, 'default') . text(2, 'five') . text(3, $run)),
		'-H', "authorization: Bearer key-of-$role", '-H', 'grpc-timeout: 60S');
}

for my $round (1 .. 2)
{
	my $started = called_as('producer', 'StartActivityExecution', start_request('five') =~ s/a queue/c queue/r);
	my ($run) = $started->{body} =~ /([0-9a-f]{8}-[-0-9a-f]{27})/;
	my %waiting = map { $_ => waiting_as($_, $run) } qw(producer nobody);
	my $token = substr called_as('worker', 'PollActivityTaskQueue', $poll =~ s/a queue/c queue/r, '-H', 'grpc-timeout: 60S')->{body}, 7, 16;
	is(called_as('worker', 'RespondActivityTaskCompleted',
		text(1, $token) . text(2, text(1, text(1, text(1, 'encoding') . text(2, 'json/plain')) . text(2, '"secret"'))))->{status}, 0, 'a worker completes');
	my %seen = map { $_ => ($gateway->finish_client($waiting{$_}))[0] } keys %waiting;
	like($seen{producer}{body}, qr/"secret"/, 'a producer sees the result');
	is("$seen{nobody}{status} $seen{nobody}{body}", '7 ', 'nobody does not');
}

is($gateway->stop, 0, 'it stops');
done_testing();
