#!/usr/bin/env python3
"""Does the gateway read and write the JSON of messages as others do?

Messages at random, of the gateway's own protocol files, go through the
program that test/modules/gateway builds of transcoder.c, both ways, and
through Google's library.  Needs the package protobuf.

    compare_json.py TRANSCODER DESCRIPTORS [COUNT [SEED]]

DESCRIPTORS is as for compare_protos.py.
"""

import json
import random
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

NAMES = [
    "failure.v1.Failure", "common.v1.Payloads", "activity.v1.ActivityExecutionInfo",
    "workflowservice.v1.StartActivityExecutionRequest", "workflowservice.v1.PollActivityTaskQueueRequest",
    "workflowservice.v1.PollActivityTaskQueueResponse", "workflowservice.v1.RespondActivityTaskFailedRequest",
    "workflowservice.v1.DescribeActivityExecutionResponse",
    "workflowservice.v1.UpdateActivityExecutionOptionsRequest", "workflowservice.v1.DescribeNamespaceResponse",
    "workflowservice.v1.GetClusterInfoResponse", "workflowservice.v1.CountActivityExecutionsResponse",
    "workflowservice.v1.ShutdownWorkerRequest", "operatorservice.v1.ListSearchAttributesResponse",
]


def random_text():
    return "".join(chr(random.choice([0x22, 0x5C, 0x0A, 0x01, 0x41, 0x7F, 0xE9, 0x20AC, 0x1F600, random.randint(1, 0xD7FF)]))
                   for _ in range(random.randint(0, 6)))


def random_scalar(field):
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return random.randbytes(random.randint(0, 7))
        return random_text()
    if kind == field.CPPTYPE_INT32:
        return random.choice([0, 1, -1, 2**31 - 1, -2**31, random.randint(-1000, 1000)])
    if kind == field.CPPTYPE_INT64:
        return random.choice([0, 1, -1, 2**63 - 1, -2**63, 2**53 + 1])
    if kind == field.CPPTYPE_UINT32:
        return random.choice([0, 2**32 - 1])
    if kind == field.CPPTYPE_UINT64:
        return random.choice([0, 2**64 - 1])
    if kind == field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == field.CPPTYPE_ENUM:
        return random.choice([value.number for value in field.enum_type.values] + [77, -5])
    return random.choice([0.0, 1.5, -0.1, 1e300 if kind == field.CPPTYPE_DOUBLE else 1e30, 3.14159,
                          float("inf"), float("-inf"), random.random()])


def fill(message, depth):
    """Set some fields at random."""
    name = message.DESCRIPTOR.full_name
    if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        message.seconds = random.choice([0, 1, 1769860800, 253402300799 if name.endswith("p") else 315576000000])
        message.nanos = random.choice([0, 1, 1000, 500000000, 999999999]) if message.seconds < 200000000000 else 0
        return
    if name == "google.protobuf.FieldMask":
        message.paths.extend(random.sample(["task_queue", "retry_policy.maximum_attempts", "priority"], 2))
        return
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.4:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            value = field.message_type.fields_by_name["value"]
            for _ in range(random.randint(0, 3)):
                key = random_text()
                if value.message_type is not None:
                    fill(getattr(message, field.name)[key], depth + 1)
                else:
                    getattr(message, field.name)[key] = random_scalar(value)
        elif field.message_type is not None:
            if depth > 5:
                continue
            if field.is_repeated:
                for _ in range(random.randint(0, 3)):
                    fill(getattr(message, field.name).add(), depth + 1)
            else:
                getattr(message, field.name).SetInParent()
                fill(getattr(message, field.name), depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(random_scalar(field) for _ in range(random.randint(0, 3)))
        else:
            setattr(message, field.name, random_scalar(field))


def main():
    transcoder, descriptors = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(2**31)
    random.seed(seed)
    print(f"seed {seed}")
    files = descriptor_pb2.FileDescriptorSet()
    with open(descriptors, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    messages = []
    lines = []
    for i in range(count):
        name = "temporal.api." + NAMES[i % len(NAMES)]
        message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
        fill(message, 0)
        messages.append(message)
        lines.append(f"{name} {message.SerializeToString().hex()}")
        lines.append(f"{name} {json_format.MessageToJson(message, indent=None, ensure_ascii=random.random() < 0.5)}")
    run = subprocess.run([transcoder], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    answers = run.stdout.split("\n")[:-1]
    if run.returncode != 0 or len(answers) != 2 * count:
        print(f"the transcoder ended with {run.returncode} after {len(answers)} answers\n{run.stderr}")
        return 1
    faults = 0
    for i, message in enumerate(messages):
        to_json, from_json = answers[2 * i : 2 * i + 2]
        try:
            theirs = json.loads(json_format.MessageToJson(message))
            again = json_format.Parse(to_json, type(message)())
            good = again == message and json.loads(to_json) == theirs
            again = type(message)()
            again.ParseFromString(bytes.fromhex(from_json))
            good = good and again == message
        except Exception as error:  # noqa: BLE001: whatever it is, it is a fault
            print(error)
            good = False
        if not good:
            faults += 1
            if faults <= 5:
                print(f"{message.DESCRIPTOR.full_name}\n  {lines[2 * i + 1]}\n  {to_json}\n  {from_json}")
    print(f"{count} messages, {faults} differ")
    return 1 if faults else 0


sys.exit(main())
