"""The activities of a recorded run, as a worker has to handle them.

A history tells of the last attempt alone, and of the failure of the one before it. Those before fail with that,
or time out as it did."""
import json
import time

import sent
from taskq import Mismatch, wait_until

CLOSES = ("activity_task_completed", "activity_task_failed", "activity_task_timed_out", "activity_task_canceled")
AT_ONCE = 500_000               # nanoseconds: two events of one transaction are not further apart
PATIENCE = 15


class Activity:
    """One scheduled activity, what becomes of it, and how far that is."""

    def __init__(self, scheduled, events):
        of_it = [event for event in events if event.number("scheduledEventId") == scheduled.id
                 and event.kind.startswith("activity_task")]
        self.scheduled = scheduled
        self.id = scheduled.attributes["activityId"]
        self.queue = scheduled.attributes["taskQueue"]["name"]
        self.started = next((event for event in of_it if event.kind == "activity_task_started"), None)
        self.close = next((event for event in of_it if event.kind in CLOSES), None)
        self.attempts = self.started.attributes["attempt"] if self.started else 0
        self.start_time = self.started.time if self.started else None
        cancels = [event for event in of_it if event.kind == "activity_task_cancel_requested"]
        if self.started is None and self.close is None and self.outlives(cancels):
            self.attempts, self.start_time = 1, events[cancels[0].number("workflowTaskCompletedEventId") - 1].time
        self.attempt = 0            # the last one that was started, and its token
        self.token = None
        self.beat = None            # when it was heard of last

    def outlives(self, cancels):
        """Was the request to cancel it made while it ran?  One that does not run would have ended."""
        completed = "workflowTaskCompletedEventId"
        return bool(cancels) and cancels[0].number(completed) != self.scheduled.number(completed)

    @property
    def is_eager(self):
        return self.attempts == 1 and self.started is not None and 0 <= self.start_time - self.scheduled.time < AT_ONCE

    @property
    def is_running(self):
        return self.token is not None and self.attempt == self.attempts

    @property
    def identity(self):
        return self.started.attributes.get("identity") if self.started else None

    @property
    def last_failure(self):
        return self.started.attributes.get("lastFailure", {}) if self.started else {}

    @property
    def heartbeat_details(self):
        """What the last attempt has said before it timed out."""
        failure = self.close.attributes.get("failure", {}) if self.close else {}
        return failure.get("timeoutFailureInfo", {}).get("lastHeartbeatDetails")

    @property
    def times_out(self):
        return self.close is not None and self.close.kind == "activity_task_timed_out"

    @property
    def heartbeat_timeout(self):
        return float(self.scheduled.attributes["heartbeatTimeout"].rstrip("s"))


class Worker:
    """Works on the activities of one run."""

    def __init__(self, calls, events, by_id):
        self.calls = calls
        self.by_id = by_id          # the workflow's id, if they are to be reported by that
        self.activities = {event.id: Activity(event, events) for event in events if event.kind == "activity_task_scheduled"}
        self.known = []             # those that are scheduled by now

    def schedule(self, scheduled):
        self.known.append(self.activities[scheduled.id])

    def pump(self, until):
        """Start what is due, up to the attempts that were started by this time."""
        for activity in self.known:
            if activity.attempts and activity.token is None and (
                    activity.attempt < activity.attempts - 1 or self.is_due(activity, until)):
                self.poll(activity, until)

    @staticmethod
    def is_due(activity, until):
        return activity.attempt == activity.attempts - 1 and activity.start_time <= until

    def poll(self, wanted, until):
        unwanted = []
        while True:
            task = self.calls.poll_activity(wanted.queue, wanted.identity)
            if task is None:
                break
            activity = self.of_task(task)
            if activity is None or not activity.attempts:
                unwanted.append(task)
                continue
            self.take(activity, task)
            if activity is wanted:
                break
        for task in unwanted:
            self.calls.release(task["task_token"])

    def of_task(self, task):
        return next((activity for activity in self.known if activity.id == task["activity_id"]
                     and not (activity.attempt == activity.attempts and activity.token is None)), None)

    def take(self, activity, task):
        if int(task["attempt"]) != activity.attempt + 1:
            raise Mismatch("attempt %s of activity %s follows attempt %d" % (task["attempt"], activity.id, activity.attempt))
        self.check(activity, "input", task["input"], sent.plain(activity.scheduled.attributes.get("input")))
        self.check(activity, "heartbeat details", task["heartbeat_details"],
                   sent.exact(activity.heartbeat_details) if activity.attempt else None)
        activity.attempt, activity.token = activity.attempt + 1, task["task_token"]
        activity.beat = time.monotonic()
        if activity.heartbeat_details:
            self.calls.heartbeat(activity.token, activity.heartbeat_details, activity.identity)
        if activity.attempt < activity.attempts:
            if "timeoutFailureInfo" not in activity.last_failure:
                self.calls.fail(activity.token, activity.last_failure, activity.identity)
            activity.token = None

    @staticmethod
    def check(activity, what, found, wanted):
        if (found is None) != (wanted is None) or found is not None and json.loads(found) != wanted:
            raise Mismatch("the %s of activity %s is %s and not %s" % (what, activity.id, found, json.dumps(wanted)))

    def start(self, until):
        """All that was started by this time is started."""
        for activity in self.known:
            if activity.attempts and activity.start_time <= until and activity.attempt < activity.attempts:
                self.start_one(activity, until)

    def start_one(self, activity, until):
        recorded = (activity.start_time - activity.scheduled.time) / 1e9
        wait_until(lambda: activity.is_running, PATIENCE + 2 * recorded,
                   "attempt %d of activity %s" % (activity.attempts, activity.id), lambda: self.pump(until))

    def keep_alive(self):
        """Heartbeats of those that did not time out for want of them."""
        for activity in self.known:
            if activity.token and activity.heartbeat_timeout and not activity.times_out and \
                    time.monotonic() > activity.beat + activity.heartbeat_timeout / 2:
                activity.beat = time.monotonic()
                self.calls.heartbeat(activity.token, None, activity.identity)

    def take_eager(self, tasks):
        """What the completion of a workflow task has handed out."""
        for task in tasks:
            for name in ("input", "heartbeat_details"):
                task[name] = json.dumps(task[name]) if task.get(name) is not None else None
            activity = self.of_task(task)
            if activity is None or not activity.attempts:
                self.calls.release(task["task_token"])
            else:
                self.take(activity, task)

    # ---- the ends ----

    def end(self, event):
        """Do what made an activity end with this event."""
        activity = self.activities[event.number("scheduledEventId")]
        if activity.started is None or activity.times_out:
            return
        if not activity.is_running:
            raise Mismatch("attempt %d of activity %s does not run" % (activity.attempts, activity.id))
        said = event.attributes
        if event.kind == "activity_task_completed":
            self.complete(activity, said.get("result"), said.get("identity"))
        elif event.kind == "activity_task_failed":
            self.calls.fail(activity.token, said["failure"], said.get("identity"))
        else:
            self.cancel(activity, said)
        activity.token = None

    def complete(self, activity, result, identity):
        if self.by_id:
            self.calls.complete_by_id(self.calls.pending_activity(self.by_id, activity.id), result, identity)
        else:
            self.calls.complete(activity.token, result, identity)

    def cancel(self, activity, said):
        wait_until(lambda: self.calls.heartbeat(activity.token, None, said.get("identity")), PATIENCE,
                   "the cancellation of activity %s" % activity.id)
        self.calls.report_canceled(activity.token, said.get("details"), said.get("identity"))
