"""Compares the tools with a tool that does nothing and with PostgreSQL alone; times statistics over many tasks."""

import asyncio
import itertools
import json
import statistics as average
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import bpe_openai  # pyright: ignore[reportMissingTypeStubs]
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import boards, load, pgbench, rows
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
CONCURRENCIES = [1, 4, 16]
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

    def against_noop(self, tool: str, concurrency: int) -> tuple[float, float, float]:
        """The tool divided by the no-op tool: calls a second, CPU of the server, CPU of server and PostgreSQL.

        Each is the median of the rounds, compared round by round, because the speed of a shared machine changes.
        """
        pairs = [*zip(self.calls[tool, concurrency], self.calls[NOOP, concurrency], strict=True)]
        return (
            average.median(mine.rate / theirs.rate for mine, theirs in pairs),
            average.median(mine.server / theirs.server for mine, theirs in pairs),
            average.median((mine.server + mine.database) / theirs.server for mine, theirs in pairs),
        )


@dataclass(frozen=True)
class Plan:
    """What is measured: the database, both servers, a token for each person, and the number of tasks."""

    url: str
    noop: Server
    deck: Server
    tokens: dict[str, str]
    total: int
    concurrencies: list[int]
    only_calls: bool

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
    at_once: Annotated[list[int] | None, typer.Option(help="Calls in flight; repeat it. [default: 1, 4, 16]")] = None,
    only_calls: Annotated[bool, typer.Option("--only-calls", help="Leave out pgbench and the statistics.")] = False,
    data: Annotated[Path | None, typer.Option(help="A folder that keeps the data for the next run.")] = None,
) -> None:
    """Run every measurement in a database of its own and print the figures."""
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    )
    with progress, tempfile.TemporaryDirectory(prefix="taskdeck-bench-", ignore_cleanup_errors=True) as folder:
        setup = Setup(data or Path(folder), total, at_once or CONCURRENCIES, only_calls)
        results = asyncio.run(_run(setup, rounds, seconds, progress))
    _print(results)


@dataclass(frozen=True)
class Setup:
    """What was asked for: where the data is, how many tasks, calls in flight, and whether only calls are measured."""

    folder: Path
    total: int
    concurrencies: list[int]
    only_calls: bool


async def _run(setup: Setup, rounds: int, seconds: float, progress: Progress) -> Results:
    results, folder = Results({}, {}, {}, {}), setup.folder
    async with supervisor.running(folder) as url:
        await migrations.migrate(url)
        administrator = await asyncpg.connect(Cluster(folder).uri(SUPERUSER))
        await _fill(url, administrator, setup, results, progress)
        await _vacuum(administrator, progress)
        if not setup.only_calls:
            await _measure_statistics(url, administrator, "after VACUUM ANALYZE", results, progress)
        async with _started(folder, "benchmarks.noop") as noop, _started(folder, "mcp_server", "serve") as deck:
            deck = replace(deck, postmaster=load.parent_of(await administrator.fetchval("SELECT pg_backend_pid()")))
            tokens = _tokens(folder, deck)
            plan = Plan(url, noop, deck, tokens, setup.total, setup.concurrencies, setup.only_calls)
            await _measure_calls(plan, rounds, seconds, results, progress)
            results.figures["tokens of tools/list and instructions"] = f"{await _count_tokens(plan):,}"
            results.figures["server memory after the load"] = f"{deck.resident_megabytes():.0f} MB"
    return results


async def _fill(url: str, administrator: "rows.Connection", setup: Setup, results: Results, progress: Progress) -> None:
    """Add the data, unless the folder has kept it from an earlier run."""
    if await administrator.fetchval("SELECT EXISTS (SELECT FROM tasks)"):
        return await rows.restore(administrator, setup.total)
    filling = progress.add_task(f"Adding {setup.total:,} tasks", total=1.0)
    await rows.fill(administrator, setup.total, lambda part: progress.advance(filling, part))
    # As after an import: the planner has no statistics yet, and without a visibility map, index-only scans visit
    # the table.
    if not setup.only_calls:
        await _measure_statistics(url, administrator, "right after the bulk insert", results, progress)


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
    """Start a server in a process of its own, which logs into the folder."""
    environment = {"TASKDECK_DATA_DIR": str(folder), "TASKDECK_PORT": "0", "TASKDECK_RATE_LIMIT": str(RATE_LIMIT)}
    environment |= {"TASKDECK_CALLS_IN_FLIGHT": "0"}
    with (folder / f"{module[0]}.log").open("w") as log:
        async with boards.started(sys.executable, "-m", *module, log=log, **environment) as (server, _):
            yield server


