"""Is the judge good?  A recorded history has to pass, and one that was changed has to fail."""
import copy

from histories import DROPPED, attributes_key


def changed(history):
    """The history with one thing changed at a time, and what that is."""
    for index, event in enumerate(history["events"]):
        key = attributes_key(event["eventType"].removeprefix("EVENT_TYPE_").lower())
        for what, change in (("lost", lambda events, at: events.pop(at)),
                             ("twice", lambda events, at: events.insert(at, events[at])),
                             ("of another type", lambda events, at: events[at].update(eventType="EVENT_TYPE_TIMER_FIRED_")),
                             ("with another id", lambda events, at: events[at].update(eventId="77")),
                             ("with a member more", lambda events, at: events[at].setdefault(key, {}).update(more="0")),
                             ("with an event member more", lambda events, at: events[at].update(links=[]))):
            other = copy.deepcopy(history)
            change(other["events"], index)
            yield "event %d %s" % (index + 1, what), other
        for name in event.get(key, {}):
            if name in DROPPED:
                continue
            other = copy.deepcopy(history)
            del other["events"][index][key][name]
            yield "event %d without %s" % (index + 1, name), other
            other = copy.deepcopy(history)
            other["events"][index][key][name] = "another"
            yield "event %d with another %s" % (index + 1, name), other


def fault(recording):
    """What is wrong with how this recording is judged; None if nothing is."""
    for history in (recording.raw, {"events": [event.all for event in recording.events]}):
        difference = recording.differs(history)
        if difference is not None:
            return "the recorded history fails:\n" + difference
    is_loose = recording.family.startswith("session")
    for what, history in changed(recording.raw):
        is_of_types = not what.split(" ", 2)[2].startswith("with") or "type" in what
        if recording.differs(history) is None and (is_of_types or not is_loose):
            return "a history passes that has " + what
    return None
