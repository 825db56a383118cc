# The first polls of a new installation do not wait for each other, though the
# key of all tokens is made then; a first poll that is rolled back leaves the
# next one a valid key.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $first = $node->background_psql('postgres');

sql($node,
	"SELECT FROM taskq.schedule_many('q', 't', ARRAY['1', '2']::jsonb[], start_to_close_timeout => '1 h')");
is( $first->query_safe("BEGIN; SELECT run_id FROM taskq.poll('q')"),
	1, 'the first poll, in an open transaction');
my ($rc, $stdout, $stderr) = $node->psql('postgres',
	"SET statement_timeout = '5 s'; SELECT run_id FROM taskq.poll('q')");
is("$stdout$stderr", 2, 'the second does not wait for it');
$first->query_safe('ROLLBACK');

sql($node, 'SELECT taskq.delete(run_id => run_id) FROM taskq.activities');
my ($run_id, $token) = start($node, 'q');
is( $first->query_safe("SELECT taskq.complete('$token') IS NOT NULL"),
	't', 'a session whose poll was rolled back knows the tokens of others');
($run_id, $token) = split /\|/,
  $first->query_safe(
	"SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h');
	 SELECT run_id, task_token FROM taskq.poll('q')");
is(sqlstate($node, "SELECT taskq.complete('$token')"),
	'ok', 'and others know its tokens');
$first->quit;

done_testing();
