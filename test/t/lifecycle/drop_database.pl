# A database with a worker can be dropped, renamed, moved and copied as if
# nobody were connected to it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use Test::More;

my $node = taskq_node('main');
my $elsewhere = PostgreSQL::Test::Utils::tempdir;

$node->safe_psql('postgres', $_)
  for (
	'CREATE ROLE joe LOGIN CREATEDB',
	'CREATE DATABASE a OWNER joe',
	"CREATE TABLESPACE elsewhere LOCATION '$elsewhere'",
	'GRANT CREATE ON TABLESPACE elsewhere TO joe');
$node->safe_psql('a', 'CREATE EXTENSION taskq');
ok(wait_served($node, 'a'), 'there is a worker');

# Runs a command as the database's owner, who is not a superuser.
sub run_as_joe
{
	my ($command, $databases, $what) = @_;
	my ($rc, $stdout, $stderr) =
	  $node->psql('postgres', $command, extra_params => [ '-U', 'joe' ]);

	is($stderr, '', "$what: no error");
	ok(wait_served($node, @$databases), "$what: workers afterwards");
	return;
}

run_as_joe('CREATE DATABASE b TEMPLATE a', [qw(a b)], 'copy');
run_as_joe('ALTER DATABASE b RENAME TO c', [qw(a c)], 'rename');
run_as_joe('BEGIN; ALTER DATABASE c RENAME TO d; ROLLBACK',
	[qw(a c)], 'rename rolled back');
run_as_joe('ALTER DATABASE c SET TABLESPACE elsewhere', [qw(a c)], 'move');
run_as_joe('DROP DATABASE c', ['a'], 'drop');

# A command that waits for the worker, which is held up, can be ended: by a timeout, by a
# cancel, with its session. Then the worker is there as before.
my $worker = worker_pid($node, 'a');
my $waits = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE a%' AND state = 'active' AND wait_event_type = 'Extension'";
for my $end ('', 'pg_cancel_backend', 'pg_terminate_backend')
{
	my $dropper = $node->background_psql('postgres', on_error_stop => 0);
	my $canceler = $node->background_psql('postgres');

	kill 'STOP', $worker;
	$dropper->query(q(SET statement_timeout = '50ms')) if !$end;
	$canceler->query_until(qr/begun/, <<"SQL") if $end;
\\echo begun
DO \$\$
BEGIN
	WHILE NOT EXISTS ($waits) LOOP
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.001);
	END LOOP;
	PERFORM $end(pid) FROM ($waits) w;
END \$\$;
SQL
	$dropper->query_until(qr/begun/, "\\echo begun\n\\set VERBOSITY sqlstate\nDROP DATABASE a;\n\\echo done\n");
	$canceler->quit;
	eval { $dropper->query_until(qr/done/, '') };
	like($dropper->{stderr}, qr/ERROR:  57014|FATAL:  57P01/, 'waiting for the worker is ended by ' . ($end || 'statement_timeout'));
	kill 'CONT', $worker;
	eval { $dropper->quit };
	ok(wait_served($node, 'a'), 'the worker is there');
	$worker = worker_pid($node, 'a');
}

# core's own reasons to refuse stay what they are, and the worker comes back
my $session = $node->background_psql('a');
$session->query_safe('SELECT 1');
my ($rc, $stdout, $stderr) = $node->psql('postgres', 'DROP DATABASE a');
like($stderr, qr/is being accessed by other users/, 'somebody is connected');
ok(wait_served($node, 'a'), 'the worker was started again');
$session->quit;

$node->safe_psql('postgres', 'DROP DATABASE a');
ok(wait_served($node), 'then it can be dropped');
unlike(slurp_file($node->logfile) =~ s/FATAL:  terminating connection due to administrator command//r, qr/FATAL: /,
	'workers leave quietly');

done_testing();
