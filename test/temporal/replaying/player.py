"""Plays a recorded run: does what its client and its workers did, in the recorded order, and waits for the rest.

The walk is over the recorded events. Most are what a call made of it, and the call is made; others come by
themselves, timers and time-outs, and are waited for. Events that were written later than they happened, since
a workflow task was running, are done before it ends: their times tell."""
import json
import math
import time
import uuid

import sent
from activities import AT_ONCE, CLOSES, PATIENCE, Worker
from histories import Event, attributes_key, evenly_spaced, nanoseconds, seconds_of
from libpq import SqlError
from taskq import LOOK, Mismatch, wait_until

ENDS_OF_TASK = ("workflow_task_completed", "workflow_task_failed", "workflow_task_timed_out")
BY_TIME = ("timer_fired", "activity_task_timed_out")
OUTER = ("workflow_execution_signaled", "workflow_execution_cancel_requested", "timer_fired") + CLOSES
REPLACED = "TerminateIfRunning WorkflowIdReusePolicy"
FORCED = "WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND"
NONDETERMINISTIC = "WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR"
UNHANDLED = "WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE"
PATIENT_ATTEMPT = 4             # the first that may take longer, by so many seconds at most; then twice that, and so on
PATIENCE_FIRST = 5
BY_ID = "byid"                  # in the name of a scenario: activities are completed by their ids
STICKY = "TASK_QUEUE_KIND_STICKY"
LEAD = 0.01                     # seconds: what the player may be late, in steps of that
APART = 0.000002                # seconds between timers that were fired together, for their order
NEVER = "never"                 # in the name of a sticky queue: nobody has ever polled it
STICKY_LIFE = 5                 # seconds; a sticky queue is dead after 10 without a poll


