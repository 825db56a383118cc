# One process of the server is killed under load: the taskq worker, the
# launcher, a backend of a client. The server starts anew by itself, and
# nothing that it has acknowledged is lost, done twice or forgotten.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqCrash;
use Test::More;

my $node = crash_node('main');

foreach my $victim ('taskq worker', 'taskq launcher', 'client backend')
{
	crash_rounds(
		"SIGKILL of a $victim",
		$node,
		sub {
			my $offset = -s $node->logfile;

			kill 'KILL', some_process($node, $victim);
			$node->wait_for_log(
				qr/database system is ready to accept connections/, $offset);
		});
}

done_testing();
