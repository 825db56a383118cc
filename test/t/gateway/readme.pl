# The first program that README shows to those who come with Temporal's SDKs
# runs as it stands there.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqSdk;
use TaskqTest;
use Test::More;

need_sdk('python');

my $node = activity_node('main');
my $gateway = start_gateway($node);
ok($gateway->wait_healthy, 'it serves');

my ($program, $shown) =
  slurp_file("$FindBin::RealBin/../../../README.md") =~ /^```python\n(.*?)^```\n```text\n(.*?)^```$/ms;
my $lines = () = $program =~ /^.*\S.*$/mg;
cmp_ok($lines, '<=', 15, 'it is short');
is($program =~ s/127\.0\.0\.1:7233/127.0.0.1:$gateway->{port}/g, 1, 'it names the address that a gateway has by default');

my $path = PostgreSQL::Test::Utils::tempdir() . '/readme.py';
append_to_file($path, $program);
my ($code, $out, $err) = sdk_run($PostgreSQL::Test::Utils::timeout_default, 'python', $path);
is($out, $shown, 'it prints what README says') or diag $err;
is(sql($node, q(SELECT activity_id, activity_type, status, input, result FROM taskq.activities)),
	'greet-1|greet|completed|"Temporal"|"Hello Temporal"', 'and the database has seen it');

# The same with payloads whose bytes are kept.
my $exact = start_gateway($node, '--exact-payloads');
ok($exact->wait_healthy, 'another gateway serves');
$program =~ s/127\.0\.0\.1:$gateway->{port}/127.0.0.1:$exact->{port}/;
$path = PostgreSQL::Test::Utils::tempdir() . '/exact.py';
append_to_file($path, $program);
($code, $out, $err) = sdk_run($PostgreSQL::Test::Utils::timeout_default, 'python', $path);
is($out, $shown, '--exact-payloads: the same') or diag $err;
is(sql($node, q(SELECT input, result FROM taskq.describe('greet-1'))),
	join('|', map { qq({"\$payloads": [{"data": "$_", "metadata": {"encoding": "json/plain"}}]}) } 'IlRlbXBvcmFsIg==', 'IkhlbGxvIFRlbXBvcmFsIg=='),
	'... with bytes in the database');

# The extension is dropped and made again, by somebody who starts anew: no gateway has to be.
sql($node, 'DROP EXTENSION taskq');
sql($node, 'CREATE EXTENSION taskq');
($code, $out, $err) = sdk_run($PostgreSQL::Test::Utils::timeout_default, 'python', $path);
is($out, $shown, 'it serves the new one') or diag $err;

done_testing();
