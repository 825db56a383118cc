# The house: what may depend on what in src/, and how large a room may be.
#
#   perl structure.pl TREE PG_CONFIG
#
# TREE is a copy of the project with its objects built. The symbols of the
# objects say who uses whom, the lines #include who wants to. Each rule is
# checked, and after that a fault against it is planted in the copy, which has to
# be found. Prints TAP. docs/internals.md says what the folders are for.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Find;
use Test::More;
use Time::HiRes;

# Folders in layers: a file may use its own folder, and those above it.
my @layers = (
	['common'], ['base'], ['task'], [ 'model', 'shared' ],
	['notes'], ['store'], ['engine'], [ 'worker', 'calls' ], ['.'],
);

# What is the same for all kinds of tasks, and so knows none of them.
my $any_kind = qr{^(?:task|shared|notes)/
	| ^store/(?:lane|ready|open|sweep|scan|overdue|places)
	| ^engine/(?:claim|tasks|fairness|transaction)
	| ^worker/(?:timer|cursor|recount)}x;

# Programs are no part of the server, and see these alone.
my %programs = map { $_ => [ 'common', 'client' ] } qw(client cli gateway);

use constant {
	FILE_LINES => 600,
	FUNCTION_LINES => 60,
};

# What may break a rule, and why. This list only gets shorter.
my %exceptions = (
);

my ($tree, $pg_config) = @ARGV;
die "usage: perl structure.pl TREE PG_CONFIG\n" unless $pg_config && chdir $tree;
$tree = abs_path('.');

# C that is made of definitions when the gateway is built, and nobody wrote
my $generated = 'gateway/build';

my @include = ("-I$tree/src", "-I$tree/src/$generated", '-I' . pg('--includedir-server'), '-I' . pg('--includedir'));
my %rank;
for my $layer (0 .. $#layers)
{
	$rank{$_} = $layer for @{ $layers[$layer] };
}

sub pg
{
	my ($option) = @_;

	chomp(my $directory = `"$pg_config" $option`);
	return $directory;
}

# ---- what there is ---------------------------------------------------------

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or die "$path: $!\n";
	local $/;
	return scalar <$file>;
}

# Sources, as paths below src/.
sub sources
{
	my ($suffix) = @_;
	my @found;

	find({ no_chdir => 1, wanted => sub { push @found, $_ =~ s|^src/||r if /\.[$suffix]$/ } }, 'src');
	return sort grep { !m|^$generated/| } @found;
}

sub folder
{
	my ($path) = @_;

	return $path =~ m|^(.*)/| ? $1 : '.';
}

# A file is its .c and its headers together.
sub unit
{
	my ($path) = @_;

	return $path =~ s/(_internal)?\.[cho]$//r;
}

# Unit by unit, what the lines #include "..." name.
sub includes
{
	my %uses;

	for my $path (sources('ch'))
	{
		$uses{ unit($path) }{ unit($_) } = 1
		  for grep { -e "src/$_" && unit($_) ne unit($path) } slurp("src/$path") =~ /^#include "(.*)"/mg;
	}
	return \%uses;
}

# The object of a source: beside it, or where the gateway has what it compiles
# of other folders.
sub object
{
	my ($path) = @_;
	my ($object) = grep { -e } map { "$_/" . $path =~ s/c$/o/r } 'src', "src/$generated";

	return $object // die "$path is not compiled\n";
}

# The lines of nm, as long as the object stays the same.
my %lines;

sub lines_of_nm
{
	my ($object) = @_;
	my $state = join ' ', (Time::HiRes::stat($object))[ 1, 7, 9 ];

	$lines{$object} = { state => $state, lines => [`nm --format=posix "$object"`] }
	  unless $lines{$object} && $lines{$object}{state} eq $state;
	return @{ $lines{$object}{lines} };
}

# What is linked together: a program by itself, everything else is the server.
sub world
{
	my ($unit) = @_;

	return $programs{ folder($unit) } ? folder($unit) : 'server';
}

# Who of those that a unit is linked with, or else of all, defines a symbol?
sub owner_of
{
	my ($owner, $unit, $name) = @_;

	return $_ for grep { defined } map { $owner->{$_}{$name} } world($unit), sort keys %$owner;
	return undef;
}

