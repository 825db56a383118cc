# Inputs to begin with: a call of each method, empty and with texts, compressed
# ones, and frames of HTTP/2. perl seeds.pl FOLDER
use strict;
use warnings;

my ($folder) = @ARGV;
my $count = 0;

sub seed
{
	open my $file, '>:raw', "$folder/seed" . $count++ or die "$folder: $!\n";
	print $file @_;
	close $file;
}

sub text
{
	my ($field, $value) = @_;

	return chr($field << 3 | 2) . chr(length $value) . $value;
}

my $message = join '', map { text($_, text(1, 'abc')) } 1 .. 15;

for my $method (0 .. 63)
{
	seed("\0", chr($method << 1), $message);
	seed("\0", chr($method << 1), text(1, 'default'), text(2, text(1, 'queue')), text(3, 'identity'));
}
seed("\0\1", pack 'H*', '1f8b08000000000000034b4c4a06008f2d4fc803000000' x 1);
seed("\1", pack('NCCN', 0, 0, 0, 0), 'x' x 100);
seed("\1", "\0\0\3\1\5\0\0\0\1\x82\x86\x84");
seed("\1", "\0\0\x08\6\0\0\0\0\0pingping", "\0\0\4\3\0\0\0\0\1\0\0\0\x08", "\0\0\4\x08\0\0\0\0\0\0\0\1\0");
