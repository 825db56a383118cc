# Configurations of queues that come by COPY, as from a dump, or by an
# administrator's hand: sessions that had read the old ones notice, and so do
# those who wait for a task.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $session = $node->background_psql('postgres');

sub poll
{
	return $session->query_safe("SELECT count(*) FROM taskq.poll('q')");
}

sub configure
{
	my ($paused) = @_;

	return "SELECT taskq.configure_queue('q', '{\"paused\": $paused}')";
}

sql($node,
	"SELECT count(*) FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[20]),
		start_to_close_timeout => '1 h')");
sql($node, configure('true'));
is(poll(), '0', 'the queue is paused');

my $dump = $node->basedir . '/config';
my @ways = (
	[ 'COPY', "COPY taskq.queue_config TO '$dump'; DELETE FROM taskq.queue_config;" ],
	[ 'UPDATE', q(UPDATE taskq.queue_config SET config = '{}';) ],
	[ 'TRUNCATE', 'TRUNCATE taskq.queue_config;' ],
	[
		'DELETE by a replica',
		'SET session_replication_role = replica; DELETE FROM taskq.queue_config;'
	]);
for my $way (@ways)
{
	my ($name, $statements) = @$way;
	my $waiter = $node->background_psql('postgres');

	sql($node, configure('true'));
	is(poll(), '0', 'the queue is paused');
	$waiter->query_until(qr/waits/,
		"\\echo waits\nCALL taskq.wait_for_task('q', '1 h');\n");
	$node->poll_query_until('postgres',
		"SELECT waiting FROM taskq.pollers WHERE task_queue = 'q' AND waiting")
	  or die 'nobody waits';
	sql($node, "BEGIN; $statements ROLLBACK");
	is(poll(), '0', "$name that is rolled back");
	sql($node, "BEGIN; $statements COMMIT");
	is($waiter->query_safe(''), 't', "$name wakes those who wait");
	is(poll(), '1', "$name is noticed");
	$waiter->quit;
}
sql($node, "COPY taskq.queue_config FROM '$dump'");
is(poll(), '0', 'a restored configuration is noticed');

# In the same transaction.
is( $session->query_safe(
		"BEGIN;
		 DELETE FROM taskq.queue_config;
		 SELECT count(*) FROM taskq.poll('q');
		 ROLLBACK;
		 SELECT count(*) FROM taskq.poll('q')"),
	"1\n0",
	'noticed by the transaction itself, until it is rolled back');
$session->quit;

done_testing();
