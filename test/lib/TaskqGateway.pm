# A gateway for tests, calls of its methods, and messages by hand.
package TaskqGateway;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_gateway text number framed activity_poll HEALTH WORKFLOW_SERVICE);

use constant {
	HEALTH => '/grpc.health.v1.Health/Check',
	WORKFLOW_SERVICE => '/temporal.api.workflowservice.v1.WorkflowService/',
};

my $top = abs_path(dirname(__FILE__) . '/../..');
my $client = "$top/test/modules/grpc/grpc_client";
my $program = $ENV{TASKQ_GATEWAY} || 'taskq-gateway';
my $number = 0;

plan(skip_all => 'the gateway is not built')
  unless -x $client && run_log([ $program, '--version' ], '>', \my $ignored);

# ---- messages ---------------------------------------------------------------

# A field of bytes, which may be a text or a message.
sub text
{
	my ($field, $value) = @_;

	return varint($field << 3 | 2) . varint(length $value) . $value;
}

sub number
{
	my ($field, $value) = @_;

	return varint($field << 3) . varint($value);
}

sub varint
{
	my ($value) = @_;

	return $value < 128 ? chr $value : chr($value & 127 | 128) . varint($value >> 7);
}

# A message as it is sent.
sub framed
{
	my ($message, $is_compressed) = @_;

	return pack('CN', $is_compressed ? 1 : 0, length $message) . $message;
}

