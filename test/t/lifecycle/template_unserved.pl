# A template with the extension has no worker, which would be in the way of
# CREATE DATABASE; databases that are made from it have one at once.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main', "taskq.launcher_naptime = '1h'");

$node->safe_psql('template1', 'CREATE EXTENSION taskq');
$node->safe_psql('postgres', 'CREATE DATABASE a');
ok(wait_served($node, 'a'), 'a copy of template1 is served, template1 is not');

# a database becomes a template
$node->safe_psql('postgres', 'ALTER DATABASE a IS_TEMPLATE true');
$node->safe_psql('postgres', 'CREATE DATABASE b TEMPLATE a');
ok(wait_served($node, 'b'), 'its worker left for the copy, and stays away');

$node->safe_psql('postgres', 'ALTER DATABASE a IS_TEMPLATE false');
$node->safe_psql('a', "SELECT taskq.channel('q')");
ok(wait_served($node, 'a', 'b'), 'the first call brings it back');

# The database that is copied when none is named may be no template.
$node->safe_psql('postgres', 'ALTER DATABASE template1 IS_TEMPLATE false');
$node->safe_psql('template1', "SELECT taskq.channel('q')");
ok(wait_served($node, qw(a b template1)), 'template1 is a database like any other');
for my $which ('', 'TEMPLATE DEFAULT', 'TEMPLATE template1')
{
	$node->safe_psql('postgres', "CREATE DATABASE c $which");
	ok(wait_served($node, qw(a b c template1)), "CREATE DATABASE $which");
	$node->safe_psql('postgres', 'DROP DATABASE c');
}

done_testing();
