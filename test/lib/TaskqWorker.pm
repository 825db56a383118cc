# The program taskq: workers that run commands, and what has become of tasks.
package TaskqWorker;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

our @EXPORT = qw(start_worker run_taskq schedule_task outcome_of wait_outcome wait_file lives script);

my $program = $ENV{TASKQ_CLI} || 'taskq';
my $number = 0;

plan(skip_all => 'the program is not built') unless run_log([ $program, '--version' ], '>', \my $ignored);

# A command, executable, of these lines of a language; its path.
sub script
{
	my ($interpreter, $text) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir() . '/command' . $number++;

	append_to_file($path, "#!$interpreter\n$text");
	chmod 0755, $path or die $!;
	return $path;
}

sub connection
{
	my ($node) = @_;

	return ('-h', $node->host, '-p', $node->port, '-d', 'postgres');
}

# Run to its end: exit code (or 256 and the signal), standard output and error.
sub run_taskq
{
	my ($node, $command, @arguments) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ $program, $command, $node ? connection($node) : (), @arguments ], '<', \undef,
		'>', \$stdout, '2>', \$stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? & 127 ? 256 + ($? & 127) : $? >> 8, $stdout, $stderr);
}

# One that goes on; options come after the connection, so that they may replace it.
sub start_worker
{
	my ($node, @arguments) = @_;
	my $self = bless { log => PostgreSQL::Test::Utils::tempdir() . '/worker' . $number++ . '.log' }, __PACKAGE__;

	$self->{handle} = IPC::Run::start([ $program, 'worker', connection($node), @arguments ], '<', \undef,
		'>', $self->{log}, '2>&1');
	$self->{pid} = $self->{handle}{KIDS}[0]{PID};
	return $self;
}

sub log
{
	my ($self) = @_;

	return slurp_file($self->{log});
}

sub wait_log
{
	my ($self, $pattern) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $self->log =~ $pattern;
		select undef, undef, undef, 0.05;
	}
	die "not logged: $pattern\n" . $self->log;
}

sub signal
{
	my ($self, $signal) = @_;

	kill $signal, $self->{pid};
}

# Its exit code, or 256 and the signal.
sub ended
{
	my ($self) = @_;

	$self->{handle}->finish;
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

# A run of a queue; options are SQL.
sub schedule_task
{
	my ($node, $queue, $input, $options) = @_;

	return sql($node, "SELECT run_id FROM taskq.schedule('$queue', 't', "
		  . (defined $input ? "'$input'" : 'NULL') . ', ' . ($options // "start_to_close_timeout => '1 h'") . ')');
}

# What is known of a run, as "status|result|type|message|attempt|state".
sub outcome_of
{
	my ($node, $run_id) = @_;

	return sql($node, qq{
		SELECT concat_ws('|', status, coalesce(result::text, '-'), coalesce(coalesce(failure, last_failure) ->> 'type', '-'),
			coalesce(coalesce(failure, last_failure) ->> 'message', '-'), attempt, coalesce(run_state::text, '-'))
		  FROM taskq.activities WHERE run_id = $run_id});
}

sub wait_outcome
{
	my ($node, $run_id, $pattern) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $outcome = outcome_of($node, $run_id);

		return $outcome if $outcome =~ $pattern;
		select undef, undef, undef, 0.05;
	}
	return outcome_of($node, $run_id);
}

# Is there such a process? One that has ended, and that nobody has waited for, is none.
sub lives
{
	my ($pid) = @_;

	return -e "/proc/$pid" && slurp_file("/proc/$pid/stat") !~ /\) Z/;
}

# A file that a command writes; its text.
sub wait_file
{
	my ($path, $pattern) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return slurp_file($path) if -e $path && slurp_file($path) =~ ($pattern // qr/\n/);
		select undef, undef, undef, 0.05;
	}
	die "nothing in $path";
}

1;
