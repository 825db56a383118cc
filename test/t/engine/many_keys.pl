# A queue has ten times as many fairness keys as there is room for, and more than
# a poll can look at: the keys take turns, by weight, no poll is empty while a
# task is due, and who waits finds the one that is.

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

use constant { LANES => 400, KEYS => 4000, SESSIONS => 4 };

my $node = activity_node('main', 'taskq.max_lanes = ' . LANES, 'fsync = off', 'log_statement = none');

sql($node, q{
CREATE TABLE got (n serial, queue text, key text, level int, session int);
CREATE PROCEDURE fill(queue text, keys int, tasks int, more text DEFAULT '') LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT count(s) FROM generate_series(1, %s) t, generate_series(1, %s) k,
    LATERAL taskq.schedule(%L, ''t'', to_jsonb(t), fairness_key => ''key-'' || k, start_to_close_timeout => ''1 h'' %s) s',
    tasks, keys, queue, more);
END $$;
CREATE PROCEDURE take(queue text, polls int, at_once int DEFAULT 1, session int DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. polls LOOP
    INSERT INTO got (queue, key, level, session)
      SELECT queue, t.fairness_key, t.priority, session FROM taskq.poll(queue, max_tasks => at_once) t;
    COMMIT;
  END LOOP;
END $$});

# how often keys were served in the polls from number "first" on
sub times_served
{
	my ($queue, $offset, $limit) = @_;

	return sql($node, "SELECT min(times), max(times), count(*) FROM (
		SELECT key, count(*) AS times FROM (
			SELECT key FROM got WHERE queue = '$queue' ORDER BY n OFFSET $offset LIMIT $limit) g GROUP BY key) k");
}

# ---- turns ----

sql($node, "CALL fill('turns', ${\KEYS}, 3)");
sql($node, "CALL take('turns', ${\KEYS})");
sql($node, "CALL take('turns', ${\(KEYS / 10)}, 10)");
sql($node, "CALL take('turns', 2 * ${\KEYS})");
is(times_served('turns', KEYS * $_, KEYS), '1|1|' . KEYS, "round $_: each key once, and no poll is empty") foreach 0 .. 2;
is(sql($node, "SELECT count(*) FROM got WHERE queue = 'turns'"), 3 * KEYS, 'all were handed out');
is(sql($node, "SELECT count(*) FROM taskq.poll('turns')"), 0, 'and there are no more');

# ---- more than a round in one poll ----

sql($node, "CALL fill('batch', 500, 3)");
is(sql($node, "SELECT count(*), count(DISTINCT run_id), count(DISTINCT fairness_key) FROM taskq.poll('batch', max_tasks => 1200)"),
	'1200|1200|500', 'a poll takes more than one task of each key');
is(sql($node, "SELECT count(*) FROM taskq.poll('batch', max_tasks => 1000)"), 300, 'the next one what is left');
sql($node, "SELECT count(d) FROM taskq.delete_many((SELECT array_agg(run_id) FROM taskq.activities WHERE task_queue = 'batch')) d");
sql($node, "SELECT count(s) FROM generate_series(1, 300) i, LATERAL taskq.schedule('batch', 't', to_jsonb(i), fairness_key => 'last', start_to_close_timeout => '1 h') s");
is(sql($node, "SELECT count(*) FROM taskq.poll('batch', max_tasks => 10)"), 10, 'one key is left');
is(sql($node, "SELECT count(*) FROM taskq.poll('batch', max_tasks => 1000)"), 290, 'of which all is handed out');

# ---- several sessions ----

