# What a transaction that is rolled back has scheduled, polled or reported
# never happened: the rows are the same as before, down to their versions.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.arm_after = 1h');

my $scheduled = schedule($node, 'waiting');
my ($run_id, $token) = start($node, 'running');
my ($canceling, $canceling_token) = start($node, 'canceling');
sql($node, "SELECT taskq.request_cancel(run_id => $canceling)");
my $paused = schedule($node, 'paused');
sql($node, "SELECT taskq.pause(run_id => $paused)");
my $closed = schedule($node, 'closed');
sql($node, "SELECT taskq.terminate(run_id => $closed)");

my $everything = <<'EOS';
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT o.ctid || o::text FROM taskq.open o
  UNION ALL SELECT h.ctid || h::text FROM taskq.heartbeat_state h
  UNION ALL SELECT c::text FROM taskq.closed_0 c) AS lines (line)
EOS
my $before = sql($node, $everything);

for my $call (
	"schedule('other', 't', start_to_close_timeout => '1 h')",
	"schedule_many('other', 't', ARRAY['1','2']::jsonb[], start_to_close_timeout => '1 h')",
	"poll('waiting')",
	"complete('$token', '1')",
	"complete_many(ARRAY['$token']::uuid[])",
	"complete_and_poll(ARRAY['$token']::uuid[], NULL, 'waiting')",
	"complete_by_id(run_id => $scheduled)",
	"fail('$token', 'no', last_heartbeat_details => '1')",
	"fail('$token', 'no', non_retryable => true)",
	"fail_many(ARRAY['$token']::uuid[], 'no')",
	"heartbeat('$token', '1')",
	"heartbeat_many(ARRAY['$token']::uuid[])",
	"report_canceled('$canceling_token')",
	"request_cancel(run_id => $run_id)",
	"request_cancel(run_id => $scheduled)",
	"terminate(run_id => $run_id)",
	"pause(run_id => $run_id)",
	"pause(run_id => $scheduled)",
	"unpause(run_id => $paused)",
	"reset(run_id => $run_id)",
	"update_options(run_id => $scheduled, options => '{\"task_queue\": \"other\"}')",
	"delete(run_id => $run_id)",
	"delete(run_id => $closed)",
	"retry($closed)")
{
	sql($node, "BEGIN; SELECT taskq.$call; ROLLBACK");
	is(sql($node, $everything), $before, "$call rolled back");
}
is(sql($node, "SELECT count(*) FROM taskq.poll('other')"),
	0, 'nothing was scheduled');
is(sql($node, "SELECT run_id, attempt FROM taskq.poll('waiting')"),
	"$scheduled|1", 'what was polled is handed out');
is(sqlstate($node, "SELECT taskq.complete('$token')"),
	'ok', 'what was reported can be reported');
is( sqlstate($node, "SELECT taskq.report_canceled('$canceling_token')"),
	'ok', 'by every token');

done_testing();
