# Who listens on a queue hears of tasks that come back: when the poll is rolled
# back, when its savepoint is, when the prepared transaction is, and when the
# session that polled is terminated.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main', 'taskq.notify_interval = 0',
	'max_prepared_transactions = 2');

start($node, 'first');

sub hears
{
	my ($queue, $poll, $give_back, $name) = @_;
	my $poller = $node->background_psql('postgres', on_error_stop => 0);
	my $listener = $node->background_psql('postgres');
	my $heard;
	my $channel;

	schedule($node, $queue);
	$poller->query_safe($poll);
	$channel = $listener->query_safe("SELECT taskq.channel('$queue')");
	$listener->query_safe("LISTEN $channel");
	# what the call of channel() itself may bring is over
	sql($node, "SELECT pg_notify('$channel', 'now')");
	hear($listener, qr/payload "now"/);

	$give_back->($poller);
	$heard = eval { hear($listener, qr/notification "$channel" received/) };
	ok(($heard // '') =~ /notification "$channel" received/, $name);
	is(sql($node, "SELECT count(*) FROM taskq.poll('$queue')"),
		1, "$name: it is there");
	eval { $_->quit } for $poller, $listener;
	return;
}

hears(
	'rollback',
	"BEGIN; SELECT FROM taskq.poll('rollback')",
	sub { $_[0]->query_safe('ROLLBACK') },
	'a poll is rolled back');
hears(
	'savepoint',
	"BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('savepoint')",
	sub { $_[0]->query_safe('ROLLBACK TO s; COMMIT') },
	'a savepoint is rolled back');
hears(
	'prepared',
	"BEGIN; SELECT FROM taskq.poll('prepared'); PREPARE TRANSACTION 'p'",
	sub { $_[0]->query_safe("ROLLBACK PREPARED 'p'") },
	'a prepared transaction is rolled back');
hears(
	'terminated',
	"BEGIN; SELECT FROM taskq.poll('terminated')",
	sub {
		sql($node,
			"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
			  WHERE state = 'idle in transaction'");
	},
	'a session is terminated');

done_testing();
