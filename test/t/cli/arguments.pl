# What the program says of itself, and of arguments that make no sense.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use IPC::Run;
use PostgreSQL::Test::Utils;
use TaskqWorker;
use Test::More;

my $program = $ENV{TASKQ_CLI} || 'taskq';

program_help_ok($program);
program_version_ok($program);
for my $command ('worker', 'heartbeat')
{
	my ($code, $stdout, $stderr) = run_taskq(undef, $command, '--help');

	is("$code$stderr", 0, "$command --help");
	is(join("\n", grep { length > 80 } split /\n/, $stdout), '', "$command --help: no line is longer than 80 columns");
	cmp_ok(scalar(split /\n/, $stdout), '<', 40, "$command --help is short");
}

# The manual and the completion know what the help does.
my $sources = "$FindBin::RealBin/../../../src/cli";
my $manual = slurp_file("$sources/taskq.1") =~ s/\\(?:f.|(?=-))//gr;

sub completed
{
	my (@words) = @_;
	my $script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _taskq; printf "%s\n" "${COMPREPLY[@]}"';
	my $completed = '';

	IPC::Run::run([ 'bash', '-c', $script, "$sources/completion.bash", @words ], '>', \$completed, '2>', '/dev/null');
	return join ' ', sort grep { !/^--help/ } split /\n/, $completed =~ s/=\w*//gr;
}

for my $command ('worker', 'heartbeat', 'watch', 'queue pause', 'queue describe')
{
	my @words = split / /, $command;
	my (undef, $help) = run_taskq(undef, @words, '--help');
	my @options = sort grep { !/^--help/ } $help =~ /^ +(?:-\w, )?(--[a-z-]+)/mg;

	is(join(' ', grep { $manual !~ /\Q$_\E\b/ && $_ ne '--reason' } @options), '', "$command: all options are in the manual");
	is(completed('taskq', @words, '--'), "@options", "$command: they are completed");
}
SKIP:
{
	local @ENV{qw(MANWIDTH LC_ALL)} = (80, 'C');
	my $page = `man -l $sources/taskq.1 2>/dev/null`;

	skip 'no man here', 1 if $page !~ /SYNOPSIS/;
	is(join("\n", grep { length > 80 } split /\n/, $page), '', 'the manual: no line is longer than 80 columns');
}

delete $ENV{TASKQ_TASK_TOKEN};
for (
	[ ['nonsense'], qr/unknown command "nonsense"/ ],
	[ ['queue'], qr/^taskq: after queue comes list, describe/ ],
	[ [ 'queue', 'nonsense' ], qr/^taskq: after queue comes list, describe/ ],
	[ ['worker'], qr/--queue is required/ ],
	[ [ 'worker', '--nothing' ], qr/^taskq: unrecognized option '--nothing'\nTry "taskq worker --help"\.$/ ],
	[ [ 'worker', '--exec' ], qr/^taskq: option '--exec' requires an argument\nTry "taskq worker --help"\.$/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--type', '' ], qr/--type is empty/ ],
	[ [ 'watch', '--nothing' ], qr/^taskq: unrecognized option/ ],
	[ [ 'heartbeat', '--nothing' ], qr/^taskq: unrecognized option/ ],
	[ [ 'list', '--nothing' ], qr/^taskq: unrecognized option/ ],
	[ [ 'worker', '--queue', 'q' ], qr/one of --exec, --noop and a program/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--exec', 'x' ], qr/exactly one of --exec, --noop and a program/ ],
	[ [ 'worker', '--queue', 'q', '--exec', 'x', '--', 'y' ], qr/do not go together/ ],
	[ [ 'worker', '--queue', 'q,,r', '--noop' ], qr/empty or too long/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--concurrency', '0' ], qr/--concurrency must be .*"?0/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--grace', 'long' ], qr/--grace must be a number of seconds, not "long"/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--max-per-second', '-1' ], qr/--max-per-second must be/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--heartbeat', 'never' ], qr/--heartbeat can only be/ ],
	[ [ 'worker', '--queue', 'q', '--exec', '' ], qr/the command is empty/ ],
	[ [ 'worker', '--queue', 'q', '--', '' ], qr/the command is empty/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--max-per-second', '1e-300' ], qr/--max-per-second must be/ ],
	[ [ 'worker', '--queue', 'q', '--noop', '--max-per-second', 'nan' ], qr/--max-per-second must be/ ],
	[ [ 'watch', '--count', '5x', 'q' ], qr/--count must be a number/ ],
	[ [ 'watch', '--count', '99999999999999999999', 'q' ], qr/--count must be a number/ ],
	[ ['heartbeat'], qr/TASKQ_TASK_TOKEN is not set/ ],
  )
{
	my ($arguments, $wanted) = @$_;
	my ($code, undef, $stderr) = run_taskq(undef, @$arguments);

	is($code, 2, "@$arguments: bad usage");
	like($stderr, $wanted, "@$arguments: it says why");
}

like(`$program 2>&1`, qr/^taskq: a command is required\nTry "taskq --help"/, 'no command at all');
is($? >> 8, 2, '... is bad usage');
is(`$program help`, `$program --help`, 'help');

my ($code, undef, $stderr) = run_taskq(undef, 'worker', '-h', '/nonexistent', '--connect-timeout', '0.1', '--queue', 'q', '--noop');
is($code, 74, 'no connection');
like($stderr, qr/no connection to poll: .*nonexistent/, 'it says why');

# What cannot be written is not passed over in silence.
for my $command ("$program --help", "$program --version", "$program worker --help", "$program list --help")
{
	for my $where ('>/dev/full', '>&-')
	{
		my $errors = `$command 2>&1 $where`;

		is($? >> 8, 1, "$command $where");
		like($errors, qr/could not write to standard output/, '... it says why');
	}
}

done_testing();
