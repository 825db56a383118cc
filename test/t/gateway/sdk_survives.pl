# Whatever happens to gateways and to the server: no result is lost, none is
# wrong, for a program with Temporal's SDK that goes on calling.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqSdk;
use TaskqTest;
use Test::More;

need_sdk('python');

my $node = activity_node('main');
my $gateway = start_gateway($node);
my $listen = "127.0.0.1:$gateway->{port}";
my $number = 0;

# A load, to the gateways of $listen, before, while and after something happens.
sub survives
{
	my ($what, $address, $happens) = @_;
	my $queue = 'load' . $number++;
	my $load = sdk_start('python', 'load', $address, $queue);
	my $is_done = "SELECT count(*) >= %d FROM taskq.activities WHERE task_queue = '$queue' AND status = 'completed'";

	is(sdk_line($load), 'ready', "$what: a load");
	ok($node->poll_query_until('postgres', sprintf($is_done, 20)), 'it is under way');
	$happens->();
	my $before = sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue'");
	ok($node->poll_query_until('postgres', sprintf($is_done, $before + 20)), 'it goes on');
	my $line = sdk_ask($load, 'stop');
	my ($results) = $line =~ /^(\d+) results, 0 wrong$/;
	ok($results, 'no result is wrong') or diag $line;
	is(sdk_finish($load), 0, 'the program ends');
	is(sql($node, "SELECT count(*), count(*) FILTER (WHERE status = 'completed' AND result::numeric = input::numeric ^ 2) FROM taskq.activities WHERE task_queue = '$queue'"),
		"$results|$results", 'there is one run for each result, completed with it');
}

survives('connections are terminated', $listen, sub {
	for (1 .. 3)
	{
		sql($node, q(SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'taskq-gateway'));
	}
});

survives('PostgreSQL is restarted', $listen, sub { $node->restart });

survives('PostgreSQL crashes', $listen, sub {
	$node->stop('immediate');
	$node->start;
});

survives('the gateway is restarted', $listen, sub {
	is($gateway->stop, 0, 'it stops in order');
	$gateway = start_gateway($node, '--listen', $listen);
});

survives('the gateway is killed, another one takes over', $listen, sub {
	$gateway->signal('KILL');
	$gateway->ended;
	$gateway = start_gateway($node, '--listen', $listen);
});

is($gateway->stop, 0, 'the gateway stops');
done_testing();
