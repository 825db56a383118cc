# On a standby, too, a transaction that has an old snapshot reads the histories of its runs
# as they were then, although they were moved since and their tables emptied on the
# primary; and so they are after a promotion.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqRuns;
use TaskqTest;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'\ntaskq.retention = '2s'");
$primary->start;
sql($primary, 'CREATE EXTENSION taskq');
wait_served($primary, 'postgres') or die 'no worker';
prepare_runs($primary);
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1s");
$standby->start;

my $read = 'SELECT count(*) = sum((SELECT count(*) FROM taskq.workflow_history(run_id)) / events) FROM runs.living';
my $sizes = 'SELECT ' . LEAF_SIZES;
my $replayed = sub { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) };

sql($primary, q{SELECT runs.run('q', 0, 20); SELECT runs.step('q', 1)});
is(sql($primary, 'SELECT runs.faults()'), '', 'runs that live');
isnt(sql($primary, $sizes), '0', 'and have written');
$replayed->();

my $old = $standby->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe('SELECT count(*) FROM runs.living'), '20', 'a snapshot on the standby');
ok($primary->poll_query_until('postgres', 'SELECT ' . join(' + ', map { "(SELECT count(*) FROM taskq.history_$_)" } 0 .. 7), '0'), 'all is moved on the primary');
# old snapshots count for ten minutes
sql($primary, q{ALTER SYSTEM SET taskq.clock_offset = '11min'});
$primary->reload;
ok($primary->poll_query_until('postgres', $sizes, '0'), 'and the tables are emptied');
sql($primary, 'ALTER SYSTEM RESET taskq.clock_offset');
$primary->reload;
sql($primary, q{SELECT runs.step('q', 1)});
is(sql($primary, 'SELECT runs.faults()'), '', 'and the runs go on');
$replayed->();
is(sql($standby, $sizes) > 0 ? 'since' : 'empty', 'since', 'the standby has heard of all that');
is($old->query_safe('SELECT sum((SELECT count(*) FROM taskq.workflow_history(l.run_id))) = sum(events) FROM runs.living l'), 't',
	'the old snapshot shows the histories as they were');
is(sql($standby, $read), 't', 'a new one as they are');
$old->query_safe('COMMIT');
$old->quit;

$primary->stop('immediate');
$standby->promote;
wait_served($standby, 'postgres') or die 'no worker';
is(sql($standby, 'SELECT runs.faults()'), '', 'after the promotion living runs are what they were');
ok($standby->poll_query_until('postgres', $sizes, '0'), 'and tables are emptied there');
is(sql($standby, 'SELECT runs.faults()'), '', 'and nothing is lost');
done_testing();
