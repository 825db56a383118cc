"""Both sides of an application written with Temporal's SDK: see test/demo.

    demo_sdk.py ADDRESS worker NAME     work until terminated
    demo_sdk.py ADDRESS client COUNT    start COUNT activities, wait for all results
"""
import asyncio
import os
import signal
import sys
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "pages"


@activity.defn
async def render(page: int) -> str:
    for step in range(4):
        activity.heartbeat(step)
        await asyncio.sleep(0.1)
    return f"page {page}"


async def work(address: str, name: str) -> None:
    client = await Client.connect(address, identity=name)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(client, task_queue=QUEUE, activities=[render], max_concurrent_activities=8):
        await stop.wait()


async def ask(address: str, count: int) -> bool:
    client = await Client.connect(address, identity="client")
    handles = [
        await client.start_activity(
            render,
            page,
            id=f"page-{page}",
            task_queue=QUEUE,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=2),
        )
        for page in range(count)
    ]
    print(f"  {count} activities started", flush=True)
    results = await asyncio.gather(*(handle.result() for handle in handles))
    right = sum(result == f"page {page}" for page, result in enumerate(results))
    print(f"  {right} of {count} results arrived, each the right one", flush=True)
    return right == count


address, role, argument = sys.argv[1:]
if role == "worker":
    asyncio.run(work(address, argument))
elif not asyncio.run(ask(address, int(argument))):
    os._exit(1)
os._exit(0)  # threads of the SDK may still run; Python's own end of them can abort the process
