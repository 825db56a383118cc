# Mail of runs that a restore, or an administrator, brings is taken without more of it
# coming: whether the runs were there before, or come later.

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

sub signals
{
	my ($id) = @_;

	return "(SELECT count(*) FROM taskq.workflow_events WHERE workflow_id = '$id' AND event_type = 'workflow_execution_signaled')";
}

# Signalled in an open transaction, which sees its mail, and is rolled back.
sub signalled
{
	my ($id) = @_;

	sql($node, "SELECT FROM taskq.start_workflow('q', 'w', workflow_id => '$id');
		BEGIN; SELECT FROM taskq.signal_workflow('$id', 's'); COPY taskq.run_inbox TO '" . $node->basedir . "/$id'; ROLLBACK");
	return;
}

signalled('early');
signalled('copied');
signalled('inserted');
sql($node, "CREATE TABLE kept AS SELECT * FROM taskq.open WHERE activity_id = 'early'; DELETE FROM taskq.open WHERE activity_id = 'early'");

# until the worker has gone through the inboxes for the last time
sql($node, "BEGIN; SELECT FROM taskq.signal_workflow('copied', 's'); COMMIT");
ok($node->poll_query_until('postgres', 'SELECT ' . signals('copied') . ' = 1'), 'mail is taken');

sql($node, "COPY taskq.run_inbox FROM '" . $node->basedir . "/copied'");
ok($node->poll_query_until('postgres', 'SELECT ' . signals('copied') . ' = 2'), 'mail that is copied, too');

sql($node, "CREATE TEMP TABLE mail (LIKE taskq.run_inbox); COPY mail FROM '" . $node->basedir . "/inserted'; INSERT INTO taskq.run_inbox SELECT * FROM mail");
ok($node->poll_query_until('postgres', 'SELECT ' . signals('inserted') . ' = 1'), 'mail that is inserted');

sql($node, "COPY taskq.run_inbox FROM '" . $node->basedir . "/early'");
sql($node, "INSERT INTO taskq.open SELECT * FROM kept");
ok($node->poll_query_until('postgres', 'SELECT ' . signals('early') . ' = 1'), 'mail that is there before its run');
is(sql($node, 'SELECT count(*) FROM taskq.run_inbox'), '0', 'nothing is left');
is(sql($node, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"), 't', 'the runs are what their histories say');

done_testing();
