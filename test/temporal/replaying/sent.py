"""What a client and a worker must have sent so that a recorded event was written.

A server fills in what was not said; that is left out again, so that it has to be filled in again."""
import base64
import json
import re

NAMESPACE = "default"
DEFAULT_RETRY = {"initialInterval": "1s", "backoffCoefficient": 2, "maximumInterval": "100s"}
DEFAULT_TASK_TIMEOUT = "10s"
NO_CAUSE = "WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED"

# the event of each command, and the command's name; the attributes are the event's without those of the server
COMMANDS = {
    "activity_task_scheduled": "SCHEDULE_ACTIVITY_TASK",
    "activity_task_cancel_requested": "REQUEST_CANCEL_ACTIVITY_TASK",
    "timer_started": "START_TIMER",
    "timer_canceled": "CANCEL_TIMER",
    "marker_recorded": "RECORD_MARKER",
    "upsert_workflow_search_attributes": "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    "workflow_properties_modified": "MODIFY_WORKFLOW_PROPERTIES",
    "workflow_execution_completed": "COMPLETE_WORKFLOW_EXECUTION",
    "workflow_execution_failed": "FAIL_WORKFLOW_EXECUTION",
    "workflow_execution_canceled": "CANCEL_WORKFLOW_EXECUTION",
    "workflow_execution_continued_as_new": "CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
}
OF_SERVER = {
    "timer_canceled": ("startedEventId", "identity"),
    "workflow_execution_completed": ("newExecutionRunId",),
    "workflow_execution_failed": ("newExecutionRunId", "retryState"),
    "workflow_execution_continued_as_new": ("newExecutionRunId",),
}


def camel(name):
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)


def command(name, attributes=None):
    """A command of the protocol; without attributes if these are None."""
    made = {"commandType": "COMMAND_TYPE_" + name}
    if attributes is not None:
        made[camel(name) + "CommandAttributes"] = attributes
    return made


def seconds(duration):
    return float(duration.rstrip("s"))


def or_never(duration):
    return seconds(duration) or float("inf")


def retry_policy(policy):
    """Without the server's defaults."""
    if policy == DEFAULT_RETRY:
        return {}
    said = dict(policy)
    if said.get("maximumInterval") and seconds(said["maximumInterval"]) == 100 * seconds(said["initialInterval"]):
        del said["maximumInterval"]
    return said


def set_retry_policy(attributes):
    if "retryPolicy" in attributes:
        attributes["retryPolicy"] = retry_policy(attributes["retryPolicy"])


def queue(attributes):
    return {"name": attributes["taskQueue"]["name"]}


def schedule_activity(event):
    said = dict(event.attributes)
    said["taskQueue"] = queue(said)
    set_retry_policy(said)
    if not said.get("retryPolicy"):
        said.pop("retryPolicy", None)       # an activity has one without being given it
    if said["scheduleToCloseTimeout"] != "0s":
        for name in ("scheduleToStartTimeout", "startToCloseTimeout"):
            if said[name] == said["scheduleToCloseTimeout"]:
                del said[name]
    return said


def command_of(event, following):
    """The command that an event is of; following is the first event of the next run, or None."""
    if event.kind == "activity_task_scheduled":
        attributes = schedule_activity(event)
    else:
        attributes = dict(event.attributes)
    for name in ("workflowTaskCompletedEventId",) + OF_SERVER.get(event.kind, ()):
        attributes.pop(name, None)
    if event.kind == "workflow_execution_continued_as_new":
        attributes["taskQueue"] = queue(attributes)
        if following is not None and "retryPolicy" in following.attributes:
            attributes["retryPolicy"] = retry_policy(following.attributes["retryPolicy"])
    made = command(COMMANDS[event.kind], attributes)
    for name in ("userMetadata", "eventGroupMarkers"):
        if name in event.all:
            made[name] = event.all[name]
    return made


def is_of(event, completed):
    """Is an event that of a command of this completed workflow task?"""
    return event.kind in COMMANDS and event.number("workflowTaskCompletedEventId") == completed.id


# ---- commands that failed: not in the history, but what was said of them is ----

def activity(activity_id="a", **others):
    return command("SCHEDULE_ACTIVITY_TASK", {"activityId": activity_id, "activityType": {"name": "A"},
                                              "taskQueue": {"name": "q1"}, **others})