# Unit by unit, whose symbols its object needs; and who defines a symbol.
sub symbols
{
	my (%uses, %owner, @needed);

	for my $path (sources('c'))
	{
		my $unit = unit($path);

		for (lines_of_nm(object($path)))
		{
			my ($name, $type) = split / /;

			$owner{ world($unit) }{$name} = $unit if $type =~ /[TDBRC]/;
			push @needed, [ $unit, $name ] if $type eq 'U';
		}
	}
	for (@needed)
	{
		my ($unit, $name) = @$_;
		my $other = owner_of(\%owner, $unit, $name);

		$uses{$unit}{$other} = $name if $other && $other ne $unit;
	}
	return (\%uses, \%owner);
}

# Both.
sub dependencies
{
	my $included = includes();
	my ($uses) = symbols();

	for my $unit (keys %$included)
	{
		$uses->{$unit}{$_} //= "$_.h" for keys %{ $included->{$unit} };
	}
	return $uses;
}

# ---- the rules -------------------------------------------------------------

sub may_use
{
	my ($from, $to) = @_;

	return 1 if $from eq $to;
	return grep { $_ eq $to } @{ $programs{$from} } if $programs{$from};
	return exists $rank{$from} && exists $rank{$to} && $rank{$to} < $rank{$from};
}

sub upward
{
	my $uses = dependencies();
	my @found;

	for my $unit (sort keys %$uses)
	{
		push @found, map { "$unit uses $_ ($uses->{$unit}{$_})" }
		  grep { !may_use(folder($unit), folder($_)) } sort keys %{ $uses->{$unit} };
	}
	return @found;
}

