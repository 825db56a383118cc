# Operators' calls for many runs on a queue where workers are busy: no run that
# closes meanwhile, and no batch of a worker, makes them fail or is made to fail.

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

use constant ROUNDS => 24;

my $node = activity_node('main', 'deadlock_timeout = 100ms');

# Workers that schedule, poll and complete in batches; an error ends pgbench.
my $load = $node->basedir . '/load.sql';
append_to_file($load, <<'EOS');
SELECT FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[25]), start_to_close_timeout => '1 h');
SELECT FROM taskq.complete_many(ARRAY(SELECT task_token FROM taskq.poll('q', max_tasks => 15) ORDER BY random()));
SELECT FROM taskq.fail_many(ARRAY(SELECT task_token FROM taskq.poll('q', max_tasks => 5) ORDER BY random()), 'x', non_retryable => true);
EOS
my $running = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '4', '-j', '2', '-T',
		$PostgreSQL::Test::Utils::timeout_default,
		'-f', $load, '-h', $node->host, '-p', $node->port, 'postgres'
	],
	'>', \my $out, '2>', \my $err);

my $open = "(SELECT coalesce(array_agg(run_id ORDER BY random()), '{}') FROM (SELECT run_id FROM taskq.activities
	WHERE task_queue = 'q' AND close_time IS NULL LIMIT 200) r)";
my @calls = (
	"pause_many($open)", "unpause_many($open)",
	"request_cancel_many($open)", "reset_many($open)",
	"update_options_many($open, '{\"priority\": 2}')", "terminate_many($open)",
	"delete_many($open)",
	"retry_many((SELECT coalesce(array_agg(run_id), '{}') FROM (SELECT run_id FROM taskq.activities
		WHERE task_queue = 'q' AND status = 'failed' LIMIT 50) r))");
my (%done, %refused, @errors);

$node->poll_query_until('postgres',
	"SELECT count(*) FILTER (WHERE close_time IS NULL) > 50 AND count(*) FILTER (WHERE status = 'failed') > 50
	   FROM taskq.activities WHERE task_queue = 'q'");

for my $i (0 .. ROUNDS - 1)
{
	my $call = $calls[ $i % @calls ];
	my ($name) = $call =~ /^(\w+)/;

	# the list is made first, so that some of it closes before its turn
	my ($rc, $counts, $error) = $node->psql('postgres',
		"SELECT count(*) FILTER (WHERE ok), count(*) FILTER (WHERE NOT ok),
			count(*) FILTER (WHERE error NOT IN ('TQ001', 'TQ003')) FROM taskq.$call");

	push @errors, "$name: $error" if $rc != 0;
	next if $rc != 0;
	my ($ok, $no, $other) = split /\|/, $counts;
	$done{$name} += $ok;
	$refused{$name} += $no;
	push @errors, "$name: $other other errors" if $other > 0;
}
is_deeply(\@errors, [], 'no call fails');
cmp_ok($done{$_}, '>', 0, "$_ has an effect") for sort keys %done;
note(join ', ', map { "$_: $refused{$_} refused" } sort keys %refused);
ok($running->pumpable, 'the workers are at it');
is($err =~ /ERROR|FATAL/ ? $err : '', '', 'and no batch of theirs has failed');
$running->signal('INT');
$running->finish;
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock');

# a run that somebody holds is waited for, and judged as it then is
my ($held) = schedule($node, 'held');
my ($other) = schedule($node, 'held');
my $holder = $node->background_psql('postgres');
my $caller = $node->background_psql('postgres');

$holder->query_safe("BEGIN; SELECT taskq.terminate(run_id => $held)");
$caller->query_until(qr/started/,
	"\\echo started\nSELECT ok, error FROM taskq.pause_many(ARRAY[$other, $held]);\n");
ok( $node->poll_query_until(
		'postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'),
	'a run that is held is waited for');
$holder->query_safe('COMMIT');
like($caller->query_safe('SELECT 1'), qr/t\|\nf\|TQ003/, 'and was closed meanwhile');

# an error that ends all of it ends the transaction of the statement, no more
($held) = schedule($node, 'held');
$holder->query_safe("BEGIN; SELECT taskq.pause(run_id => $held)");
my ($rc, $out_after, $err_after) = $node->psql('postgres',
	"SET statement_timeout = '100ms';
	 SELECT taskq.pause_many(ARRAY[$held]);
	 SELECT 'goes on'",
	on_error_stop => 0);
like($err_after, qr/canceling statement due to statement timeout/, 'a call is canceled while it waits');
is($out_after, 'goes on', 'and the session goes on');
$holder->query_safe('ROLLBACK');
$_->quit for $holder, $caller;

done_testing();
