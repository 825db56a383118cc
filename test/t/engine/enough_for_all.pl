# As many tasks as there are pollers: each of them schedules one before it
# polls, so there is one for each, and it does not go away with nothing while
# others take what it has just seen, and leave what came later.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

use constant {
	CLIENTS => 16,
	TRANSACTIONS => 2500,
};

my $node = activity_node('main', 'fsync = off', 'synchronous_commit = off');

sql($node, 'CREATE TABLE empty (client int)');
$node->pgbench(
	'-n -j 2 -c ' . CLIENTS . ' -t ' . TRANSACTIONS,
	0,
	[qr/failed transactions: 0 /],
	[qr/^$/],
	'schedule, poll, complete',
	{
		'cycle' => <<'EOS' });
SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h');
SELECT count(*) AS n, coalesce(quote_literal(min(task_token::text)), 'NULL') AS token FROM taskq.poll('q') \gset
\if :n
SELECT taskq.complete(:token);
\else
INSERT INTO empty VALUES (:client_id);
\endif
EOS

# one is as likely as lightning, eight are what it was without a second look
cmp_ok(sql($node, 'SELECT count(*) FROM empty'),
	'<', 2, CLIENTS * TRANSACTIONS . ' polls have found something');

done_testing();
