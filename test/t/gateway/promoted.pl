# A gateway at a standby refuses, for a while, and serves when that is promoted.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqGateway;
use TaskqTest;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');

$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION taskq');
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $gateway = start_gateway($standby);
my $poll = WORKFLOW_SERVICE . 'PollActivityTaskQueue';
my $request = framed(text(1, 'default') . text(2, text(1, 'q')) . text(8, 'the worker'));
my @long = ('-H', 'grpc-timeout: 60S');

ok($gateway->wait_healthy, 'it has a database');
like($gateway->status($poll, $request, @long), qr/^14 /, 'which has no tasks to give');

my $promoted = sql($standby, q(SELECT clock_timestamp()));
$primary->stop;
$standby->promote;
ok(wait_served($standby, 'postgres'), 'the standby is promoted');
ok($standby->poll_query_until('postgres', qq(SELECT count(*) > 0 FROM pg_stat_activity
	WHERE application_name = 'taskq-gateway' AND query ~ 'LISTEN.*worker_stop' AND state = 'idle' AND query_start > '$promoted')),
	'what could not be listened to is listened to then');
my $polling = $gateway->start_client($poll, $request, @long);
ok($gateway->wait_metric('taskq_gateway_parked_polls', 1), 'polls wait');
sql($standby, qq(SELECT pg_notify('taskq_gateway_worker_stop', E'the worker\\t')));
is(($gateway->finish_client($polling))[0]{status}, 0, 'until their worker stops, wherever that was told');
is($gateway->stop, 0, 'it ends in order');
done_testing();
