# A standby has no launcher and no worker; promotion starts both.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION taskq');
ok(wait_served($primary, 'postgres'), 'the primary has a worker');

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is( $standby->safe_psql(
		'postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'taskq%'"
	),
	'0',
	'the standby has neither launcher nor worker');
for my $call ("taskq.channel('q')", "taskq.worker_channel('w')",
	"taskq.schedule('q', 't', start_to_close_timeout => '1h')")
{
	my ($rc, $stdout, $stderr) =
	  $standby->psql('postgres', "SELECT $call",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:  25006/, "$call is 25006 on a standby");
}

# the name of a channel is the same everywhere; who listens by it, a moment after
# the promotion, is heard of
my $channel = $primary->safe_psql('postgres', "SELECT taskq.channel('q')");
my $session = $standby->background_psql('postgres', on_error_stop => 0);
$session->query_safe('UNLISTEN *; DISCARD ALL');
my ($rc, $stdout, $stderr) = $standby->psql('postgres', "LISTEN $channel",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($stderr, qr/ERROR:  25006/, 'LISTEN is 25006 on a standby');

$standby->promote;
my $heard = $session->query_safe("LISTEN $channel");
ok(wait_served($standby, 'postgres'), 'promoted, it gets a worker');
is($standby->safe_psql('postgres', "SELECT taskq.channel('q') ~ '^taskq_q_'"),
	't', 'and calls work');
$standby->safe_psql('postgres',
	"SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1h')");
like(hear($session, qr/"$channel" received/, $heard),
	qr/"$channel" received/, 'who listens by name hears');
$session->quit;

done_testing();
