# The benchmark's own clients, in C: see the heads of calls.c, load.c and so on.
#
#	my $client = Bench::Clients->start($bench, 'load', database => 'taskq',
#		sync => 'off', arguments => { rate => 3000, seconds => 10 });
#	while (my $line = $client->line) { say $line->{poll_p99} }
#
# A line of words "name=value" becomes a hash; a word without a value, by which
# some lines begin, is its "line".  What the client has against the server, or
# the server against it, ends the program.
package Bench::Clients;

use strict;
use warnings;

use Bench;
use Carp 'croak';
use POSIX ();

sub _output
{
	my @command = @_;

	open my $pipe, '-|', @command or croak "$command[0]: $!";
	my @lines = <$pipe>;
	close $pipe or croak "$command[0] failed";
	chomp @lines;
	return @lines;
}

# The path of a client, built when it is first needed.
sub path
{
	my ($bench, $program) = @_;
	my $path = "$bench->{dir}/$program";
	my $pg_config = "$bench->{bin}/pg_config";
	my ($include, $lib) =
	  _output($pg_config, '--includedir', '--libdir');

	return $path if -x $path;
	system($ENV{CC} // 'cc', '-Wall', '-Wextra', '-Werror', '-O2', "-I$include",
		'-o', $path, "$Bench::DIR/$program.c", "$Bench::DIR/client.c",
		"-L$lib", '-lpq', '-lpthread') == 0
	  or croak "could not build $program.c";
	return $path;
}

# Start a client.  Options: database (default taskq), sync (synchronous_commit,
# default on), arguments (a hash).
sub start
{
	my ($class, $bench, $program, %option) = @_;
	my $self = bless { owner => $$, program => $program }, $class;
	my $database = $bench->database($option{database} // 'taskq');
	my $sync = $option{sync} // 'on';
	my $arguments = $option{arguments} // {};
	my @command = (
		path($bench, $program),
		map { "--$_=$arguments->{$_}" } sort keys %$arguments);

	pipe($self->{output}, my $write) or croak "pipe: $!";
	$self->{pid} = fork // croak "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>&', $write;
		$bench->become_client($database);
		$ENV{PGOPTIONS} = "-c synchronous_commit=$sync";
		{ exec { $command[0] } @command };
		POSIX::_exit(127);
	}
	return $self;
}

# The next line, or undef after the last.
sub line
{
	my ($self) = @_;
	my $output = $self->{output};
	my $line = <$output>;

	if (!defined $line)
	{
		close $output;
		waitpid delete $self->{pid}, 0;
		croak "$self->{program} failed" if $? != 0;
		return undef;
	}
	my %words = $line =~ /(\w+)=(\S*)/g;
	$words{line} = $1 if $line =~ /^(\w+)(?:\s|$)/;
	return \%words;
}

# Run a client to its end; all its lines.
sub run
{
	my ($class, @arguments) = @_;
	my $self = $class->start(@arguments);
	my @lines;

	while (my $line = $self->line)
	{
		push @lines, $line;
	}
	return @lines;
}

# The last line of a client.
sub result
{
	my ($class, @arguments) = @_;

	return ($class->run(@arguments))[-1];
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	return if $$ != $self->{owner} || !$self->{pid};
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

1;
