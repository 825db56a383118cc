# Clients that behave badly cost themselves something, and nobody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use TaskqGateway;
use Test::More;

use constant PREFACE => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

my $gateway = start_gateway(undef);
my $info = WORKFLOW_SERVICE . 'GetSystemInfo';
my $poll = WORKFLOW_SERVICE . 'PollActivityTaskQueue';
my $start = $gateway->megabytes;

sub frame
{
	my ($type, $flags, $stream, $payload) = @_;

	return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload;
}

# One who says nothing at all; see the end.
my $silent = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{port});

my $settings = frame(4, 0, 0, '');
srand 1;
my $noise = join '', map { chr int rand 256 } 1 .. 65536;

# Bytes that make no sense: the connection is closed, and others are served.
my %raw = (
	'nothing' => '',
	'noise' => $noise,
	'HTTP/1.1' => "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
	'a greeting of TLS' => pack('H*', '16030100') . $noise,
	'half of the preface' => substr(PREFACE, 0, 10),
	'noise behind the preface' => PREFACE . $noise,
	'noise behind settings' => PREFACE . $settings . $noise,
	'noise as headers' => PREFACE . $settings . frame(1, 4, 1, substr $noise, 0, 16000),
	'noise as data' => PREFACE . $settings . frame(0, 1, 1, substr $noise, 0, 16000),
	'a frame that is too large' => PREFACE . $settings . "\xff\xff\xff\0\0\0\0\0\1",
	'half of a frame' => PREFACE . $settings . substr(frame(1, 4, 1, $noise), 0, 500),
	'continuations without an end' => PREFACE . $settings . frame(1, 0, 1, "\x82") . frame(9, 0, 1, 'x' x 16000) x 50,
	'settings that make no sense' => PREFACE . frame(4, 0, 0, pack('nN', 4, 0xffffffff)),
	'a window that overflows' => PREFACE . $settings . frame(8, 0, 0, pack 'N', 0x7fffffff) x 3,
	'pings' => PREFACE . $settings . frame(6, 0, 0, 'pingping') x 20000,
	'settings again and again' => PREFACE . $settings x 20000,
	'empty data' => PREFACE . $settings . frame(0, 0, 1, '') x 20000,
	'a stream with an even number' => PREFACE . $settings . frame(1, 5, 2, "\x82\x86\x84"),
	'frames of unknown types' => PREFACE . $settings . frame(99, 255, 7, 'x' x 1000) x 100,
);

for (sort keys %raw)
{
	$gateway->send_raw($raw{$_});
	ok($gateway->is_alive, "$_: others are served");
}

# Headers without measure.
my $outcome = $gateway->call($info, framed(''), map { ('-H', "x-long-$_: " . 'x' x 4000) } 1 .. 6);
is($outcome->{http}, 'reset', 'headers that are too long: the stream is reset');

# Requests that never end: the gateway ends them.
$outcome = $gateway->call('/a/b', framed(''), '-e', '-H', 'grpc-timeout: 200m');
is($outcome->{status}, 4, 'a request without an end has its deadline');
$outcome = $gateway->call($info, framed('') . 'x', '-e');
is($outcome->{status}, 12, 'a request that is refused early is answered before it ends');

# Streams that are reset at once: too many of them end the connection.
my @outcomes = $gateway->calls($info, framed(''), '-r', '-n', 1500);
is($outcomes[0]{http}, 'reset', 'requests may be cancelled');
my $flood = $gateway->start_client($info, framed(''), '-r', '-w', '-n', 30000);
ok($gateway->is_alive, 'others are served during a flood of cancelled requests');
$gateway->finish_client($flood);
like($flood->{out}, qr/^goaway|\tlost\t/m, 'whose connection is ended');

# Requests that pile up.
my $half = "\0" . pack('N', 4 << 20) . 'x' x (3 << 20);
@outcomes = $gateway->calls($info, $half, '-e', '-n', 20, '-H', 'grpc-timeout: 10S');
ok((grep { ($_->{message} // '') eq 'too many requests at once on one connection' } @outcomes),
	'what is kept of the requests of one client has a limit');
ok($gateway->is_alive, 'others are served');

# Clients that don't read: the gateway keeps a batch of frames for each and
# hears no more from them.
my @deaf = map { $gateway->start_client($info, framed(''), '-s', '-n', 2000) } 1 .. 5;
ok($gateway->is_alive, 'others are served while some do not read');
$gateway->finish_client($_, 1) for @deaf;

# The page of numbers serves few at a time, and only for a while.
my @sockets = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{metrics_port}) } 1 .. 40;
my $ended = grep { defined && !$_->sysread(my $byte, 1) } @sockets[ 16 .. 39 ];
is($ended, 24, 'clients beyond those are turned away');
ok($gateway->is_alive, 'those of the service are not');
is($sockets[0]->sysread(my $byte, 1), 0, 'who does not ask has to go, too');
undef @sockets;
$sockets[0] = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{metrics_port});
$sockets[0]->syswrite('x' x 100000);
ok(!$sockets[0]->sysread($byte, 1), 'a request that is too long');
ok(defined $gateway->metric('taskq_gateway_connections'), 'then there are numbers again');

ok(!$silent->sysread($byte, 1 << 16) || !$silent->sysread($byte, 1 << 16), 'who says nothing has to go');
ok($gateway->wait_metric('taskq_gateway_connections', 0), 'nobody is left');
is($gateway->metric('taskq_gateway_calls_in_progress'), 0, 'nor any call');
cmp_ok($gateway->megabytes - $start, '<', 64, 'nor much memory') unless $ENV{TASKQ_GATEWAY};
is($gateway->stop, 0, 'it ends in order');
done_testing();
