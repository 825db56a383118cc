# What other tests do to the gateway is done to one that looks for faults of its
# own memory, and for what C leaves undefined.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use IPC::Run;
use Test::More;

my $program = abs_path("$FindBin::RealBin/../../../src/gateway/build/sanitize/taskq-gateway");

plan(skip_all => 'the gateway is not built') unless $program && -x $program;

# What is freed stays for a while, but not for ever.
$ENV{TASKQ_GATEWAY} = $program;
$ENV{ASAN_OPTIONS} = 'quarantine_size_mb=32:detect_leaks=1';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

for my $test (qw(arguments protocol hostile secured parked))
{
	my $output = '';

	ok(IPC::Run::run([ $^X, (map { "-I$_" } @INC), "$FindBin::RealBin/$test.pl" ], '>', \$output, '2>&1'), $test)
	  or diag($output);
}
done_testing();
