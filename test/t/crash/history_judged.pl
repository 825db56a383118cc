# The judge of the crash tests (TaskqJudge.pm) accepts a history in which
# everything is right, and sees each single thing that is wrong: one line of the
# logs, or of what is read in the end, is changed at a time.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqHistory;
use TaskqJudge;
use Test::More;

# Facts of three clients; times are in milliseconds here. Run 1 is failed,
# heartbeated, times out and is completed; 2 is terminated, 3 paused for a
# while, 4 deleted, 5 times out where nobody polls; 6 may have been scheduled.
my @right = split /\n/, <<'EOH';
p 1000 1 invoked schedule kind=beat queue=q id=p-1
p 1010 1 ok schedule row=1,p-1
p 1020 2 invoked schedule kind=unstarted queue=nobody id=p-2
p 1030 2 ok schedule row=5,p-2
p 1040 3 invoked schedule kind=plain queue=q id=p-3
p 1050 3 unknown schedule state=
p 1060 4 invoked schedule kind=delayed queue=q id=p-4
p 1070 4 ok schedule row=7,p-4
p 2000 5 invoked outcome run=5
p 2010 5 ok outcome row=timed_out,,late
p 4000 6 invoked outcome run=1
p 4010 6 ok outcome row=completed,"w-7",
w 1100 1 invoked poll
w 1110 1 ok poll row=1,1,t1,
w 1120 2 invoked fail run=1 attempt=1 token=t1 message=w-2 retryable=1
w 1130 2 ok fail row=in_progress
w 1180 3 invoked poll
w 1190 3 ok poll row=1,2,t2,
w 1200 4 invoked heartbeat run=1 attempt=2 token=t2 details=w-4 durable=1
w 1210 4 ok heartbeat row=f
w 1490 5 invoked poll
w 1500 5 ok poll row=7,1,t7,
w 1760 6 invoked poll
w 1770 6 ok poll row=1,3,t3,w-4
w 1780 7 invoked complete run=1 attempt=3 token=t3 result="w-7"
w 1790 7 ok complete row=
w 1800 8 invoked complete run=1 attempt=2 token=t2 result="w-8"
w 1810 8 failed complete state=TQ001
w 1820 9 invoked complete_many item=7,1,t7,"w-9"
w 1830 9 ok complete_many row=t7,t
w 1840 10 invoked poll
w 1850 10 ok poll row=3,1,t8,
w 1860 11 invoked complete run=3 attempt=1 token=t8 result="w-11"
w 1870 11 ok complete row=
o 1000 1 invoked schedule kind=operated queue=q id=o-1
o 1010 1 ok schedule row=2,o-1
o 1020 2 invoked terminate run=2 value=o-1
o 1030 2 ok terminate row=
o 1040 3 invoked schedule kind=operated queue=q id=o-2
o 1050 3 ok schedule row=3,o-2
o 1060 4 invoked pause run=3 value=o-2
o 1070 4 ok pause row=
o 1080 5 invoked update_options run=3 value=2
o 1090 5 ok update_options row=
o 1830 6 invoked unpause run=3 value=o-2
o 1835 6 ok unpause row=
o 1840 7 invoked schedule kind=operated queue=q id=o-3
o 1850 7 ok schedule row=4,o-3
o 1860 8 invoked delete run=4 value=o-3
o 1870 8 ok delete row=
EOH
my $final = {
	activities => [
		[ 1, 'p-1', 'completed', 3, '"w-7"', '', '', '', 'w-4', 'f' ],
		[ 2, 'o-1', 'terminated', 1, '', 'o-1', '', '', '', 'f' ],
		[ 3, 'o-2', 'completed', 1, '"w-11"', '', '', 2, '', 'f' ],
		[ 5, 'p-2', 'timed_out', 1, '', 'late', '', '', '', 'f' ],
		[ 7, 'p-4', 'completed', 1, '"w-9"', '', '', '', '', 'f' ]
	],
	done => [ [ 1, 3, '"w-7"' ], [ 3, 1, '"w-11"' ] ],
	beats => []
};

my $dir = PostgreSQL::Test::Utils::tempdir();

# What the judge says of these lines and this end.
sub verdict
{
	my ($lines, $end, @lost) = @_;
	my %log;

	foreach my $line (@$lines)
	{
		my ($client, $ms, @rest) = split / /, $line;

		$log{$client} .= join("\t", 1000 * $ms, @rest) . "\n";
	}
	unlink glob("$dir/*.log");
	append_to_file("$dir/$_.log", $log{$_}) foreach keys %log;
	return join("\n", judge(read_history($dir, @lost), $end));
}