# Units that reach each other (Tarjan).
sub circles
{
	my $uses = dependencies();
	my (%number, %low, %open, @stack, @found);
	my $visit;

	$visit = sub {
		my ($unit) = @_;
		my @circle;

		$number{$unit} = $low{$unit} = 1 + keys %number;
		push @stack, $unit;
		$open{$unit} = 1;
		for my $other (sort keys %{ $uses->{$unit} // {} })
		{
			$visit->($other) unless $number{$other};
			$low{$unit} = $low{$other} if $open{$other} && $low{$other} < $low{$unit};
		}
		return if $low{$unit} != $number{$unit};
		do { push @circle, pop @stack; delete $open{ $circle[-1] } } until $circle[-1] eq $unit;
		push @found, join(' ', sort @circle) if @circle > 1;
	};
	for (sort keys %$uses)
	{
		$visit->($_) unless $number{$_};
	}
	return @found;
}

# A header declares what its own .c defines.
sub foreign_declarations
{
	my (undef, $owner) = symbols();
	my @found;

	for my $header (sources('h'))
	{
		for my $name (slurp("src/$header") =~ /^extern\s[^;(]*?(\w+)\s*(?:\(|;|\[)/mg)
		{
			my $other = owner_of($owner, unit($header), $name);

			push @found, "$header declares $name of $other.c" if $other && $other ne unit($header);
		}
	}
	return @found;
}

sub dependent_headers
{
	my @found;

	for my $header (@_ ? @_ : sources('h'))
	{
		my @first = folder($header) =~ /^(common|client|cli|gateway)$/ ? () : ('-include', 'postgres.h');

		push @found, "$header does not compile by itself"
		  if system("gcc -fsyntax-only -x c @include @first src/$header 2>/dev/null");
	}
	return @found;
}

# What only one folder knows.
sub internal_headers
{
	my @found;

	for my $path (sources('ch'))
	{
		push @found, map { "$path includes $_" }
		  grep { folder($_) ne folder($path) } slurp("src/$path") =~ /^#include "(.*_internal\.h)"/mg;
	}
	return @found;
}

# Our own headers are named by folder and file.
sub path_includes
{
	my %ours = map { s|.*/||r => 1 } sources('h');
	my @found;

	for my $path (sources('ch'))
	{
		push @found, map { "$path includes \"$_\" without its folder" }
		  grep { $ours{$_} } slurp("src/$path") =~ /^#include "(.*)"/mg;
	}
	return @found;
}

sub same_names
{
	my %paths;

	push @{ $paths{ s|.*/||r } }, $_ for map { unit($_) } sources('c');
	return map { "@{ $paths{$_} }" } grep { @{ $paths{$_} } > 1 } sort keys %paths;
}

sub versions
{
	my @found;

	for my $path (grep { !m|/compat\.h$| } sources('ch'))
	{
		push @found, map { "$path: $_" }
		  slurp("src/$path") =~ /^(#.*(?:PG_VERSION_NUM|USE_ASSERT_CHECKING).*)/mg;
	}
	return @found;
}

# Functions of a file: name, lines of the body, and whether others see it.
sub functions
{
	my ($path) = @_;
	my (@found, $name, $from, $before);
	my @lines = split /\n/, slurp("src/$path");

	for my $i (0 .. $#lines)
	{
		if ($lines[$i] =~ /^(\w+)\(/ && $lines[$i] !~ /;$/)
		{
			$name = $1;
			$before = $i - 1;
		}
		$from = $i if $lines[$i] eq '{';
		next unless $lines[$i] eq '}' && defined $from && defined $name;
		push @found,
		  {
			name => $name,
			lines => $i - $from - 1,
			public => scalar($lines[$before] !~ /\bstatic\b/),
			explained => scalar($lines[ $before - 1 ] =~ m|\*/\s*$|),
		  };
		($name, $from) = ();
	}
	return @found;
}

sub long_files
{
	my @found;

	for my $path (sources('ch'))
	{
		my $lines = () = slurp("src/$path") =~ /\n/g;

		push @found, "$path has $lines lines" if $lines > FILE_LINES;
	}
	return @found;
}

sub long_functions
{
	my @found;

	for my $path (sources('ch'))
	{
		push @found, map { "$_->{name}() in $path has $_->{lines} lines" }
		  grep { $_->{lines} > FUNCTION_LINES } functions($path);
	}
	return @found;
}

sub unexplained
{
	my @found;

	for my $path (sources('c'))
	{
		push @found, map { "$_->{name}() in $path has no comment" }
		  grep { $_->{public} && !$_->{explained} } functions($path);
	}
	return @found;
}

# What an activity is, in files that are for tasks of any kind.
sub partial
{
	my $uses = dependencies();
	my @found;

	for my $path (grep { $_ =~ $any_kind } sources('ch'))
	{
		my $code = slurp("src/$path") =~ s{/\*.*?\*/}{}gsr;

		push @found, "$path names Activity" if $code =~ /\bActivity\b/;
	}
	for my $unit (grep { $_ =~ $any_kind } sort keys %$uses)
	{
		push @found, map { "$unit uses $_" } grep { m|^model/| } sort keys %{ $uses->{$unit} };
	}
	return @found;
}

# What crash_mutants would find out after minutes.
sub idle_mutants
{
	my @found;

	for my $mutant (glob 'test/mutants/*.sed')
	{
		my ($file) = slurp($mutant) =~ /^# file: (.*)/m;

		push @found, "$mutant changes nothing in $file" if `sed -f $mutant $file` eq slurp($file);
	}
	return @found;
}

# ---- check, and check the checks ------------------------------------------

# Compile one source of the copy anew.
sub compile
{
	my ($path) = @_;

	system("gcc -w -fPIC -D_GNU_SOURCE @include -c src/$path -o src/" . $path =~ s/c$/o/r . ' 2>/dev/null') == 0
	  or die "$path does not compile\n";
}

# Add a text to a file for as long as "then" runs.
sub with
{
	my ($path, $text, $then) = @_;
	my $is_new = !-e "src/$path";
	my $old = $is_new ? '' : slurp("src/$path");
	my $object = -e "src/" . $path =~ s/c$/o/r;
	my $write = sub {
		open my $file, '>', "src/$path" or die "$path: $!\n";
		print $file $_[0];
		close $file;
	};

	my $is_new_folder = mkdir 'src/' . folder($path);
	$write->($old . $text);
	compile($path) if $path =~ /c$/;
	my @found = $then->();
	if ($is_new)
	{
		unlink "src/$path", 'src/' . $path =~ s/c$/o/r;
		rmdir 'src/' . folder($path) if $is_new_folder;
	}
	else
	{
		$write->($old);
		compile($path) if $path =~ /c$/;
	}
	return @found;
}

sub check
{
	my ($rule, $text, $find, @faults) = @_;
	my @known = grep { /^\Q$rule\E: / } sort keys %exceptions;
	my @found = $find->();
	my %excused;

	for my $finding (@found)
	{
		my ($name) = grep { index("$rule: $finding", $_) == 0 } @known;

		$excused{ $name // "$rule: $finding" } = 1;
	}
	is(join("\n", grep { !$exceptions{$_} } sort keys %excused), '', $text);
	is(join("\n", grep { !$excused{$_} } @known), '', "$rule: no exception that nothing needs") if @known;
	my %before = map { $_ => 1 } @found;
	for (@faults)
	{
		my ($path, $fault, $wanted, $again) = @$_;
		my @new = grep { !$before{$_} } with($path, $fault, $again // $find);

		like(join("\n", @new), $wanted, "$rule: a fault in $path is found");
	}
}

my $one = "\n/*\n * planted: for the check.\n */\nvoid\nplanted(void)\n{\n";

check('upward', 'nothing uses what is above it, or beside it', \&upward,
	[ 'base/clock.c', qq(#include "engine/claim.h"\n), qr|^base/clock uses engine/claim| ],
	[ 'base/clock.c', "${one}	extern void catalog(void);\n	catalog();\n}\n", qr|^base/clock uses store/catalog \(catalog\)| ],
	[ 'calls/poll.c', qq(#include "worker/worker.h"\n), qr|^calls/poll uses worker/worker| ],
	[ 'worker/worker.c', qq(#include "calls/args.h"\n), qr|^worker/worker uses calls/args| ],
	[ 'model/machine.c', qq(#include "shared/queues.h"\n), qr|^model/machine uses shared/queues| ],
	[ 'shared/queues.c', qq(#include "model/machine.h"\n), qr|^shared/queues uses model/machine| ],
	[ 'gateway/planted.c', qq(#include "postgres.h"\n#include "base/clock.h"\n), qr|^gateway/planted uses base/clock| ],
	[ 'attic/planted.c', qq(#include "postgres.h"\n#include "base/clock.h"\n), qr|^attic/planted uses base/clock| ]);
check('kinds', 'what is for tasks of any kind knows none', \&partial,
	[ 'store/lane.c', "${one}	extern void activity_expiration(void);\n	activity_expiration();\n}\n", qr|^store/lane uses model/activity| ],
	[ 'notes/ledger.h', qq(#include "model/activity.h"\n), qr|^notes/ledger uses model/activity| ],
	[ 'engine/claim.c', "extern struct Activity *planted;\n", qr|^engine/claim\.c names Activity| ]);
check('circle', 'no files need each other', \&circles,
	[ 'store/row.c', "${one}	extern void store_find(void);\n	store_find();\n}\n", qr|store/find.* store/row| ],
	[ 'model/activity.h', qq(#include "model/machine.h"\n), qr|model/activity.* model/machine| ]);
check('header', 'a header declares what its own file defines', \&foreign_declarations,
	[ 'base/json.h', "extern TimestampTz clock_now(void);\n", qr|^base/json\.h declares clock_now of base/clock\.c| ]);
check('alone', 'each header compiles by itself', \&dependent_headers,
	[ 'base/json.h', "extern Unknown planted(void);\n", qr|^base/json\.h does|, sub { dependent_headers('base/json.h') } ],
	[ 'common/sqlstates.h', "extern Oid planted(void);\n", qr|^common/sqlstates\.h does|, sub { dependent_headers('common/sqlstates.h') } ]);
check('internal', 'internal headers stay in their folder', \&internal_headers,
	[ 'base/planted_internal.h', '', qr|^store/find\.c includes base/planted_internal\.h|,
		sub { with('store/find.c', qq(#include "base/planted_internal.h"\n), \&internal_headers) } ]);
check('path', 'an #include names the folder', \&path_includes,
	[ 'store/planted.h', qq(#include "catalog.h"\n), qr|^store/planted\.h includes "catalog\.h"| ]);
check('names', 'no two files have the same name', \&same_names,
	[ 'engine/clock.c', '', qr|^base/clock engine/clock$| ]);
check('version', 'versions of PostgreSQL are known to compat.h alone', \&versions,
	[ 'store/find.c', "#if PG_VERSION_NUM >= 170000\n#endif\n", qr|^store/find\.c: #if PG_VERSION_NUM| ]);
check('file', 'no file has more than ' . FILE_LINES . ' lines', \&long_files,
	[ 'base/json.h', "\n" x FILE_LINES, qr|^base/json\.h has| ]);
check('function', 'no function has more than ' . FUNCTION_LINES . ' lines', \&long_functions,
	[ 'base/json.c', $one . "\n" x (FUNCTION_LINES + 1) . "}\n", qr|^planted\(\) in base/json\.c has 61 lines| ]);
check('comment', 'each function that others see is explained', \&unexplained,
	[ 'base/json.c', "\nvoid\nplanted(void)\n{\n}\n", qr|^planted\(\) in base/json\.c has no comment| ]);
check('mutant', 'each mutant of the crash tests changes something', \&idle_mutants,
	[ '../test/mutants/planted.sed', "# file: src/base/json.c\ns/planted/false/\n", qr|planted\.sed changes nothing| ]);
done_testing();
