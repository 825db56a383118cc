# What the settings of a session say about reading, writing and planning SQL
# does not change what taskq's calls do, keep or answer.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');

sql($node, 'CREATE ROLE someone; CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler');

# 16 gave it another name
my $parallel = $node->safe_psql('postgres',
	"SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')"
);
my @settings = (
	'extra_float_digits = -15',
	'intervalstyle = sql_standard',
	q(datestyle = 'German, DMY'),
	q(timezone = 'Asia/Kathmandu'),
	'bytea_output = escape',
	'array_nulls = off',
	'transform_null_equals = on',
	'standard_conforming_strings = off',
	'quote_all_identifiers = on',
	'default_table_access_method = heap2',
	'row_security = off',
	'enable_indexscan = off',
	'enable_bitmapscan = off',
	'enable_tidscan = off',
	'enable_seqscan = off',
	"$parallel = on",
	'plan_cache_mode = force_generic_plan',
	'session_replication_role = replica',
	'synchronize_seqscans = off',
	'check_function_bodies = off',
	'plpgsql.variable_conflict = use_column',
	q(plpgsql.extra_errors = 'all'),
	q(search_path = ''));

my @calls = (
	q(SELECT run_id AS r FROM taskq.schedule('QUEUE', 't', '{"a": [1.5, null]}', activity_id => 'QUEUE', start_to_close_timeout => '1 h', fairness_weight => 0.12345678901234567) \gset),
	q(SELECT taskq.update_options(run_id => :r, options => '{"retry_policy": {"backoff_coefficient": 1.2345678901234567, "jitter": 0.123456789012345, "non_retryable_error_types": ["a", "NULL"]}}')),
	q(SELECT taskq.update_options(run_id => :r, options => '{"start_to_close_timeout": "1 02:03:04.5", "fairness_weight": 1.0000000000000002}')),
	q(SELECT taskq.configure_queue('QUEUE', '{"retention": "50 h 0.25 s", "fairness_weights": {"k": 0.12345678901234567}}')),
	q(SELECT taskq.reset(run_id => :r, restore_original_options => true)),
	q(SELECT taskq.update_options(run_id => :r, options => '{"priority": 2}')),
	q(SELECT task_token AS t FROM taskq.poll('QUEUE') \gset),
	q(SELECT taskq.heartbeat(:'t', '{"b": "c"}')),
	q(SELECT taskq.fail(:'t', 'm', 'e', '[1e40]', next_retry_delay => '1 us')),
	q(SELECT count(*) FROM taskq.poll('QUEUE')),
	q(SELECT taskq.complete_by_id('QUEUE', '1.10')),
	q(SELECT status, input, result, last_failure, heartbeat_details, attempt FROM taskq.describe(activity_id => 'QUEUE')),
	q(SELECT status, result FROM taskq.outcome(:r)),
	q(SELECT count(*) FROM taskq.schedule_many('QUEUE', 't', ARRAY['1', NULL]::jsonb[], start_to_close_timeout => '1 h')),
	q(SELECT backlog_count, config FROM taskq.task_queues WHERE task_queue OPERATOR(pg_catalog.=) 'QUEUE'),
	q(SELECT count(*) FROM taskq.health),
	q(SELECT taskq.grant_access('someone', 'worker'), has_function_privilege('someone', 'taskq.worker_channel(text)', 'execute')),
	q(SELECT taskq.revoke_access('someone', 'worker'), has_function_privilege('someone', 'taskq.worker_channel(text)', 'execute')),
	q(SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE task_queue OPERATOR(pg_catalog.=) 'QUEUE' AND close_time IS NULL));

# What a session with these settings is answered, call by call.
sub answers
{
	my ($queue, @set) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my @got;

	$session->query_safe("SET $_") for @set;
	for my $call (@calls)
	{
		my $answer = $session->query($call =~ s/QUEUE/$queue/gr);

		push @got, $answer . $session->{stderr};
		$session->{stderr} = '';
	}
	$session->quit;
	return @got;
}

my @usual = answers('usual');
my @odd = answers('odd', @settings);
for my $i (0 .. $#calls)
{
	is($odd[$i] =~ s/odd/usual/gr, $usual[$i], $calls[$i]);
}
is(scalar(grep { /ERROR/ } @usual), 0, 'without errors')
  or diag(join("\n", @usual));

done_testing();
