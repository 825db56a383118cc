# Two and eight pollers at once, some of which roll back: every task is handed
# out, and no attempt of it twice.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant TASKS => 3000;

my $node = activity_node('main');

# Every third transaction gives its tasks back.
my $poll = <<'EOS';
\set n random(1, 5)
\set lot random(1, 3)
BEGIN;
INSERT INTO got
  SELECT run_id, attempt, task_token FROM taskq.poll('q', max_tasks => :n);
\if :lot = 1
ROLLBACK;
\else
COMMIT;
\endif
EOS
$poll =~ s/\\if :lot = 1/\\set give_back :lot = 1\n\\if :give_back/;

my $rounds = 0;

sub drain
{
	my ($clients) = @_;

	sql($node,
		"CREATE TABLE got (run_id bigint, attempt int, token uuid);
		 SELECT count(*) FROM taskq.schedule_many('q', 't',
			array_fill('1'::jsonb, ARRAY[@{[TASKS]}]),
			start_to_close_timeout => '1 h')");
	$rounds++;
	$node->pgbench(
		"-n -c $clients -j 2 -t " . int(TASKS / $clients),
		0, [], [qr/^$/],
		"$clients pollers at once",
		{ "poll_$rounds" => $poll });
	sql($node,
		"INSERT INTO got SELECT run_id, attempt, task_token
		   FROM taskq.poll('q', max_tasks => @{[TASKS]})");
	is( sql($node,
			'SELECT count(*), count(DISTINCT run_id), count(DISTINCT token), max(attempt) FROM got'
		),
		join('|', (TASKS) x 3, 1),
		"$clients pollers: each task once");
	is( sql($node,
			'SELECT count(*) FROM (SELECT (taskq.complete_many(array_agg(token))).ok FROM got) c WHERE ok'
		),
		TASKS,
		"$clients pollers: every token is valid");
	sql($node, 'DROP TABLE got');
	return;
}

do
{
	drain(2);
	drain(8);
} while (time_left());

done_testing();