sql($node, "CALL fill('shared', ${\KEYS}, 2)");
my @errors;
my @sessions = map {
	my $share = KEYS / SESSIONS;

	IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "CALL take('shared', $share, 1, $_)" ],
		'<', '/dev/null', '>', '/dev/null', '2>', \$errors[$_],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
} 0 .. SESSIONS - 1;
$_->finish foreach @sessions;
is(join('', map { $_ // '' } @errors), '', 'no errors');
is(times_served('shared', 0, KEYS), '1|1|' . KEYS, 'several sessions serve each key once, too');

# ---- levels ----

sql($node, "CALL fill('levels', 300, 1, ', priority => 4'); CALL fill('levels', 300, 1, ', priority => 2')");
sql($node, "CALL take('levels', 60, 10)");
is(sql($node, "SELECT count(DISTINCT key), min(level), max(level) FROM (
	SELECT * FROM got WHERE queue = 'levels' ORDER BY n LIMIT 300) g"), '300|2|2', 'the higher level comes first');
is(times_served('levels', 300, 300), '1|1|300', 'then the other');

# ---- weights: over ten rounds ----

sql($node, q{CALL fill('weights', 600, 30);
	SELECT FROM taskq.configure_queue('weights', '{"fairness_weights": {"key-10": 2, "key-20": 1.5, "key-30": 0.5, "key-40": 0.3}}')});
sql($node, "CALL take('weights', 6003)");
is(sql($node, "SELECT string_agg(times::text, '|' ORDER BY key) FROM (
	SELECT key, count(*) AS times FROM got WHERE queue = 'weights' AND key IN ('key-10', 'key-15', 'key-20', 'key-30', 'key-40') GROUP BY key) k"),
	'20|10|15|5|3', 'as often as they weigh');

# ---- only light ones ----

sql($node, "CALL fill('light', 400, 1, ', fairness_weight => 0.001')");
sql($node, "CALL take('light', 400)");
is(times_served('light', 0, 400), '1|1|400', 'light keys wait for nobody if there are no others');

# ---- delayed ----

# as long as not all keys are listed, and some are
for my $keys (127, 128, 129, 300)
{
	sql($node, "CALL fill('delayed $keys', $keys, 1, ', start_delay => ''1 h''')");
	is(sql($node, "CALL taskq.wait_for_task('delayed $keys', '50 ms', NULL); CALL taskq.wait_for_task('delayed $keys', '50 ms', NULL)"),
		"f\nf", "$keys keys, none is due");
}

sql($node, "CALL fill('delayed', ${\KEYS}, 1, ', start_delay => ''1 h''')");
my $polls = 2 + int(KEYS / 256);
my $run = schedule($node, 'delayed', "fairness_key => 'key-777x'");
is(sql($node, "CALL taskq.wait_for_task('delayed', '10 s', NULL); SELECT run_id FROM taskq.poll('delayed')"),
	"t\n$run", 'who waits finds the one that is due, and gets it at once');
$run = schedule($node, 'delayed', "fairness_key => 'key-333x'");
is(sql($node, "SELECT coalesce(max(p.run_id), 0) FROM generate_series(1, $polls) i, LATERAL taskq.poll('delayed', identity => 'me' || i) p"),
	$run, 'who polls goes on where the last one has ended');
is(sql($node, "CALL taskq.wait_for_task('delayed', '1 ms', NULL)"), 'f', 'when none is due, waiting ends');
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_until(qr/started/, "\\echo started\nCALL taskq.wait_for_task('delayed', '1 h', NULL);\nSELECT run_id FROM taskq.poll('delayed');\n");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait%' AND wait_event_type = 'Extension' AND pid <> pg_backend_pid()") or die;
$run = schedule($node, 'delayed', "fairness_key => 'key-111x'");
like($waiter->query_until(qr/$run/, ''), qr/t\n$run/, 'who sleeps is woken');
$waiter->quit;

# ---- rates ----

sql($node, q{SELECT FROM taskq.configure_queue('rates', '{"fairness_key_rate_limit": 0.0001}');
	CALL fill('rates', 300, 2)});
sql($node, "CALL take('rates', 320)");
is(times_served('rates', 0, 600), '1|1|300', 'keys at their rate are passed over');

is(sql($node, "SELECT count(*) FROM taskq.health WHERE status = 'critical'"), 0, 'healthy');

done_testing();
