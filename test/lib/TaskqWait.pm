# Sessions that wait in a CALL of taskq, and what wakes them.
package TaskqWait;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(begin_wait is_woken);

# A session in the call; it sleeps when this returns.
sub begin_wait
{
	my ($node, $call) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$session->query_until(qr/begun/, "\\echo begun\nCALL taskq.$call;\n\\echo done\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		  WHERE pid = $pid AND state = 'active' AND wait_event_type = 'Extension'"
	) or die "nobody waits in $call";
	return $session;
}

# What the call answers; it has to come before it would look in any case (30 s).
sub is_woken
{
	my ($session, $wanted, $name) = @_;
	my $start = time;
	my $out = $session->query_until(qr/done/, '');

	$out =~ s/^(begun|done)\n//mg;
	chomp $out;
	is($out, $wanted, $name);
	cmp_ok(time - $start, '<', 25, "$name: woken, not by chance");
	return;
}

1;
