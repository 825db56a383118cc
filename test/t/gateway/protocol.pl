# What a gateway answers to calls, good and bad ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use PostgreSQL::Test::Utils;
use TaskqGateway;
use Test::More;

my $gateway = start_gateway(undef);
my $info = WORKFLOW_SERVICE . 'GetSystemInfo';
my $poll = WORKFLOW_SERVICE . 'PollActivityTaskQueue';

my $answer = $gateway->call($info, framed(''));
is($answer->{http}, 200, 'an answer');
is($answer->{status}, 0, 'a good one');
is(unpack('N', substr $answer->{body}, 1, 4), length($answer->{body}) - 5, 'its message is framed');

# Paths.
is($gateway->status('/a.Service/Method', framed('')), '12 unknown method Method for service a.Service', 'no such service');
is($gateway->status(WORKFLOW_SERVICE . 'Nonsense', framed('')),
	'12 unknown method Nonsense for service temporal.api.workflowservice.v1.WorkflowService', 'no such method');
is($gateway->status('/', framed('')), '12 unknown method /', 'no name');
is($gateway->status("/\xc3\xa9%/x", framed('')), '12 unknown method x for service %C3%A9%25', 'messages are escaped');

# Not gRPC.
is($gateway->call($info, '', '-H', 'content-type: text/html')->{http}, 415, 'another type of content');
is($gateway->call($info, framed(''), '-H', "content-type: application/grpc$_")->{http}, 415, "application/grpc$_") for qw(-web -web+proto +json);
is($gateway->call($info, framed(''), '-H', "content-type: application/grpc$_")->{status}, 0, "application/grpc$_") for '+proto', ';x=y', '+proto; x=y';
is($gateway->call($info, '', '-H', ':method: PUT')->{http}, 405, 'another method of HTTP');

# Frames.
is($gateway->status($info, ''), '13 truncated request', 'nothing');
is($gateway->status($info, "\0\0\0"), '13 truncated request', 'half of a prefix');
is($gateway->status($info, "\0\0\0\0\5abc"), '13 truncated request', 'half of a message');
is($gateway->status($info, framed('') . framed('')), '12 more than one message in a request', 'two messages');
my $largest = 4 << 20;
is($gateway->status($poll, framed('x' x ($largest + 1))),
	'8 grpc: received message larger than max (4194305 vs. 4194304)', 'one byte too many');
is($gateway->status($poll, "\0\xff\xff\xff\xff"),
	'8 grpc: received message larger than max (4294967295 vs. 4194304)', 'as large as can be said');
is($gateway->status($info, framed(text(15, 'x' x ($largest - 5)))), '0', 'the largest, in a field that nobody knows');

# Messages.
isnt($gateway->status($poll, framed("\xff" x 10)), '0', 'no message at all');
like($gateway->status($poll, framed("\xff" x 10)), qr/^3 ./, 'the argument is not valid');
like($gateway->status($poll, framed(text(3, "\xff\xfe"))), qr/^3 /, 'a text that is not UTF-8');
like($gateway->status($poll, framed(text(3, "a\0b"))), qr/^3 /, 'a text with a zero');
my $deep = '';
$deep = text(4, $deep) for 1 .. 5000;
like($gateway->status(WORKFLOW_SERVICE . 'RespondActivityTaskFailed', framed(text(2, $deep))), qr/^3 /, 'a message nested 5000 deep');

# gzip.
sub gzip
{
	my ($data) = @_;
	my ($compressed, $error) = ('', '');

	IPC::Run::run([ 'gzip', '-c' ], '<', \$data, '>', \$compressed) or die;
	return $compressed;
}

my @gzip = ('-H', 'grpc-encoding: gzip');
is($gateway->status($info, framed(gzip(''), 1), @gzip), '0', 'compressed');
is($gateway->status($info, framed(''), @gzip), '0', 'could be compressed, but is not');
is($gateway->status($info, framed(gzip(''), 1)), '13 compressed message without grpc-encoding', 'compressed, without saying how');
is($gateway->status($info, framed('nonsense', 1), @gzip), '13 broken gzip data', 'not compressed at all');
is($gateway->status($info, framed(substr(gzip('abc'), 0, -3), 1), @gzip), '13 broken gzip data', 'half of it');
is($gateway->status($info, framed(gzip('') . 'x', 1), @gzip), '13 broken gzip data', 'more than it');
is($gateway->status($info, framed(''), '-H', 'grpc-encoding: snappy'), '12 unknown grpc-encoding', 'another encoding');
is($gateway->status($info, framed(gzip(text(15, 'x' x ($largest - 5))), 1), @gzip), '0', 'the largest, compressed');
like($gateway->status($info, framed(gzip('x' x (256 << 20)), 1), @gzip),
	qr/^8 grpc: received message larger than max/, 'a bomb');
is($gateway->call($info, framed(''), '-H', 'grpc-accept-encoding: gzip')->{body}, $answer->{body}, 'a short answer is not compressed');

# Deadlines.
is($gateway->status($info, framed(''), '-H', 'grpc-timeout: soon'), '0', 'a deadline that is none');
is($gateway->status($info, framed(''), '-e', '-H', 'grpc-timeout: 100m'), '4 deadline exceeded', 'a request that does not end');

# Health, without a database.
is($gateway->call(HEALTH, framed(''))->{body}, framed("\x08\x02"), 'it can not serve without its database');
like($gateway->status(HEALTH, framed(text(1, 'nothing'))), qr/^5 /, 'health of nothing');
is($gateway->status('/grpc.health.v1.Health/Watch', framed('')), '12 unknown method Watch for service grpc.health.v1.Health', 'nobody can watch');

# Numbers.
my $labels = 'service="temporal.api.workflowservice.v1.WorkflowService",method="GetSystemInfo"';
cmp_ok($gateway->metric(qq(taskq_gateway_calls_total{$labels,code="OK"})), '>', 5, 'good calls are counted');
cmp_ok($gateway->metric(qq(taskq_gateway_calls_total{$labels,code="INTERNAL"})), '>', 2, 'and bad ones');
is($gateway->metric('taskq_gateway_calls_in_progress'), 0, 'nothing is left');
like($gateway->http("GET /nothing HTTP/1.1\r\n\r\n"), qr(^HTTP/1\.1 404 ), 'no other page');
like($gateway->http("POST /metrics HTTP/1.1\r\n\r\n"), qr(^HTTP/1\.1 405 ), 'nothing to post');

is($gateway->stop, 0, 'it ends in order');

# Connections that grow old: they are announced to end, and calls on them are
# answered before.
$gateway = start_gateway(undef, '--max-connection-age', 1);
my $old = $gateway->start_client($info, framed(''), '-e', '-w', '-H', 'grpc-timeout: 3S');
my ($late) = $gateway->finish_client($old);
is($late->{status}, 4, 'a call on an old connection has its answer');
is(() = $old->{out} =~ /^goaway \d+ 0$/mg, 2, 'the end of the connection was announced');
is($gateway->stop, 0, 'it ends in order');
done_testing();
