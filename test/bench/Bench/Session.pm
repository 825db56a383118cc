# A psql that stays: for sessions that keep a transaction open, wait, or listen.
#
#	my $session = $bench->session;
#	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
#	say $session->query('SELECT count(*) FROM r2');
#
# An error of the server ends the program unless it is asked for by try().
package Bench::Session;

use strict;
use warnings;

use Carp 'croak';
use IO::Handle;
use POSIX ();

my $END = '-- end of the answer --';

sub new
{
	my ($class, $bench, $database) = @_;
	my $self = bless { owner => $$ }, $class;

	pipe(my $read_input, $self->{input}) or croak "pipe: $!";
	pipe($self->{output}, my $write_output) or croak "pipe: $!";
	$self->{pid} = fork // croak "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDIN, '<&', $read_input;
		open STDOUT, '>&', $write_output;
		open STDERR, '>&', $write_output;
		$bench->become_client($database);
		$ENV{PGOPTIONS} = '-c client_min_messages=error';
		{ exec "$bench->{bin}/psql", '-X', '-q', '-A', '-t' };
		POSIX::_exit(127);
	}
	$self->{input}->autoflush;
	return $self;
}

# Send statements without waiting for them; receive() gets the answer.
sub send
{
	my ($self, $statements) = @_;

	print { $self->{input} } "$statements\n;\n\\echo '$END'\n"
	  or croak 'psql is gone';
	return;
}

# The answer to what was sent, and what the server said against it or undef.
sub receive
{
	my ($self) = @_;
	my ($answer, $error) = ('', undef);
	my $output = $self->{output};

	while (defined(my $line = <$output>))
	{
		if ($line eq "$END\n")
		{
			chomp $answer;
			return ($answer, $error);
		}
		$error .= $line if $line =~ /^(psql|ERROR|FATAL|PANIC):? /;
		$answer .= $line;
	}
	croak "psql is gone: $answer";
}

# Run statements; the answer, and the error or undef.
sub try
{
	my ($self, $statements) = @_;

	$self->send($statements);
	return $self->receive;
}

# Run statements; the answer.
sub query
{
	my ($self, $statements) = @_;
	my ($answer, $error) = $self->try($statements);

	croak "$statements: $error" if defined $error;
	return $answer;
}

# The process id of the server's end.
sub backend
{
	my ($self) = @_;

	return $self->{backend} //= $self->query('SELECT pg_backend_pid()');
}

sub quit
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	close $self->{input};
	close $self->{output};
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	$self->quit if $$ == $self->{owner};
	return;
}

1;
