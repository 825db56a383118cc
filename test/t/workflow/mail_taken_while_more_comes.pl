# Signals that are sent inside transaction blocks go to the inbox of their run, and the
# worker has the run take them.  That goes on while others keep coming: a round of the
# worker that more was asked for meanwhile is followed by another one.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

use constant {
	SIGNALS => 8000,
	SENDERS => 4,
	LEAST_STEPS => 60	# a run that is left alone until all have come makes a few
};

my $node = activity_node('main', 'fsync = off');

# Completes tasks of the run until it has all signals.
sql($node, q{
	CREATE PROCEDURE work(all_signals int) LANGUAGE plpgsql AS $$
	DECLARE
		token uuid;
	BEGIN
		LOOP
			SELECT task_token INTO token FROM taskq.poll_workflow_task('q');
			IF FOUND THEN
				PERFORM taskq.complete_workflow_task(token, '[]');
			ELSIF (SELECT signals FROM taskq.open WHERE scope = -1) = all_signals THEN
				RETURN;
			ELSE
				PERFORM pg_sleep(0.001);
			END IF;
			COMMIT;
		END LOOP;
	END $$});

my $run_id = sql($node, q{SELECT run_id FROM taskq.start_workflow('q', 'cart', workflow_id => 'w')});
my $signals = $node->basedir . '/signals.sql';
append_to_file($signals, "BEGIN;\nSELECT taskq.signal_workflow('w', 'add');\nCOMMIT;\n");
my $sender = IPC::Run::start(
	[ 'pgbench', '-n', '-c', SENDERS, '-t', SIGNALS / SENDERS, '-f', $signals, $node->connstr('postgres') ],
	'<', '/dev/null', '>', \my $output, '2>', \my $errors,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

sql($node, 'CALL work(' . SIGNALS . ')');
ok($sender->finish, 'all signals were sent') or diag $errors;

my ($seen, $steps) = split /\|/, sql($node, qq{
	SELECT count(*) FILTER (WHERE event_type = 'workflow_execution_signaled'),
		count(*) FILTER (WHERE event_type = 'workflow_task_completed')
	  FROM taskq.workflow_history($run_id)});

is($seen, SIGNALS, 'none is lost');
note "$steps steps";
cmp_ok($steps, '>=', LEAST_STEPS, 'the run takes them while they come');

$node->stop;
done_testing();
