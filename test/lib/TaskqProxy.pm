# A proxy between a client and a server of PostgreSQL, at a port of its own on
# 127.0.0.1, that does with what clients send as it is told.
package TaskqProxy;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

our @EXPORT_OK = qw(start_proxy stop_proxy);

my @proxies;

# Judge is called with all that a client has sent at a time and says what to do:
# "pass" it on, "cut" the connection before it, or "cut after" the server's answer, or
# "hold" it until a connection has ended that was made after it.  Returns pid and port.
sub start_proxy
{
	my ($node, $judge) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 10) or die $!;
	my $pid = fork // die $!;

	if ($pid)
	{
		push @proxies, $pid;
		return ($pid, $listener->sockport);
	}
	$SIG{TERM} = sub { POSIX::_exit(0) };
	serve($listener, $node->host . '/.s.PGSQL.' . $node->port, $judge);
}

sub stop_proxy
{
	my ($pid) = @_;

	kill 'TERM', $pid;
	waitpid $pid, 0;
	@proxies = grep { $_ != $pid } @proxies;	# the number may be another's soon
	return;
}

# For ever.
sub serve
{
	my ($listener, $server, $judge) = @_;
	my ($select, %peer, %is_client, %cut, @held) = (IO::Select->new($listener));
	my $close = sub {
		my ($end) = @_;
		my $other = $peer{$end} or return;

		for ($end, $other) { $select->remove($_); delete $peer{$_}; close $_ }
		syswrite $_->[0], $_->[1] for splice @held;
	};

	while (1)
	{
		for my $end ($select->can_read)
		{
			if ($end == $listener)
			{
				my $client = $listener->accept or next;
				my $backend = IO::Socket::UNIX->new(Peer => $server);

				unless ($backend) { close $client; next }
				@peer{ $client, $backend } = ($backend, $client);
				$is_client{$client} = 1;
				delete $is_client{$backend};
				delete @cut{ $client, $backend };
				$select->add($client, $backend);
				next;
			}
			next unless $peer{$end};
			my $bytes;

			if (!sysread $end, $bytes, 1 << 20) { $close->($end); next }
			if ($cut{$end}) { $close->($end); next }
			my $how = $is_client{$end} ? $judge->($bytes) : 'pass';

			if ($how eq 'cut') { $close->($end); next }
			if ($how eq 'hold') { push @held, [ $peer{$end}, $bytes ]; next }
			$cut{ $peer{$end} } = 1 if $how eq 'cut after';
			syswrite $peer{$end}, $bytes;
		}
	}
}

END { my $code = $?; kill 'KILL', $_ for @proxies; $? = $code }

1;