def in_time(**others):
    """An activity that would be good without the others."""
    return activity(**{"startToCloseTimeout": "10s", **others})


def timer(timer_id, duration="1s"):
    return command("START_TIMER", {"timerId": timer_id, "startToFireTimeout": duration})


def complete():
    return command("COMPLETE_WORKFLOW_EXECUTION", {})


def negative(name):
    return {name[0].lower() + name[1:]: "-1s"}


RETRY_POLICIES = {          # what the server says of a policy that can't be
    r"invalid (InitialInterval|MaximumInterval) set on retry policy: negative duration": negative,
    r"BackoffCoefficient cannot be less than 1 on retry policy.": lambda: {"backoffCoefficient": 0.5},
    r"MaximumInterval cannot be less than InitialInterval on retry policy.":
        lambda: {"initialInterval": "10s", "maximumInterval": "1s"},
    r"MaximumAttempts cannot be negative on retry policy.": lambda: {"maximumAttempts": -2},
    r"Invalid timeout type value: (.*)\.": lambda name: {"nonRetryableErrorTypes": ["TemporalTimeout:" + name]},
}


def bad_retry_policy(text):
    for pattern, make in RETRY_POLICIES.items():
        match = re.fullmatch(pattern, text)
        if match:
            return {"retryPolicy": make(*match.groups())}
    return None


def activity_retried(text):
    policy = bad_retry_policy(text)
    return policy and [in_time(**policy)]


def long_name(kind, attribute):
    return lambda name: [command(kind, {attribute: name})]


def continued(workflow_type, queue_name, **others):
    return [command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", {
        "workflowType": {"name": workflow_type}, "taskQueue": {"name": queue_name}, **others})]


def continued_badly(problem, workflow_type, queue_name):
    match = re.fullmatch(r"Invalid (\w+) on \w+: negative duration", problem)
    if match:
        return continued(workflow_type, queue_name, **negative(match.group(1)))
    match = re.fullmatch(r"invalid WorkflowRetryPolicy on \w+: (.*)", problem)
    if match:
        policy = bad_retry_policy(match.group(1))
        return policy and continued(workflow_type, queue_name, **policy)
    return continued(workflow_type, queue_name) if problem.startswith("error validating") else None


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def search_attribute(name, kind, value):
    return [command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {"searchAttributes": {"indexedFields": {name: {
        "metadata": {"encoding": base64_of("json/plain"), "type": base64_of(kind)},
        "data": base64_of(json.dumps(value))}}}})]


LARGE = {"payloads": [{"data": base64_of("x" * 2200000)}]}
TOO_LARGE = {            # by what is said of it
    "ScheduleActivityTaskCommandAttributes.Input": lambda: in_time(input=LARGE),
    "CompleteWorkflowExecutionCommandAttributes.Result": lambda: command("COMPLETE_WORKFLOW_EXECUTION", {"result": LARGE}),
    "FailWorkflowExecutionCommandAttributes.Failure": lambda: command(
        "FAIL_WORKFLOW_EXECUTION", {"failure": {"message": "x" * 3000000}}),
    "RecordMarkerCommandAttributes.Details": lambda: command(
        "RECORD_MARKER", {"markerName": "m", "details": {"d": LARGE}}),
    "ContinueAsNewWorkflowExecutionCommandAttributes. Input": lambda: command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", {"input": LARGE}),
    "ContinueAsNewWorkflowExecutionCommandAttributes. Memo": lambda: command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", {"memo": {"fields": {"m": LARGE["payloads"][0]}}}),
    "ModifyWorkflowPropertiesCommandAttributes": lambda: command(
        "MODIFY_WORKFLOW_PROPERTIES", {"upsertedMemo": {"fields": {"m": LARGE["payloads"][0]}}}),
}


def too_large(name):
    return [TOO_LARGE[name]()] if name in TOO_LARGE else None


