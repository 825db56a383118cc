# Who listens to a channel by a name that he remembers hears, whatever the server
# has forgotten: after a crash, when the hour of channel() is over, elsewhere.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $long = 'A queue ' . 'x' x 500;
my %queue = (
	due => 'due',
	waiting => 'waiting',
	later => 'later',
	empty => 'empty',
	long => $long,
	odd => "\xc3\x9cn\xc3\xafcode / 2");
my @names = sort keys %queue;
my %channel = map { $_ => sql($node, "SELECT taskq.channel('$queue{$_}')") } @names;
my $of_worker = sql($node, "SELECT taskq.worker_channel('w')");

# other queues, before and after these in the order of names, with several keys
sql($node, "SELECT count(*) FROM generate_series(1, 300) i,
	taskq.schedule(chr(97 + i % 26) || i, 't', fairness_key => (i % 3)::text, start_to_close_timeout => '1h')");
schedule($node, $queue{$_}) for qw(due long odd);
schedule($node, 'w');
my $run = sql($node, "SELECT run_id FROM taskq.poll('w', identity => 'w')");

# delayed before the crash, due after it: one after the other has to be found in
# the table
sql($node, "SELECT count(*) FROM generate_series(1, 3) i,
	taskq.schedule('waiting', 't', start_delay => i * interval '1 h', start_to_close_timeout => '1h')");

$node->stop('immediate');
$node->start;
my $session = $node->background_psql('postgres');
my $heard = '';

$heard .= $session->query_safe("LISTEN $_") for values %channel, $of_worker;

sub hears
{
	my ($what, @of) = @_;
	my $all = join '', map { "(?=.*\"$channel{$_}\" received)" } @of;

	$heard = hear($session, qr/^$all/s, $heard);
	like($heard, qr/^$all/s, $what);
	$heard = '';
	return;
}

hears('after a crash who listens by name is told to look', @names);
schedule($node, 'due');
hears('of tasks that are scheduled', 'due');
schedule($node, 'empty');
hears('also in a queue that had none', 'empty');
sql($node, "SELECT count(*) FROM generate_series(1, 3) i,
	taskq.schedule('later', 't', start_delay => i * interval '200 ms', start_to_close_timeout => '1h')");
hears("of tasks that become due: number $_", 'later') for 1 .. 3;
sql($node, "SELECT FROM taskq.request_cancel(run_id => $run)");
$heard = hear($session, qr/"$of_worker" with payload/);
like($heard, qr/"$of_worker" with payload "\{"run_id": "$run", "attempt": 1, "event": "cancel_requested"\}"/,
	'of what happens to attempts');

for (1 .. 3)
{
	$heard = '';
	sql($node, "ALTER SYSTEM SET taskq.clock_offset = '${_}h'");
	$node->reload;
	hears("of tasks that were delayed before the crash: number $_", 'waiting');
}

# a LISTEN that commits late: what the worker has sent before is not heard. (The
# name looks like a queue's, and nobody will find the queue.)
my $late = $node->background_psql('postgres');
my $channel = sql($node, "SELECT taskq.channel('x') \\gset\nSELECT replace(:'channel', '_x_', '_y_')");
$late->query_safe("BEGIN; LISTEN $channel");
schedule($node, 'due');
hears('of others, so that the worker has been there', 'due');
$heard = $late->query_safe('COMMIT');
like(hear($late, qr/"$channel" received/, $heard),
	qr/"$channel" received/, 'who listens from the commit on is told to look');
$late->quit;
$session->quit;
done_testing();
