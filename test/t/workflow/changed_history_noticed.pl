# The judge of recorded workflows: a history as it was recorded passes, and one
# that was changed in any one place does not.

use strict;
use warnings;

use FindBin;

use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = abs_path("$FindBin::RealBin/../../temporal");
my ($output, $errors) = run_command([ "$folder/replay", '--check', "$folder/raw", "$folder/goldens",
		qw(act_heartbeat_timeout continue_as_new raw_fail raw_sticky wf_retry) ]);

like($output, qr/^7 passed, 0 failed$/m, 'changed histories are noticed') or diag $output;
is($errors, '', 'without errors');

done_testing();
