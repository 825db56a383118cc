# The parts of the gateway that know neither sockets nor a database, each by a
# program that looks for faults of its own memory: test/modules/gateway.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use IPC::Run;
use Test::More;

my $folder = abs_path("$FindBin::RealBin/../../modules/gateway");
my @programs = grep { -x && !/\.d$/ } glob "$folder/build/test_*";

plan(skip_all => 'the gateway is not built') unless @programs;

for my $program (@programs)
{
	my $output = '';
	my ($name) = $program =~ m|/test_(\w+)$|;

	ok(IPC::Run::run([$program], '>', \$output, '2>&1'), $name) or diag($output);
	like($output, qr/^1\.\.\d+$/m, "$name: to its end");
}
done_testing();
