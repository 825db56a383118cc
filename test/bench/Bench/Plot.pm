# Plots as SVG, by gnuplot.  A plot is a hash:
#
#	file		name without the ending
#	title, x, y	what it says
#	curves		a list of { name, points => [[x, y], ...] }
#	log_x, log_y	logarithmic axes
#	marks		a list of [x, label]: vertical lines
#
# or, with bars side by side:
#
#	groups		names along the axis; "\n" breaks them
#	bars		a list of { name, values => [one per group, or undef] }
#	line		a height at which a horizontal line is drawn
package Bench::Plot;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = ('write_svg');

my @COLORS = qw(1f77b4 d62728 2ca02c ff7f0e 9467bd 8c564b 7f7f7f);

sub quote
{
	my ($text) = @_;

	$text =~ s/(["\\])/\\$1/g;
	$text =~ s/\n/\\n/g;
	return "\"$text\"";
}

sub color
{
	my ($i) = @_;

	return 'rgb "#' . $COLORS[ $i % @COLORS ] . '"';
}

sub data_block
{
	my ($name, @rows) = @_;

	return "\$$name << EOD\n"
	  . join('', map { join(' ', @$_) . "\n" } @rows) . "EOD\n";
}

sub curves
{
	my ($plot) = @_;
	my @curves = grep { @{ $_->{points} } } @{ $plot->{curves} };
	my $script = '';

	$script .= data_block("c$_", @{ $curves[$_]{points} }) for 0 .. $#curves;
	for my $mark (@{ $plot->{marks} // [] })
	{
		$script .=
		  "set arrow from $mark->[0], graph 0 to $mark->[0], graph 1 nohead dt 2 lc rgb \"#808080\"\n"
		  . 'set label '
		  . quote($mark->[1])
		  . " at $mark->[0], graph 0.96 offset 0.5, 0 textcolor rgb \"#606060\"\n";
	}
	return $script . 'plot ' . join ', ', map {
		"\$c$_ using 1:2 with lines lw 2 lc "
		  . color($_)
		  . ' title '
		  . quote($curves[$_]{name})
	} 0 .. $#curves;
}

sub bars
{
	my ($plot) = @_;
	my @bars = @{ $plot->{bars} };
	my @rows;

	for my $group (0 .. $#{ $plot->{groups} })
	{
		push @rows, [ map { $_->{values}[$group] // 'NaN' } @bars ];
	}
	my $script = data_block('b', @rows)
	  . "set style data histograms\nset style histogram clustered gap 1\n"
	  . "set style fill solid 0.85 noborder\nset boxwidth 0.9\nset yrange [0:*]\n"
	  . "set bmargin 4\nset xtics scale 0 ("
	  . join(', ', map { quote($plot->{groups}[$_]) . " $_" } 0 .. $#rows)
	  . ")\n";
	$script .=
	  "set arrow from graph 0, first $plot->{line} to graph 1, first $plot->{line} nohead dt 2 lc rgb \"#404040\" front\n"
	  if defined $plot->{line};
	return $script . 'plot ' . join ', ', map {
		"\$b using "
		  . ($_ + 1) . ' lc '
		  . color($_)
		  . ' title '
		  . quote($bars[$_]{name})
	} 0 .. $#bars;
}

# Write a plot below a directory; its file name, or undef without gnuplot.
sub write_svg
{
	my ($dir, $plot) = @_;
	my $name = "$plot->{file}.svg";

	open my $gnuplot, '|-', 'gnuplot' or return undef;
	print $gnuplot "set terminal svg size 860, 420 background \"#ffffff\" font \"sans-serif,13\"\n",
	  'set output ', quote("$dir/$name"), "\n",
	  'set title ', quote($plot->{title}), "\n",
	  $plot->{x} ? ('set xlabel ', quote($plot->{x}), "\n") : (),
	  'set ylabel ', quote($plot->{y}), "\n",
	  $plot->{log_x} ? "set logscale x\n" : (),
	  $plot->{log_y} ? "set logscale y\n" : "set yrange [0:*]\n",
	  "set grid ytics lc rgb \"#e0e0e0\"\nset key outside top center horizontal width 1\nset border 3\nset tics nomirror\n",
	  ($plot->{bars} ? bars($plot) : curves($plot)), "\n";
	close $gnuplot or die "gnuplot failed\n";
	return $name;
}

1;
