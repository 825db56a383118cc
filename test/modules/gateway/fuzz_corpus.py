#!/usr/bin/env python3
"""Seeds for fuzz_messages.c: a folder of what was recorded.

    fuzz_corpus.py TRANSCODER RAW FOLDER
"""

import glob
import json
import os
import subprocess
import sys

QUERIES = ["TaskQueue = 'x' AND (CloseTime IS NULL OR NOT ActivityId STARTS_WITH \"a\") GROUP BY ExecutionStatus",
           "ExecutionStatus IN ('Running') AND StartTime BETWEEN '2026-01-31T12:00:00Z' AND '2026-02-01T00:00:00+01:00'"]
FORMS = ['{"$payloads": [{"json": 1}, {"metadata": {"encoding": {"$b64": "/w=="}}, "data": "AAE=", "externalPayloads": [{"sizeBytes": "7"}]}]}',
         '{"kind": "application", "message": "m", "type": "T", "details": ["r"], "next_retry_delay": "1.5s", "cause": {"kind": "timeout", "timeout_type": "heartbeat"}}',
         '{"kind": "canceled", "details": ["r"], "info": {"activityFailureInfo": {"retryState": 3}}}',
         '{"commandType": 1, "scheduleActivityTaskCommandAttributes": {"input": {"payloads": [{"data": "-_8"}]}, "priority": {"fairnessWeight": 0.1}, "startToCloseTimeout": "1.5s", "header": {"fields": {"a": {}}}}}',
         '{"id": "a", "eventId": "5", "body": {"@type": "type.googleapis.com/temporal.api.update.v1.Acceptance", "acceptedRequestMessageId": "b"}}',
         '{"@type": "a/b", "value": "AA"}', '"2026-01-31T12:00:00.5+01:00"', '{"workflowEvent": {"eventRef": {"eventId": 5, "eventType": 1}}}']


def pieces(value):
    """All objects in a JSON value, with their kind as far as it matters."""
    if isinstance(value, list):
        for element in value:
            yield from pieces(element)
    if isinstance(value, dict):
        if "payloads" in value and isinstance(value["payloads"], list):
            yield 7, "temporal.api.common.v1.Payloads", value
        for key, member in value.items():
            if key in ("failure", "lastFailure", "continuedFailure") and isinstance(member, dict):
                yield 6, "temporal.api.failure.v1.Failure", member
            yield from pieces(member)


def main():
    transcoder, raw, folder = sys.argv[1:4]
    os.makedirs(folder, exist_ok=True)
    seen = {}
    for path in sorted(glob.glob(raw + "/*.json")):
        with open(path, encoding="utf-8") as file:
            for number, name, value in pieces(json.load(file)):
                seen[name + " " + json.dumps(value)] = number
    answers = subprocess.run([transcoder], input="\n".join(seen) + "\n", capture_output=True, text=True, check=True).stdout.split()
    inputs = [bytes([number]) + bytes.fromhex(answer) for number, answer in zip(seen.values(), answers)]
    inputs += [bytes([200]) + text.split(" ", 1)[1].encode() for text in seen]
    inputs += [bytes([200]) + text.encode() for text in QUERIES + FORMS]
    for i, data in enumerate(inputs):
        with open(f"{folder}/{i}", "wb") as file:
            file.write(data)
    print(f"{len(inputs)} inputs")


main()
