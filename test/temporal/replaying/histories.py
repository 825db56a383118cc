"""Recorded histories, and when two of them are the same.

A recording is a pair of files NAME.json: the history as the server returned it, and the golden one, which is
that without what differs from run to run. Histories are compared in the form of the golden ones."""
import base64
import binascii
import datetime
import difflib
import json
import os
import re
import zlib

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
DURATION = re.compile(r"[0-9.]+s")
DRAWN = re.compile(r"\d\.\d{9}s")         # one that is short enough to stand in a golden history as it is
DROPPED = set("""eventTime taskId version identity requestId historySizeBytes binaryChecksum workerVersion sdkMetadata
    meteringMetadata stackTrace workflowExecutionExpirationTime namespaceId parentWorkflowNamespaceId
    firstWorkflowTaskBackoffExpiration suggestContinueAsNewReasons workerInstanceKey attemptExpiration
    prevAutoResetPoints buildId useWorkflowBuildId""".split())
OF_PAYLOADS = ("data", "encoding", "messageType")
PLACEHOLDERS = re.compile(r"TAG|UUID\d+|STICKY|BACKOFF|JITTERED")


def compact(text):
    """JSON without the white space between its tokens; all else of it stays."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda match: match.group(1) or "", text)


def is_json(text):
    def refuse(_):
        raise ValueError

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


class Normaliser:
    """Brings one history into the form of the golden ones; tags are the names of the runs of a program."""

    def __init__(self, tags):
        self.tags = [tag for tag in tags if tag]
        self.uuids = {}

    def untagged(self, text):
        for tag in self.tags:
            text = text.replace(tag, "TAG")
        return text

    def payload_text(self, text):
        """What base64 stands for, if that is text; else None."""
        try:
            decoded = base64.b64decode(text, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if decoded == "":
            return None
        if is_json(decoded):
            decoded = compact(decoded)
        return "text:" + UUID.sub("UUID", INSTANT.sub("TIME", self.untagged(decoded)))

    def text(self, key, value):
        if key in OF_PAYLOADS:
            decoded = self.payload_text(value)
            return decoded if decoded is not None else self.untagged(value)
        if key == "type":
            return self.untagged(value)
        return UUID.sub(lambda match: self.uuids.setdefault(match.group(), "UUID%d" % (len(self.uuids) + 1)),
                        self.untagged(value))

    def member(self, key, value):
        if isinstance(value, str):
            if key == "firstWorkflowTaskBackoff" and DURATION.fullmatch(value) and value != "0s":
                return "BACKOFF"
            if key == "message":
                value = evenly_spaced(value)
            if key == "startToCloseTimeout" and (len(value) > 12 or DRAWN.fullmatch(value)):
                return "JITTERED"
        return self.value(key, value)

    def value(self, key, value):
        if isinstance(value, dict):
            if key == "taskQueue" and value.get("kind") == "TASK_QUEUE_KIND_STICKY":
                value = {**value, "name": "STICKY"}
            return {name: self.member(name, value[name]) for name in sorted(value) if name not in DROPPED}
        if isinstance(value, list):
            return [self.value(key, element) for element in value]
        return self.text(key, value) if isinstance(value, str) else value


def undrawn(value, key=""):
    """A golden history in which nothing is left that was drawn, or that differs from build to build of the server."""
    if isinstance(value, dict):
        return {name: undrawn(value[name], name) for name in value}
    if isinstance(value, list):
        return [undrawn(element) for element in value]
    if key == "startToCloseTimeout" and DRAWN.fullmatch(value):
        return "JITTERED"
    return evenly_spaced(value) if key == "message" else value


def evenly_spaced(message):
    """A printed message has one or two blanks between its fields, as the program was built."""
    return message.replace('"  kind:', '" kind:')


def normalised(history, tags):
    return Normaliser(tags).value("", history)


def texts_of(value):
    if isinstance(value, dict):
        for name in sorted(value):
            yield from texts_of(value[name])
    elif isinstance(value, list):
        for element in value:
            yield from texts_of(element)
    elif isinstance(value, str):
        yield value


def find_tag(raw, golden):
    """What stands in the raw history where the golden one has TAG, or None."""
    attributes = "workflowExecutionStartedEventAttributes"
    for key in ("workflowId", "taskQueue"):
        pairs = zip(texts_of(raw["events"][0][attributes].get(key)), texts_of(golden["events"][0][attributes].get(key)))
        for text, pattern in pairs:
            pattern = re.escape(pattern).replace("TAG", "(?P<tag>[0-9a-zA-Z]+)", 1).replace("TAG", "(?P=tag)")
            match = re.fullmatch(PLACEHOLDERS.sub(".*", pattern), text)
            if match and "tag" in match.groupdict():
                return match.group("tag")
    return None


def nanoseconds(text):
    """An instant of the protocol as a number."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp()
    return int(seconds) * 10**9 + int((fraction + "000000000")[:9])


