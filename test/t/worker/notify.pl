# Listeners of a queue's channel hear of tasks that are due: the first one at
# once, then at most once per taskq.notify_interval, and only what committed.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', "taskq.notify_interval = '2s'",
	'max_prepared_transactions = 2');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(postgres other);

# Names are the same everywhere. Ask for them elsewhere first, and so listen
# here to channels that nobody has asked for.
my $known = '';
my $session = $node->background_psql('postgres');
my %channel;
for my $queue (qw(busy prepared quiet polled last))
{
	$channel{$queue} =
	  $node->safe_psql('other', "SELECT taskq.channel('$queue')");
	$known .= $session->query_safe("LISTEN $channel{$queue}") . "\n";
}
for my $queue (keys %channel)
{
	$known .= $session->query_safe("SELECT taskq.channel('$queue')") . "\n";
}

sub schedule
{
	my ($queue) = @_;

	return "SELECT FROM taskq.schedule('$queue', 't',
		start_to_close_timeout => '1 h');";
}

# Are these channels heard of, now or in what was heard before?
sub hears
{
	my ($what, $before, @queues) = @_;
	my $all = join('', map { "(?=.*\"$channel{$_}\" received)" } @queues);
	my $heard = hear($session, qr/^$all/s, $before);

	like($heard, qr/^$all/s, $what);
	return $heard;
}

hears('every new channel is notified once, there may be tasks already',
	$known, keys %channel);


# fifty commits: heard of at once, or in one go when the interval is over
$node->safe_psql('postgres', $_) for (schedule('busy') x 49);
my $heard = hears('tasks are heard of, with no payload', '', 'busy');
$node->safe_psql('postgres', schedule('busy'));
$heard .= hears('later ones are, too', '', 'busy');
cmp_ok(count_matches($heard, qr/"$channel{busy}"/),
	'<=', 3, 'but not each of them');

# a rolled back transaction is not heard of, a prepared one when it commits
$node->safe_psql('postgres', 'BEGIN;' . schedule('quiet') . 'ROLLBACK');
$node->safe_psql('postgres',
	'BEGIN;' . schedule('prepared') . "PREPARE TRANSACTION 'p'");
$node->safe_psql('postgres', schedule('last'));
$heard = hears('a marker', '', 'last');
unlike($heard, qr/"$channel{quiet}"/, 'rolled back: nothing is heard');
unlike($heard, qr/"$channel{prepared}"/, 'prepared: nothing yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
$heard = hears('prepared and committed: heard', '', 'prepared');

# a poll that is rolled back gives its task back
hears('COMMIT PREPARED stands for all queues', $heard, 'polled');
$node->safe_psql('postgres', schedule('polled'));
hears('a task', '', 'polled');
$node->safe_psql('postgres',
	"BEGIN; SELECT FROM taskq.poll('polled'); ROLLBACK");
hears('a poll that is rolled back', '', 'polled');

$session->quit;
done_testing();
