"""`taskdeck export` and `taskdeck import`: everything of one person as a file, and files of other programs."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from mcp_server.cli import runtime
from mcp_server.identity.local_owner import read_local_owner
from mcp_server.settings import Settings, SettingsError
from storage.archive.export import export
from storage.archive.formats import Format
from storage.archive.importing import Report, import_file
from storage.engine.database import Database, Scope
from storage.people import users

command = typer.Typer()

User = Annotated[
    str | None, typer.Option(help="User id or e-mail; without it the person at this machine (embedded database).")
]


@command.command(name="export")
def export_archive(
    output: Annotated[
        Path | None, typer.Option(help="The file to write; - for standard output. [default: taskdeck-DATE.zip]")
    ] = None,
    user: User = None,
) -> None:
    """Write everything of one person into a ZIP archive: tasks, conversations, teams, shares, history."""
    runtime.run(_export(runtime.configure(), output, user))


@asynccontextmanager
async def scope_of(settings: Settings, user: str | None) -> AsyncGenerator[Scope]:
    """Act as a person whom the administrator of this machine names.

    Raises:
        SettingsError: nobody is named, and the database is not the embedded one; NotFound: no such person.
    """
    if user is None and settings.database_url:
        raise SettingsError("--user: name the user, as with DATABASE_URL nobody is the person at this machine")
    async with runtime.database(settings) as url, Database.open(url, quotas=settings.quotas) as database:
        if user is not None:
            yield database.scope(await users.look_up(database, user), "taskdeck")
            return
        scope = database.scope(read_local_owner(settings), "taskdeck")
        # The person at this machine may not have used it yet.
        await users.remember(scope, None, None, None)
        yield scope


def progress_bar() -> Progress:
    """A progress bar on stderr, so that standard output has nothing but the result."""
    return Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True))


async def _export(settings: Settings, output: Path | None, user: str | None) -> None:
    path = output or Path(f"taskdeck-{datetime.now(UTC):%Y-%m-%d}.zip")
    async with scope_of(settings, user) as scope:
        if str(path) == "-":
            await _write(scope, sys.stdout.buffer)
            return
        try:
            # Beside the file and renamed at the end, so that no file of that name is half an archive.
            with NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as file:
                try:
                    await _write(scope, file)
                except BaseException:
                    os.unlink(file.name)
                    raise
            os.replace(file.name, path)
        except OSError as error:
            raise SettingsError(f"--output: {path}: {error.strerror}") from error
    print(path)


async def _write(scope: Scope, file: IO[bytes]) -> None:
    with progress_bar() as progress:
        bar = progress.add_task("Exporting")
        archive = await export(scope, lambda rows: progress.advance(bar, rows))
        progress.update(bar, total=archive.total)
        async for chunk in archive.chunks:
            file.write(chunk)


@command.command(name="import")
def import_archive(
    file: Annotated[Path, typer.Argument(help="A ZIP of taskdeck export, or the export of another program.")],
    kind: Annotated[Format, typer.Option("--format", help="What wrote the file.")] = "auto",
    skip_invalid: Annotated[bool, typer.Option(help="Import the other rows if some have a problem.")] = False,
    user: User = None,
) -> None:
    """Add the tasks and conversations of a file: all of them, or none. Importing it again adds nothing."""
    report = runtime.run(_import(runtime.configure(), file, kind, skip_invalid, user))
    _show(report)
    if not report.stored:
        raise SystemExit(1)


async def _import(settings: Settings, file: Path, kind: Format, skip_invalid: bool, user: str | None) -> Report:
    async with scope_of(settings, user) as scope:
        try:
            with progress_bar() as progress:
                bar = progress.add_task("Importing")
                return await import_file(
                    scope,
                    file,
                    kind,
                    skip_invalid=skip_invalid,
                    begin=lambda total: progress.update(bar, total=total),
                    progress=lambda rows: progress.advance(bar, rows),
                )
        except OSError as error:
            raise SettingsError(f"{file}: {error.strerror}") from error


def _show(report: Report) -> None:
    """Print the result, and what is wrong with which row on stderr."""
    for problem in report.problems:
        print(f"{problem.row}: {problem.reason}", file=sys.stderr)
    if more := report.problem_count - len(report.problems):
        print(f"… and {more} more rows that have a problem", file=sys.stderr)
    for warning in report.warnings:
        print(f"{warning.row}: {warning.text} (a warning)", file=sys.stderr)
    if more := report.warning_count - len(report.warnings):
        print(f"… and {more} more warnings", file=sys.stderr)
    if report.stored:
        skipped = f" {report.problem_count} rows were left out." if report.problem_count else ""
        print(
            f"Added {report.tasks} tasks and {report.conversations} conversations with {report.messages} messages. "
            f"{report.present} were there already.{skipped}"
        )
    else:
        print(
            f"Nothing was imported: {report.problem_count} rows have a problem. Correct them, or leave them out with "
            "--skip-invalid."
        )
