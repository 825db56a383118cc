# Runs of workflows for tests, driven by SQL alone: short ones that are completed at
# their first task, and living ones that go on with signals; and whether their
# histories are all there.
package TaskqRuns;

use strict;
use warnings;

use Exporter 'import';
use TaskqTest;
use Test::More;

our @EXPORT = qw(prepare_runs LEAF_SIZES LEAF_FILES);

# in all leaves, and which file each has
use constant LEAF_SIZES => q{(SELECT sum(pg_relation_size('taskq.history_' || i)) FROM generate_series(0, 7) i)};
use constant LEAF_FILES => q{SELECT string_agg(pg_relation_filenode('taskq.history_' || i)::text, ' ' ORDER BY i) FROM generate_series(0, 7) i};

sub prepare_runs
{
	my ($node) = @_;
	my $plain = sub {
		my ($table) = @_;
		return join ' UNION ALL ', map { "SELECT * FROM taskq.${table}_$_" } 0 .. 7, 'long';
	};

	sql($node, q{
CREATE SCHEMA runs;
CREATE TABLE runs.living (run_id bigint PRIMARY KEY, workflow_id text, events bigint, digest text);
CREATE TABLE runs.closed (run_id bigint PRIMARY KEY, expires timestamptz, events bigint);
CREATE VIEW runs.kept AS } . $plain->('closed_run') . q{;
CREATE VIEW runs.appends AS } . $plain->('history') . q{;

-- what a run is up to some event
CREATE FUNCTION runs.digest(run_id bigint, until_event_id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(e::text, ' ' ORDER BY event_id)) FROM taskq.workflow_history(run_id, 0, until_event_id) e $$;

-- complete the tasks that there are; runs whose name begins with "living" go on
CREATE FUNCTION runs.work(queue text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE task record; commands jsonb;
BEGIN
	FOR task IN SELECT * FROM taskq.poll_workflow_task(queue, max_tasks => 10000) LOOP
		commands := CASE WHEN task.workflow_id LIKE 'living%' THEN '[]' ELSE jsonb_build_array(taskq.command_complete('1')) END;
		PERFORM taskq.complete_workflow_task(task.task_token, commands);
	END LOOP;
END $$;

-- short runs from beginning to end, and living ones that begin
CREATE FUNCTION runs.run(queue text, short int, living int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE started bigint[];
BEGIN
	SELECT array_agg(s.run_id) INTO started FROM generate_series(1, short) i, taskq.start_workflow(queue, 't', to_jsonb(repeat('x', 200 + i % 2))) s;
	INSERT INTO runs.living SELECT s.run_id, s.workflow_id, 0 FROM generate_series(1, living) i, taskq.start_workflow(queue, 't', '1', 'living ' || i || gen_random_uuid()) s;
	PERFORM runs.work(queue);
	INSERT INTO runs.closed SELECT k.run_id, k.expire_time, k.history_length FROM runs.kept k WHERE k.run_id = ANY (started);
END $$;

-- living runs get another signal and task
CREATE FUNCTION runs.step(queue text, share float8, bytes int DEFAULT 100) RETURNS void LANGUAGE plpgsql AS $$
DECLARE living record;
BEGIN
	FOR living IN SELECT * FROM runs.living WHERE random() < share LOOP
		PERFORM taskq.signal_workflow(living.workflow_id, 's', to_jsonb((SELECT string_agg(md5(random()::text), '') FROM generate_series(0, bytes / 32))));
	END LOOP;
	PERFORM runs.work(queue);
END $$;

-- what is wrong: living runs must be as they were, and what their histories say;
-- closed ones must be there until they expire
CREATE FUNCTION runs.faults() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE run record; n bigint; until timestamptz; fault text;
BEGIN
	FOR run IN SELECT * FROM runs.living LOOP
		BEGIN
			PERFORM taskq.replay(run.run_id);
			SELECT count(*) INTO n FROM taskq.workflow_history(run.run_id);
			IF n < run.events OR n <> (SELECT max(event_id) FROM taskq.workflow_history(run.run_id)) OR
				(run.events > 0 AND run.digest <> runs.digest(run.run_id, run.events)) THEN
				RETURN NEXT format('run %s had %s events and has %s', run.run_id, run.events, n);
			END IF;
			-- but for the scheduled task, which is written later
			UPDATE runs.living l SET events = n, digest = runs.digest(run.run_id, n) WHERE l.run_id = run.run_id;
		EXCEPTION WHEN OTHERS THEN
			RETURN NEXT format('run %s: %s', run.run_id, SQLERRM);
		END;
	END LOOP;
	FOR run IN SELECT * FROM runs.closed WHERE expires > clock_timestamp() + interval '100 ms' ORDER BY expires LIMIT 100 LOOP
		BEGIN
			fault := NULL;
			SELECT count(*) INTO n FROM taskq.workflow_history(run.run_id);
			IF n <> run.events THEN
				fault := format('closed run %s has %s of %s events', run.run_id, n, run.events);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			fault := format('closed run %s: %s', run.run_id, SQLERRM);
		END;
		IF fault IS NOT NULL AND clock_timestamp() < run.expires THEN
			RETURN NEXT fault;
		END IF;
	END LOOP;
END $$;
});
	return;
}

1;
