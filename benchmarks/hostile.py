"""How long a good user waits beside somebody who tries to stop everybody: p95 alone, beside them, and the ratio.

    python -m benchmarks.hostile [--seconds 15]

A real server with its default limits. Attackers run in a process of their own and never pause. The good user makes five
calls a second: adding, listing, reading the four numbers, and `whoami`. Each figure beside an attacker is compared with
the good user alone right before it, because the machine may be busier at one time than at another.
"""

import asyncio
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.boards import Line, Waits, taskdeck, token
from benchmarks.load import Server, percentiles

GOAL = 3.0
CALLS_A_SECOND = 5
ACCOUNTS = 50
TEAMS = 2_000
UNLIMITED: dict[str, Any] = dict.fromkeys(
    ("TASKDECK_RATE_LIMIT", "TASKDECK_CALLS_IN_FLIGHT", "TASKDECK_MAX_TEAMS"), "0"
)

Call = Callable[[str, dict[str, Any]], bytes]


@dataclass(frozen=True)
class Attack:
    """What an attacker sends, over how many connections at once. `streams`: answers do not end."""

    name: str
    requests: list[bytes]
    lines: int
    streams: bool = False


def _words(seed: int, count: int) -> list[str]:
    chosen = random.Random(seed)
    return ["".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(count)]


async def _prepare(folder: Path) -> int:
    """Store what the attackers need, without limits. Returns the task at the end of the longest chain of parents."""
    async with taskdeck(folder, **UNLIMITED) as (server, _):
        line, waits = Line(server), Waits()
        # Many new tokens from one address would look like guesses.
        bearers = {user: token(folder, server, user, "mcp") for user in ("searcher", "founder", "climber")}

        async def call(user: str, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
            answer = json.loads(await line.ask(server.call(tool, arguments, bearers[user]), waits))
            return answer["result"]["structuredContent"]

        vocabulary = _words(1, 400)
        for number in range(10):
            content = " ".join(random.Random(number).choices(vocabulary, k=12_000))
            await call("searcher", "start_conversation", messages=[{"role": "user", "content": content}])
        for number in range(TEAMS):
            await call("founder", "create_team", name=f"Team {number}")
        parent = (await call("climber", "add_task", title="0"))["id"]
        for level in range(1, 10):
            parent = (await call("climber", "add_task", title=str(level), parent_id=parent))["id"]
        line.close()
        return parent


def _attacks(server: Server, folder: Path, parent: int) -> list[Attack]:
    # A person for each attack, so that none begins with a rate limit that is used up.
    def call(user: str, tool: str, arguments: dict[str, Any], **params: Any) -> bytes:  # noqa: ANN401
        bearer = token(folder, server, user, "mcp")
        return server.request("tools/call", {"name": tool, "arguments": arguments, **params}, tool, bearer)

    members = {f"k{number}": number for number in range(60_000)}
    query = " or ".join(_words(1, 40))
    large = [
        call("sender", "list_teams", {}, inputResponses=members),
        call("sender", "add_tasks", members),
        call("sender", "add_task", {"title": "Tags", "tags": ["a"] * 200_000}),
    ]
    listening = {"notifications": {"resourceSubscriptions": ["statistics://me"]}}
    accounts = [token(folder, server, f"account-{number}", "mcp") for number in range(ACCOUNTS)]
    streams = [server.request("subscriptions/listen", listening, token=one) for one in accounts for _ in range(20)]
    search = call("searcher", "search_messages", {"query": query})
    teams, deep = call("founder", "list_teams", {}), call("climber", "add_task", {"title": "Deep", "parent_id": parent})
    flood = call("flooder", "list_tasks", {"status": "all"})
    return [
        Attack("searches of 40 words joined by `or` in 10 messages of 60 KB, 12 at once", [search], 12),
        Attack(f"`list_teams` with {TEAMS:,} teams, 8 at once", [teams], 8),
        Attack("messages with 60,000 answers, 60,000 arguments or 200,000 tags, 8 at once", large, 8),
        Attack("subtasks at the end of the longest chain of parents, 8 at once", [deep], 8),
        Attack(f"{ACCOUNTS} accounts that open every stream they get", streams, len(streams), streams=True),
        Attack("a flood of calls, 200 at once", [flood], 200),
    ]


def _run_attack(attack: Attack, server: Server, stop: Event) -> None:
    """Send the requests until stopped. Runs in a process of its own."""

    async def keep_sending(place: int) -> None:
        line = Line(server)
        while not stop.is_set():
            await line.ask(attack.requests[place % len(attack.requests)], Waits())
            place += 1
        line.close()

    async def keep_open(place: int) -> None:
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(attack.requests[place])
        while not stop.is_set():  # noqa: ASYNC110 - it is set in another process
            await asyncio.sleep(0.2)
        writer.close()

    async def attack_all() -> None:
        run = keep_open if attack.streams else keep_sending
        await asyncio.gather(*(run(place) for place in range(attack.lines)), return_exceptions=True)

    asyncio.run(attack_all())


async def _good(server: Server, bearer: str, seconds: float) -> Waits:
    """Calls of a good user at a steady pace, over four connections."""
    waits, begun = Waits(), time.perf_counter()
    tools: list[tuple[str, dict[str, Any]]] = [
        ("add_task", {"title": "Water the plants"}),
        ("list_tasks", {}),
        ("whoami", {}),
        ("get_statistics", {}),
    ]
    lines = [Line(server) for _ in range(4)]

    async def work(place: int) -> None:
        for number in range(place, int(seconds * CALLS_A_SECOND), len(lines)):
            due = begun + number / CALLS_A_SECOND
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tool, arguments = tools[number % len(tools)]
            # Since it was due: a call that waits for the one before it has waited as well.
            await lines[place].ask(server.call(tool, arguments, bearer), waits, min(due, time.perf_counter()))

    await asyncio.gather(*(work(place) for place in range(len(lines))))
    for line in lines:
        line.close()
    return waits


async def _beside(attack: Attack, server: Server, bearer: str, seconds: float) -> Waits:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    attacker = context.Process(target=_run_attack, args=(attack, server, stop))
    attacker.start()
    try:
        await asyncio.sleep(2)
        return await _good(server, bearer, seconds)
    finally:
        stop.set()
        await asyncio.to_thread(attacker.join, 15)
        attacker.kill()


async def _run(seconds: float) -> bool:
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        parent = await _prepare(folder)
        async with taskdeck(folder) as (server, _):
            bearer = token(folder, server, "good", "mcp")
            await _good(server, bearer, 5)
            print("| beside | p95 alone, ms | p95, ms | ratio | slowest, ms | errors |\n|---|---|---|---|---|---|")
            for attack in _attacks(server, folder, parent):
                alone = await _good(server, bearer, seconds)
                beside = await _beside(attack, server, bearer, seconds)
                (_, usual), (_, p95) = percentiles(alone.seconds), percentiles(beside.seconds)
                worst = 1e3 * max(beside.seconds)
                good &= p95 <= GOAL * usual and not beside.errors
                figures = f"{1e3 * usual:.1f} | {1e3 * p95:.1f} | {p95 / usual:.1f} | {worst:.0f} | {beside.errors}"
                print(f"| {attack.name} | {figures} |", flush=True)
    return good


def main(seconds: Annotated[float, typer.Option(help="How long to measure each")] = 15) -> None:
    """Print the table; exit code 1 if a ratio is above the goal or a call of the good user failed."""
    sys.exit(not asyncio.run(_run(seconds)))


if __name__ == "__main__":
    typer.run(main)
