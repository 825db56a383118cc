# pg_terminate_backend of the taskq worker, of the launcher and of clients'
# backends under load, several times each. Each comes back, and what it was
# about to do is done.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqCrash;
use Test::More;

# A worker that ends again and again is started ever later.
my %times = ('taskq worker' => 2, 'taskq launcher' => 2, 'client backend' => 5);
my $node = crash_node('main');

foreach my $victim (sort keys %times)
{
	crash_rounds(
		"pg_terminate_backend of a $victim",
		$node,
		sub {
			my ($load) = @_;

			foreach (1 .. $times{$victim})
			{
				my $pid = some_process($node, $victim);

				$node->safe_psql('postgres',
					"SELECT pg_terminate_backend($pid, 60000)");
				wait_for_facts($load, 50);
			}
		});
}

done_testing();
