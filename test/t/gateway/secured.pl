# TLS, clients' certificates and API keys; and how they are renewed.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $info = WORKFLOW_SERVICE . 'GetSystemInfo';

sub openssl
{
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ 'openssl', @_ ], '>', \$stdout, '2>', \$stderr) or die "openssl @_: $stderr";
}

sub write_file
{
	my ($name, $content) = @_;

	unlink "$dir/$name";
	append_to_file("$dir/$name", $content);
	chmod 0600, "$dir/$name";
	return "$dir/$name";
}

# A certificate and its key in files of this name; signed by itself.
sub certificate
{
	my ($name) = @_;

	openssl(qw(req -x509 -newkey rsa:2048 -nodes -days 2 -keyout), "$dir/$name.key", '-out', "$dir/$name.crt", '-subj', "/CN=$name");
	write_file("$name.pem", slurp_file("$dir/$name.crt") . slurp_file("$dir/$name.key"));
}

certificate($_) for qw(server renewed client stranger);
write_file('served.crt', slurp_file("$dir/server.crt"));
write_file('served.key', slurp_file("$dir/server.key"));
my @tls = ('--tls-cert', "$dir/served.crt", '--tls-key', "$dir/served.key");

# ---- TLS --------------------------------------------------------------------

my $gateway = start_gateway(undef, @tls);
is($gateway->status($info, framed(''), '-t', "$dir/server.crt"), '0', 'TLS');
is_deeply([ $gateway->calls($info, framed('')) ], [ { count => 1, http => 'lost', status => '', message => '', body => '' } ],
	'plain HTTP/2 is refused');
is($gateway->status($info, framed(text(15, 'x' x 4000000)), '-t', "$dir/server.crt"), '0', 'a large request');
$gateway->send_raw("\x16\x03\x01" . 'nonsense' x 1000);
is($gateway->status($info, framed(''), '-t', "$dir/server.crt"), '0', 'nonsense does no harm');
isnt($gateway->status($info, framed(''), '-t', "$dir/renewed.crt"), '0', 'another certificate is not its own');

write_file('served.crt', slurp_file("$dir/renewed.crt"));
my $offset = $gateway->offset;
$gateway->signal('HUP');
$gateway->wait_log(qr/warning: could not load TLS key .*what could not be read stays as it was/s, $offset);
is($gateway->status($info, framed(''), '-t', "$dir/server.crt"), '0', 'a certificate without its key is not used');
my $held = $gateway->start_client($info, framed(''), '-e', '-t', "$dir/server.crt", '-H', 'grpc-timeout: 600S');
write_file('served.key', slurp_file("$dir/renewed.key"));
$offset = $gateway->offset;
$gateway->signal('HUP');
$gateway->wait_log(qr/were read anew/, $offset);
is($gateway->status($info, framed(''), '-t', "$dir/renewed.crt"), '0', 'a renewed certificate is');
is(($gateway->finish_client($held, 1))[0]{http}, 'open', 'and connections stay that began with the old one');
is($gateway->stop, 0, 'it ends in order');

$gateway = start_gateway(undef, @tls, '--tls-client-ca', "$dir/client.crt");
is($gateway->status($info, framed(''), '-t', "$dir/renewed.crt", '-k', "$dir/client.pem"), '0', 'a client that shows a certificate');
isnt($gateway->status($info, framed(''), '-t', "$dir/renewed.crt", '-k', "$dir/stranger.pem"), '0', 'one that shows another');
isnt($gateway->status($info, framed(''), '-t', "$dir/renewed.crt"), '0', 'one that shows none');
is($gateway->stop, 0, 'it ends in order');

# A key that takes a password: nobody is asked for it.
openssl('rsa', '-in', "$dir/served.key", '-aes128', '-passout', 'pass:secret', '-out', "$dir/locked.key");
my ($code, $output) = (0, '');
IPC::Run::run([ $ENV{TASKQ_GATEWAY} || 'taskq-gateway', '--tls-cert', "$dir/served.crt", '--tls-key', "$dir/locked.key" ], '<', \undef, '>&', \$output,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
is($? >> 8, 1, 'a key with a password: it does not start');
like($output, qr/error: could not load TLS key "\S+locked.key": \w/, 'it says why');
unlike($output, qr/pass phrase/, 'it asks nobody');

# ---- API keys ---------------------------------------------------------------

my $node = activity_node('main');
sql($node, q(CREATE ROLE worker; CREATE ROLE nobody; SELECT taskq.grant_access('worker', 'worker')));
my $keys = write_file('keys', "# who may come\n\n  first-key\tworker\nsecond-key nobody\nmaster-key\n");
$gateway = start_gateway($node, '--api-key-file', $keys);
ok($gateway->wait_healthy, 'health needs no key');

sub status_with
{
	my ($key, $method, $request) = @_;

	return $gateway->status($method // $info, $request // framed(''), $key ? ('-H', "authorization: $key") : ());
}

is(status_with(undef), '16 API key is missing', 'no key');
is(status_with('first-key'), '16 API key is missing', 'no bearer');
is(status_with('Bearer wrong'), '16 API key is not known', 'a wrong key');
is(status_with('Bearer # who'), '16 API key is not known', 'a comment');
is(status_with('Bearer first-key'), '0', 'a key');
is(status_with('bearer first-key'), '0', 'however bearer is written');

my $poll = WORKFLOW_SERVICE . 'PollActivityTaskQueue';
sql($node, q(SELECT taskq.schedule('q', 't', start_to_close_timeout => '1h') FROM generate_series(1, 2)));
is(status_with('Bearer first-key', $poll, activity_poll('q')), '0', 'the role of a key may poll');
is(status_with('Bearer master-key', $poll, activity_poll('q')), '0', 'a key without a role: who connects may');
isnt(status_with('Bearer second-key', $poll, activity_poll('q')), '0', 'the role of another key may not');

write_file('keys', "# nobody\n");
$offset = $gateway->offset;
$gateway->signal('HUP');
$gateway->wait_log(qr/could not read API keys from .*: there are none/, $offset);
is(status_with('Bearer first-key'), '0', 'a file without a key is not used');
write_file('keys', "third-key worker\n");
$offset = $gateway->offset;
$gateway->signal('HUP');
$gateway->wait_log(qr/were read anew/, $offset);
is(status_with('Bearer first-key'), '16 API key is not known', 'a key that was taken out');
is(status_with('Bearer third-key'), '0', 'one that was added');
unlike($gateway->log, qr/(?:first|second|third|master)-key/, 'no key is logged');
is($gateway->stop, 0, 'it ends in order');
done_testing();
