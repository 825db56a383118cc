# A listener hears on one channel of tasks of all queues that it has asked for:
# the queue's name is the payload.  A poll that finds nothing has the next task
# told of at once, whatever taskq.notify_interval says.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 2', 'taskq.max_listener_queues = 16', "taskq.notify_interval = '60s'");
my $session = $node->background_psql('postgres');
my $long = 'long ' . 'x' x 900;

# Ask in another session, and listen in this one.
my $channel = sql($node, "SELECT taskq.listen('gate', '{a,b}')");
like($channel, qr/^taskql_gate_[0-9a-f]{16}$/, 'one channel');
is(sql($node, "SELECT taskq.listen('gate', '{}')"), $channel, 'always the same');
isnt(sql($node, "SELECT taskq.listen('other', '{a}')"), $channel, 'another listener has another one');
my $before = $session->query_safe("LISTEN $channel") . "\n";

# What is heard until the queues are; each told of as often as said.
sub hears
{
	my ($what, @queues) = @_;
	my $all = join('', map { "(?=.*\"$channel\" with payload \"\Q$_\E\" )" } @queues);
	my $heard = hear($session, qr/^$all/s, $before);

	$before = '';
	like($heard, qr/^$all/s, $what);
	return $heard;
}

sub poll { return sql($node, "SELECT count(*) FROM taskq.poll('$_[0]', max_tasks => 100)") }

# ---- tasks -----------------------------------------------------------------------

hears('new ones are told of at once, there may be tasks already', 'a', 'b');
is(poll($_), 0, "no task: $_") for qw(a b);
schedule($node, 'a');
unlike(hears('a task', 'a'), qr/payload "b"/, '... of that queue');

# coalesced, as long as nobody was hungry
is(poll('a'), 1, 'polled');
schedule($node, 'a') for 1 .. 3;
schedule($node, 'b');
hears('another queue', 'b');
is(poll('a'), 3, 'all are there');
is(poll('a'), 0, 'and no more: the worker is hungry');
hears('what came meanwhile is told of, too', 'a');
is(poll('a'), 0, 'hungry again');
schedule($node, 'a');
hears('a task for a hungry worker, at once', 'a');
is(poll('a'), 1, 'which it gets');

# the same with poll_many, and with the channel of a queue
is(sql($node, "SELECT count(*) FROM taskq.poll_many('{a,b,a}', NULL)"), 1, 'poll_many: one, and two that are hungry');
schedule($node, 'a');
hears('... is told of', 'a');
my $own = $session->query_safe("SELECT taskq.channel('own')");
hear($session, qr/"$own"/, $session->query_safe("LISTEN $own"));
is(poll('own'), 0, 'a poll of a queue with a channel of its own');
schedule($node, 'own');
like(hear($session, qr/"$own"/), qr/"$own"/, '... is told of at once, too');

# committed, and not before
poll('a');
is(poll('a'), 0, 'hungry');
my $writer = $node->background_psql('postgres');
$writer->query_safe("BEGIN; SELECT FROM taskq.schedule('a', 't', start_to_close_timeout => '1 h')");
poll('b');
poll('b');
schedule($node, 'b');
unlike(hears('meanwhile', 'b'), qr/payload "a"/, 'nothing before the commit');
$writer->query_safe('COMMIT');
hears('at the commit', 'a');

# delayed, and a long name, which is found in the table
sql($node, "SELECT taskq.listen('gate', ARRAY['later', '$long'])");
hears('a new one', 'later');
is(poll('later'), 0, 'none yet');
schedule($node, 'later', "start_delay => '200 ms'");
hears('a delayed task when it is due', 'later');
is(poll($long), 0, 'none of the long name');
schedule($node, $long);
hears('a queue with a long name', $long);

# prepared: any of them
sql($node, "BEGIN; SELECT FROM taskq.schedule('b', 't', start_to_close_timeout => '1 h'); PREPARE TRANSACTION 'p'");
poll('b');
is(poll('b'), 0, 'not there before COMMIT PREPARED');
sql($node, "COMMIT PREPARED 'p'");
hears('COMMIT PREPARED', 'b');

# a new worker
poll($_), poll($_) for qw(a b later);
kill 'TERM', worker_pid($node, 'postgres');
hears('a worker that starts takes all for due', qw(a b later));

# ---- no more ------------------------------------------------------------------------

sub hungry
{
	poll($_), poll($_) for @_;
	schedule($node, $_) for @_;
	return;
}

sql($node, "SELECT taskq.unlisten('gate', '{a}')");
hungry(qw(a b));
unlike(hears('those that are left', 'b'), qr/payload "a"/, 'unlisten of some');
sql($node, "SELECT taskq.unlisten('gate')");
hungry(qw(a b));
sql($node, "SELECT taskq.listen('gate', '{later}')");
unlike(hears('asked for anew', 'later'), qr/payload "[ab]"/, 'unlisten of all');
is(sqlstate($node, "SELECT taskq.unlisten('nobody')"), 'ok', 'unlisten of a listener that is not known');
is(sqlstate($node, "SELECT taskq.unlisten('nobody', '{a}')"), 'ok', '... of some');

# ---- rights, and arguments -------------------------------------------------------------

is(sqlstate($node, "SELECT taskq.$_"), '22023', $_)
  for "listen('', '{a}')", "listen(repeat('x', 1001), '{a}')", "listen('g', ARRAY[''])", "listen('g', ARRAY[NULL]::text[])", "listen('g', '{{a}}')", "unlisten('')";
is(sqlstate($node, "SELECT taskq.$_"), '22004', $_) for "listen(NULL, '{a}')", "listen('g', NULL)", "listen('g', '{a}', NULL)", 'unlisten(NULL)';
is(sqlstate($node, "BEGIN READ ONLY; SELECT taskq.listen('g', '{a}'); ROLLBACK"), 'ok', 'in a READ ONLY transaction');

# ---- no more than there is room for ------------------------------------------------------

sub health { return sql($node, "SELECT status FROM taskq.health WHERE check_name = 'listener_queues'") }

sql($node, "SELECT taskq.unlisten(l) FROM unnest('{gate,other,g}'::text[]) l");
my $other = $node->background_psql('postgres');
my $theirs = $other->query_safe("SELECT taskq.listen('theirs', (SELECT array_agg('t' || i) FROM generate_series(1, 10) i))");
$other->query_safe("LISTEN $theirs");
$other->quit;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%theirs%' AND pid <> pg_backend_pid()");
sql($node, "SELECT taskq.listen('gate', (SELECT array_agg('n' || i) FROM generate_series(1, 16) i))");
is(health(), 'ok', 'the marks of a session that has ended have gone');
hears('all of the others are there', map { "n$_" } 1 .. 16);
sql($node, "SELECT taskq.listen('gate', '{one more}')");
is(health(), 'warning', 'health tells that there is no room');
hears('the newest is there', 'one more');
ok($node->wait_for_log(qr/taskq has no room for more queues of listeners/), 'the log tells, too');

$session->quit;
$writer->quit;
done_testing();
