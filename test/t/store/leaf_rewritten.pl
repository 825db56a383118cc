# The worker reads a large leaf of closed activities in pieces before it empties
# it. When the table is written anew in between, rows that it has not seen yet
# come to lie where it has been: it reads again.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'autovacuum = off', 'taskq.retention = 16s');

# Rows like this one, about six to a page: expired, but for one that holds the
# worker up, and those that it must keep, which CLUSTER puts in front.
my ($run_id, $token) = start($node, 'q');
sql($node, "SELECT taskq.complete('$token')");
my $columns = sql($node,
	"SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
	  WHERE attrelid = 'taskq.closed_5'::regclass AND attnum > 0
		AND attname NOT IN ('run_id', 'expire_time', 'worker')");
my $rows = 30000;
my $filler = 1200;

sql($node, 'CREATE TABLE model AS '
	  . join(' UNION ALL ', map { "SELECT * FROM taskq.closed_$_" } 0 .. 7));
sub add
{
	my ($from, $to, $expires) = @_;

	return "INSERT INTO taskq.closed_5 (run_id, expire_time, worker, $columns)
	  SELECT i, $expires, repeat('x', $filler), $columns FROM model, generate_series($from, $to) i;";
}
sql($node, join "\n", 'BEGIN;',
	add(1000, 1000, q(now() + '8 s'::interval)),
	add(1001, 1000 + $rows, q(now() - '1 s'::interval)),
	add(1, 50, q(now() + '1 h'::interval)),
	add(100001, 100000 + $rows / 2, q(now() - '1 s'::interval)),
	'COMMIT;');

my $read = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_all_tables WHERE relid = 'taskq.closed_5'::regclass";
my $kept = 'SELECT count(*) FROM taskq.closed_5 WHERE run_id <= 50';

ok( $node->poll_query_until('postgres', "SELECT ($read) > $rows / 3"),
	'the worker has read the first piece');
is(sql($node, "SELECT ctid > '(4096,0)' FROM taskq.closed_5 WHERE run_id = 50"),
	't', 'and not yet what is to be kept');
sql($node, 'CLUSTER taskq.closed_5 USING closed_5_pkey');
# the next leaf shows when the worker has come by again
sql($node, add(1, 1, q(now() + '8 s'::interval)) =~ s/closed_5/closed_6/r);
ok( $node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM taskq.closed_6'),
	'the worker has read on');
is(sql($node, $kept), '50', 'what has not expired is kept');

done_testing();
