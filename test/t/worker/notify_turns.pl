# Where more channels have news all the time than the worker serves in one round,
# each of them has its turn.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant CHANNELS => 64;

my $node = activity_node('main', 'taskq.notify_interval = 0');
my $listener = $node->background_psql('postgres');
my @channels =
  split /\n/, sql($node, "SELECT taskq.channel('q' || i) FROM generate_series(1, ${\CHANNELS}) i ORDER BY i");

is(scalar(@channels), CHANNELS, 'channels');
$listener->query_safe(join('; ', map { "LISTEN $_" } @channels));

# each of these is news for all queues
sql($node, 'DELETE FROM taskq.open WHERE run_id = 0;' x 1000);
my $heard = hear($listener, qr/(?=.*"$channels[0]")(?=.*"$channels[-1]")/s);
my @counts = sort { $a <=> $b } map { count_matches($heard, qr/"$_"/) } @channels;

diag("heard of a channel $counts[0] to $counts[-1] times");
cmp_ok($counts[0] * 3, '>=', $counts[-1], 'all are heard about as often');

$listener->quit;
done_testing();
