# What Temporal's server wrote when real workers and clients called it, taskq
# writes when they call its SQL: test/temporal/replay plays recorded runs, and
# their histories have to be the recorded ones to the last attribute.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $folder = abs_path("$FindBin::RealBin/../../temporal");
my @goldens = glob "$folder/goldens/*.json";
my $node = activity_node('main');
my ($output, $errors) = run_command([ "$folder/replay", $node->connstr('postgres'), "$folder/raw", "$folder/goldens" ]);

# A line for each recorded run, and behind it what is wrong, indented.
while ($output =~ /^(ok|not ok) (\S+).*\n((?:    .*\n)*)/mg)
{
	ok($1 eq 'ok', "the history of $2 is the recorded one") or diag $3;
}
is((split /\n/, $output)[-1], scalar(@goldens) . ' passed, 0 failed', 'all of the recorded runs were played');
is($errors, '', 'without errors');

# A history that does not come with its workflow task as a whole: the driver reads on.
($output) = run_command([ "$folder/replay", $node->connstr('postgres') . " options='-c taskq.max_history_page=1kB'",
	"$folder/raw", "$folder/goldens", qw(helloworld sticky_lost raw_fail_many) ]);
like($output, qr/^3 passed, 0 failed$/m, 'histories of several pages are the recorded ones') or diag $output;

done_testing();
