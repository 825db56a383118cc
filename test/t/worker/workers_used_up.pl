# Ten times as many databases as there are worker processes, or slots: those that
# are not served can be used, but for timeouts, health and the log say what to
# raise, the latter once, and each is served as soon as there is room.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;
use Time::HiRes qw(usleep);

use constant { SERVED => 1, DATABASES => 10 };

# the launcher, and workers
my $node = taskq_node(
	'main',
	'max_worker_processes = ' . (1 + SERVED),
	'max_logical_replication_workers = 0',
	'max_parallel_workers = 0',
	'fsync = off');

$node->safe_psql('postgres', 'CREATE DATABASE model IS_TEMPLATE true');
$node->safe_psql('model', 'CREATE EXTENSION taskq');

sub served
{
	return split / /, $node->safe_psql('postgres', served_databases());
}

sub make_databases
{
	my @databases = map { "d$_" } 1 .. DATABASES;

	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE model") for @databases;
	$node->safe_psql($_, 'SELECT FROM taskq.task_queues') for @databases;
	ok($node->poll_query_until('postgres', "SELECT count(*) = ${\SERVED} FROM pg_stat_activity WHERE backend_type = 'taskq worker'"),
		'as many are served as there is room for');
	return @databases;
}

sub times_logged
{
	my ($things) = @_;

	return count_matches(slurp_file($node->logfile), qr/LOG: .*taskq has no room for more $things$/m);
}

# Databases are used, and go as soon as their timeouts have fired.
sub all_are_served
{
	my ($check, $things, $setting, @left) = @_;
	my $used = 0;
	my $critical = "SELECT status FROM taskq.health WHERE check_name = 'background_worker'";

	$used += $node->safe_psql($_, "SELECT count(s) FROM generate_series(1, 2) i, LATERAL taskq.schedule('q', 't', to_jsonb(i),
		start_to_close_timeout => '10 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)) s;
		SELECT FROM taskq.complete((SELECT task_token FROM taskq.poll('q')));
		SELECT FROM taskq.poll('q')") for @left;
	is($used, 2 * @left, 'all can be used');

	$node->wait_for_log(qr/taskq has no room for more $things\n.*DETAIL: .*$setting = \d+ was exceeded.*\n.*HINT: .*"$setting"/);
	my %served = map { $_ => 1 } served();
	my ($other) = grep { !$served{$_} } @left;
	is($node->safe_psql($other, $critical), 'critical', 'health of one that is not served');
	like($node->safe_psql($_, "SELECT concat_ws('|', status, detail, hint) FROM taskq.health WHERE check_name = '$check'"),
		qr/^warning\|$setting = \d+ was exceeded .*\|Consider increasing .*"$setting"/, "health says why in $_")
	  for $other, (served())[0];

	my $rounds = 20 * $PostgreSQL::Test::Utils::timeout_default;
	while (@left && $rounds-- > 0)
	{
		my @done = grep { $node->safe_psql($_, "SELECT string_agg(status::text, ' ' ORDER BY status::text) FROM taskq.activities") eq 'completed timed_out' } served();
		my %done = map { $_ => 1 } @done;

		$node->safe_psql('postgres', "DROP DATABASE $_") for @done;
		@left = grep { !$done{$_} } @left;
		usleep(50_000) if !@done;
	}
	is("@left", '', 'one after the other is served');
	is(times_logged($things), 1, 'what they lacked was logged once');
	return;
}


all_are_served('worker_processes', 'worker processes', 'max_worker_processes', make_databases());

$node->append_conf('postgresql.conf', "max_worker_processes = 20\ntaskq.max_databases = ${\SERVED}");
$node->restart;
all_are_served('databases', 'databases', 'taskq.max_databases', make_databases());

# Those without the extension need no slot.
$node->safe_psql('postgres', "CREATE DATABASE without$_") for 1 .. DATABASES;
my $offset = -s $node->logfile;
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'postgres'), 'databases without the extension take nobody\'s slot');
unlike(slurp_file($node->logfile, $offset), qr/no room for more databases/, 'and do not count');

done_testing();
