# Ten thousand polls that wait cost little, are answered when there is a task,
# and when the gateway ends.

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
my $poll = WORKFLOW_SERVICE . 'PollActivityTaskQueue';
my @long = ('-H', 'grpc-timeout: 600S');

ok($gateway->wait_healthy, 'it serves');

# Many that wait: on 20 connections, for 1,000 queues, 1,000 workers.
my $crowd = $gateway->start_client($poll, activity_poll('crowd####', 'worker####'), @long, '-u', '-c', 20, '-n', 500, '-a', 300);
ok($gateway->wait_metric('taskq_gateway_calls_in_progress', 10000), '10,000 polls wait');
note(sprintf 'in %.0f MB', $gateway->megabytes);
cmp_ok($gateway->megabytes, '<', 100, 'in less than 100 MB') unless $ENV{TASKQ_GATEWAY};
sql($node, q(SELECT count(*) FROM generate_series(1, 300) i, taskq.schedule('crowd' || to_char(i, 'FM0000'), 't', to_jsonb(i), start_to_close_timeout => '1h')));
my $labels = 'service="temporal.api.workflowservice.v1.WorkflowService",method="PollActivityTaskQueue"';
ok($gateway->wait_metric(qq(taskq_gateway_calls_total{$labels,code="OK"}), 300), 'those are answered for whom there are tasks');
$crowd->{handle}->pump until $crowd->{out} =~ /^answered$/m;
my %seen = map { $_->{body} => $_->{count} } $gateway->finish_client($crowd, 1);
is(scalar(grep { length } keys %seen), 300, 'each with one of its own');
ok($gateway->wait_metric('taskq_gateway_calls_in_progress', 0), 'the rest has gone with its clients');

# A task for a client that has gone is given back, and goes to another.
my $gone = $gateway->start_client($poll, activity_poll('returned'), @long);
my $deaf = $gateway->start_client($poll, activity_poll('returned'), @long, '-s');
$gateway->finish_client($gone, 1);
ok($gateway->wait_metric('taskq_gateway_calls_in_progress', 1), 'one that does not read is left');
sql($node, q(SELECT taskq.schedule('returned', 't', start_to_close_timeout => '1h')));
ok($gateway->wait_metric('taskq_gateway_calls_in_progress', 0), 'it is answered');
is(sql($node, q(SELECT run_state, attempt FROM taskq.activities WHERE task_queue = 'returned')), 'started|1', 'the attempt is started');
$gateway->finish_client($deaf, 1);
ok($node->poll_query_until('postgres', q(SELECT run_state = 'scheduled' FROM taskq.activities WHERE task_queue = 'returned')),
	'and given back when it goes');
my $other = $gateway->call($poll, activity_poll('returned'), @long);
cmp_ok(length $other->{body}, '>', 5, 'another client gets the task');
is(sql($node, q(SELECT run_state, attempt FROM taskq.activities WHERE task_queue = 'returned')), 'started|1', 'and no attempt is lost');

# Nor one of those whose client lets its answers lie, until it is thrown out.
my $lazy = $gateway->start_client($poll, activity_poll('lazy'), @long, '-s', '-n', 20);
sql($node, q(SELECT count(*) FROM generate_series(1, 20) i, taskq.schedule('lazy', 't', to_jsonb(i || repeat('x', 1000000)), start_to_close_timeout => '1h')));
$gateway->wait_log(qr/the client does not take its answers/);
ok($node->poll_query_until('postgres', q(SELECT count(*) = 20 FROM taskq.activities WHERE task_queue = 'lazy' AND run_state = 'scheduled')),
	'the tasks of one who does not read are given back');
is(($gateway->finish_client($lazy))[0]{http}, 'lost', 'and it is thrown out');

# An answer that is large is compressed for who takes it.
sql($node, q(SELECT taskq.schedule('large', 't', to_jsonb(repeat('x', 100000)), start_to_close_timeout => '1h')));
my $large = $gateway->call($poll, activity_poll('large'), @long, '-H', 'grpc-accept-encoding: gzip');
is(ord $large->{body}, 1, 'a compressed answer');
my ($compressed, $plain) = (substr($large->{body}, 5), '');
ok(IPC::Run::run([ 'gzip', '-dc' ], '<', \$compressed, '>', \$plain), 'it is valid');
cmp_ok(length $plain, '>', 100000, 'and has everything');

# The end: clients hear of it twice, and all polls are answered, without a task.
my $last = $gateway->start_client($poll, activity_poll('last'), @long, '-c', 2, '-n', 100);
ok($gateway->wait_metric('taskq_gateway_calls_in_progress', 200), 'polls wait');
$gateway->signal('TERM');
my @outcomes = $gateway->finish_client($last);
is($gateway->ended, 0, 'it ends in order');
is(scalar @outcomes, 1, 'all of them are answered in the same way');
is_deeply([ @{ $outcomes[0] }{qw(count status body)} ], [ 200, 0, framed('') ], 'without a task');
is(() = $last->{out} =~ /^goaway 2147483647 0$/mg, 2, 'it was announced');
unlike($gateway->log, qr/taking too long|its time is over/, 'nobody had to be thrown out');

# A second signal, while somebody is owed something.
$gateway = start_gateway($node);
ok($gateway->wait_healthy, 'another one serves');
my $open = $gateway->start_client(WORKFLOW_SERVICE . 'GetSystemInfo', framed(''), '-e', '-H', 'grpc-timeout: 600S');
my $offset = $gateway->offset;
$gateway->signal('INT');
$gateway->wait_log(qr/shutting down/, $offset);
$gateway->signal('INT');
is($gateway->ended, 130, 'a second signal ends it at once');

done_testing();
