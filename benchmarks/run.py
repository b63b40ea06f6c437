"""Compares the tools with a tool that does nothing and with PostgreSQL alone; times statistics over many tasks."""

import asyncio
import itertools
import json
import os
import re
import statistics as average
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import bpe_openai  # pyright: ignore[reportMissingTypeStubs]
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import load, pgbench, rows
from benchmarks.load import Measured, Server
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.settings import Settings
from storage.embedded_postgres import supervisor
from storage.embedded_postgres.cluster import SUPERUSER, Cluster
from storage.engine import migrations
from storage.engine.database import Database, Scope
from storage.schema.request_models import NewTask, TaskFilter
from storage.tasks import listing, statistics, tasks

RATE_LIMIT = 1_000_000
"""Requests a minute and user: never reached, but counted with every call as in production."""
CONCURRENCIES = (1, 16)
REPETITIONS = 40
TASK: dict[str, Any] = {"title": "Call the supplier", "priority": "high", "due": "2027-01-31", "tags": ["orders"]}
NOOP = "no-op"


@dataclass(frozen=True)
class Measure:
    """One tool: the arguments of a call about a task, and the verb behind it."""

    arguments: Callable[[int], dict[str, Any]]
    verb: Callable[[Scope, int], Awaitable[object]]


TOOLS = {
    # Mostly what stands in front of storage: the tool only reads the person's time zone, which pgbench leaves out.
    "whoami": Measure(lambda _: {}, lambda _scope, _task: asyncio.sleep(0)),
    "add_task": Measure(lambda _: TASK, lambda scope, _: tasks.add(scope, NewTask(**TASK))),
    "list_tasks": Measure(lambda _: {}, lambda scope, _: listing.find(scope, TaskFilter(), 20)),
    "complete_task": Measure(lambda task: {"task_id": task}, tasks.complete),
    "get_statistics": Measure(lambda _: {}, lambda scope, _: statistics.overview(scope)),
}


@dataclass
class Results:
    """Rounds by tool and concurrency; milliseconds (p50, p95) by what was measured; single figures by name."""

    calls: dict[tuple[str, int], list[Measured]]
    alone: dict[tuple[str, int], list[float]]
    statistics: dict[str, tuple[float, float]]
    figures: dict[str, str]

    def against_noop(self, tool: str, concurrency: int) -> float:
        """The tool's throughput divided by that of the no-op tool: the median of the rounds."""
        # Compared round by round, because the speed of a shared machine changes from one round to the next.
        pairs = zip(self.calls[tool, concurrency], self.calls[NOOP, concurrency], strict=True)
        return average.median(mine.rate / theirs.rate for mine, theirs in pairs)


@dataclass(frozen=True)
class Plan:
    """What is measured: the database, both servers, a token for each person, and the number of tasks."""

    url: str
    noop: Server
    deck: Server
    tokens: dict[str, str]
    total: int

    def requests(self, tool: str) -> Iterator[bytes]:
        """Endless calls, by each person in turn, about the next task in the first half of that person's tasks."""
        # One task for all calls would measure row locks, and completing it again changes nothing.
        people = itertools.cycle(self.tokens.items())
        halves = {person: itertools.cycle(self.own(person, first=True)) for person in self.tokens}
        for person, token in people:
            yield self.deck.call(tool, TOOLS[tool].arguments(next(halves[person])), token)

    def own(self, person: str, *, first: bool) -> range:
        """The ids of one half of a person's tasks."""
        # The tools get one half and pgbench the other, so that neither completes the other's tasks.
        own = rows.own_tasks(person, self.total)
        return own[: len(own) // 2] if first else own[len(own) // 2 :]


def main(
    total: Annotated[int, typer.Option("--tasks", help="Tasks in the table.")] = rows.TASKS,
    rounds: Annotated[int, typer.Option(help="How often each measurement is made.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long each takes.")] = 2.0,
) -> None:
    """Run every measurement in a database of its own and print the figures."""
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    )
    with progress, tempfile.TemporaryDirectory(prefix="taskdeck-bench-", ignore_cleanup_errors=True) as folder:
        results = asyncio.run(_run(Path(folder), total, rounds, seconds, progress))
    _print(results)


async def _run(folder: Path, total: int, rounds: int, seconds: float, progress: Progress) -> Results:
    results = Results({}, {}, {}, {})
    async with supervisor.running(folder) as url:
        await migrations.migrate(url)
        filling = progress.add_task(f"Adding {total:,} tasks", total=1.0)
        administrator = await asyncpg.connect(Cluster(folder).uri(SUPERUSER))
        await rows.fill(administrator, total, lambda part: progress.advance(filling, part))
        # As after an import: the planner has no statistics yet, and without a visibility map, index-only scans visit
        # the table.
        await _measure_statistics(url, administrator, "right after the bulk insert", results, progress)
        await _vacuum(administrator, progress)
        await _measure_statistics(url, administrator, "after VACUUM ANALYZE", results, progress)
        async with _started(folder, "benchmarks.noop") as noop, _started(folder, "mcp_server", "serve") as deck:
            plan = Plan(url, noop, deck, _tokens(folder, deck), total)
            await _measure_calls(plan, rounds, seconds, results, progress)
            results.figures["tokens of tools/list and instructions"] = f"{await _count_tokens(plan):,}"
            results.figures["server memory after the load"] = f"{deck.resident_megabytes():.0f} MB"
    return results


async def _vacuum(administrator: "rows.Connection", progress: Progress) -> None:
    vacuuming = progress.add_task("VACUUM ANALYZE", total=None)
    await administrator.execute("VACUUM (ANALYZE)")
    progress.update(vacuuming, total=1, completed=1)


