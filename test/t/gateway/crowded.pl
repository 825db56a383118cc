# There are not as many connections as the gateway would like, and clients want more
# at once than they can take: it takes what there is, and goes on.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqTest;
use Test::More;

use constant {
	BIG => 1_900_000,			# bytes of an input
	TASKS => 40,				# more than one client may leave
	ATTEMPTS => 40,				# to connect, in five seconds
};

my $node = activity_node('main');

sql($node, q(CREATE ROLE few LOGIN CONNECTION LIMIT 2));
sql($node, "SELECT taskq.grant_access('few', '$_')") for qw(producer worker operator);

# ---- connections ------------------------------------------------------------

my $gateway = start_gateway($node, '-U', 'few');
ok($gateway->wait_healthy, 'it serves');
sql($node, q(SELECT taskq.schedule('q', 't', activity_id => 'one', start_to_close_timeout => '1h')));

my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE taskq.open IN ACCESS EXCLUSIVE MODE');
my $offset = -s $node->logfile;
my $waiting = $gateway->start_client(WORKFLOW_SERVICE . 'DescribeActivityExecution', framed(text(1, 'default') . text(2, 'one')),
	'-n', 3, '-H', 'grpc-timeout: 60S');
$gateway->wait_log(qr/warning: no further connection to the database: .*too many connections for role "few"/);
my %codes;
$codes{ $_->{status} } += $_->{count} for $gateway->finish_client($waiting);
ok((keys %codes) == 1 && !exists $codes{0}, 'what waits for a lock is told so') or diag(explain(\%codes));
my $attempts = () = slurp_file($node->logfile, $offset) =~ /too many connections for role/g;
cmp_ok($attempts, '<=', ATTEMPTS, 'more connections are tried now and then');
$holder->query_safe('COMMIT');
$holder->quit;
is($gateway->status(WORKFLOW_SERVICE . 'DescribeActivityExecution', framed(text(1, 'default') . text(2, 'one'))), '0', 'then it serves with what there is');
is($gateway->stop, 0, 'it ends in order');

# ---- answers ----------------------------------------------------------------

sub states
{
	my ($state) = @_;

	return "SELECT count(*) FROM taskq.activities WHERE task_queue = 'big' AND run_state = '$state'";
}

$gateway = start_gateway($node);
sql($node, "SELECT count(s) FROM generate_series(1, ${\TASKS}) n,
	LATERAL taskq.schedule('big', 't' || n, to_jsonb(repeat('x', ${\BIG})), start_to_close_timeout => '1h') s");
my $polling = $gateway->start_client(WORKFLOW_SERVICE . 'PollActivityTaskQueue', activity_poll('big'), '-n', TASKS, '-s', '-H', 'grpc-timeout: 60S');
my $refused = 'taskq_gateway_calls_total{service="temporal.api.workflowservice.v1.WorkflowService",method="PollActivityTaskQueue",code="RESOURCE_EXHAUSTED"}';
my $left = TASKS - int((64 << 20) / BIG);
ok($gateway->wait_metric($refused, $left), 'a client that has taken nothing gets so much and no more');
ok($node->poll_query_until('postgres', states('scheduled'), $left), 'what it does not get is given back');
is($gateway->metric('taskq_gateway_connections'), 1, 'it is not sent away');
$gateway->finish_client($polling, 1);
ok($node->poll_query_until('postgres', states('scheduled'), TASKS), 'and when it goes, so is the rest');
is($gateway->stop, 0, 'it ends in order');
done_testing();
