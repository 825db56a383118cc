# Programs with Temporal's SDKs, for tests. Skips the test where an SDK can't
# be had.
package TaskqSdk;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(need_sdk sdk_have sdk_run sdk_start sdk_line sdk_ask sdk_is_running sdk_finish sdk_goldens);

my $folder = abs_path(dirname(__FILE__) . '/../temporal');
my $run = "$folder/run";

# The files with what clients saw, of these names.
sub sdk_goldens
{
	my ($names) = @_;

	return glob "$folder/goldens/$names.out.txt";
}

# "python" or "go"
sub sdk_have
{
	my ($language) = @_;

	return system($run, 'have', $language) == 0;
}

sub need_sdk
{
	my ($language) = @_;

	sdk_have($language)
	  or plan(skip_all => "no SDK for $language");
}

# Run a program to its end, in at most so many seconds: (exit code, output, errors).
sub sdk_run
{
	my ($seconds, @command) = @_;
	my ($out, $err);

	IPC::Run::run([ $run, @command ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds));
	return ($? >> 8, $out, $err);
}

# Start one that reads and writes lines.
sub sdk_start
{
	my (@command) = @_;
	my $self = { in => '', out => '', err => '' };

	$self->{handle} = IPC::Run::start([ $run, @command ], '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timer} = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $self;
}

# The next line that it writes.
sub sdk_line
{
	my ($self) = @_;

	$self->{timer}->start($PostgreSQL::Test::Utils::timeout_default);
	while (1)
	{
		return $1 if $self->{out} =~ s/\A(.*)\n//;
		die "the program has ended: $self->{err}" unless $self->{handle}->pump;
	}
}

sub sdk_ask
{
	my ($self, @words) = @_;

	$self->{in} .= join("\t", @words) . "\n";
	return sdk_line($self);
}

# Is it still running after so many seconds?
sub sdk_is_running
{
	my ($self, $seconds) = @_;
	my $until = time + $seconds;

	$self->{timer}->start($PostgreSQL::Test::Utils::timeout_default);
	while (time < $until && $self->{handle}->pumpable)
	{
		$self->{handle}->pump_nb;
		select undef, undef, undef, 0.1;
	}
	return $self->{handle}->pumpable;
}

# End it; its exit code.
sub sdk_finish
{
	my ($self) = @_;

	$self->{timer}->start($PostgreSQL::Test::Utils::timeout_default);
	$self->{handle}->finish;
	return $self->{handle}->result(0);
}

1;
