# An administrator's index may call a function that uses taskq itself: a write
# in the middle of a write. Each of them has to keep what it knows of its table.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');

# Of a table with an index that is no B-tree nothing is kept from call to call.
sql($node, <<'SQL');
CREATE FUNCTION configures(name text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	PERFORM taskq.configure_queue('of ' || name, '{"max_backlog": 1000}');
	RETURN name;
END $$;
CREATE FUNCTION schedules(name text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF name = 'outer' THEN
		PERFORM taskq.schedule('inner', 'inner', start_to_close_timeout => '1 h');
	END IF;
	RETURN name;
END $$;
CREATE FUNCTION fails(name text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF name = 'failing' THEN
		RAISE 'no';
	END IF;
	RETURN name;
END $$;
CREATE INDEX ON taskq.open USING hash (run_id);
CREATE INDEX ON taskq.open (configures(activity_type));
CREATE INDEX ON taskq.open (schedules(activity_type));
CREATE INDEX ON taskq.open (fails(activity_type));
SQL

sub open_activities
{
	return sql($node,
		'SELECT string_agg(activity_type, \' \' ORDER BY run_id) FROM taskq.open');
}

sql($node,
	"SELECT taskq.schedule('q', 'outer', start_to_close_timeout => '1 h')");
is(open_activities(), 'outer inner', 'one in another');
sql( $node,
	"SELECT count(*) FROM taskq.schedule_many('q', 'outer', ARRAY['1', '2']::jsonb[],
		start_to_close_timeout => '1 h')");
is(open_activities(), 'outer inner outer outer inner inner', 'ones in a batch');
is( sql($node, 'SELECT count(*) FROM taskq.queue_config'),
	'2', 'queues were configured meanwhile');

# What a call used that has failed is there for others again.
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(<<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		BEGIN
			PERFORM taskq.schedule('q', 'failing', start_to_close_timeout => '1 h');
		EXCEPTION WHEN raise_exception THEN
		END;
		BEGIN
			PERFORM taskq.schedule_many('q', 'failing', ARRAY['1', '2']::jsonb[], start_to_close_timeout => '1 h');
		EXCEPTION WHEN raise_exception THEN
		END;
	END LOOP;
	PERFORM taskq.schedule('q', 'last', start_to_close_timeout => '1 h');
END $$;
SQL
is($session->{stderr}, '', 'after many errors');
$session->quit;
like(open_activities(), qr/ last$/, 'there is still room');

done_testing();
