# Who may not drop, rename, move or copy a database cannot stop its worker by
# trying.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');

$node->safe_psql('postgres', $_)
  for (
	'CREATE ROLE joe LOGIN CREATEDB',
	'CREATE ROLE ann LOGIN',
	'CREATE DATABASE a',
	'CREATE DATABASE b OWNER ann');
$node->safe_psql($_, 'CREATE EXTENSION taskq') for qw(a b);
ok(wait_served($node, qw(a b)), 'there are workers');

my $a = worker_pid($node, 'a');
my $b = worker_pid($node, 'b');

sub refused
{
	my ($role, $command, $message) = @_;
	my ($rc, $stdout, $stderr) =
	  $node->psql('postgres', $command, extra_params => [ '-U', $role ]);

	like($stderr, $message, "$role: $command");
	return;
}

# not the owner
refused('joe', 'DROP DATABASE a', qr/must be owner of database a/);
refused('joe', 'DROP DATABASE a WITH (FORCE)', qr/must be owner/);
refused('joe', 'ALTER DATABASE a RENAME TO c', qr/must be owner/);
refused('joe', 'ALTER DATABASE a SET TABLESPACE pg_default', qr/must be owner/);
refused('joe', 'CREATE DATABASE c TEMPLATE a', qr/permission denied to copy/);

# the owner, who may not create databases
refused('ann', 'ALTER DATABASE b RENAME TO c',
	qr/permission denied to rename database/);
refused('ann', 'CREATE DATABASE c TEMPLATE b',
	qr/permission denied to create database/);

# never possible
refused('ann', 'BEGIN; DROP DATABASE b',
	qr/cannot run inside a transaction block/);
my ($rc, $stdout, $stderr) =
  $node->psql('b', 'DROP DATABASE b', extra_params => [ '-U', 'ann' ]);
like($stderr, qr/cannot drop the currently open database/, 'its own database');
refused('ann', 'DROP DATABASE nowhere', qr/does not exist/);

is(worker_pid($node, 'a'), $a, 'the worker of a was not touched');
is(worker_pid($node, 'b'), $b, 'the worker of b was not touched');

done_testing();
