"""A worker for a while, and a client when it is asked: python worker.py ADDRESS QUEUE.

It says "ready", works, and reads commands, one a line:

    start QUEUE TYPE ID JSON...   start an activity with these arguments
    result ID                     wait for its end

Each is answered with one line. The end of its input ends it.
"""
import asyncio
import json
import logging
import os
import sys
from datetime import timedelta

from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker

logging.disable()
Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))


@activity.defn
async def hello(name: str) -> str:
    return f"Hello {name}"


@activity.defn
async def add(a: int, b: int) -> int:
    return a + b


@activity.defn
async def beat() -> str:
    """Heartbeat until it is cancelled; what was heard before is in the details."""
    heard = activity.info().heartbeat_details[0] if activity.info().heartbeat_details else []
    try:
        while True:
            activity.heartbeat(heard)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        reason = activity.cancellation_details()
        if reason is not None and (reason.paused or reason.reset):
            # it comes back as an attempt
            activity.heartbeat(heard + ["paused" if reason.paused else "reset"])
        raise


@activity.defn
async def later() -> str:
    """Leave the token where others find it, and let them complete it."""
    activity.heartbeat(activity.info().task_token.hex())
    activity.raise_complete_async()


async def result(client, id):
    try:
        return json.dumps(await client.get_activity_handle(id).result())
    except ActivityFailureError as failure:
        return f"{type(failure.cause).__name__}: {failure.cause}"


async def commands(client):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *words = line.rstrip("\n").split("\t")
        if command == "start":
            queue, type, id, *arguments = words
            await client.start_activity(type, args=[json.loads(a) for a in arguments], id=id, task_queue=queue,
                                        schedule_to_close_timeout=timedelta(minutes=5))
            print("started", flush=True)
        else:
            print(await result(client, words[0]), flush=True)


async def main():
    address, queue = sys.argv[1:3]
    client = await Client.connect(address, identity="sdk-worker")
    async with Worker(client, task_queue=queue, activities=[hello, add, beat, later],
                      # heartbeats are not to be held back for long
                      max_heartbeat_throttle_interval=timedelta(milliseconds=100),
                      default_heartbeat_throttle_interval=timedelta(milliseconds=100)):
        print("ready", flush=True)
        await commands(client)


asyncio.run(main())
os._exit(0)
