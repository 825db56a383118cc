# Two gateways behind a proxy that sends each call to the other one, of which
# one is killed every two seconds, by turns: programs with Temporal's SDKs see
# what they see with one gateway that lives.

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
need_sdk('python');

my $node = activity_node('main');
my @gateways = map { start_gateway($node) } 1 .. 2;
my @addresses = map { "127.0.0.1:$_->{port}" } @gateways;
my $proxy = sdk_start('proxy', @addresses);
my $address = sdk_line($proxy);
my $kills = 0;

# Run a program while gateways are killed; what it has written.
sub run_killing
{
	my $program = sdk_start(@_);

	while (sdk_is_running($program, 2))
	{
		my $which = $kills++ % 2;

		$gateways[$which]->signal('KILL');
		$gateways[$which]->ended;
		$gateways[$which] = start_gateway($node, '--listen', $addresses[$which]);
	}
	is(sdk_finish($program), 0, "$_[0] $_[1]: it runs to its end");
	return $program->{out};
}

# A gateway that is killed when it was about to hand a task out takes that
# attempt with it, and only a timeout brings it back. So what differs is asked
# for once more.
sub is_golden
{
	my ($golden, $program) = @_;
	my $expected = slurp_file($golden);
	my $seen = $program->();

	if ($seen ne $expected)
	{
		diag "once more, after\n$seen";
		$seen = $program->();
	}
	is($seen, $expected, "$golden");
}

for my $round (1 .. 2)
{
	my $folder = PostgreSQL::Test::Utils::tempdir();

	run_killing('go', '-addr', $address, '-out', $folder);
	for my $golden (sdk_goldens('saa_*'))
	{
		my ($file) = $golden =~ m{([^/]+)$};
		my ($name) = $file =~ /^(\w+)/;
		my $is_first = 1;

		is_golden($golden, sub {
			run_killing('go', '-addr', $address, '-out', $folder, $name) unless $is_first;
			$is_first = 0;
			return slurp_file("$folder/$file");
		});
	}
	is_golden((sdk_goldens('python_activities*'))[0], sub { run_killing('python', 'activities', $address) });
}
cmp_ok($kills, '>', 3, "gateways were killed $kills times");
sdk_finish($proxy);

is($_->stop, 0, 'a gateway stops') for @gateways;
done_testing();