# Change one line, that has to be there once, or leave it out.
sub changed
{
	my ($from, $to) = @_;

	die "no line \"$from\"" if !grep { $_ eq $from } @right;
	return [ map { $_ eq $from ? $to // () : $_ } @right ];
}

sub added
{
	return [ @right, @_ ];
}

# The attempt of run 3 is handed back before it is completed, and handed out
# again, with another token or the same.
sub released
{
	my ($token) = @_;
	my @lines = @{
		changed(
			'w 1860 11 invoked complete run=3 attempt=1 token=t8 result="w-11"',
			"w 1860 11 invoked complete run=3 attempt=1 token=$token result=\"w-11\"")
	};

	return [
		@lines,
		'x 1851 1 invoked release run=3 attempt=1 token=t8',
		'x 1852 1 ok release row=',
		'x 1853 2 invoked poll',
		'x 1854 2 ok poll row=3,1,t9,'
	];
}

# Change the end: a field of a run, or all of it.
sub ended
{
	my ($run, $field, $value) = @_;
	my @rows = map { [@$_] } @{ $final->{activities} };

	@rows = grep { $_->[0] != $run } @rows if !defined $field;
	$_->[$field] = $value foreach grep { defined $field && $_->[0] == $run } @rows;
	return { %$final, activities => \@rows };
}

is(verdict(\@right, $final), '', 'a history that is right');
is( verdict(
		\@right,
		{
			%$final,
			activities => [
				@{ $final->{activities} },
				[ 6, 'p-3', 'completed', 1, '"w-12"', '', '', '', '', 'f' ]
			]
		}),
	"run 6 (p-3): nobody has given it its result \"w-12\"",
	'what is unknown may be there, but not just anyhow');

is(verdict(released('t9'), $final), '', 'what was handed back is handed out');

foreach my $case (
	[ 'a run is lost', \@right, ended(1), qr/run 1 .*is lost/ ],
	[ 'a run is open', \@right, ended(5, 2, 'running'), qr/is still running/ ],
	[
		'a run of nobody', \@right, ended(5, 1, 'x-1'), qr/nobody scheduled "x-1"/
	],
	[
		'an id twice', \@right,
		ended(5, 1, 'p-1'), qr/"p-1" was scheduled twice/
	],
	[
		'another result', \@right,
		ended(1, 4, '"w-8"'), qr/report is lost.*complete w\/7/
	],
	[ 'a report is undone', \@right, ended(7, 2, 'failed'), qr/report is lost/ ],
	[ 'an attempt is undone', \@right, ended(1, 3, 2), qr/attempt 3 is lost/ ],
	[
		'handed out twice',
		added('x 1841 1 invoked poll', 'x 1851 1 ok poll row=3,1,t9,'),
		$final, qr/attempt 1 was handed out twice/
	],
	[
		'a token twice',
		changed('w 1850 10 ok poll row=3,1,t8,', 'w 1850 10 ok poll row=3,1,t7,'),
		$final, qr/token was given twice/
	],
	[
		'handed out after its end',
		added('x 1900 1 invoked poll', 'x 1910 1 ok poll row=1,4,t9,w-4'),
		$final, qr/handed out after it was closed/
	],
	[
		'an old token',
		changed('w 1810 8 failed complete state=TQ001', 'w 1810 8 ok complete row='),
		$final, qr/old token was accepted/
	],
	[
		'the token of what was handed back',
		released('t8'), $final, qr/attempt 1 was ended twice/
	],
	[
		'a good token refused',
		changed('w 1790 7 ok complete row=', 'w 1790 7 failed complete state=TQ001'),
		$final, qr/token was refused early/
	],
	[
		'a timeout early',
		changed('w 1770 6 ok poll row=1,3,t3,w-4', 'w 1740 6 ok poll row=1,3,t3,w-4'),
		$final, qr/attempt 3 was early/
	],
	[
		'a back-off early',
		changed('w 1190 3 ok poll row=1,2,t2,', 'w 1165 3 ok poll row=1,2,t2,'),
		$final, qr/attempt 2 was early/
	],
	[
		'a start delay cut short',
		changed('w 1500 5 ok poll row=7,1,t7,', 'w 1450 5 ok poll row=7,1,t7,'),
		$final, qr/start delay was cut short/
	],
	[
		'timed out early',
		changed('p 2010 5 ok outcome row=timed_out,,late',
			'p 1600 5 ok outcome row=timed_out,,late'),
		$final, qr/timed out early/
	],
	[
		'early by the server\'s clock', \@right,
		ended(5, 9, 't'), qr/by the server's clock/
	],
	[
		'a heartbeat lost',
		changed('w 1770 6 ok poll row=1,3,t3,w-4', 'w 1770 6 ok poll row=1,3,t3,'),
		$final, qr/heartbeat details are ""/
	],
	[
		'a result changes',
		changed('p 4010 6 ok outcome row=completed,"w-7",',
			'p 4010 6 ok outcome row=completed,"w-8",'),
		$final, qr/was seen completed \("w-8"\)/
	],
	[
		'open after its end',
		changed('p 4010 6 ok outcome row=completed,"w-7",',
			'p 4010 6 ok outcome row=running,,'),
		$final, qr/seen open after it was closed/
	],
	[
		'not to be found',
		changed('p 4010 6 ok outcome row=completed,"w-7",',
			'p 4010 6 failed outcome state=TQ001'),
		$final, qr/could not be found/
	],
	[
		'not terminated', \@right,
		ended(2, 2, 'completed'), qr/run 2 .*is completed/
	],
	[ 'an option lost', \@right, ended(3, 7, ''), qr/has priority ""/ ],
	[
		'back after deletion', \@right,
		ended(5, 0, 4), qr/is back after its deletion/
	],
	[
		'handed out while paused',
		changed('o 1830 6 invoked unpause run=3 value=o-2',
			'o 1855 6 invoked unpause run=3 value=o-2'),
		$final, qr/handed out while it was paused/
	],
	[
		'done twice', \@right,
		{ %$final, done => [ @{ $final->{done} }, [ 1, 2, '"w-7"' ] ] },
		qr/was done twice/
	],
	[
		'a row lost', \@right,
		{ %$final, done => [ $final->{done}->[0] ] }, qr/a row is lost/
	])
{
	my ($name, $lines, $end, $problem) = @$case;

	like(verdict($lines, $end), $problem, $name);
}

# A standby that had heard of everything until 1.5 s was promoted at 5 s.
is( verdict(
		\@right,
		{
			%{ ended(1, 2, 'failed') },
			done => []
		},
		1500_000, 5000_000),
	'',
	'what may be lost may be lost');
like(verdict(\@right, ended(2), 1500_000, 5000_000),
	qr/run 2 .*is lost/, 'what may not be lost may not');

done_testing();
