# A wake that is not used goes to the next waiter: whoever was woken is gone, or
# stopped, or does not poll, or does something else.
#
# A waiter looks by itself after 30 s; all wait for a minute at least.

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
my @sessions;

# A session that waits; it sleeps when this returns.
sub wait_in
{
	my ($call, $then) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $waiter = { session => $session, pid => $pid };

	push @sessions, $session;
	return wait_again($waiter, $call, $then);
}

sub wait_again
{
	my ($waiter, $call, $then) = @_;

	$call = "wait_for_task('$call', '10 min')" if $call !~ /\(/;
	$then //= '';
	$waiter->{session}->query_until(qr/begun/,
		"\\echo begun\nCALL taskq.$call;\n$then\n\\echo done\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE pid = $waiter->{pid} AND state = 'active' AND wait_event_type = 'Extension'"
	) or die "no waiter";
	return $waiter;
}

# It is woken, and not by the time.
sub is_woken
{
	my ($waiter, $name) = @_;
	my $start = time;
	my $out = $waiter->{session}->query_until(qr/done/, '');

	$out =~ s/^(begun|done)\n//mg;
	chomp $out;
	is($out, 't', $name);
	cmp_ok(time - $start, '<', 8, "$name: soon");
	return;
}

sub goes
{
	my ($waiter) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $waiter->{pid}");
}

sub take
{
	my ($queue) = @_;

	return is(sql($node, "SELECT count(*) FROM taskq.poll('$queue')"),
		1, "$queue: the task is there");
}

# The first of two waiters, or more, gets the wake; "loses" says what becomes of
# it.
sub wakes_next
{
	my ($queue, $name, $loses, $first, $rest) = @_;
	my $gone = wait_in($first // $queue);
	my $next = wait_in($rest // $queue);

	$loses->($gone, $queue);
	is_woken($next, $name);
	take($queue);
	return;
}

# The client is gone.
wakes_next(
	'dead',
	'a client that was killed',
	sub {
		my ($gone, $queue) = @_;

		$gone->{session}->{run}->signal('KILL');
		schedule($node, $queue);
	});
for my $call ("wait_for_task('nothing', '10 min')",
	'wait_for_close(' . schedule($node, 'open') . ", '10 min')")
{
	my $gone = wait_in($call);

	$gone->{session}->{run}->signal('KILL');
	ok(goes($gone), "$call: the session of a dead client ends");
}
my @dead = map { wait_in('ten') } 1 .. 10;
my $living = wait_in('ten');
kill('STOP', map { $_->{pid} } @dead);
$_->{session}->{run}->signal('KILL') for @dead;
schedule($node, 'ten');
kill('CONT', map { $_->{pid} } @dead);
is_woken($living, 'ten dead clients, that did not know yet');
take('ten');

# It lives, and does not poll.
wakes_next('silent', 'a worker that does not poll',
	sub { schedule($node, $_[1]) });
my @silent = map { wait_in('tens') } 1 .. 10;
$living = wait_in('tens');
schedule($node, 'tens');
is_woken($living, 'ten workers that do not poll');
take('tens');
wakes_next('elsewhere', 'a worker that polls another queue',
	sub { schedule($node, $_[1]) });
wakes_next(
	'timer',
	'a worker that came by its own clock and does not poll',
	sub { schedule($node, $_[1], "start_delay => '1 s'") });
wakes_next(
	'stopped',
	'a process that was stopped',
	sub {
		my ($gone, $queue) = @_;

		push @dead, $gone;
		kill('STOP', $gone->{pid});
		schedule($node, $queue);
	});
kill('CONT', $dead[-1]->{pid});

# It does something else.
wakes_next(
	'other',
	'a worker that waits for something else then',
	sub {
		my ($gone, $queue) = @_;

		schedule($node, $queue);
		is_woken($gone, 'the first one');
		wait_again($gone, 'nothing');
	});
wakes_next(
	'fails',
	'a worker that fails to poll',
	sub {
		my ($gone, $queue) = @_;

		schedule($node, $queue);
		is_woken($gone, 'the first one');
		$gone->{session}->query("SELECT taskq.poll('$queue', max_tasks => 0)");
	});
wakes_next(
	'ends',
	'a session that ends',
	sub {
		my ($gone, $queue) = @_;

		schedule($node, $queue);
		is_woken($gone, 'the first one');
		$gone->{session}->quit;
	});
wakes_next(
	'killed',
	'a backend that is terminated with its wake',
	sub {
		my ($gone, $queue) = @_;

		kill('STOP', $gone->{pid});
		schedule($node, $queue);
		sql($node, "SELECT pg_terminate_backend($gone->{pid})");
		kill('CONT', $gone->{pid});
	});

# One that waits for several queues takes only the task that it returns for.
wakes_next(
	'second',
	'a waiter that was woken for two queues',
	sub {
		my ($gone, $queue) = @_;

		kill('STOP', $gone->{pid});
		schedule($node, $queue);
		schedule($node, 'first');
		kill('CONT', $gone->{pid});
	},
	"wait_for_tasks('{first,second}', '10 min')");

# A poll that is stopped after it has taken a task from shared memory and before
# it has started it.  Now and then it does not find it there; then again.
my $blocker = $node->background_psql('postgres');
my $poller = $node->background_psql('postgres', on_error_stop => 0);
my $poller_pid = $poller->query_safe('SELECT pg_backend_pid()');
my $hidden = 0;

sql($node, "SELECT FROM taskq.poll('between')");
for my $try (1 .. 10)
{
	start($node, 'between');
	schedule($node, 'between');
	$blocker->query_safe('BEGIN; LOCK TABLE taskq.open IN SHARE MODE');
	$poller->query_until(qr/begun/,
		"\\echo begun\nSELECT FROM taskq.poll('between');\n\\echo done\n");
	$node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $poller_pid"
	) or die;
	$hidden = sql($node, "CALL taskq.wait_for_task('between', '0')") eq 'f';
	last if $hidden;
	$blocker->query_safe('COMMIT');
	$poller->query_until(qr/done/, '');
}
SKIP:
{
	skip 'no poll takes tasks from shared memory', 3 if !$hidden;
	my $beside = wait_in('between');

	sql($node, "SELECT pg_cancel_backend($poller_pid)");
	is_woken($beside, 'a poll that was cancelled');
	$blocker->query_safe('COMMIT');
	take('between');
}

# The worker wakes nobody without reason, and does not tick.
my $at = "SELECT wait_event_type || ' ' || count(*) OVER () FROM pg_stat_activity WHERE backend_type = 'taskq worker'";
is(sql($node, $at), 'Extension 1', 'the worker sleeps');

sql($node,
	'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = \'active\' AND pid <> pg_backend_pid()'
);
eval { $_->quit } for @sessions, $blocker, $poller;
done_testing();
