# Sessions remember the key of the tokens. Another one, restored from a dump or
# written by hand, is theirs, too: a token that one of them makes from then on is
# read by all.

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
my $session = $node->background_psql('postgres', on_error_stop => 0);

sub poll
{
	return $session->query_safe("SELECT task_token FROM taskq.poll('q')");
}

sub complete
{
	my ($token, $name) = @_;

	is(sqlstate($node, "SELECT taskq.complete('$token')"), 'ok', $name);
	return;
}

schedule($node, 'q') for 1 .. 5;
complete(poll(), 'the key that was made');

my $row = "SELECT id, sha256(token_key), node, leaf, leaf_since, epoch, run_prefix FROM taskq.instance";

for my $case (
	[ 'UPDATE', "UPDATE taskq.instance SET token_key = sha256(token_key)" ],
	[ 'DELETE and INSERT', "CREATE TEMP TABLE other AS $row; DELETE FROM taskq.instance; INSERT INTO taskq.instance TABLE other" ],
	[ 'TRUNCATE and INSERT', "CREATE TEMP TABLE other AS $row; TRUNCATE taskq.instance; INSERT INTO taskq.instance TABLE other" ])
{
	my ($name, $change) = @$case;

	sql($node, "BEGIN; $change; COMMIT");
	complete(poll(), $name);
}

# what is rolled back is not
sql($node, "BEGIN; UPDATE taskq.instance SET token_key = sha256('x'); ROLLBACK");
$session->query_safe(
	"BEGIN; UPDATE taskq.instance SET token_key = sha256('y'); SAVEPOINT s");
my $lost = poll();
$session->query_safe('ROLLBACK');
isnt(sqlstate($node, "SELECT taskq.complete('$lost')"),
	'ok', 'an attempt that was never started');
complete(poll(), 'ROLLBACK');

$session->quit;
done_testing();
