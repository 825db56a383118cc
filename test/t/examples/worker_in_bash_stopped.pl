# The worker of docs/workers in bash is told to end while it polls, and the poll
# brings a task: that is handed back, too, however long it would take.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $top = abs_path("$FindBin::RealBin/../../..");
my $node = activity_node('main');
my $folder = PostgreSQL::Test::Utils::tempdir();
my ($psql) = grep { -x } map { "$_/psql" } split /:/, $ENV{PATH};

# a psql that, after the poll, tells whoever is named in a file
append_to_file("$folder/psql", <<"END");
#!/bin/bash
$psql "\$@"
status=\$?
case "\$*" in *queue=*identity=*) kill "\$(cat $folder/pid)"; true >$folder/told ;; esac
exit "\$status"
END
chmod 0755, "$folder/psql";

local @ENV{qw(PGHOST PGPORT PGDATABASE PATH)} = ($node->host, $node->port, 'postgres', "$folder:$ENV{PATH}");
my $worker = IPC::Run::start([ "$top/docs/workers/worker.sh", 'q', "$top/test/workers/activities" ],
	'<', \undef, '>&', "$folder/log", IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
append_to_file("$folder/pid", $worker->{KIDS}[0]{PID});
my $run_id = sql($node, q(SELECT run_id FROM taskq.schedule('q', 'count', '1000000', start_to_close_timeout => '1 h')));
eval { $worker->finish; 1 } or diag $@;
ok(-e "$folder/told", 'it was told');
is($worker->full_result(0), 0, 'the worker ends');
is(activity($node, $run_id, 'run_state, attempt, last_failure IS NULL'), 'scheduled|1|t', 'what it had got is handed back');
$node->stop;
done_testing();
