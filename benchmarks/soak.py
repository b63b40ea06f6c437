"""An hour (or less) of live sockets: nothing may close them, slow them down or make the server grow.

    python -m benchmarks.soak [--minutes 60] [--sockets 200] [--events 10]

At the end the server is killed: all sockets must be back within 30 seconds. Ends with exit code 1 if a goal is missed.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from benchmarks.boards import Line, Waits, taskdeck, token
from benchmarks.load import Server, percentiles

# Below the limit of a user (live_socket.MAX_SOCKETS).
PER_USER = 4
# Memory is compared with its size after this time, when caches and the connection pool are filled.
WARM_UP_SECONDS = 10.0


@dataclass
class Seen:
    """What the sockets received. `foreign` counts events of other users, `ends` close codes with their reasons."""

    open: int = 0
    events: int = 0
    foreign: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    delays: list[float] = field(default_factory=list[float])


async def _listen(server: Server, user: str, bearer: str, seen: Seen) -> None:
    """One dashboard: reconnects after a random delay of at most 0.5 s, doubled after each failure up to 10 s."""
    attempt = 0
    while True:
        try:
            # The server does not compress; without this, clients would offer it in every handshake.
            async with connect(f"ws://{server.host}:{server.port}/api/ws", compression=None) as socket:
                await socket.send(json.dumps({"type": "authenticate", "token": bearer}))
                await socket.recv()
                seen.open += 1
                attempt = 0
                try:
                    async for text in socket:
                        _note(json.loads(text), user, seen)
                finally:
                    seen.open -= 1
                    seen.ends[f"{socket.close_code} {socket.close_reason}"] += 1
        except (ConnectionClosed, WebSocketException, OSError):
            pass
        await asyncio.sleep(random.uniform(0, min(10, 0.5 * 2**attempt)))
        attempt += 1


def _note(message: dict[str, str], user: str, seen: Seen) -> None:
    if "event_type" in message:
        seen.events += 1
        seen.foreign += message["user_id"] != user
        # Both clocks are this machine's, so the difference is the delay from the change to the socket.
        seen.delays.append(time.time() - datetime.fromisoformat(message["timestamp"]).timestamp())


async def _write(server: Server, bearers: list[str], events: float, waits: Waits) -> None:
    """Add `events` tasks a second, each for a random user."""
    # At most as many requests as lines are under way, so a server that falls behind is not flooded.
    lines = [Line(server) for _ in range(8)]
    tasks: set[asyncio.Task[bytes]] = set()
    for number in range(sys.maxsize):
        bearer = random.choice(bearers)
        request = server.call("add_task", {"title": "Soaking"}, bearer)
        await asyncio.gather(*tasks) if len(tasks) >= len(lines) else None
        tasks.add(task := asyncio.create_task(lines[number % len(lines)].ask(request, waits)))
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(1 / events)


async def _until(seen: Seen, sockets: int) -> float:
    started = time.perf_counter()
    while seen.open < sockets:  # noqa: ASYNC110 - a count raises no event
        await asyncio.sleep(0.02)
    return time.perf_counter() - started


async def _soak(minutes: float, sockets: int, events: float) -> bool:
    seen, waits = Seen(), Waits()
    users = [f"soak-{number}" for number in range(-(-sockets // PER_USER))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # No limit for clients. The limit for addresses stays, and admits 300 handshakes a minute.
        async with taskdeck(folder, TASKDECK_RATE_LIMIT="0", TASKDECK_CALLS_IN_FLIGHT="0") as (server, process):
            owners = [users[number % len(users)] for number in range(sockets)]
            listening = [
                asyncio.create_task(_listen(server, user, token(folder, server, user), seen)) for user in owners
            ]
            agents = [token(folder, server, user, "mcp") for user in users]
            print(f"{sockets} sockets open after {await _until(seen, sockets):.1f} s", flush=True)
            writing = asyncio.create_task(_write(server, agents, events, waits))
            await asyncio.sleep(WARM_UP_SECONDS)
            before = server.resident_megabytes()
            await asyncio.sleep(60 * minutes - WARM_UP_SECONDS)
            after = server.resident_megabytes()
            writing.cancel()
            # Read before the kill: from then on every socket has a reason to end, and a write under way to fail.
            unexplained, errors, drift = dict(seen.ends), waits.errors, 100 * (after - before) / before
            print(f"{seen.events} events, {seen.foreign} foreign, unexplained ends: {unexplained or 'none'}")
            p50, p95 = percentiles(seen.delays)
            print(f"from the change to the socket: p50 {1000 * p50:.0f} p95 {1000 * p95:.0f} ms; writes: {waits}")
            print(f"memory {before:.1f} -> {after:.1f} MB ({drift:+.1f} %)")
            # SIGKILL leaves no time for close frames, or to stop PostgreSQL.
            process.kill()
            await process.wait()
            cut = time.perf_counter()
        # The same port, because the clients know no other.
        async with taskdeck(folder, server.port, TASKDECK_RATE_LIMIT="0"):
            await _until(seen, sockets)
            back = time.perf_counter() - cut
            print(f"killed: all {sockets} back after {back:.1f} s, the start of the server included")
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    return not unexplained and not seen.foreign and drift < 5 and back < 30 and not errors


def main(
    minutes: Annotated[float, typer.Option()] = 60,
    sockets: Annotated[int, typer.Option()] = 200,
    events: Annotated[float, typer.Option()] = 10,
) -> None:
    """Print the figures; exit code 1 if a goal was missed."""
    if not asyncio.run(_soak(minutes, sockets, events)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
