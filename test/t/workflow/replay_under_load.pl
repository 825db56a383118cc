# taskq.replay() looks at a run's row, its history, its activities and its inbox one after
# the other. While the run goes on they differ from look to look, which is no fault: what
# replay() says is still so when it looks again.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

use constant ACTIVITIES => 400;

my $node = activity_node('main', 'fsync = off');

# A run with many activities, all of which are started.
my $run = sql($node, q(SELECT run_id FROM taskq.start_workflow('q', 'W', task_timeout => '2 min')));
sql($node, "SELECT taskq.complete_workflow_task((SELECT task_token FROM taskq.poll_workflow_task('q')), (SELECT jsonb_agg(
	taskq.command_schedule_activity('A', start_to_close_timeout => '1 h', task_queue => 'a')) FROM generate_series(1, ${\ACTIVITIES})))");
my @tokens = split /\n/, sql($node, "SELECT task_token FROM taskq.poll('a', max_tasks => ${\ACTIVITIES})");
is(scalar(@tokens), ACTIVITIES, 'all activities are started');
is(sql($node, "SELECT taskq.replay($run)"), 't', 'at rest the run is what its history says');

# They close one by one, while others replay it.
my $file = $node->basedir . '/complete.sql';
append_to_file($file, join '', map { "SELECT taskq.complete('$_');\n" } @tokens);
my ($errors, $looks, @wrong) = ('', 0);
my $load = IPC::Run::start([ 'psql', '-Xqt', '-d', $node->connstr('postgres'), '-f', $file ],
	'<', \undef, '>', '/dev/null', '2>', \$errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

while ($load->pumpable)
{
	my ($rc, undef, $stderr) = $node->psql('postgres', "SELECT count(taskq.replay($run)) FROM generate_series(1, 10)");

	push @wrong, $stderr if $rc;
	$looks += 10;
	$load->pump_nb;
}
$load->finish;
is($errors, '', 'all are completed');
is(join('', @wrong), '', "meanwhile the run is what its history says, too ($looks times)");
is(sql($node, "SELECT count(*) FROM taskq.workflow_history($run) WHERE event_type = 'activity_task_completed'"), ACTIVITIES, 'and in the end');

# What is wrong is found all the same.
sql($node, "UPDATE taskq.open SET pending_activities = 1 WHERE run_id = $run");
my (undef, undef, $stderr) = $node->psql('postgres', "SELECT taskq.replay($run)");
like($stderr, qr/is not what its history says.*pending activities: the row has 1, the history 0/s, 'a fault is one');

$node->stop;
done_testing();
