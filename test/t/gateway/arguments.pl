# What the gateway says of itself, and of arguments that make no sense.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use TaskqGateway;
use Test::More;

my $program = $ENV{TASKQ_GATEWAY} || 'taskq-gateway';

program_help_ok($program);

sub run_gateway
{
	my (@arguments) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ $program, @arguments ], '<', \undef, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(60));
	return ($? >> 8, $stdout, $stderr);
}

my ($code, $stdout, $stderr) = run_gateway('--version');
is($code, 0, 'there is a version');
like($stdout, qr/^taskq-gateway \d+\.\d+\S*$/, 'it is shown');

for (
	[ ['--nothing'], qr/unknown option "--nothing"/ ],
	[ ['-xw'], qr/unknown option "-x"/ ],
	[ [ '-h', 'localhost', '-wx' ], qr/unknown option "-x"/ ],
	[ ['--no-password=secret'], qr/option "--no-password=secret" has no value/ ],
	[ ['--listen'], qr/"--listen" needs a value/ ],
	[ [ '--listen', 'here' ], qr/--listen must be of the form address:port, not "here"/ ],
	[ [ '--listen', '::1:7233' ], qr/--listen must be of the form/ ],
	[ [ '--metrics', '9464' ], qr/--metrics must be of the form/ ],
	[ [ '--listen', '127.0.0.1:99999' ], qr/--listen must be of the form address:port, not "127\.0\.0\.1:99999"/ ],
	[ [ '--pool', '0' ], qr/--pool must be a number from 1 to \d+, not "0"/ ],
	[ [ '--pool', 'many' ], qr/not "many"/ ],
	[ [ '--log-level', 'loud' ], qr/--log-level must be debug, info, warning or error/ ],
	[ [ '--log-format', 'xml' ], qr/--log-format must be text or json/ ],
	[ [ '--tls-cert', 'x' ], qr/--tls-cert and --tls-key go together/ ],
	[ [ '--tls-client-ca', 'x' ], qr/--tls-client-ca needs/ ],
	[ [ '--listen', '0.0.0.0:0', '--api-key-file', 'x' ], qr/--api-key-file needs --tls-cert/ ],
	[ [ '-d', 'host=a nonsense' ], qr/connection string is not valid/ ],
	[ [ 'db', 'more' ], qr/too many arguments, the first of them "more"/ ],
  )
{
	my ($arguments, $wanted) = @$_;

	($code, $stdout, $stderr) = run_gateway(@$arguments);
	is($code, 2, "@$arguments: bad usage");
	like($stderr, $wanted, "@$arguments: it says why");
}

my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
my $address = '127.0.0.1:' . $taken->sockport;

for (
	[ [ '--listen', $address ], qr/could not listen on "$address": Address already in use/ ],
	[ [ '--listen', '127.0.0.1:0', '--metrics', $address ], qr/could not listen on "$address": Address already in use/ ],
	[ [ '--listen', '192.0.2.1:1' ], qr/could not listen on "192\.0\.2\.1:1": \w/ ],
	[ [ '--tls-cert', '/nonexistent', '--tls-key', 'x' ], qr/could not load TLS certificate "\/nonexistent": No such file/ ],
	[ [ '--api-key-file', '/nonexistent' ], qr/could not open API key file "\/nonexistent": No such file/ ],
  )
{
	my ($arguments, $wanted) = @$_;

	($code, $stdout, $stderr) = run_gateway(@$arguments);
	is($code, 1, "@$arguments: it does not start");
	like($stderr, $wanted, "@$arguments: it says why");
}

# The log as JSON: each line is an object, whatever stands in it.
($code, $stdout, $stderr) = run_gateway('--log-format', 'json', '--api-key-file', "/\"\n");
like($stderr, qr/\A\{"time": "[-\dT:.]+Z", "level": "error", "message": "could not open API key file \\"\/\\"\\u000a\\": No such file or directory"\}\n\z/,
	'a line of JSON');
($code, $stdout, $stderr) = run_gateway('--log-format', 'json', '--api-key-file', "/\xff\xc3\xa9");
like($stderr, qr/"\/\\u00ff\\u00c3\\u00a9\\"/, 'also of what is not UTF-8');

# What it says of its options is what its manual says.
my %options;

($code, $options{help}) = run_gateway('--help');
$options{manual} = slurp_file("$FindBin::RealBin/../../../src/gateway/taskq-gateway.1") =~ s/\\-/-/gr =~ s/\\f[BIR]//gr =~ s/^\.SH EXAMPLES.*//msr;
$options{$_} = join ' ', sort keys %{ { map { $_ => 1 } $options{$_} =~ /(?<![\w-])(--?(?:[a-z]+(?:-[a-z]+)*|[?V]|[dhpUw]))/g } } for keys %options;
is($options{manual}, $options{help}, 'the manual has the same options');

done_testing();
