# Listeners of a queue's channel hear of tasks that are due: the first one at
# once, then at most once per taskq.notify_interval, and only what committed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', "taskq.notify_interval = '2s'",
	'max_prepared_transactions = 2');
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');

my $session = $node->background_psql('postgres');
my %channel;
for my $queue (qw(busy prepared quiet last))
{
	$channel{$queue} = $session->query_safe("SELECT taskq.channel('$queue')");
	$session->query_safe("LISTEN $channel{$queue}");
}

# one that may be spurious, for every new channel
hear($session, qr/"$channel{$_}"/) for qw(last);
ok( $node->poll_query_until('postgres', 'SELECT pg_sleep(2) IS NOT NULL'),
	'intervals are over');
$session->query_safe('SELECT 1');

# thirty commits: the first at once, the others two seconds later as one
$node->safe_psql('postgres',
	join(';', ("SELECT FROM taskq.schedule('busy', 't', start_to_close_timeout => '1h')") x 30));
like(hear($session, qr/"$channel{busy}"/),
	qr/"$channel{busy}" received/, 'the first is notified, with no payload');
$node->safe_psql('postgres', "SELECT FROM taskq.schedule('busy', 't', start_to_close_timeout => '1h')");
my $heard = hear($session, qr/"$channel{busy}"/);
is(count_matches($heard, qr/"$channel{busy}"/), 1, 'the others as one');

# a rolled back transaction is not heard of, a prepared one when it commits
$node->safe_psql('postgres',
	"BEGIN; SELECT FROM taskq.schedule('quiet', 't', start_to_close_timeout => '1h'); ROLLBACK");
$node->safe_psql('postgres',
	"BEGIN; SELECT FROM taskq.schedule('prepared', 't', start_to_close_timeout => '1h');
	 PREPARE TRANSACTION 'p'");
$node->safe_psql('postgres', "SELECT FROM taskq.schedule('last', 't', start_to_close_timeout => '1h')");
$heard = hear($session, qr/"$channel{last}"/);
unlike($heard, qr/"$channel{quiet}"/, 'rolled back: nothing');
unlike($heard, qr/"$channel{prepared}"/, 'prepared: nothing yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
like(hear($session, qr/"$channel{prepared}"/),
	qr/"$channel{prepared}"/, 'prepared and committed: heard');

# a poll that is rolled back gives its tasks back
$session->query_safe('SELECT pg_sleep(2)');
$session->query_safe('SELECT 1');
$node->safe_psql('postgres',
	"BEGIN; SELECT FROM taskq.poll('busy'); ROLLBACK");
like(hear($session, qr/"$channel{busy}"/),
	qr/"$channel{busy}"/, 'a poll rolled back is heard of');

$session->quit;
done_testing();