class Player:
    """Plays the runs of one workflow, one after another."""

    def __init__(self, calls, start_event, name):
        self.calls = calls
        self.name = name
        self.workflow_id = start_event.attributes["workflowId"]
        self.request_id = str(uuid.uuid4())
        self.sticky_polls = {}      # sticky queue: when it was polled last
        self.index = 0              # of the event that is played
        self.run_id = None
        self.ahead = None           # a workflow task that a poll has found before it was asked for

    def play(self, events, run_id=None, next_start=None):
        """Play a run, which has been started already if run_id is given, and goes on as one that begins with
        next_start; returns its run_id."""
        self.events = events
        self.run_id = run_id
        self.next_start = next_start
        self.done = set()           # ids of events that have been made to happen
        self.seen_at = {}           # id of an event: when it was over here
        self.task = None            # the workflow task that is started: event and row
        self.returned = None        # the next one, if a completion has returned it
        self.previous = 0           # started event of the last one that was completed
        self.unsure = False         # the last task failed: who knows whether the next is there yet
        self.hidden = False         # a later attempt of it runs, and what happens shows when that has ended
        self.due_at = {}            # started event of a timer that is fired late: when that is
        self.behind = LEAD          # seconds that timers are fired later than recorded, as this is slower than the workers were
        self.batches = {}           # the same, of those that are fired together
        self.server_was_late = any(event.kind == "timer_started" and self.is_late(event) for event in events)
        self.worker = Worker(self.calls, events, self.workflow_id, BY_ID in self.name)
        for index, event in enumerate(events):
            self.index = index
            self.worker.start(event.time)
            if event.kind in OUTER and self.is_behind_transient(event):
                self.hidden = True
                self.poll_transient(2)
            self.keep_pace(event)
            if event.id not in self.done:
                if event.kind in OUTER or event.kind == "workflow_task_started":
                    self.be_as_late(event)
                self.fire_together(event)
                getattr(self, event.kind)(event)
            if self.shows(event):
                self.confirm(event)
            self.seen_at[event.id] = time.monotonic()
        return self.run_id

    # ---- looking ----

    def following(self, event):
        """The recorded events after this one."""
        return self.events[event.id:]

    def shows(self, event):
        """Is this event in the history as soon as it has happened?"""
        if event.kind == "workflow_task_scheduled":
            return not self.unsure and event.attributes["attempt"] == 1
        if event.kind == "activity_task_started" or self.hidden:
            return False            # written with the end of the activity, or of the attempt
        if event.kind == "workflow_task_started":
            return self.task is not None and self.task[1]["attempt"] == "1"
        return not (self.is_forced(event) or self.before_forced(event))

    @staticmethod
    def is_forced(event):
        return event.kind == "workflow_task_failed" and event.attributes.get("cause") == FORCED and \
            "failure" not in event.attributes

    def before_forced(self, event):
        """Is this event written together with the end of the run?"""
        before = [other for other in self.events[:event.id - 1] if other.kind in ENDS_OF_TASK]
        return event.id in self.done and bool(before) and self.is_forced(before[-1])

    def confirm(self, event):
        """Wait until the history has an event, which then has to be of the recorded type."""
        gap = (event.time - self.events[max(event.id - 2, 0)].time) / 1e9
        found = wait_until(lambda: self.calls.history(self.run_id, event.id - 1), PATIENCE + 2 * max(gap, 0),
                           "event %d, %s" % (event.id, event.kind), self.idle)
        if found[0]["eventType"] != event.all["eventType"]:
            raise Mismatch("event %d is %s and not %s" % (event.id, found[0]["eventType"], event.all["eventType"]))

    def idle(self):
        """What workers do while nothing happens."""
        self.worker.work(self.events[self.index].time)
        now = time.monotonic()
        scheduled = next((event for event in self.events[self.index:] if event.kind == "workflow_task_scheduled"), None)
        queue = self.sticky_of(scheduled)
        if queue and self.ahead is None and now > self.sticky_polls.get(queue, now) + STICKY_LIFE:
            self.ahead = self.poll(queue, scheduled)

    def sticky_of(self, scheduled):
        """The sticky queue that a worker takes a task from; None if it does not."""
        if scheduled is None or scheduled.attributes["taskQueue"].get("kind") != STICKY or \
                self.is_lost(scheduled) or self.is_left(scheduled):
            return None
        return scheduled.attributes["taskQueue"]["name"]

    def end_of(self, scheduled):
        """How the task of this event ended; None if it did not."""
        return next((event for event in self.following(scheduled) if event.kind in ENDS_OF_TASK), None)

    def is_left(self, scheduled):
        """Did nobody take the task of this event from the sticky queue in time?"""
        end = self.end_of(scheduled)
        return end is not None and end.kind == "workflow_task_timed_out" and not end.number("startedEventId")

    def is_lost(self, scheduled):
        """Was the worker of the sticky queue gone when the task of this event was handed out?"""
        name = scheduled.attributes["taskQueue"]["name"]
        end = self.end_of(scheduled)
        if NEVER in name or end is None:
            return NEVER in name
        if end.kind != "workflow_task_completed":
            return self.fails_at_home(end)
        after = self.next_scheduled(end)
        return after is not None and after.attributes["taskQueue"].get("kind") == STICKY and \
            after.attributes["taskQueue"]["name"] != name

    def fails_at_home(self, end):
        """Did a task that was scheduled in a sticky queue fail outside of it?  One that fails there is scheduled as a
        first attempt at once, as is one while which something has happened."""
        after = self.following(end)
        buffered = [event for event in after if event.time < end.time]
        then = next((event for event in after if event.time >= end.time), None)
        if then is None or then.kind != "workflow_task_scheduled" or then.attributes["attempt"] > 1:
            return True
        return bool(buffered) and end.attributes.get("cause") == NONDETERMINISTIC

    def next_scheduled(self, event):
        return next((other for other in self.following(event) if other.kind == "workflow_task_scheduled"), None)

    # ---- the run itself ----

    def workflow_execution_started(self, event):
        self.started_at = time.monotonic()
        if self.run_id is not None:
            self.run_uuid = self.calls.run_uuid(self.run_id)
            return
        second = self.events[1] if len(self.events) > 1 else event
        request = sent.start(event, self.request_id)
        with_signal = second.kind == "workflow_execution_signaled" and (
            "workflowStartDelay" not in request or second.time - event.time < AT_ONCE)
        if with_signal:
            self.done.add(second.id)
            row = self.calls.start(sent.with_signal(request, second), signal_too=True)
        else:
            row = self.calls.start(request)
        self.run_id = row["run_id"]
        self.run_uuid = self.calls.run_uuid(self.run_id)
        if row["created"] != "t":
            raise Mismatch("a workflow of this id was there already")
        again = self.calls.start(request) if not with_signal else row
        if again["run_id"] != self.run_id:
            raise Mismatch("the same request started another run")

    def workflow_execution_signaled(self, event):
        self.calls.request("signal_workflow", sent.signal(event, self.workflow_id, self.run_uuid))

    def workflow_execution_cancel_requested(self, event):
        self.calls.request("request_cancel_workflow",
                           sent.cancel(event, self.workflow_id, self.run_uuid, str(uuid.uuid4())))

    def workflow_execution_terminated(self, event):
        before = self.events[event.id - 2]
        if before.attributes.get("failure", {}).get("message") == event.attributes.get("reason") and \
                before.kind == "workflow_task_failed":
            return              # what failed the task has ended the run
        if self.unsure and before.kind in ENDS_OF_TASK and not self.is_forced(before):
            self.poll_transient(2)
        if event.attributes.get("reason") == REPLACED:
            self.replace(event)
        else:
            self.calls.request("terminate_workflow", sent.terminate(event, self.workflow_id, self.run_uuid))
        if self.task:
            self.calls.must_be_stale(self.task[1]["task_token"])

    def replace(self, event):
        """A start that terminates this run: refused in the first second, so wait as long as was recorded."""
        self.live_until(event)
        request = sent.start(self.events[0], str(uuid.uuid4()))
        self.calls.start(dict(request, workflowIdConflictPolicy="WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"))

    def live_until(self, event):
        """Wait until the run is as old as it was when this event was written."""
        recorded = (event.time - self.events[0].time) / 1e9
        while time.monotonic() < self.started_at + recorded:
            self.idle()
            time.sleep(LOOK)

    def nothing(self, event):
        """What the server does by itself, or did with the call before."""

    workflow_execution_timed_out = timer_fired = activity_task_started = nothing
    activity_task_cancel_requested = timer_started = timer_canceled = nothing
    marker_recorded = upsert_workflow_search_attributes = workflow_properties_modified = nothing
    workflow_execution_completed = workflow_execution_failed = workflow_execution_canceled = nothing
    workflow_execution_continued_as_new = nothing

    # ---- workflow tasks ----

    def workflow_task_scheduled(self, event):
        """Those attempts that left no trace are made before this one: they time out, if there was time for that."""
        if self.hidden:
            failed = next(other for other in reversed(self.events[:event.id - 1]) if other.kind in ENDS_OF_TASK)
            if not self.is_patient(failed, event):
                self.fail_transient(self.task[1], failed)
            self.hidden = False
            self.task = None
        attempt = event.attributes["attempt"]
        before = self.events[event.id - 2]
        elapsed = (event.time - before.time) / 1e9
        timeout = seconds_of(self.events[0].attributes["workflowTaskTimeout"])
        for number in range(2, attempt):
            row = self.poll_transient(number)
            if elapsed > 0.95 * timeout:
                elapsed -= timeout
            else:
                self.fail_transient(row, before)
        if attempt > 1:
            self.task = None

    def is_behind_transient(self, event):
        """Did a later attempt of the workflow task run when this happened, until it timed out or failed?  Then the next
        one is scheduled before it is started."""
        before, after = self.events[event.id - 2], self.next_scheduled(event)
        if not self.unsure or before.kind not in ENDS_OF_TASK or after is None or event.time < before.time:
            return False
        started = self.events[after.id] if after.id < len(self.events) else None
        return self.is_patient(before, after) or after.attributes["attempt"] == 1 and not (
            started is not None and started.kind == "workflow_task_started" and started.time == after.time)

    def is_patient(self, before, after):
        """Is there time for a workflow task to time out between these events?"""
        return (after.time - before.time) / 1e9 > 0.95 * seconds_of(self.events[0].attributes["workflowTaskTimeout"])

    def poll_transient(self, attempt):
        row = self.poll_until(self.normal_queue(), None)
        if int(row["attempt"]) != attempt:
            raise Mismatch("this is attempt %s of the workflow task and not %d" % (row["attempt"], attempt))
        self.check_history(row, None)
        self.task = (None, row)
        return row

    def normal_queue(self):
        return self.events[0].attributes["taskQueue"]["name"]

    def poll(self, queue, scheduled):
        identity = next((event.attributes.get("identity") for event in self.following(scheduled)
                         if event.kind == "workflow_task_started"), None) if scheduled else None
        if queue == self.normal_queue():
            return self.calls.poll_workflow_task(queue, identity)
        self.sticky_polls[queue] = time.monotonic()
        return self.calls.poll_workflow_task(queue, identity, self.normal_queue())

    def poll_until(self, queue, scheduled):
        recorded = seconds_of(self.events[0].attributes["workflowTaskTimeout"])
        return wait_until(lambda: self.poll(queue, scheduled), PATIENCE + 2 * recorded,
                          "a workflow task in %s" % queue, self.idle)

    def workflow_task_started(self, event):
        scheduled = self.events[event.number("scheduledEventId") - 1]
        end = self.end_of(scheduled)
        if end is not None and end.id < len(self.events) and self.next_start is not None and \
                self.events[-1].kind == "workflow_execution_continued_as_new" and \
                self.events[-1].number("workflowTaskCompletedEventId") == end.id and \
                not seconds_of(self.next_start.attributes.get("firstWorkflowTaskBackoff")):
            self.live_until(end)        # one that is younger is followed after a back-off
        if end is not None and self.is_forced(end) and self.events[-1].kind == "workflow_execution_timed_out":
            self.live_until(event)      # the task was not over before the run was
        sticky = self.sticky_of(scheduled)
        row = self.returned or self.ahead or self.poll_until(sticky or self.normal_queue(), scheduled)
        is_returned = self.returned is not None
        self.returned = self.ahead = None
        self.task = (event, row)
        for name, found, wanted in (("attempt", row["attempt"], scheduled.attributes["attempt"]),
                                    ("started event", row["started_event_id"], event.id),
                                    ("previous started event", row["previous_started_event_id"], self.previous),
                                    ("workflow id", row["workflow_id"], self.workflow_id),
                                    ("run", row["workflow_run_uuid"], self.run_uuid),
                                    ("type", row["workflow_type"], self.events[0].attributes["workflowType"]["name"])):
            if str(found) != str(wanted):
                raise Mismatch("%s of the workflow task is %s and not %s" % (name, found, wanted))
        is_partial = sticky or is_returned and scheduled.attributes["taskQueue"].get("kind") == STICKY
        self.check_history(row, event, 1 + (self.previous if is_partial else 0))
        if sticky is None and not is_returned and self.poll(self.normal_queue(), scheduled) is not None:
            raise Mismatch("a workflow task was handed out twice")
        if self.name in sent.REFUSED:
            self.send_refused(*sent.REFUSED[self.name])

    def check_history(self, row, event, first=1):
        """A task has the events from the first to its start, as workflow_history has them."""
        events = json.loads(row["history"])
        transient = json.loads(row["transient"]) if row["transient"] else []
        wanted = self.calls.history(self.run_id, first - 1)
        if row["next_event_id"] is not None:
            events += [other for other in wanted if int(other["eventId"]) >= int(row["next_event_id"])]
        wanted = wanted[:len(events)]
        if [self.shown(other) for other in events] != [self.shown(other) for other in wanted]:
            raise Mismatch("the history of the workflow task is %s and not %s" % (json.dumps(events), json.dumps(wanted)))
        ids = [int(other["eventId"]) for other in events + transient]
        last = int(row["started_event_id"])
        if ids != list(range(first, last + 1)) or len(transient) != (2 if int(row["attempt"]) > 1 else 0):
            raise Mismatch("the workflow task has the events %s, and %d of them transient; it was started with %d" %
                           (ids, len(transient), last))

    @staticmethod
    def shown(event):
        return {**event, "eventId": int(event["eventId"]), "eventTime": nanoseconds(event["eventTime"]) // 1000}

    def send_refused(self, commands, message):
        try:
            self.calls.complete_workflow_task(self.task[1]["task_token"], commands)
        except SqlError as error:
            if error.sqlstate == "22023" and message in str(error):
                return
            raise
        raise Mismatch("%s were not refused" % json.dumps(commands))

    def buffered(self, end):
        """Do what happened while the workflow task was running, in the order in which it did."""
        events = []
        for event in self.following(end):
            if event.kind in ("workflow_task_scheduled",) or event.time >= end.time and event.kind in OUTER:
                break
            if event.kind in OUTER and event.time < end.time:
                events.append(event)
        for event in sorted(events, key=lambda other: other.time):
            self.be_as_late(event)
            self.worker.start(event.time)
            if event.kind == "timer_fired" or event.kind == "activity_task_timed_out":
                self.let_pass(event)
            else:
                getattr(self, event.kind)(event)
            self.done.add(event.id)

    def late_timers(self, completed, commands):
        """How old the run is to be, in seconds, when the timers of these commands are fired, by their ids; none if the
        server was in time. All of a run are as late as they were, so that they are fired in the recorded order."""
        if not self.server_was_late:
            return {}
        self.behind = max(self.behind, LEAD * math.ceil((time.monotonic() - self.started_at - self.age(completed)) / LEAD))
        late = {}
        for started in commands:
            if started.kind == "timer_started":
                end = self.end_of_timer(started) or self.events[-1]
                age = self.batches.setdefault(self.first_of_batch(end), self.behind) + self.age(end) + end.id * APART + (0 if end.kind == "timer_fired" else PATIENCE)
                self.due_at[started.id] = self.started_at + age
                late[started.attributes["timerId"]] = age
        return late

    def first_of_batch(self, fired):
        """The id of the first timer that was fired with this one."""
        first = fired.id
        while self.events[first - 2].kind == "timer_fired":
            first -= 1
        return first

    def be_as_late(self, event):
        """Where timers are fired when they were, nothing else is done before it was."""
        if self.server_was_late and event.kind not in BY_TIME:
            self.live_until(event)

    def age(self, event):
        """Of the run, in seconds, when this event was written."""
        return (event.time - self.events[0].time) / 1e9

    def end_of_timer(self, started):
        return next((event for event in self.following(started) if event.kind in ("timer_fired", "timer_canceled")
                     and event.number("startedEventId") == started.id), None)

    def is_late(self, started):
        """Did anything else come after this timer was due, and before it was fired, canceled or gone with its run?  That
        can't be played if it is fired when it is due."""
        due = started.time + seconds_of(started.attributes["startToFireTimeout"]) * 1e9
        end = self.end_of_timer(started) or self.events[-1]
        return any(due < event.time < end.time for event in self.events[started.id:end.id - 1])

    def let_pass(self, event):
        """Wait for a time-out of which no event tells yet, since a workflow task runs."""
        began = self.beginning(event)
        if event.kind == "timer_fired":
            what, goes_on = "timer", lambda: self.calls.is_timer_running(self.run_id, began.id)
        else:
            what, goes_on = "activity", lambda: self.calls.is_activity_pending(self.workflow_id, began.attributes["activityId"])
        wait_until(lambda: not goes_on(), PATIENCE + 2 * (event.time - began.time) / 1e9,
                   "the time-out of the %s of event %d" % (what, began.id), lambda: self.worker.work(event.time))

    def beginning(self, event):
        """The event with which a time-out began to run."""
        return self.events[event.number("startedEventId" if event.kind == "timer_fired" else "scheduledEventId") - 1]

    def due(self, event):
        """When a time-out is over here, at the latest."""
        began = self.beginning(event)
        if event.kind == "timer_fired":
            return self.due_at.get(began.id) or self.seen_at[began.id] + seconds_of(began.attributes["startToFireTimeout"])
        return self.seen_at[began.id] + (event.time - began.time) / 1e9

    def keep_pace(self, event):
        """A time-out that is over while a workflow task runs has to be so here, before the task itself times out."""
        if event.kind not in ("workflow_task_started", "workflow_task_completed"):
            return
        over = self.over_in_task(event)
        if over is not None and self.beginning(over).id < event.id:
            time.sleep(max(0, self.due(over) - (over.time - event.time) / 1e9 - time.monotonic()))

    def over_in_task(self, event):
        """The next time-out that is over while this task runs, or one that follows it at once; None if there is none."""
        end = None
        for other in self.following(event):
            if other.kind in ENDS_OF_TASK:
                end = other
            elif other.kind in OUTER:
                if end is None or other.time >= end.time:
                    return None
                if other.kind in BY_TIME and other.id not in self.done:
                    return other
        return None

    def fire_together(self, event):
        """Timers that were fired at once, though not due at once, are: nothing happens to the run until all are due."""
        if event.kind != "timer_fired":
            return
        fired = [event]
        for other in self.following(event):
            if other.kind != "timer_fired":
                break
            fired.append(other)
        after = self.events[fired[-1].id] if fired[-1].id < len(self.events) else None
        if len(fired) > 1 and after is not None and after.kind == "workflow_task_scheduled":
            with self.calls.holding(self.run_id):
                time.sleep(self.calls.seconds_until_fired(self.run_id, [other.attributes["timerId"] for other in fired]))

    def workflow_task_completed(self, event):
        self.buffered(event)
        self.be_as_late(event)
        commands = [other for other in self.following(event) if sent.is_of(other, event)]
        scheduled = self.next_scheduled(event)
        force, new = self.forces(event, scheduled)
        sticky = self.sticky_attributes(event, scheduled)
        made = [sent.command_of(other, self.next_start) for other in commands]
        for other, command in zip(commands, made):
            if other.kind == "activity_task_scheduled" and self.worker.activities[other.id].is_eager:
                command["scheduleActivityTaskCommandAttributes"]["requestEagerExecution"] = True
        with self.calls.firing_late(self.run_id, self.late_timers(event, commands)):
            row = self.calls.complete_workflow_task(
                self.task[1]["task_token"], made, event.attributes.get("identity"), sticky, force, new,
                event.attributes.get("sdkMetadata"))
        if row["failed_cause"] is not None:
            raise Mismatch("the workflow task failed: %s, %s" % (row["failed_cause"], row["failed_message"]))
        self.after_completion(event, commands, row, new)

    def after_completion(self, event, commands, row, new):
        for other in commands:
            if other.kind == "activity_task_scheduled":
                self.worker.schedule(other)
        self.worker.take_eager(json.loads(row["eager_activities"] or "[]"))
        if (row["task_token"] is not None) != new:
            raise Mismatch("the completion returned %s new task" % ("no" if new else "a"))
        self.returned = row if new else None
        self.calls.must_be_stale(self.task[1]["task_token"])
        self.previous = self.task[0].id
        self.task = None
        self.unsure = False
        scheduled = self.next_scheduled(event)
        if scheduled and self.is_lost(scheduled) and scheduled.attributes["taskQueue"]["name"] in self.sticky_polls:
            self.calls.worker_gone(scheduled.attributes["taskQueue"]["name"])

    def forces(self, event, scheduled):
        """Did the worker ask for a new task, and to get it at once?"""
        if scheduled is None:
            return False, False
        between = self.events[event.id:scheduled.id - 1]
        if any(other.kind in OUTER for other in between):
            return False, False
        started = self.events[scheduled.id] if scheduled.id < len(self.events) else None
        return True, started is not None and started.kind == "workflow_task_started" and \
            started.time - scheduled.time < AT_ONCE

    def sticky_attributes(self, event, scheduled):
        """Queue and time-out; the queue's worker has polled it, unless nobody ever does."""
        if scheduled is None or scheduled.attributes["taskQueue"].get("kind") != STICKY:
            return None, None
        name = scheduled.attributes["taskQueue"]["name"]
        timeout = "5 s"
        if self.is_left(scheduled):
            timeout = "%.1f s" % ((self.end_of(scheduled).time - scheduled.time) / 1e9)
        if NEVER not in name and self.poll(name, scheduled) is not None:
            raise Mismatch("there is a workflow task in %s already" % name)
        return name, timeout

    def workflow_task_failed(self, event):
        self.buffered(event)
        token = self.task[1]["task_token"]
        if self.is_forced(event):
            if self.next_scheduled(event) is not None:
                self.after_failure(token)       # there was too much in the buffer
            return
        if sent.is_refused_by_server(event):
            self.fail_by_commands(event, token)
        else:
            self.calls.fail_workflow_task(token, event.attributes.get("cause", sent.NO_CAUSE),
                                          event.attributes.get("failure"), event.attributes.get("identity"))
        self.after_failure(token)
        self.fail_hidden(event)

    def fail_hidden(self, event):
        """Attempts that left no trace fail, if something has happened before the last of them was made: then that is a
        first one, with the patience of a later one."""
        after = self.next_scheduled(event)
        if after is None or after.attributes["attempt"] != 1:
            return
        patience = seconds_of(after.attributes["startToCloseTimeout"]) - \
            seconds_of(self.events[0].attributes["workflowTaskTimeout"])
        if patience > 0:
            for number in range(2, PATIENT_ATTEMPT + max(0, math.ceil(math.log2(patience / PATIENCE_FIRST)))):
                self.fail_transient(self.poll_transient(number), event)
            self.task = None

    def fail_transient(self, row, before):
        """An attempt fails as the one before it did."""
        self.calls.fail_workflow_task(row["task_token"], before.attributes.get("cause", UNHANDLED),
                                      before.attributes.get("failure", {"message": "again"}))

    def fail_by_commands(self, event, token):
        row = self.calls.complete_workflow_task(token, sent.bad_commands(self.name, event),
                                                event.attributes.get("identity"))
        if row["failed_message"] != evenly_spaced(event.attributes["failure"]["message"]):
            raise Mismatch("the completion says %s, %s" % (row["failed_cause"], row["failed_message"]))

    def workflow_task_timed_out(self, event):
        self.buffered(event)
        self.confirm(event)
        if self.task:
            self.after_failure(self.task[1]["task_token"])

    def after_failure(self, token):
        self.calls.must_be_stale(token)
        self.task = None
        self.unsure = True

    # ---- activities ----

    def activity_task_scheduled(self, event):
        """It has been scheduled by the completion of the workflow task."""

    def activity_end(self, event):
        self.worker.end(event)

    activity_task_completed = activity_task_failed = activity_task_canceled = activity_end
    activity_task_timed_out = activity_end


def unrecorded(events, after, is_last):
    """The events of a run between two that were recorded: like the first, but its end makes the second what it is."""
    made = [json.loads(json.dumps(event.all)) for event in events]
    start = after[0].attributes
    attributes = made[-1][attributes_key(events[-1].kind)]
    if events[-1].kind == "workflow_execution_continued_as_new":
        attributes.pop("input", None)
        if "input" in start:
            attributes["input"] = start["input"]
    elif is_last and "continuedFailure" in start:
        attributes["failure"] = start["continuedFailure"]
    return [Event(event) for event in made]
