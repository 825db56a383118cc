# The server is killed, or stopped as by a power cut, under load. Nothing that
# it has acknowledged is lost, nothing is done twice, and all that is open goes
# on and ends.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqCrash;
use Test::More;

my $node = crash_node('main');

crash_rounds(
	'SIGKILL of the server',
	$node,
	sub {
		kill_server($node);
		start_again($node);
	});
crash_rounds(
	'immediate stop',
	$node,
	sub {
		$node->stop('immediate');
		$node->start;
	});

done_testing();
