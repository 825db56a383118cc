"""The activities of a recorded run, as a worker has to handle them.

A history tells of the last attempt alone, and of the failure of the one before it. Those before fail with that,
or time out as it did."""
import json
import time

import sent
from histories import seconds_of
from libpq import SqlError
from taskq import Mismatch, wait_until

CLOSES = ("activity_task_completed", "activity_task_failed", "activity_task_timed_out", "activity_task_canceled")
AT_ONCE = 500_000               # nanoseconds: two events of one transaction are not further apart
PATIENCE = 15
NEVER = float("inf")            # when an attempt is started that the recording does not have


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
        if self.started and not self.is_polled:
            self.start_time = NEVER
        if self.started is None and self.has_failed_before:
            self.attempts, self.start_time = 2, NEVER
        cancels = [event for event in of_it if event.kind == "activity_task_cancel_requested"]
        if self.is_polled and self.times_out and not cancels:
            self.start_time += self.lateness(events)
        if self.started is None and self.close is None and self.outlives(cancels, events):
            self.attempts, self.start_time = 1, events[cancels[0].number("workflowTaskCompletedEventId") - 1].time
        self.attempt = 0            # the last one that was started, and its token
        self.token = None
        self.kept = None            # that of the attempt for which heartbeats are sent
        self.scheduled_at = None    # when it was here
        self.beat = None            # when it was heard of last

    def outlives(self, cancels, events):
        """Was the request to cancel it made while it ran?  One that does not run would have ended, if not with its run."""
        if not cancels:
            return False
        completed = cancels[0].number("workflowTaskCompletedEventId")
        return completed not in (self.scheduled.number("workflowTaskCompletedEventId"),
                                 events[-1].number("workflowTaskCompletedEventId"))

    @property
    def is_eager(self):
        return self.attempts == 1 and self.is_polled and 0 <= self.start_time - self.scheduled.time < AT_ONCE

    @property
    def is_polled(self):
        """Has a worker had the last attempt?  If not it was completed by its id."""
        return self.started is not None and "requestId" in self.started.attributes

    @property
    def is_running(self):
        return self.token is not None and self.attempt == self.attempts

    @property
    def identity(self):
        return self.started.attributes.get("identity") if self.started else None

    @property
    def close_failure(self):
        return self.close.attributes.get("failure", {}) if self.close else {}

    @property
    def has_failed_before(self):
        """Did it run out of time between two attempts?  Then how the first one ended is told."""
        return self.times_out and "cause" in self.close_failure

    @property
    def last_failure(self):
        if self.started is None:
            return self.close_failure.get("cause", {})
        return self.started.attributes.get("lastFailure", {})

    @property
    def heartbeat_details(self):
        """What the last attempt has said before it timed out."""
        return self.close_failure.get("timeoutFailureInfo", {}).get("lastHeartbeatDetails")

    @property
    def times_out(self):
        return self.close is not None and self.close.kind == "activity_task_timed_out"

    @property
    def heartbeat_timeout(self):
        return seconds_of(self.scheduled.attributes["heartbeatTimeout"])

    def lateness(self, events):
        """How late the server was with the time-out of the last attempt, if something else came before: then that starts
        so much later here. It can't if it has to be started in time."""
        lasts = self.heartbeat_timeout if self.falls_silent and self.heartbeat_timeout else \
            seconds_of(self.scheduled.attributes["startToCloseTimeout"])
        due = self.started.time + lasts * 1e9
        if self.scheduled.attributes["scheduleToStartTimeout"] != "0s" or \
                not any(event.time > due for event in events[self.scheduled.id:self.started.id - 1]):
            return 0
        return max(0, self.close.time - due)

    @property
    def falls_silent(self):
        """May the last attempt have timed out for want of heartbeats?  If all of it did, that was not why."""
        if not self.times_out:
            return False
        timeout = timeout_of(self.close_failure)
        over = self.scheduled.time + seconds_of(self.scheduled.attributes["scheduleToCloseTimeout"]) * 1e9
        return timeout == "HEARTBEAT" or timeout == "SCHEDULE_TO_CLOSE" and self.close.time < over

    def is_heard_of(self):
        """Has the attempt that is started to be kept alive by heartbeats?"""
        if not self.heartbeat_timeout:
            return False
        if self.attempt < self.attempts:
            return timeout_of(self.last_failure) == "START_TO_CLOSE"
        return not self.falls_silent

    @property
    def is_early(self):
        return self.attempt == self.attempts - 1 and not self.may_start()

    def may_start(self):
        """Not too early, if the last attempt times out: it is not to be for another reason than the recorded one."""
        if not self.times_out or self.start_time == NEVER:
            return self.start_time != NEVER
        return time.monotonic() >= self.scheduled_at + (self.start_time - self.scheduled.time) / 1e9


