# The directory of channels is of fixed size and of all databases together. When
# it is full, what nobody listens to makes room, then the database that has most.
# Only if all are listened to, and shared fairly, is one more an error.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

use constant SIZE => 4;

my $node = taskq_node(
	'main',
	'taskq.notify_interval = 0',
	'taskq.max_listened_queues = ' . SIZE);
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(a b c);
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(a b c);
ok(wait_served($node, qw(a b c)), 'databases are served');

my %session = map { $_ => $node->background_psql($_) } qw(a b);

# The SQLSTATE of asking for a channel; 53400 is to come with a hint.
sub ask
{
	my ($database, $queue, $function) = @_;

	$function //= 'channel';
	my ($rc, $stdout, $stderr) = $node->psql($database,
		"SELECT taskq.$function('$queue')",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $rc == 0 ? 'ok'
	  : $stderr =~ /ERROR:  (\w{5}).*HINT:.*"taskq\.max_listened_queues"/s ? $1
	  : $stderr;
}

# What psql says of a notification on the channel of a queue.
sub notified
{
	my ($queue) = @_;

	return qr/"taskq_${queue}_[0-9a-f]{16}" received/;
}

# The session of the database asks for channels, listens to them, and has heard
# of each.
sub listens
{
	my ($database, @queues) = @_;
	my $heard = '';

	for (@queues)
	{
		$heard .= my $answer =
		  $session{$database}->query_safe("SELECT taskq.channel('$_')");
		my ($channel) = $answer =~ /^(taskq_\w+)/m;
		$heard .= $session{$database}->query_safe("LISTEN $channel");
	}
	my $all = join '', map { "(?=.*${\notified($_)})" } @queues;
	like(hear($session{$database}, qr/^$all/s, $heard),
		qr/^$all/s, "$database listens to @queues");
	return;
}

# Schedules in each of these queues; what the session heard until the last of
# them.
sub heard_of
{
	my ($database, @queues) = @_;

	$node->safe_psql($database,
		"SELECT FROM taskq.schedule('$_', 't', start_to_close_timeout => '1h')")
	  for @queues;
	return hear($session{$database}, notified($queues[-1]));
}

sub log_says
{
	$node->wait_for_log(qr/taskq has no room for more channels/);
	return count_matches(slurp_file($node->logfile),
		qr/LOG: .*taskq has no room for more channels/);
}

# ---- nobody listens ----------------------------------------------------------

is( $node->safe_psql('a',
		"SELECT status FROM taskq.health WHERE check_name = 'channels'"),
	'ok', 'a directory that has room is well');
for my $function (qw(channel worker_channel))
{
	my ($rc, $stdout, $stderr) = $node->psql('a',
		"SELECT count(DISTINCT taskq.$function('x' || i)) FROM generate_series(1, 10000) i"
	);
	is($stdout, 10000,
		"$function: ten thousand are asked for, and none is refused");
}
is( $node->safe_psql('a',
		"SELECT status FROM taskq.health WHERE check_name = 'channels'"),
	'warning', 'health says that they did not fit');
is(log_says(), 1, 'the log says so once');
like(
	slurp_file($node->logfile),
	qr/DETAIL:  taskq\.max_listened_queues = ${\SIZE} was exceeded\..*\n.*HINT: .*"taskq\.max_listened_queues"/,
	'with the setting');

# ---- all are listened to -----------------------------------------------------

listens('a', map { "a$_" } 1 .. SIZE);
is(ask('a', 'a5'), '53400', 'all are listened to: one more is 53400');
is(ask('a', 'a5', 'worker_channel'), '53400', 'also a worker\'s');
is(ask('a', 'a1'), 'ok', 'those that are known can be asked for again');

# ---- the database that has most gives up -------------------------------------

# when the last one is heard of, all that came before was sent; a2 is the longest
# unused then
heard_of('a', 'a1', 'a3', 'a4');
ask('a', $_) for qw(a1 a3 a4);
listens('b', 'b1');
like(hear($session{a}, notified('a2')), notified('a2'),
	'another database has its share: the longest unused is notified once more');
unlike(heard_of('a', 'a2', 'a1'), notified('a2'), 'and is given up');
listens('b', 'b2');
is(ask('b', 'b3'), '53400', 'each has its share: one more is 53400');
is(ask('a', 'a5'), '53400', 'in either');
is(ask('c', 'c1'), 'ok', 'a third database has a right to a share of its own');

# ---- and comes back ----------------------------------------------------------

$session{b}->quit;
ok( $node->poll_query_until('a',
		"SELECT taskq.channel('a2') IS NOT NULL"),
	'a session that ends makes room');
like(heard_of('a', 'a2'), notified('a2'),
	'who asks again for what he listens to hears again');
$session{a}->query_safe("SELECT taskq.channel('a$_')") for 1 .. SIZE;
is(ask('a', 'a5'), '53400', 'and counts again');

# ---- dropped databases -------------------------------------------------------

$session{b} = $node->background_psql('b');
listens('b', map { "b$_" } 1 .. SIZE / 2);
$node->safe_psql('postgres', 'DROP DATABASE b WITH (FORCE)');
is(ask('a', 'a5'), 'ok', 'a dropped database makes room');
is(log_says(), 1, 'the log does not say it again');

$session{a}->quit;
done_testing();
