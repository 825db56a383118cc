# Many more queues are configured than a session keeps in mind: each poll goes by
# what its queue has now, of which all sessions hear at once, and a change makes
# nobody read the others.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant QUEUES => 1500;

my $node = activity_node('main', 'fsync = off', 'log_statement = none', 'max_prepared_transactions = 5');
my $session = $node->background_psql('postgres', on_error_stop => 0);

sql($node, qq{
SELECT count(taskq.configure_queue('q' || i, '{"paused": true}')) FROM generate_series(1, ${\QUEUES}) i;
SELECT count(s) FROM generate_series(1, ${\QUEUES}) i, LATERAL taskq.schedule('q' || i, 't', start_to_close_timeout => '1 h') s;
SELECT count(s) FROM generate_series(1, ${\QUEUES}) i, LATERAL taskq.schedule('free ' || i, 't', start_to_close_timeout => '1 h') s});

sub polls
{
	my ($prefix) = @_;

	return $session->query_safe("SELECT count(p) FROM generate_series(1, ${\QUEUES}) i LEFT JOIN LATERAL taskq.poll('$prefix' || i) p ON true");
}

# rows of taskq.queue_config that the session reads meanwhile
sub rows_read
{
	my ($statement) = @_;
	my $read = q{SELECT pg_stat_get_xact_tuples_returned('taskq.queue_config'::regclass)};
	my @numbers = grep { /^\d+$/ } split /\n/, $session->query_safe("BEGIN; $read; $statement; $read; COMMIT");

	return $numbers[-1] - $numbers[0];
}

is(polls('q'), 0, 'paused queues hand nothing out');
is(polls('free '), QUEUES, 'those that are not configured do');
is(polls('q'), 0, 'and those that are still do not');

sql($node, q{SELECT taskq.configure_queue('q777', '{"paused": false}')});
is(polls('q'), 1, 'the one that goes on does');
cmp_ok(rows_read(q{SELECT taskq.configure_queue('q778', '{"paused": false}'); SELECT FROM taskq.poll('q778'); SELECT FROM taskq.poll('free 1')}),
	'<', 10, 'a change makes nobody read the others');

$session->query_safe('BEGIN');
$session->query_safe(q{SELECT taskq.configure_queue('q5', '{"paused": false}')});
is($session->query_safe(q{SELECT count(*) FROM taskq.poll('q5')}), 1, 'the own transaction sees its change');
is(sql($node, q{SELECT count(*) FROM taskq.poll('q5')}), 0, 'nobody else does');
$session->query_safe('ROLLBACK');
is($session->query_safe(q{SELECT count(*) FROM taskq.poll('q5')}), 0, 'rolled back it is gone');

sql($node, q{UPDATE taskq.queue_config SET config = '{"paused": "maybe"}' WHERE task_queue = 'q9'});
like(($node->psql('postgres', q{SELECT count(*) FROM taskq.poll('q9')}))[2] // '', qr/configuration of task queue "q9" cannot be read/, 'one that cannot be read: a warning');
is(sql($node, q{SELECT status FROM taskq.health WHERE check_name = 'queue_settings'}), 'critical', 'and health');
is(sql($node, q{SELECT paused FROM taskq.task_queues WHERE task_queue = 'q9'}), 't', 'it counts as paused');

# under a snapshot that is older, what counts is what is set now
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, q{SELECT taskq.configure_queue('q6', '{"paused": false}')});
is($session->query_safe(q{SELECT count(*) FROM taskq.poll('q6')}), 1, 'what is set now counts, whatever the snapshot shows');
$session->query_safe('ROLLBACK');

$session->quit;
done_testing();
