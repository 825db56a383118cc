# What the TAP tests share: servers with taskq loaded, and how to wait for
# workers and notifications.
package Taskq;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(taskq_node worker_pid launcher_pid context_memory
  served_databases wait_served hear count_matches time_left);

# The time limit of a session is one of each statement, whenever it is sent: by
# default it is one of all of them, and a slow machine uses it up.
{
	my $start = PostgreSQL::Test::Cluster->can('background_psql');

	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::background_psql = sub
	{
		my $session = $start->(@_);

		$session->set_query_timer_restart;
		return $session;
	};
}

# How many test files share TASKQ_TEST_SECONDS.
use constant LONG_TESTS => 7;

# A running server with taskq loaded and these settings on top. One that is not
# accepted would be passed over with a warning only.
sub taskq_node
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf',
		join("\n", "shared_preload_libraries = 'taskq'", @settings));
	$node->start;
	die "$&\n"
	  if slurp_file($node->logfile) =~
	  /WARNING: .*(?:outside the valid range|invalid (?:value|configuration)).*/;
	return $node;
}

# Concurrent and random tests go on while this is true: for their part of
# TASKQ_TEST_SECONDS, if that is set.
sub time_left
{
	return time - $^T < ($ENV{TASKQ_TEST_SECONDS} // 0) / LONG_TESTS;
}

# Process of the worker of a database, or an empty string.
sub worker_pid
{
	my ($node, $database) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity
		  WHERE backend_type = 'taskq worker' AND datname = '$database'");
}

sub launcher_pid
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'taskq launcher'"
	);
}

# Bytes that the memory contexts of a process take, as it logs them when asked,
# but for one of that name.
sub context_memory
{
	my ($node, $pid, $without) = @_;
	my $offset = -s $node->logfile;
	my ($log, $total);

	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	$node->wait_for_log(qr/\[$pid\].*Grand total: \d+ bytes/, $offset);
	$log = slurp_file($node->logfile, $offset);
	($total) = $log =~ /\[$pid\].*Grand total: (\d+) bytes/;
	return $total - (defined $without && $log =~ /\[$pid\].*; \Q$without\E: (\d+) total/ ? $1 : 0);
}

# Databases that have a worker, as a query.
sub served_databases
{
	return "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '')
		  FROM pg_stat_activity WHERE backend_type = 'taskq worker'";
}

# Wait until exactly these databases have a worker.
sub wait_served
{
	my ($node, @databases) = @_;

	return $node->poll_query_until('postgres', served_databases(),
		join(' ', sort @databases));
}

# Run short queries in a session that listens until its output, in which psql
# reports notifications, matches; returns all of the output. It may begin with
# what earlier queries have returned.
sub hear
{
	my ($session, $wanted, $heard) = @_;
	my $rounds = 25 * $PostgreSQL::Test::Utils::timeout_default;

	$heard //= '';
	while ($heard !~ $wanted && $rounds-- > 0)
	{
		$heard .= $session->query_safe('SELECT FROM pg_sleep(0.02)') . "\n";
	}
	return $heard;
}

sub count_matches
{
	my ($text, $pattern) = @_;
	my $n = () = $text =~ /$pattern/g;

	return $n;
}

1;
