# Sessions of psql that a test talks to in turn, each with its own
# transaction.
package TaskqSessions;

use strict;
use warnings;

use IPC::Open2;
use PostgreSQL::Test::Utils;

my $NULL = "\x1e";
my $errors;						# where psql's complaints go

sub new
{
	my ($class, $node, $name) = @_;
	my $self = bless { name => $name }, $class;

	$errors //= $node->basedir . '/psql.err';
	open(my $saved, '>&', \*STDERR) or die $!;
	open(STDERR, '>>', $errors) or die $!;
	$self->{pid} = open2(
		$self->{from}, $self->{to}, 'psql', '-XqAt', '-F', "\x1f", '-P',
		"null=$NULL", '-d', $node->connstr('postgres'));
	open(STDERR, '>&', $saved) or die $!;
	return $self;
}

# Run statements; returns the SQLSTATE of the last one ('' for success), its
# message, and what all of them returned, as rows of fields.
sub ask
{
	my ($self, $sql) = @_;
	my $from = $self->{from};
	my @rows;

	print { $self->{to} } "$sql;\n\\echo \@\@ :SQLSTATE :LAST_ERROR_MESSAGE\n";
	$self->{to}->flush;
	while (defined(my $line = <$from>))
	{
		chomp $line;
		if ($line =~ /^@@ (\S+) (.*)/)
		{
			return ($1 eq '00000' ? '' : $1, $2, \@rows);
		}
		push @rows,
		  [ map { $_ eq $NULL ? undef : $_ } split(/\x1f/, $line, -1) ];
	}
	die 'psql ended: ' . slurp_file($errors);
}

sub ask_safe
{
	my ($self, $sql) = @_;
	my ($state, $message, $rows) = $self->ask($sql);

	die "$sql: $state $message" if $state;
	return $rows;
}

sub complaints { return slurp_file($errors) }

sub finish
{
	my ($self) = @_;

	close($self->{to});
	waitpid($self->{pid}, 0);
	return;
}

1;
