# What the tests of counts share: what taskq.task_queues says, next to a count
# of the table, and whether it had to read the table to say so.
package TaskqCounts;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(counts_of_view counts_of_table count_scans counts_known
  counts_are_right counts_become_right wait_counted);

# Both give one line of text: queue backlog/delayed/started/paused, and the
# backlog of each level that has any. Queues of workflows are named as in the table;
# sticky ones are counted nowhere, nor are runs without a task.
sub counts_of_view
{
	return q{
		(SELECT coalesce(string_agg(format('%s %s/%s/%s/%s %s', name, backlog_count, delayed_count,
				  started_count, paused_count, (SELECT string_agg(p.priority || ':' || p.backlog_count, ' ' ORDER BY p.priority)
				    FROM taskq.task_queue_priorities p WHERE p.task_queue = q.task_queue AND p.kind = q.kind AND p.backlog_count > 0)),
			  ', ' ORDER BY name COLLATE "C"), '')
		 FROM taskq.task_queues q CROSS JOIN LATERAL (SELECT CASE kind WHEN 'workflow' THEN '/_sys/w/' ELSE '' END || task_queue AS name) n
		 WHERE (backlog_count, delayed_count, started_count, paused_count) <> (0, 0, 0, 0))};
}

sub counts_of_table
{
	return q{
		(SELECT coalesce(string_agg(format('%s %s/%s/%s/%s %s', queue, backlog, delayed, started, paused, levels),
			  ', ' ORDER BY queue COLLATE "C"), '')
		 FROM (
			SELECT queue, sum(backlog) AS backlog, sum(delayed) AS delayed, sum(started) AS started, sum(paused) AS paused,
			  string_agg(level || ':' || backlog, ' ' ORDER BY level) FILTER (WHERE backlog > 0) AS levels
			FROM (
				SELECT CASE WHEN state BETWEEN 2 AND 5 THEN coalesce(control ->> 'taken_from', task_queue) ELSE task_queue END AS queue,
				  level, count(*) FILTER (WHERE state = 1 AND dispatch_time <= taskq.clock()) AS backlog,
				  count(*) FILTER (WHERE state = 1 AND dispatch_time > taskq.clock()) AS delayed,
				  count(*) FILTER (WHERE state BETWEEN 2 AND 5) AS started, count(*) FILTER (WHERE state = 6) AS paused
				FROM taskq.open WHERE task_queue !~ '^/_sys/s/' GROUP BY 1, 2) l
			GROUP BY 1 HAVING sum(backlog + delayed + started + paused) > 0) q)};
}

# Scans of the whole table by what the session has done of late.
sub count_scans
{
	return q{pg_stat_get_xact_numscans('taskq.open'::regclass)};
}

# Do the views know without reading the table?
sub counts_known
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		    'BEGIN; SELECT FROM taskq.task_queues; SELECT '
		  . count_scans()
		  . ' = 0; COMMIT') eq 't';
}

# Wait until the worker has counted; it does so when somebody has missed it.
sub wait_counted
{
	my ($node) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if counts_known($node);
		$node->safe_psql('postgres', 'SELECT pg_sleep(0.1)');
	}
	return 0;
}

# The view, from memory, is what the table holds; nobody else is at work.  What
# comes due between two looks is counted elsewhere by the second.
sub counts_are_right
{
	my ($node, $name, $settings) = @_;
	my ($before, $scans, $table, $after);

	$settings //= '';
	do
	{
		($before, $scans, $table, $after) = split /\n/,
		  $node->safe_psql('postgres',
			    "$settings; BEGIN; SELECT '>' || "
			  . counts_of_view()
			  . '; SELECT '
			  . count_scans()
			  . "; SELECT '>' || "
			  . counts_of_table()
			  . "; SELECT '>' || "
			  . counts_of_view()
			  . '; COMMIT');
	} while ($before ne $after);
	is($before, $table, $name);
	is($scans, 0, "$name: without reading the table");
	return;
}

# The same for a server that is still busy: at last.
sub counts_become_right
{
	my ($node, $name) = @_;

	ok( $node->poll_query_until('postgres',
			'SELECT ' . counts_of_view() . ' = ' . counts_of_table()),
		$name)
	  or diag(
		$node->safe_psql('postgres',
			'SELECT ' . counts_of_view() . ', ' . counts_of_table()));
	ok(wait_counted($node), "$name: from memory");
	ok( $node->poll_query_until('postgres',
			'SELECT ' . counts_of_view() . ' = ' . counts_of_table()),
		"$name: still");
	return;
}

1;