def seconds_of(duration):
    """A duration of the protocol as a number of seconds; 0 if there is none."""
    return float(duration.rstrip("s")) if duration else 0.0


class Event:
    """One recorded event: id, time in nanoseconds, kind as in SQL, attributes, and all of it."""

    def __init__(self, event):
        self.all = event
        self.id = int(event["eventId"])
        self.time = nanoseconds(event["eventTime"])
        self.kind = event["eventType"].removeprefix("EVENT_TYPE_").lower()
        self.attributes = event.get(attributes_key(self.kind), {})

    def number(self, name):
        """An attribute that is the id of an event; 0 if it is not there."""
        return int(self.attributes.get(name, 0))


def attributes_key(kind):
    first, *others = kind.split("_")
    return first + "".join(word.capitalize() for word in others) + "EventAttributes"


class Recording:
    """One recorded run. The events of a workflow have a tag of their own, so that a recording can be played again,
    and beside others of the same program."""

    def __init__(self, name, raw_text, golden, new_tag):
        raw = json.loads(raw_text)
        self.name = name
        self.golden = undrawn(golden)
        self.raw = raw
        self.tag = find_tag(raw, golden)
        attributes = raw["events"][0]["workflowExecutionStartedEventAttributes"]
        first_run = attributes.get("firstExecutionRunId", "")
        self.new_tag = "%s%08x" % (new_tag, zlib.crc32(first_run.encode())) if self.tag else None
        if self.tag:
            raw = json.loads(raw_text.replace(self.tag, self.new_tag))
        self.events = [Event(event) for event in raw["events"]]
        self.tag_sticky_queues()
        self.tags = [self.new_tag, self.tag]
        self.run = self.events[0].attributes.get("originalExecutionRunId")
        self.predecessor = self.events[0].attributes.get("continuedExecutionRunId")
        self.first_run = self.events[0].attributes.get("firstExecutionRunId", self.run)

    def tag_sticky_queues(self):
        """A worker has one queue of its own for all its workflows; here each workflow has a worker."""
        for event in self.events:
            queue = event.attributes.get("taskQueue", {})
            if queue.get("kind") == "TASK_QUEUE_KIND_STICKY" and self.new_tag:
                queue["name"] += "-" + self.new_tag

    @property
    def family(self):
        return self.name.split(".")[0]

    @property
    def duration(self):
        """From the first to the last event, in seconds."""
        return (self.events[-1].time - self.events[0].time) / 1e9

    def differs(self, history):
        """What is wrong with a history, as text; None if it is the recorded one."""
        found = normalised(history, self.tags)
        if found == self.golden:
            return None
        if self.family.startswith("session") and kinds(found) == kinds(self.golden):
            return None         # what the last activities do is a race
        return difference(self.golden, found)


def kinds(history):
    return sorted(event["eventType"] for event in history["events"])


def difference(golden, found):
    """The events as lines, and in those that differ every member as one."""
    def lines(history, whole):
        for number, event in enumerate(history["events"], 1):
            if number in whole:
                yield from ["event %d" % number] + json.dumps(event, indent=1, sort_keys=True).split("\n")
            else:
                yield "event %d %s" % (number, event.get("eventType"))

    pairs = enumerate(zip(golden["events"], found["events"]), 1)
    whole = {number for number, (one, other) in pairs if one != other}
    if len(whole) > 4:
        whole = set(sorted(whole)[:4])
    return "\n".join(difflib.unified_diff(list(lines(golden, whole)), list(lines(found, whole)),
                                          "recorded", "found", lineterm="", n=2))


def load(raw_dir, golden_dir, names, new_tag):
    """Two lists: the recordings, and (name, why) of golden histories that can't be played at all."""
    recordings, missing = [], []
    for file in sorted(os.listdir(golden_dir)):
        name = file.removesuffix(".json")
        if not file.endswith(".json") or (names and not {name, name.split(".")[0]} & set(names)):
            continue
        try:
            with open(os.path.join(raw_dir, file), encoding="utf-8") as raw:
                text = raw.read()
        except FileNotFoundError:
            missing.append((name, "needs its raw history"))
            continue
        with open(os.path.join(golden_dir, file), encoding="utf-8") as golden:
            recordings.append(Recording(name, text, json.load(golden), new_tag))
    return recordings, missing
