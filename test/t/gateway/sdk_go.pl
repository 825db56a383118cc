# Activities through Temporal's Go SDK, unmodified: what its client sees is what
# it saw with Temporal's server.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqSdk;
use TaskqTest;
use Test::More;

need_sdk('go');

my $node = activity_node('main');
my $gateway = start_gateway($node);
my $folder = PostgreSQL::Test::Utils::tempdir();

ok($gateway->wait_healthy, 'it serves');
my ($code, $out, $err) = sdk_run(600, 'go', '-addr', "127.0.0.1:$gateway->{port}", '-out', $folder);
is($code, 0, 'the program runs') or diag $err;
for my $golden (sdk_goldens('saa_*'))
{
	my ($name) = $golden =~ m{([^/]+)$};

	is(slurp_file("$folder/$name"), slurp_file($golden), "$name is as with Temporal's server");
}
is($gateway->stop, 0, 'the gateway stops');

done_testing();