def _tokens(folder: Path, deck: Server) -> dict[str, str]:
    issuer = LocalIssuer(Settings.model_validate({"data_dir": folder, "port": deck.port}))
    return {person: issuer.mint(person) for person in rows.PEOPLE}


async def _measure_calls(plan: Plan, rounds: int, seconds: float, results: Results, progress: Progress) -> None:
    alone = {} if plan.only_calls else await _record(plan)
    echo = load.repeated(plan.noop.call("echo", {"text": "Call the supplier"}))
    calls = {tool: load.following(plan.requests(tool)) for tool in TOOLS}
    calling = progress.add_task("Calling tools", total=rounds * len(plan.concurrencies) * (len(TOOLS) + 1))
    # Warms up connections, compiled statements and caches; the result is dropped.
    for next_request in calls.values():
        await load.measure(plan.deck, next_request, 16, seconds / 4)
    # What is compared is measured in turns, so that a slow minute of the machine affects both.
    for _ in range(rounds):
        for concurrency in plan.concurrencies:
            measured = await load.measure(plan.noop, echo, concurrency, seconds)
            results.calls.setdefault((NOOP, concurrency), []).append(measured)
            progress.advance(calling)
            for tool, next_request in calls.items():
                measured = await load.measure(plan.deck, next_request, concurrency, seconds)
                results.calls.setdefault((tool, concurrency), []).append(measured)
                if tool in alone:
                    rate = await pgbench.run(plan.url, alone[tool], concurrency, seconds)
                    results.alone.setdefault((tool, concurrency), []).append(rate)
                progress.advance(calling)


async def _record(plan: Plan) -> dict[str, list[str]]:
    """The pgbench scripts of each tool, one for each person."""
    return {
        tool: [
            await pgbench.record(plan.url, person, RATE_LIMIT, measured.verb, plan.own(person, first=False))
            for person in plan.tokens
        ]
        for tool, measured in TOOLS.items()
    }


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
    headings = ("calls/s", "p50 ms", "p95 ms", "S ms", "P ms", "S/N", "(S+P)/N", "of no-op", "pgbench tx/s")
    for heading in headings:
        table.add_column(heading, justify="right")
    for (tool, concurrency), rounds in sorted(results.calls.items(), key=lambda item: item[0][1]):
        middle = Measured.median(rounds)
        figures = [f"{middle.rate:.0f}", f"{middle.p50:.1f}", f"{middle.p95:.1f}", f"{middle.server:.2f}"]
        if tool != NOOP:
            rate, server, both = results.against_noop(tool, concurrency)
            figures += [f"{middle.database:.2f}", f"{server:.1f}", f"{both:.1f}", f"{rate:.0%}"]
            if (tool, concurrency) in results.alone:
                figures.append(f"{average.median(results.alone[tool, concurrency]):.0f}")
        table.add_row(tool, str(concurrency), *figures)
    console.print(table)
    console.print("S, P: CPU of the server and of PostgreSQL for one call; N: S of the no-op tool.")
    if results.statistics:
        _print_statistics(console, results.statistics)
    for name, figure in results.figures.items():
        console.print(f"{name}: {figure}")


def _print_statistics(console: Console, measured: dict[str, tuple[float, float]]) -> None:
    table = Table("statistics of the owner of a tenth of the tasks", title="storage verbs, milliseconds")
    table.add_column("p50", justify="right")
    table.add_column("p95", justify="right")
    for what, (p50, p95) in measured.items():
        table.add_row(what, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
