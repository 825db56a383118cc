"""The SQL calls that a player makes. None of it knows what a recording is."""
import contextlib
import json
import time

import sent
from histories import attributes_key
from libpq import Connection, SqlError

LOOK = 0.02                     # seconds between two looks at what may have changed


class Mismatch(Exception):
    """The server did something else than what was recorded."""


def as_json(value):
    return None if value is None else json.dumps(value)


def instant(text):
    """What PostgreSQL prints of a timestamptz in UTC, as the protocol prints it."""
    return text.replace(" ", "T").removesuffix("+00") + "Z"


class Calls:
    """Clients and workers of one run after another, over one connection."""

    def __init__(self, dsn):
        self.sql = Connection(dsn)

    def close(self):
        self.sql.close()

    @contextlib.contextmanager
    def holding(self, run_id):
        """Nothing happens to a run meanwhile."""
        self.sql.query("BEGIN")
        try:
            self.sql.query("SELECT FROM taskq.open WHERE run_id = $1::bigint FOR UPDATE", run_id)
            yield
        finally:
            self.sql.query("ROLLBACK")

    @contextlib.contextmanager
    def firing_late(self, run_id, late):
        """The timers that are started meanwhile are fired as by a server that is late: when the run is so many seconds old."""
        if not late:
            yield
            return
        self.sql.query("BEGIN")
        try:
            yield
            self.sql.query("UPDATE taskq.run_timer SET fire_time = start.event_time + make_interval(secs => late.value::float8)"
                           " FROM taskq.workflow_history(run_id => $1::bigint, until_event_id => 1) start,"
                           " jsonb_each_text($2::jsonb) late WHERE run_id = $1::bigint AND timer_id = late.key",
                           run_id, json.dumps(late))
            self.sql.query("COMMIT")
        except BaseException:
            self.sql.query("ROLLBACK")
            raise

    # ---- clients ----

    def start(self, request, signal_too=False):
        function = "signal_with_start_workflow_request" if signal_too else "start_workflow_request"
        (row,) = self.sql.query("SELECT * FROM taskq.%s(request => $1::jsonb)" % function, json.dumps(request))
        return row

    def request(self, function, request):
        self.sql.query("SELECT taskq.%s_request(request => $1::jsonb)" % function, json.dumps(request))

    def run_uuid(self, run_id):
        return self.sql.one("SELECT taskq.run_uuid($1::bigint)", run_id)

    def run_of(self, uuid):
        return self.sql.one("SELECT taskq.run_of($1::uuid)", uuid)

    def terminate_whatever_is_left(self, workflow_id):
        try:
            self.sql.query("SELECT taskq.terminate_workflow(workflow_id => $1)", workflow_id)
        except SqlError:
            pass

    def history(self, run_id, after=0):
        """Events as the protocol's JSON."""
        rows = self.sql.query("SELECT event_id, event_time, event_type, attributes, user_metadata, extra"
                              " FROM taskq.workflow_history(run_id => $1::bigint, after_event_id => $2::bigint)"
                              " ORDER BY event_id", run_id, after)
        return [self.event(row) for row in rows]

    @staticmethod
    def event(row):
        event = {"eventId": row["event_id"], "eventTime": instant(row["event_time"]),
                 "eventType": "EVENT_TYPE_" + row["event_type"].upper(),
                 attributes_key(row["event_type"]): json.loads(row["attributes"] or "{}")}
        if row["user_metadata"] is not None:
            event["userMetadata"] = json.loads(row["user_metadata"])
        event.update(json.loads(row["extra"] or "{}"))
        return event

    # ---- workers: workflow tasks ----

    def poll_workflow_task(self, queue, identity=None, sticky_for=None):
        rows = self.sql.query("SELECT * FROM taskq.poll_workflow_task(task_queue => $1, identity => $2,"
                              " sticky_for => $3)", queue, identity, sticky_for)
        return rows[0] if rows else None

    def complete_workflow_task(self, token, commands, identity=None, sticky=(None, None), force=False, new=False,
                               sdk_metadata=None):
        (row,) = self.sql.query(
            "SELECT failed_cause, failed_message, closed, eager_activities, (c.new_task).*"
            " FROM taskq.complete_workflow_task(task_token => $1::uuid, commands => $2::jsonb,"
            " sticky_task_queue => $3, sticky_schedule_to_start_timeout => $4::interval, force_new_task => $5,"
            " return_new_task => $6, sdk_metadata => $7::jsonb, identity => $8) c",
            token, json.dumps(commands), sticky[0], sticky[1], force, new, as_json(sdk_metadata), identity)
        return row

    def fail_workflow_task(self, token, cause, failure, identity=None):
        self.sql.query("SELECT taskq.fail_workflow_task(task_token => $1::uuid, cause => $2, failure => $3::jsonb,"
                       " identity => $4)", token, cause, as_json(failure), identity)

    def worker_gone(self, sticky):
        self.sql.query("SELECT taskq.worker_gone(sticky_task_queue => $1)", sticky)

    def must_be_stale(self, token):
        """A task that is over can't be completed."""
        try:
            self.complete_workflow_task(token, [])
        except SqlError as error:
            if error.sqlstate == "TQ001":
                return
            raise
        raise Mismatch("a workflow task that is over could be completed")

    # ---- workers: activities ----

    def poll_activity(self, queue, identity):
        rows = self.sql.query("SELECT * FROM taskq.poll(task_queue => $1, identity => $2)", queue, identity)
        return rows[0] if rows else None

    def release(self, token):
        self.sql.query("SELECT taskq.release(task_token => $1::uuid)", token)

    def heartbeat(self, token, details, identity):
        (row,) = self.sql.query("SELECT * FROM taskq.heartbeat(task_token => $1::uuid, details => $2::jsonb,"
                                " identity => $3)", token, as_json(sent.exact(details)), identity)
        return row["cancel_requested"] == "t"

    def complete(self, token, result, identity):
        self.sql.query("SELECT taskq.complete(task_token => $1::uuid, result => $2::jsonb, identity => $3)",
                       token, as_json(sent.exact(result)), identity)

    def fail(self, token, failure, identity):
        delay = failure.get("applicationFailureInfo", {}).get("nextRetryDelay")
        self.sql.query("SELECT taskq.fail_with(task_token => $1::uuid, failure => $2::jsonb,"
                       " next_retry_delay => $3::interval, identity => $4)",
                       token, json.dumps(sent.plain_failure(failure)), delay, identity)

    def report_canceled(self, token, details, identity):
        self.sql.query("SELECT taskq.report_canceled(task_token => $1::uuid, details => $2::jsonb, identity => $3)",
                       token, as_json(sent.exact(details)), identity)

    def pending_activity(self, workflow_id, activity_id):
        return self.sql.one("SELECT taskq.pending_activity(workflow_id => $1, activity_id => $2)",
                            workflow_id, activity_id)

    def is_activity_pending(self, workflow_id, activity_id):
        try:
            return self.pending_activity(workflow_id, activity_id) is not None
        except SqlError as error:
            if error.sqlstate == "TQ001":
                return False
            raise

    def is_timer_running(self, run_id, started_event_id):
        return self.sql.one("SELECT EXISTS (SELECT FROM taskq.workflow_timers WHERE run_id = $1::bigint"
                            " AND started_event_id = $2::bigint)", run_id, started_event_id) == "t"

    def seconds_until_fired(self, run_id, timer_ids):
        """Until the last of these timers is due; 0 if all are."""
        return float(self.sql.one("SELECT greatest(extract(epoch FROM max(fire_time) - clock_timestamp()), 0)"
                                  " FROM taskq.workflow_timers WHERE run_id = $1::bigint"
                                  " AND timer_id IN (SELECT jsonb_array_elements_text($2::jsonb))",
                                  run_id, json.dumps(timer_ids)))

    def complete_by_id(self, run_id, result, identity):
        self.sql.query("SELECT taskq.complete_by_id(run_id => $1::bigint, result => $2::jsonb, identity => $3)",
                       run_id, as_json(sent.exact(result)), identity)


def wait_until(look, seconds, what, meanwhile=lambda: None):
    """What look() returns once it is something; Mismatch if that takes longer than so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Mismatch("waited %.0f s for %s" % (seconds, what))
        meanwhile()
        time.sleep(LOOK)