sub activity_poll
{
	my ($queue, $identity) = @_;

	return framed(text(1, 'default') . text(2, text(1, $queue)) . text(3, $identity // 'somebody'));
}

# ---- a gateway --------------------------------------------------------------

# Start one for database postgres of the node, on ports of its own, and wait
# until it serves. The options come after its own.
sub start_gateway
{
	my ($node, @options) = @_;
	my $log = PostgreSQL::Test::Utils::tempdir() . '/gateway' . $number++ . '.log';
	my $self = bless { log => $log }, __PACKAGE__;
	my @command = ($program, '--listen', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--log-level', 'debug',
		$node ? ('-h', $node->host, '-p', $node->port, '-d', 'postgres') : ('-h', '/nonexistent'), @options);

	$self->{handle} = IPC::Run::start(\@command, '<', \undef, '>', $log, '2>&1');
	$self->{pid} = $self->{handle}{KIDS}[0]{PID};
	$self->{port} = $self->wait_log(qr/listening on 127\.0\.0\.1:(\d+) for gRPC/);
	$self->{metrics_port} = $self->wait_log(qr/listening on 127\.0\.0\.1:(\d+) for metrics/);
	return $self;
}

sub log
{
	my ($self) = @_;

	return slurp_file($self->{log});
}

# Wait for a line; what its parenthesis stands for, which is the last of it.
sub wait_log
{
	my ($self, $pattern, $offset) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my @found = slurp_file($self->{log}, $offset // 0) =~ /.*$pattern/s;

		return $found[0] if @found;
		$self->{handle}->pump_nb;
		select undef, undef, undef, 0.1;
	}
	die "not logged: $pattern\n" . $self->log;
}

sub offset
{
	my ($self) = @_;

	return -s $self->{log};
}

sub signal
{
	my ($self, $signal) = @_;

	kill $signal, $self->{pid};
}

# Wait until it has ended; its exit code, or 256 and the signal.
sub ended
{
	my ($self) = @_;

	$self->{handle}->finish;
	fail("a fault was found:\n" . $self->log) if $self->log =~ /Sanitizer|runtime error/;
	my $status = $self->{handle}->full_result(0);
	return $status & 127 ? 256 + ($status & 127) : $status >> 8;
}

sub stop
{
	my ($self) = @_;

	$self->signal('TERM');
	return $self->ended;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	eval { $self->{handle}->kill_kill(grace => 1) } if $self->{handle};
}

# Resident memory in megabytes.
sub megabytes
{
	my ($self) = @_;

	return slurp_file("/proc/$self->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 / 1024 : die;
}

# ---- calls ------------------------------------------------------------------

# What a client is started with: options, then method, then the bytes.
sub command
{
	my ($self, $path, $bytes, @options) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/request' . $number++;

	append_to_file($file, $bytes);
	return [ $client, @options, '127.0.0.1', $self->{port}, $path, $file ];
}

# What a client has printed, as a list of hashes.
sub outcomes
{
	my ($output) = @_;
	my @found;

	for (grep { /\t/ } split /\n/, $output)
	{
		my ($count, $http, $status, $message, $body) = split /\t/, $_, -1;

		if ($count eq 'details')
		{
			$found[-1]{details} = $http;
			next;
		}
		push @found, { count => $count, http => $http, status => $status, message => $message, body => pack('H*', $body) };
	}
	return @found;
}

# Call a method and wait for the answers: one for each kind of them.
sub calls
{
	my ($self, $path, $bytes, @options) = @_;
	my ($in, $output) = ('', '');
	my $handle = IPC::Run::start($self->command($path, $bytes, @options), '<', \$in, '>', \$output,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$handle->pump until $output =~ /\t.*\n\z/s || !$handle->pumpable;
	$handle->finish;
	return outcomes($output);
}

sub call
{
	my ($self, @arguments) = @_;
	my ($outcome) = $self->calls(@arguments);

	return $outcome // {};
}

# "status message" of a call.
sub status
{
	my ($self, @arguments) = @_;
	my $outcome = $self->call(@arguments);

	return join ' ', grep { defined && length } @$outcome{qw(status message)};
}

# Does it serve? That needs no database.
sub is_alive
{
	my ($self) = @_;

	return $self->status(WORKFLOW_SERVICE . 'GetSystemInfo', framed('')) eq '0';
}

# Has it its database, too?
sub is_healthy
{
	my ($self) = @_;

	return $self->call(HEALTH, framed(''))->{body} eq framed("\x08\x01");
}

sub wait_healthy
{
	my ($self) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $self->is_healthy;
		select undef, undef, undef, 0.1;
	}
	return 0;
}

# A client that goes on: to be asked for its output, and ended.
sub start_client
{
	my ($self, $path, $bytes, @options) = @_;
	my $client = { in => '', out => '' };

	$client->{handle} = IPC::Run::start($self->command($path, $bytes, @options), '<', \$client->{in}, '>', \$client->{out},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$client->{handle}->pump until $client->{out} =~ /^sent$/m;
	return $client;
}

# Wait until a client has all answers, or with "now" for what it has now.
sub finish_client
{
	my ($self, $client, $now) = @_;

	unless ($now)
	{
		$client->{handle}->pump until $client->{out} =~ /\t.*\n\z/s || !$client->{handle}->pumpable;
	}
	$client->{handle}->finish;
	return outcomes($client->{out});
}

# Send bytes, and wait until the gateway closes the connection; what came back.
sub send_raw
{
	my ($self, $bytes) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) or die "no connection: $!";
	my $answer = '';

	local $SIG{PIPE} = 'IGNORE';
	$socket->syswrite($bytes);
	shutdown $socket, 1;
	1 while $socket->sysread($answer, 65536, length $answer);
	return $answer;
}

# An HTTP request to the metrics.
sub http
{
	my ($self, $request) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{metrics_port}) or die "no connection: $!";
	my $answer = '';

	$socket->syswrite($request);
	1 while $socket->sysread($answer, 65536, length $answer);
	return $answer;
}

# A number that is shown, by name and labels.
sub metric
{
	my ($self, $name) = @_;

	return $self->http("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n") =~ /^\Q$name\E (\S+)$/m ? $1 : undef;
}

sub wait_metric
{
	my ($self, $name, $wanted) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if ($self->metric($name) // '') eq $wanted;
		select undef, undef, undef, 0.1;
	}
	return 0;
}

1;
