"""100 dashboards that poll every 5 seconds beside 20 agents that write, and how many polls one process can answer.

python -m benchmarks.dashboards [--seconds 60] [--dashboards 100] [--agents 20]
"""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.boards import Line, Waits, get, started, taskdeck, token
from benchmarks.load import Server, percentiles

PATH = "/api/dashboard/statistics"
POLL_SECONDS = 5.0
GOAL_SECONDS = 0.1


async def _poll(server: Server, bearer: str, until: float, waits: Waits) -> None:
    line, request = Line(server), get(server, PATH, bearer)
    # Spread over the interval, as pages are that people open at different times.
    await asyncio.sleep(random.uniform(0, POLL_SECONDS))
    while time.perf_counter() < until:
        await line.ask(request, waits)
        await asyncio.sleep(POLL_SECONDS)
    line.close()


async def _write(server: Server, bearer: str, until: float, waits: Waits) -> None:
    """Add a task and complete it, with half a second between calls: a model needs at least that long."""
    # Each write makes the cached statistics of its person outdated, so polls are not all answered from the cache.
    line = Line(server)
    while time.perf_counter() < until:
        body = await line.ask(server.call("add_task", {"title": "Written by an agent"}, bearer), waits)
        await asyncio.sleep(0.5)
        task_id = int(body.partition(b'"structuredContent":{"id":')[2].partition(b",")[0])
        await line.ask(server.call("complete_task", {"task_id": task_id}, bearer), waits)
        await asyncio.sleep(0.5)
    line.close()


async def _hold(server: Server, bearers: list[str], rate: int, seconds: float) -> Waits:
    """Send `rate` polls a second, whether or not the earlier ones were answered.

    Times are measured from the moment at which a poll was due. A client that waits for each answer before it asks again
    would slow down with the server, and hide how long requests queue (coordinated omission).
    """
    waits, idle, running = Waits(), [Line(server) for _ in range(50)], set[asyncio.Task[None]]()
    begun = time.perf_counter()

    async def poll(due: float, bearer: str) -> None:
        line = idle.pop() if idle else Line(server)
        await line.ask(get(server, PATH, bearer), waits, due)
        idle.append(line)

    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        running.add(task := asyncio.create_task(poll(due, bearers[number % len(bearers)])))
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for line in idle:
        line.close()
    return waits


async def _most(server: Server, bearers: list[str], seconds: float) -> int:
    """The most polls a second with p95 under 100 ms, within a tenth."""
    # Warms up: the first request of each person writes a row of `users` and verifies a signature.
    await _hold(server, bearers, 50, seconds)
    # Doubles the rate until it fails, then halves the interval between the best rate and the worst.
    good, bad = 0, 0
    rate = 100
    while not bad or bad - good > good // 10:
        waits = await _hold(server, bearers, rate, seconds)
        held = waits.errors == 0 and percentiles(waits.seconds)[1] < GOAL_SECONDS
        print(f"    {rate}/s: {waits}")
        good, bad = (rate, bad) if held else (good, rate)
        rate = (good + bad) // 2 if bad else rate * 2
    return good


async def _run(seconds: float, dashboards: int, agents: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Not 0: the limit is never reached, but its counters cost what they cost in production.
        async with taskdeck(folder, TASKDECK_RATE_LIMIT="1000000", TASKDECK_CALLS_IN_FLIGHT="0") as (server, _):
            people = [f"board-{number}" for number in range(dashboards)]
            reading = [token(folder, server, person) for person in people]
            writing = [token(folder, server, person, "mcp") for person in people[:agents]]
            polls, writes = Waits(), Waits()
            until = time.perf_counter() + seconds
            await asyncio.gather(
                *(_poll(server, bearer, until, polls) for bearer in reading),
                *(_write(server, bearer, until, writes) for bearer in writing),
            )
            print(f"{dashboards} dashboards, {agents} agents, {seconds:g} s")
            print(f"  polls:  {polls}")
            print(f"  writes: {writes}")
            print(f"  server: {server.resident_megabytes():.0f} MB, {server.cpu_seconds():.1f} s of CPU")
            print("  polls a second that one process holds at p95 < 100 ms:")
            ours = await _most(server, reading, 5)
        async with started(sys.executable, "-m", "benchmarks.bare") as (server, _):
            print("  the same of a bare FastAPI route:")
            bare = await _most(server, [""], 5)
        print(f"  {ours}/s = {ours * POLL_SECONDS:.0f} dashboards; bare {bare}/s; ratio {ours / bare:.2f}")


def main(
    seconds: Annotated[float, typer.Option()] = 60,
    dashboards: Annotated[int, typer.Option()] = 100,
    agents: Annotated[int, typer.Option()] = 20,
) -> None:
    """Print the figures."""
    asyncio.run(_run(seconds, dashboards, agents))


if __name__ == "__main__":
    typer.run(main)