BAD_COMMANDS = [
    (r"\w+: (.*) exceeds size limit.", too_large),
    (r"BadScheduleActivityAttributes: missing task queue name", lambda: [in_time(taskQueue={})]),
    (r"BadScheduleActivityAttributes: task queue name cannot start with reserved prefix (.*)",
     lambda prefix: [in_time(taskQueue={"name": prefix + "x"})]),
    (r"BadScheduleActivityAttributes: taskQueue length exceeds limit", lambda: [in_time(taskQueue={"name": "x" * 1001})]),
    (r"BadScheduleActivityAttributes: activityId is not set", lambda: [in_time(activity_id="")]),
    (r"BadScheduleActivityAttributes: activityType is not set", lambda: [in_time(activityType={})]),
    (r"BadScheduleActivityAttributes: activityId exceeds length limit. Length=(\d+) .*",
     lambda length: [in_time(activity_id="x" * int(length))]),
    (r"BadScheduleActivityAttributes: activityType exceeds length limit. Length=(\d+) .*",
     lambda length: [in_time(activityType={"name": "x" * int(length)})]),
    (r"BadScheduleActivityAttributes: invalid priorities: priority key can't be negative",
     lambda: [in_time(priority={"priorityKey": -1})]),
    (r"BadScheduleActivityAttributes: invalid priorities: fairness key length exceeds limit",
     lambda: [in_time(priority={"fairnessKey": "k" * 65})]),
    (r"BadScheduleActivityAttributes: invalid priorities: must be greater than zero",
     lambda: [in_time(priority={"fairnessWeight": -1})]),
    (r"BadScheduleActivityAttributes: invalid (\w+): negative duration", lambda name: [in_time(**negative(name))]),
    (r"PendingActivitiesLimitExceeded: the number of pending activities, (\d+), .*",
     lambda most: [in_time(activity_id=str(number)) for number in range(int(most) + 1)]),
    (r"BadRequestCancelActivityAttributes: ScheduledEventId is not set on .*",
     lambda: [command("REQUEST_CANCEL_ACTIVITY_TASK", {})]),
    (r"BadStartTimerAttributes: TimerId on StartTimerCommand exceeds length limit. TimerId=(.*) Length=.*",
     lambda name: [timer(name)]),
    (r"BadCancelTimerAttributes: TimerId on CancelTimerCommand exceeds length limit. TimerId=(.*) Length=.*",
     long_name("CANCEL_TIMER", "timerId")),
    (r"BadRecordMarkerAttributes: MarkerName on RecordMarkerCommand exceeds length limit. MarkerName=(.*) Length=.*",
     long_name("RECORD_MARKER", "markerName")),
    (r"BadRecordMarkerAttributes: MarkerName is not set on RecordMarkerCommand.", lambda: [command("RECORD_MARKER", {})]),
    (r"BadModifyWorkflowPropertiesAttributes: UpsertedMemo is not set on .*",
     lambda: [command("MODIFY_WORKFLOW_PROPERTIES", {})]),
    (r"BadModifyWorkflowPropertiesAttributes: UpsertedMemo.Fields is not set on .*",
     lambda: [command("MODIFY_WORKFLOW_PROPERTIES", {"upsertedMemo": {}})]),
    (r"BadSearchAttributes: SearchAttributes is not set on .*",
     lambda: [command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {})]),
    (r"BadSearchAttributes: IndexedFields is not set on .*",
     lambda: [command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {"searchAttributes": {}})]),
    (r"BadSearchAttributes: invalid value for search attribute (\w+) of type (\w+): (.*)", search_attribute),
    (r"BadContinueAsNewAttributes: WorkflowType on \w+ exceeds length limit. WorkflowType=(.*) Length=.*",
     lambda name: continued(name, "q1")),
    (r'BadContinueAsNewAttributes: (.*)\. WorkflowType=(.*) TaskQueue=name:"(.*)"  ?kind:TASK_QUEUE_KIND_NORMAL',
     continued_badly),
    (r"ScheduleActivityDuplicateId: .*, ActivityID: (.*)", lambda name: [activity(name, startToCloseTimeout="10s")] * 2),
    (r"BadScheduleActivityAttributes: a valid StartToCloseTimeout or .* ActivityId=(.*) ActivityType=.*",
     lambda name: [activity(name)]),
    (r"BadRequestCancelActivityAttributes: .*, ScheduledEventID: (.*)",
     lambda number: [command("REQUEST_CANCEL_ACTIVITY_TASK", {"scheduledEventId": number})]),
    (r"BadCancelTimerAttributes: .*, TimerID: (.*)", lambda name: [command("CANCEL_TIMER", {"timerId": name})]),
    (r"StartTimerDuplicateId: .*, TimerID: (.*)", lambda name: [timer(name)] * 2),
    (r"BadStartTimerAttributes: .*negative duration. TimerId=(.*)", lambda name: [timer(name, "-1s")]),
    (r"BadStartTimerAttributes: TimerId is not set on StartTimerCommand.",
     lambda: [command("START_TIMER", {"startToFireTimeout": "1s"})]),
    (r"BadCancelTimerAttributes: TimerId is not set on CancelTimerCommand.", lambda: [command("CANCEL_TIMER", {})]),
    (r"Bad\w+: (\w+)CommandAttributes is not set on \w+Command.",
     lambda name: [command(re.sub(r"(?<!^)([A-Z])", r"_\1", name).upper())]),
    (r"BadFailWorkflowExecutionAttributes: Failure is not set on .*",
     lambda: [command("FAIL_WORKFLOW_EXECUTION", {})]),
    (r"BadScheduleActivityAttributes: (.*)", activity_retried),
    (r"UnhandledCommand", lambda: [complete()]),
]