def timeout_of(failure):
    """The type of time-out that a failure is, or None."""
    return failure.get("timeoutFailureInfo", {}).get("timeoutType", "").removeprefix("TIMEOUT_TYPE_") or None


class Worker:
    """Works on the activities of one run."""

    def __init__(self, calls, events, workflow_id, by_id):
        self.calls = calls
        self.workflow_id = workflow_id
        self.by_id = by_id          # are they to be reported by their ids?
        self.activities = {event.id: Activity(event, events) for event in events if event.kind == "activity_task_scheduled"}
        self.known = []             # those that are scheduled by now

    def schedule(self, scheduled):
        activity = self.activities[scheduled.id]
        activity.scheduled_at = time.monotonic()
        self.known.append(activity)

    def pump(self, until):
        """Start what is due, up to the attempts that were started by this time."""
        for activity in self.known:
            if activity.attempts and activity.token is None and (
                    activity.attempt < activity.attempts - 1 or self.is_due(activity, until)):
                self.poll(activity, until)

    @staticmethod
    def is_due(activity, until):
        return activity.attempt == activity.attempts - 1 and activity.start_time <= until and activity.may_start()

    def poll(self, wanted, until):
        unwanted = []
        while True:
            task = self.calls.poll_activity(wanted.queue, wanted.identity)
            if task is None:
                break
            activity = self.of_task(task)
            if activity is None or not activity.attempts or activity.is_early:
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
        self.check(activity, "input", task["input"], activity.scheduled.attributes.get("input"))
        self.check(activity, "heartbeat details", task["heartbeat_details"],
                   activity.heartbeat_details if activity.attempt else None)
        activity.attempt, activity.token = activity.attempt + 1, task["task_token"]
        activity.beat = time.monotonic()
        activity.kept = activity.token if activity.is_heard_of() else None
        if activity.heartbeat_details:
            self.calls.heartbeat(activity.token, activity.heartbeat_details, activity.identity)
        if activity.attempt < activity.attempts:
            if "timeoutFailureInfo" not in activity.last_failure:
                self.calls.fail(activity.token, sent.before_cut(activity.last_failure), activity.identity)
            activity.token = None

    @staticmethod
    def check(activity, what, found, wanted):
        if sent.values_of_sql(found) != sent.values(wanted):
            raise Mismatch("the %s of activity %s is %s and not %s" % (what, activity.id, found, json.dumps(wanted)))

    def start(self, until):
        """All that was started by this time is started."""
        for activity in self.known:
            if activity.attempts and activity.start_time <= until and activity.attempt < activity.attempts:
                self.start_one(activity, until)

    def start_one(self, activity, until):
        recorded = (activity.start_time - activity.scheduled.time) / 1e9
        wait_until(lambda: activity.is_running, PATIENCE + 2 * recorded,
                   "attempt %d of activity %s" % (activity.attempts, activity.id), lambda: self.work(until))

    def work(self, until):
        """What goes on while something is waited for."""
        self.pump(until)
        self.keep_alive()

    def keep_alive(self):
        """Heartbeats of those that did not time out for want of them."""
        for activity in self.known:
            if activity.kept and time.monotonic() > activity.beat + activity.heartbeat_timeout / 2:
                activity.beat = time.monotonic()
                try:
                    self.calls.heartbeat(activity.kept, activity.heartbeat_details, activity.identity)
                except SqlError as error:
                    if error.sqlstate != "TQ001":
                        raise
                    activity.kept = None        # it has timed out

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
        if not activity.is_polled:
            wait_until(lambda: activity.attempt == activity.attempts - 1, PATIENCE, "the attempts before", lambda: self.work(event.time))
            self.complete_by_id(activity, event.attributes.get("result"), event.attributes.get("identity"))
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
        activity.token = activity.kept = None

    def complete(self, activity, result, identity):
        if self.by_id:
            self.complete_by_id(activity, result, identity)
        else:
            self.calls.complete(activity.token, result, identity)

    def complete_by_id(self, activity, result, identity):
        self.calls.complete_by_id(self.calls.pending_activity(self.workflow_id, activity.id), result, identity)

    def cancel(self, activity, said):
        wait_until(lambda: self.calls.heartbeat(activity.token, None, said.get("identity")), PATIENCE,
                   "the cancellation of activity %s" % activity.id)
        self.calls.report_canceled(activity.token, said.get("details"), said.get("identity"))