async def _measure_statistics(
    url: str, administrator: "rows.Connection", when: str, results: Results, progress: Progress
) -> None:
    asking = progress.add_task(f"Counting {when}", total=3 * REPETITIONS)
    async with Database.open(url) as database:
        scope = database.scope(rows.OWNER_OF_MANY)

        async def measure(what: str, ask: Callable[[Scope], Awaitable[object]], *, cached: bool) -> None:
            waits: list[float] = []
            for _ in range(REPETITIONS):
                # A superuser deletes the row, which is not measured.
                if not cached:
                    await administrator.execute("DELETE FROM cached_statistics")
                started = time.perf_counter()
                await ask(scope)
                waits.append(1e3 * (time.perf_counter() - started))
                progress.advance(asking)
            results.statistics[f"{what}, {when}"] = load.percentiles(waits)

        await measure("four numbers, counted", statistics.totals, cached=False)
        await measure("four numbers, cached", statistics.totals, cached=True)
        await measure("overview with trend, counted", statistics.overview, cached=False)


@asynccontextmanager
async def _started(folder: Path, *module: str) -> AsyncGenerator[Server]:
    """Start a server in a process of its own, and yield it once it has printed its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKDECK_", "DATABASE_"))}
    environment |= {"TASKDECK_DATA_DIR": str(folder), "TASKDECK_PORT": "0", "TASKDECK_RATE_LIMIT": str(RATE_LIMIT)}
    environment["TASKDECK_CALLS_IN_FLIGHT"] = "0"
    with (folder / f"{module[0]}.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment
        )
    assert process.stdout is not None
    try:
        while (found := re.search(r"http://([\d.]+):(\d+)/mcp", (await process.stdout.readline()).decode())) is None:
            if process.returncode is not None:
                raise RuntimeError(f"{' '.join(module)} does not start")
        yield Server(found[1], int(found[2]), process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _tokens(folder: Path, deck: Server) -> dict[str, str]:
    issuer = LocalIssuer(Settings.model_validate({"data_dir": folder, "port": deck.port}))
    return {person: issuer.mint(person) for person in rows.PEOPLE}


async def _measure_calls(plan: Plan, rounds: int, seconds: float, results: Results, progress: Progress) -> None:
    scripts = {
        tool: [
            await pgbench.record(plan.url, person, RATE_LIMIT, measured.verb, plan.own(person, first=False))
            for person in plan.tokens
        ]
        for tool, measured in TOOLS.items()
    }
    echo = load.repeated(plan.noop.call("echo", {"text": "Call the supplier"}))
    calls = {tool: load.following(plan.requests(tool)) for tool in TOOLS}
    calling = progress.add_task("Calling tools", total=rounds * len(CONCURRENCIES) * (2 * len(TOOLS) + 1))
    # Warms up connections, compiled statements and caches; the result is dropped.
    for next_request in calls.values():
        await load.measure(plan.deck, next_request, 16, seconds / 4)
    # What is compared is measured in turns, so that a slow minute of the machine affects both.
    for _ in range(rounds):
        for concurrency in CONCURRENCIES:
            measured = await load.measure(plan.noop, echo, concurrency, seconds)
            results.calls.setdefault((NOOP, concurrency), []).append(measured)
            progress.advance(calling)
            for tool, next_request in calls.items():
                measured = await load.measure(plan.deck, next_request, concurrency, seconds)
                results.calls.setdefault((tool, concurrency), []).append(measured)
                alone = await pgbench.run(plan.url, scripts[tool], concurrency, seconds)
                results.alone.setdefault((tool, concurrency), []).append(alone)
                progress.advance(calling, 2)


async def _count_tokens(plan: Plan) -> int:
    token = next(iter(plan.tokens.values()))
    # As compact JSON: what a client puts into the model's context at the start of a session.
    tools = await load.ask(plan.deck, plan.deck.request("tools/list", {}, token=token))
    server = await load.ask(plan.deck, plan.deck.request("server/discover", {}, token=token))
    surface = json.dumps(tools["tools"], ensure_ascii=False, separators=(",", ":")) + server["instructions"]
    return len(bpe_openai.get_encoding("o200k_base").encode(surface))


def _print(results: Results) -> None:
    console = Console(width=120)
    table = Table("tool", "at once", title="tools/call over HTTP with a bearer token, revision 2026-07-28")
    for heading in ("calls/s", "p50 ms", "p95 ms", "CPU ms", "of no-op", "pgbench tx/s", "of pgbench"):
        table.add_column(heading, justify="right")
    for (tool, concurrency), rounds in sorted(results.calls.items(), key=lambda item: item[0][1]):
        middle = Measured.median(rounds)
        figures = [f"{middle.rate:.0f}", f"{middle.p50:.1f}", f"{middle.p95:.1f}", f"{middle.cpu:.2f}"]
        if tool != NOOP:
            alone = average.median(results.alone[tool, concurrency])
            figures += [f"{results.against_noop(tool, concurrency):.0%}", f"{alone:.0f}", f"{middle.rate / alone:.0%}"]
        table.add_row(tool, str(concurrency), *figures)
    console.print(table)
    table = Table("statistics of the owner of a tenth of the tasks", title="storage verbs, milliseconds")
    table.add_column("p50", justify="right")
    table.add_column("p95", justify="right")
    for what, (p50, p95) in results.statistics.items():
        table.add_row(what, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)
    for name, figure in results.figures.items():
        console.print(f"{name}: {figure}")


if __name__ == "__main__":
    typer.run(main)