# of these scenarios a history tells less than was sent
SENT = {
    "raw_badcmd.good-then-bad": [timer("ok", "30s"), activity("b", startToCloseTimeout="10s"),
                                 command("CANCEL_TIMER", {"timerId": "zz"})],
}

# refused without any effect: what was sent, and what is in the error
REFUSED = {
    "raw_badcmd.after-complete": ([complete(), timer("t")], "invalid command sequence: "
                                  "[CompleteWorkflowExecution, StartTimer], "
                                  "command CompleteWorkflowExecution must be the last command."),
    "raw_badcmd.two-completes": ([complete(), complete()], "invalid command sequence: "
                                 "[CompleteWorkflowExecution, CompleteWorkflowExecution], "
                                 "command CompleteWorkflowExecution must be the last command."),
    "raw_badcmd.unknown-type": ([{"commandType": 99}], "99"),
}


def bad_commands(name, failed):
    """The commands that failed a workflow task; None if what was said of them tells too little."""
    if name in SENT:
        return SENT[name]
    for pattern, make in BAD_COMMANDS:
        match = re.fullmatch(pattern, failed.attributes.get("failure", {}).get("message", ""))
        made = make(*match.groups()) if match else None
        if made:
            return made
    return None


def is_refused_by_server(failed):
    """Was it the server that failed this workflow task, for the commands in it?"""
    failure = failed.attributes.get("failure", {})
    return failed.kind == "workflow_task_failed" and "serverFailureInfo" in failure and \
        failure.get("message", "").startswith(cause_prefix(failed))


def cause_prefix(failed):
    """BadStartTimerAttributes, for the cause WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES"""
    cause = failed.attributes.get("cause", "").removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
    return "".join(word.capitalize() for word in cause.split("_"))


# ---- requests of clients ----

def start(event, request_id):
    """StartWorkflowExecutionRequest"""
    names = ("workflowId", "workflowType", "input", "workflowExecutionTimeout", "workflowRunTimeout", "identity",
             "retryPolicy", "cronSchedule", "memo", "searchAttributes", "header", "priority", "continuedFailure",
             "lastCompletionResult", "completionCallbacks")
    request = {name: event.attributes[name] for name in names if name in event.attributes}
    request.update(namespace=NAMESPACE, requestId=request_id, taskQueue=queue(event.attributes))
    set_retry_policy(request)
    timeout = event.attributes["workflowTaskTimeout"]
    if timeout != min(DEFAULT_TASK_TIMEOUT, request.get("workflowRunTimeout", "0s"), key=or_never):
        request["workflowTaskTimeout"] = timeout
    if event.attributes.get("firstWorkflowTaskBackoff", "0s") != "0s":
        request["workflowStartDelay"] = event.attributes["firstWorkflowTaskBackoff"]
    for name in ("userMetadata", "links"):
        if name in event.all:
            request[name] = event.all[name]
    return request


def with_signal(request, event):
    """SignalWithStartWorkflowExecutionRequest, of the request that starts; both have one header."""
    signalled = dict(request, signalName=event.attributes["signalName"])
    if "input" in event.attributes:
        signalled["signalInput"] = event.attributes["input"]
    return signalled


def execution(workflow_id, run_uuid):
    return {"namespace": NAMESPACE, "workflowExecution": {"workflowId": workflow_id, "runId": run_uuid}}


def signal(event, workflow_id, run_uuid):
    """SignalWorkflowExecutionRequest"""
    names = ("signalName", "input", "identity", "header", "requestId")
    return {**execution(workflow_id, run_uuid), **{name: event.attributes[name] for name in names if name in event.attributes}}


