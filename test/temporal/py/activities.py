"""Activities as the Python SDK of Temporal sees them: python activities.py ADDRESS.

Prints what the client saw, one line for each thing, without what differs from
run to run. Any server that the SDK can talk to will do.
"""
import asyncio
import logging
import os
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityAlreadyStartedError, ApplicationError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

# failures are the point of it
logging.disable()
Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))

TAG = uuid.uuid4().hex[:8]
QUEUE = "py-" + TAG
SOON = timedelta(seconds=60)


@dataclass
class Order:
    number: int
    items: list[str]


@activity.defn
async def hello(name: str) -> str:
    return f"Hello {name}"


@activity.defn
async def add(a: int, b: int) -> int:
    return a + b


@activity.defn
async def double(order: Order) -> Order:
    return Order(order.number * 2, order.items * 2)


@activity.defn
async def raw(data: bytes) -> bytes:
    return data[::-1]


@activity.defn
async def nothing() -> None:
    pass


@activity.defn
async def flaky() -> str:
    if activity.info().attempt < 3:
        raise RuntimeError("flaky")
    info = activity.info()
    return f"attempt {info.attempt}, first tried again after {info.retry_policy.initial_interval.total_seconds()} s"


@activity.defn
async def hopeless() -> None:
    try:
        raise ValueError("the reason")
    except ValueError as reason:
        raise ApplicationError("hopeless", {"why": "because"}, 42, type="Hopeless", non_retryable=True) from reason


@activity.defn
async def resume() -> str:
    details = activity.info().heartbeat_details
    if not details:
        activity.heartbeat("halfway", 7)
        raise RuntimeError("again")
    return f"resumed at {details}"


@activity.defn
async def beat() -> str:
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.1)


@activity.defn
async def later() -> str:
    tokens.put_nowait(activity.info().task_token)
    activity.raise_complete_async()


tokens: asyncio.Queue[bytes] = asyncio.Queue()
ACTIVITIES = [hello, add, double, raw, nothing, flaky, hopeless, resume, beat, later]
count = 0


def say(*what):
    print(*(str(w).replace(TAG, "TAG") for w in what), flush=True)


def start(client: Client, function, *args, **options):
    """Start one, with an id of its own unless it is given."""
    global count
    count += 1
    options.setdefault("id", f"{function.__name__}-{count}-{TAG}")
    options.setdefault("schedule_to_close_timeout", SOON)
    return client.start_activity(function, args=args, task_queue=QUEUE, **options)


async def outcome(handle):
    try:
        say(" result", repr(await handle.result()))
    except ActivityFailureError as failure:
        cause = failure.cause
        while cause is not None:
            say(" failed", type(cause).__name__, cause, getattr(cause, "type", ""), getattr(cause, "details", ""))
            cause = cause.cause if hasattr(cause, "cause") else None


async def until(what, condition):
    for _ in range(1200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(what)


async def running(handle):
    async def is_running():
        return (await handle.describe()).last_started_time is not None

    await until("a start", is_running)


async def values(client):
    for function, args in ((hello, ["world"]), (add, [1, 2]), (double, [Order(2, ["a", "ü \u2028"])]),
                           (raw, [b"\x00\xff\x01"]), (nothing, [])):
        say(function.__name__)
        await outcome(await start(client, function, *args))


async def failures(client):
    say("flaky")
    await outcome(await start(client, flaky, retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100))))
    say("hopeless")
    await outcome(await start(client, hopeless))
    say("resume")
    await outcome(await start(client, resume, heartbeat_timeout=timedelta(seconds=30),
                              retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100))))
    say("too few attempts")
    await outcome(await start(client, flaky, retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=100), maximum_attempts=2)))
    say("nobody comes in time")
    await outcome(await client.start_activity(hello, "x", id="alone-" + TAG, task_queue=QUEUE + "-nobody",
                                              schedule_to_close_timeout=timedelta(seconds=1)))


async def control(client):
    say("cancel")
    handle = await start(client, beat, heartbeat_timeout=timedelta(seconds=5))
    await running(handle)
    await handle.cancel(reason="enough")
    await outcome(handle)
    say(" status", (await handle.describe()).status.name)
    say("terminate")
    handle = await start(client, beat, start_delay=timedelta(hours=1))
    await handle.terminate(reason="not needed")
    await outcome(handle)
    say("an id in use")
    handle = await start(client, beat, id="same-" + TAG, start_delay=timedelta(hours=1))
    try:
        await start(client, beat, id="same-" + TAG)
    except ActivityAlreadyStartedError as error:
        say(" refused", error.activity_id, error.run_id == handle.run_id)
    await handle.terminate()
    say("an id that is unknown")
    try:
        await client.get_activity_handle("none-" + TAG).describe()
    except RPCError as error:
        say(" refused", error.status.name, error.message)


async def completed_elsewhere(client):
    say("completed by token")
    handle = await start(client, later)
    await client.get_async_activity_handle(task_token=await tokens.get()).complete("by token")
    await outcome(handle)
    say("failed by id")
    handle = await start(client, later, retry_policy=RetryPolicy(maximum_attempts=1))
    await tokens.get()
    elsewhere = client.get_async_activity_handle(activity_id=handle.id, run_id=handle.run_id, workflow_id=None)
    await elsewhere.heartbeat("alive")
    await elsewhere.fail(ApplicationError("no luck", type="Luck"))
    await outcome(handle)


async def reading(client):
    say("describe")
    handle = await start(client, hello, "you", priority=Priority(priority_key=2, fairness_key="k", fairness_weight=1.5),
                         summary="greets", start_to_close_timeout=timedelta(seconds=9))
    await outcome(handle)
    info = await handle.describe()
    say(" ", info.activity_type, info.status.name, info.attempt, info.task_queue, info.priority.priority_key,
        info.priority.fairness_key, info.priority.fairness_weight, info.raw_info.user_metadata.summary.data.decode(),
        info.schedule_to_close_timeout, info.start_to_close_timeout)
    say("list and count")
    query = f"TaskQueue = '{QUEUE}' AND ActivityType = 'hello'"
    say(" ", sorted([a.activity_id async for a in client.list_activities(query)]))
    say(" ", (await client.count_activities(query)).count)
    groups = (await client.count_activities(f"TaskQueue = '{QUEUE}' GROUP BY ExecutionStatus")).groups
    say(" ", sorted((list(g.group_values), g.count) for g in groups))


async def main():
    client = await Client.connect(sys.argv[1], identity="sdk-test")
    async with Worker(client, task_queue=QUEUE, activities=ACTIVITIES):
        for part in (values, failures, control, completed_elsewhere, reading):
            await part(client)


asyncio.run(main())
sys.stdout.flush()
# the library's own threads may still run, and trip over an interpreter that ends
os._exit(0)
