# What the long-running scenarios share.  A scenario is a package with
#
#	NAME, TITLE		of the result, of its section
#	MINUTES			that a full run takes
#	settings()		of the server, on top of the usual ones
#	run($bench, $short)		measure; a hash of plain data, which is kept.  "short"
#					is much smaller and shows no more than that it works
#	report($result)	what it says, as Markdown: paragraphs and tables
#	plots($result)	a list of plots, see plot() below
#
# Here are ways to say things in a report, and to look at relations and at
# processes.
package Bench::Scenario;

use strict;
use warnings;

use Bench qw(median percentile);
use Exporter 'import';

our @EXPORT_OK = qw(table verdict verdicts number mb relation_sizes
  process_memory slope create_taskq payload PAYLOAD);

use constant PAYLOAD =>
  '{"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"}';

# How many characters a text in UTF-8 has.
sub characters
{
	my ($text) = @_;

	utf8::decode($text);
	return length $text;
}

# A Markdown table: the head, then rows.  Columns but the first are flush right.
sub table
{
	my @rows = map {
		[ map { $_ // '' } @$_ ]
	} @_;
	my @width;

	for my $row (@rows)
	{
		for my $i (0 .. $#{ $rows[0] })
		{
			my $width = characters($row->[$i] // '');

			$width[$i] = $width if $width > ($width[$i] // 0);
		}
	}
	my @lines = map {
		my $row = $_;
		join(
			' | ',
			map {
				my $cell = $row->[$_] // '';
				my $space = ' ' x ($width[$_] - characters($cell));

				$_ == 0 ? $cell . $space : $space . $cell;
			} 0 .. $#width)
	} @rows;
	my $rule = join '|',
	  map { '-' x ($width[$_] + 1) . ($_ == 0 ? '-' : ':') } 0 .. $#width;

	return join '', "| $lines[0] |\n", "|$rule|\n",
	  map { "| $_ |\n" } @lines[ 1 .. $#lines ];
}

# What a target says of a value: "least" or "most" is the limit.
sub verdict
{
	my ($what, $value, $relation, $limit, $format) = @_;
	my $ok =
	  defined $value && ($relation eq 'least' ? $value >= $limit : $value <= $limit);

	$format //= '%.2f';
	return {
		what => $what,
		value => defined $value ? sprintf($format, $value) : 'not measured',
		target => ($relation eq 'least' ? 'at least ' : 'at most ')
		  . sprintf($format, $limit),
		ok => $ok ? 1 : 0
	};
}

sub verdicts
{
	my @verdicts = @_;

	return table(
		[ 'target', 'measured', 'wanted', '' ],
		map { [ @$_{qw(what value target)}, $_->{ok} ? 'yes' : '**no**' ] }
		  @verdicts);
}

# A number with its thousands apart.
sub number
{
	my ($number) = @_;
	my $text = sprintf '%.0f', $number;

	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

sub mb
{
	my ($bytes) = @_;

	return sprintf '%.1f', $bytes / 1024 / 1024;
}

# Bytes of all tables and indexes of a schema, by name.  Takes a session.
sub relation_sizes
{
	my ($session, $schema) = @_;
	my $answer = $session->query(
		"SELECT c.relname, pg_relation_size(c.oid)
		   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		  WHERE n.nspname = '$schema' AND c.relkind IN ('r', 'i', 't')");

	return { map { my ($name, $bytes) = split /\|/; ($name => $bytes + 0) }
		  split /\n/, $answer };
}

# A field of /proc/PID/status, in kB; 0 when the process is gone.
sub process_memory
{
	my ($pid, $field) = @_;

	open my $file, '<', "/proc/$pid/status" or return 0;
	my ($kb) = map { /^\Q$field\E:\s*(\d+)/ ? $1 : () } <$file>;
	close $file;
	return $kb // 0;
}

# By how much y grows per unit of x: the line of least squares.
sub slope
{
	my @points = @_;
	my $n = @points or return 0;
	my ($x, $y, $xx, $xy) = (0, 0, 0, 0);

	for (@points)
	{
		$x += $_->[0];
		$y += $_->[1];
		$xx += $_->[0]**2;
		$xy += $_->[0] * $_->[1];
	}
	my $divisor = $n * $xx - $x**2;

	return $divisor == 0 ? 0 : ($n * $xy - $x * $y) / $divisor;
}

# A database with taskq and its worker; a session in it.
sub create_taskq
{
	my ($bench, $database) = @_;
	my $session = $bench->session($database);
	my $patience = time + 60;

	$session->query('DROP EXTENSION IF EXISTS taskq CASCADE');
	$session->query('CREATE EXTENSION taskq');
	until (
		$session->query(
			"SELECT count(*) = 1 FROM pg_stat_activity
			  WHERE datname = current_database() AND backend_type = 'taskq worker'"
		) eq 't')
	{
		die "no worker\n" if time > $patience;
		select undef, undef, undef, 0.02;
	}
	return $session;
}

1;