def cancel(event, workflow_id, run_uuid, request_id):
    """RequestCancelWorkflowExecutionRequest"""
    request = {**execution(workflow_id, run_uuid), "requestId": request_id}
    for name, said in (("identity", "identity"), ("reason", "cause")):
        if said in event.attributes:
            request[name] = event.attributes[said]
    return request


def terminate(event, workflow_id, run_uuid):
    """TerminateWorkflowExecutionRequest"""
    names = ("reason", "details", "identity")
    return {**execution(workflow_id, run_uuid), **{name: event.attributes[name] for name in names if name in event.attributes}}


# ---- payloads and failures of activities, in the forms of SQL that lose nothing ----

def exact(payloads):
    """Payloads of the protocol, as SQL takes them; None if there are none."""
    if not payloads or not payloads.get("payloads"):
        return None
    return {"$payloads": [exact_payload(payload) for payload in payloads["payloads"]]}


def exact_payload(payload):
    made = {}
    if "metadata" in payload:
        made["metadata"] = {name: metadata_value(value) for name, value in payload["metadata"].items()}
    for name in ("data", "externalPayloads"):
        if name in payload:
            made[name] = payload[name]
    return made


def metadata_value(value):
    try:
        return base64.b64decode(value).decode("utf-8")
    except UnicodeDecodeError:
        return {"$b64": value}


def values(payloads):
    """What payloads of the protocol stand for: a list of JSON values, and of what is no JSON as it is."""
    return [value(exact_payload(payload)) for payload in (payloads or {}).get("payloads", [])]


def values_of_sql(text):
    """The same of what SQL has of them, as values or as bytes."""
    if text is None:
        return []
    found = json.loads(text)
    elements = found["$payloads"] if isinstance(found, dict) and "$payloads" in found else [{"json": found}]
    return [value(element) for element in elements]


def value(element):
    if "json" in element:
        return {"json": element["json"]}
    try:
        if element.get("metadata") == {"encoding": "json/plain"} and "externalPayloads" not in element:
            return {"json": json.loads(base64.b64decode(element.get("data", "")))}
    except ValueError:
        pass
    return element


KINDS = {
    "applicationFailureInfo": ("application", {"type": "type", "nonRetryable": "non_retryable", "details": "details",
                                               "nextRetryDelay": "next_retry_delay", "category": "category"}),
    "timeoutFailureInfo": ("timeout", {"timeoutType": "timeout_type", "lastHeartbeatDetails": "last_heartbeat_details"}),
    "canceledFailureInfo": ("canceled", {"details": "details", "identity": "identity"}),
    "terminatedFailureInfo": ("terminated", {"identity": "identity"}),
    "serverFailureInfo": ("server", {"nonRetryable": "non_retryable"}),
}


def plain_failure(failure):
    """A failure of the protocol, as SQL takes it."""
    made = {said: failure[name] for name, said in (("message", "message"), ("source", "source"),
                                                   ("stackTrace", "stack_trace")) if name in failure}
    if "cause" in failure:
        made["cause"] = plain_failure(failure["cause"])
    if "encodedAttributes" in failure:
        made["encoded_attributes"] = exact({"payloads": [failure["encodedAttributes"]]})
    for name, (kind, members) in KINDS.items():
        if name in failure:
            made["kind"] = kind
            for member, said in members.items():
                if member in failure[name]:
                    made[said] = plain_member(member, failure[name][member])
    others = {name: value for name, value in failure.items() if name.endswith("Info") and name not in KINDS}
    if others:
        made["info"] = others
    return made


def before_cut(failure):
    """A failure that a worker may have reported, of which the server has kept this: too large for its details."""
    if failure.get("message") != "Failure exceeds size limit." or "serverFailureInfo" not in failure:
        return failure
    cut = failure["cause"]
    info = {**cut.get("applicationFailureInfo", {}), "details": {"payloads": [{"data": base64.b64encode(bytes(8192)).decode()}]}}
    return {**cut, "applicationFailureInfo": info}


def plain_member(name, value):
    if name in ("details", "lastHeartbeatDetails"):
        return exact(value)
    if name == "timeoutType":
        return value.removeprefix("TIMEOUT_TYPE_").lower()
    if name == "category":
        return value.removeprefix("APPLICATION_ERROR_CATEGORY_").lower()
    return value
