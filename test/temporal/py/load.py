"""Many activities, whatever happens to the server: python load.py ADDRESS QUEUE [ADDRESS].

Clients start activities and wait for their results, each of which has to be
the one that was asked for; a worker of this program does them, at the second
address if there is one. Calls that fail
are made again, as an application would. That ends with a line on standard
input; the last line says how many there were, and how many results were wrong.
"""
import asyncio
import logging
import os
import sys
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.common import ActivityIDConflictPolicy
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

logging.disable()
Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))

CLIENTS = 10


@activity.defn
async def square(number: int) -> int:
    await asyncio.sleep(0.01)
    return number * number


async def insist(call):
    """Make a call until it succeeds."""
    while True:
        try:
            return await call()
        except RPCError:
            await asyncio.sleep(0.1)


async def one(client, queue, number):
    id = f"{queue}-{os.getpid()}-{number}"

    async def start():
        try:
            return await client.start_activity(
                square, number, id=id, task_queue=queue, id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
                # an attempt that a killed gateway took with it is repeated soon
                start_to_close_timeout=timedelta(seconds=5), schedule_to_close_timeout=timedelta(minutes=5))
        except ActivityAlreadyStartedError:
            return client.get_activity_handle(id)

    handle = await insist(start)
    return await insist(handle.result)


async def ask(client, queue, first, stop, wrong):
    count = 0
    while not stop.done():
        number = first + count * CLIENTS
        value = await one(client, queue, number)
        if value != number * number:
            wrong.append((number, value))
        count += 1
    return count


async def main():
    address, queue = sys.argv[1:3]
    client = await Client.connect(address, identity="sdk-load")
    workers = await Client.connect(sys.argv[-1], identity="sdk-load") if len(sys.argv) > 3 else client
    async with Worker(workers, task_queue=queue, activities=[square]):
        print("ready", flush=True)
        stop = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        wrong = []
        counts = await asyncio.gather(*(ask(client, queue, i, stop, wrong) for i in range(CLIENTS)))
        print(f"{sum(counts)} results, {len(wrong)} wrong", flush=True)


asyncio.run(main())
os._exit(0)
