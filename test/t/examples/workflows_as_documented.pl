# docs/workflows.md tells the truth: its statements, run one after the other in one
# session, print what it says they do.
#
# Each block "sql" is run; the block "text" behind it is what it prints, without what
# functions return that return nothing. An ellipsis stands for anything within a
# line, and how columns are padded does not matter. A block without a text prints no
# error.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $file = "$FindBin::RealBin/../../../docs/workflows.md";
my $marker = '=== block ';

# The blocks of the file: [line, statements, output or undef].
sub blocks
{
	my ($document) = @_;
	my @blocks;

	while ($document =~ /^```sql\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/msg)
	{
		my ($statements, $output) = ($1, $2);

		push @blocks, [ 1 + (substr($document, 0, $-[0]) =~ tr/\n//), $statements, $output ];
	}
	return @blocks;
}

# Output without what says nothing: padding, blank lines, counts of rows, results of
# type void, where psql has read an error.
sub bare
{
	my ($output) = @_;

	$output =~ s/^psql:[^:]*:\d+: //mg;
	$output =~ s/[ \t]+$//mg;
	$output =~ s/^ ?\w+\n-+\n\n//mg;
	$output =~ s/^\(\d+ rows?\)\n//mg;
	$output =~ s/[ \t]+/ /g;
	$output =~ s/^ //mg;
	$output =~ s/-{3,}/--/g;
	$output =~ s/\n{2,}/\n/g;
	$output =~ s/^\n//;
	return $output;
}

# Is that what was to be printed, but for what an ellipsis stands for?
sub as_told
{
	my ($output, $told) = @_;
	my $pattern = join '[^\n]*', map { quotemeta } split /\xe2\x80\xa6/, bare($told), -1;

	return bare($output) =~ /\A$pattern\z/;
}

ok(as_told(" a |  b \n---+----\n 1 | xyz\n(1 row)\n", "  a | b\n----+--\n 1  | x\xe2\x80\xa6\n"), 'padding does not matter, and an ellipsis is anything');
ok(!as_told(" a \n---\n 1\n", " a\n---\n 2\n"), 'another value does');
ok(!as_told(" a \n---\n 1\n 2\n", " a\n---\n 1\n"), 'so does a row more');
ok(as_told(" f \n---\n \n(1 row)\n\n a\n---\n 1\n", " a\n---\n 1\n"), 'nothing is told of functions that return nothing');

my $document = slurp_file($file);
my @blocks = blocks($document);
my $node = activity_node('main');
my $script = $node->basedir . '/workflows.sql';

append_to_file($script, "\\pset null ''\n" . join '', map { "\\echo $marker$_->[0]\n$_->[1]" } @blocks);
my $output = `@{[ join ' ', map { "'$_'" } 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-f', $script ]} 2>&1`;
my %printed = $output =~ /^\Q$marker\E(\d+)\n(.*?)(?=^\Q$marker\E|\z)/msg;

cmp_ok(scalar(@blocks), '>', 5, 'there are statements');
foreach my $block (@blocks)
{
	my ($line, undef, $told) = @$block;
	my $printed = $printed{$line} // '';

	if (defined $told)
	{
		ok(as_told($printed, $told), "line $line: what is printed is what is told") or diag bare($printed), "was told:\n", bare($told);
	}
	else
	{
		unlike($printed, qr/ERROR:/, "line $line: no error");
	}
}
unlike($document, qr/"data"|"encoding"/, 'no payload is written out');

done_testing();
