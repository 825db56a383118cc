# A report that is too large is answered by a WARNING where it is accepted, and
# fails the attempt instead; where it is refused nothing was replaced.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.max_payload_size = '1kB'");
my $large = "(SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 100) i)";

# how often a call warns, and the SQLSTATE with which it ends
sub ends
{
	my ($call) = @_;
	my ($ret, undef, $stderr) = $node->psql('postgres', $call,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my $warnings = () = $stderr =~ /WARNING:  54000/g;

	return "$warnings " . ($stderr =~ /ERROR:  (\w+)/ ? $1 : 'ok');
}

my %reports = (
	complete => "result => $large",
	fail => "details => $large",
	heartbeat => "details => $large",
	release => "last_heartbeat_details => $large");
for my $call (sort keys %reports)
{
	my (undef, $token) = start($node, $call, "start_to_close_timeout => '1h'");
	my $report = "SELECT taskq.$call('$token', $reports{$call})";

	is(ends($report), '1 ok', "$call: a warning");
	is(ends($report), '0 TQ001', "$call: none when it is refused");
}

my ($run, $token) = start($node, 'c', "start_to_close_timeout => '1h'");
sql($node, "SELECT taskq.request_cancel(run_id => $run)");
is(ends("SELECT taskq.report_canceled('$token', $large)"),
	'1 ok', 'report_canceled: a warning');
is(ends("SELECT taskq.report_canceled('$token', $large)"),
	'0 TQ001', 'report_canceled: none when it is refused');

# by id
my ($waits) = schedule($node, 'w');
is(ends("SELECT taskq.fail_by_id(run_id => $waits, details => $large)"),
	'0 TQ001', 'fail_by_id: no attempt runs');
is(ends("SELECT taskq.fail_by_id(run_id => 17000, details => $large)"),
	'0 TQ001', 'fail_by_id: no such run');
sql($node, "SELECT FROM taskq.poll('w')");
is(ends("SELECT taskq.fail_by_id(run_id => $waits, details => $large, last_heartbeat_details => $large)"),
	'2 ok', 'fail_by_id: a warning for each of the two that are too large');

# batches: what is the same for all is said once, and only if any accepts it
my @tokens = map { (start($node, 'b', "start_to_close_timeout => '1h'"))[1] } 1 .. 3;
my $tokens = "ARRAY['" . join("','", @tokens) . "']::uuid[]";

is(ends("SELECT taskq.fail_many($tokens, details => $large)"),
	'1 ok', 'fail_many: one warning');
is(ends("SELECT taskq.fail_many($tokens, details => $large)"),
	'0 ok', 'fail_many: none when all are refused');
is(ends("SELECT taskq.complete_many($tokens, array_fill($large, ARRAY[3]))"),
	'0 ok', 'complete_many: none when all are refused');

done_testing();
