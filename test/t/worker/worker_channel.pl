# A worker hears on its channel what happens to the attempts that it holds,
# and nothing about those of others.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');

my $session = $node->background_psql('postgres');
my $channel = $session->query_safe("SELECT taskq.worker_channel('w1')");
$session->query_safe("LISTEN $channel");

# Starts an attempt of worker w1 (and one of w2), runs a call for both; the
# event is heard once.
sub hears
{
	my ($call, $event, %options) = @_;
	my $timeout = $options{timeout} // '1h';
	my @runs = map {
		$node->safe_psql(
			'postgres', "SELECT FROM taskq.schedule('q', 't',
				start_to_close_timeout => '$timeout',
				retry_policy => taskq.retry_policy(maximum_attempts => 1));
			SELECT run_id FROM taskq.poll('q', identity => '$_')")
	} qw(w2 w1);

	if ($call)
	{
		$node->safe_psql('postgres', "SELECT taskq.$call(run_id => $_)")
		  for @runs;
	}
	my $heard = hear($session, qr/"$channel" with payload/);
	is(count_matches($heard, qr/"$channel" with payload/),
		1, "$event: heard once");
	like(
		$heard,
		qr/"$channel" with payload "\{"run_id": "$runs[1]", "attempt": 1, "event": "$event"\}"/,
		"$event: the payload says which attempt");
	return $runs[1];
}

hears('request_cancel', 'cancel_requested');
hears('pause', 'paused');
hears('reset', 'reset');
hears('terminate', 'terminated');
hears('delete', 'deleted');
hears('', 'timed_out', timeout => '200ms');

# what the worker does itself is no news to it
$node->safe_psql(
	'postgres',
	"SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1h');
	 SELECT taskq.complete(task_token, identity => 'w1')
	   FROM taskq.poll('q', identity => 'w1')");
hears('terminate', 'terminated');

$session->quit;
done_testing();
