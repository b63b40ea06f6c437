"""The `taskdeck` command."""

import asyncio
import os
import re
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from mcp_server.app import open_app, open_services
from mcp_server.cli import archives, claims, dashboard_process, doctor
from mcp_server.cli.ports import choose_dashboard, listen
from mcp_server.cli.runtime import configure, database, fail, in_data_dir, run
from mcp_server.cli.startup_banner import welcome
from mcp_server.http import uvicorn_server
from mcp_server.http.authentication import caller_of_environment
from mcp_server.identity.callers import Caller
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.local_owner import read_local_owner
from mcp_server.identity.tokens import Verifier
from mcp_server.protocol.stdio import speak
from mcp_server.settings import Settings, SettingsError
from storage import demo
from storage.engine import migrations
from storage.engine.database import Database
from storage.people import accounts
from storage.people.deletion import delete_person
from storage.schema.errors import StorageError

T = TypeVar("T")

command = typer.Typer(
    help="The memory and task board that AI agents and people share.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
command.add_typer(archives.command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. A problem with settings or the database is one line on stderr and exit code 2."""
    try:
        command(arguments)
    except (SettingsError, StorageError) as error:
        fail(str(error))


@command.command()
def up() -> None:
    """Start everything on this machine: database, MCP server and dashboard. Ctrl-C stops it all."""
    run(_up(configure()))


async def _up(settings: Settings) -> None:
    # The port is taken first: a second `taskdeck up` then fails at once. Clients that connect meanwhile wait.
    with listen("PORT", settings.host, settings.port) as listening:
        # Issuer and audiences contain the address, so the port must be known before anything else is built.
        settings = settings.with_port(listening.getsockname()[1])
        dashboard_url = choose_dashboard(settings)
        if settings.database_url:
            await _migrate(settings)
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(database(settings))
            if dashboard_url:
                shown = dashboard_process.Dashboard(settings, url, dashboard_url)
                await stack.enter_async_context(shown.running())
            known = [] if settings.database_url else await accounts.list_accounts(url)
            await _answer(settings, url, dashboard_url, listening, welcome(settings, dashboard_url, known))


@command.command()
def serve() -> None:
    """Serve MCP over HTTP, on the configured or the embedded database."""
    run(_serve(configure()))


async def _serve(settings: Settings) -> None:
    with listen("PORT", settings.host, settings.port) as listening:
        settings = settings.with_port(listening.getsockname()[1])
        async with database(settings) as url:
            await _answer(settings, url, None, listening, f"MCP: {settings.address}/mcp")


async def _answer(
    settings: Settings, database_url: str, dashboard_url: str | None, listening: socket.socket, greeting: str
) -> None:
    """Serve until asked to stop. Prints the greeting once requests are accepted."""
    draining = asyncio.Event()
    async with open_app(settings, database_url, dashboard_url, draining) as app:
        # Tells `taskdeck token` which address to issue tokens for. The built-in issuer serves only on loopback.
        if settings.loopback:
            with in_data_dir(settings):
                (settings.data_dir / "address").write_text(settings.address, "utf-8")
        server = uvicorn_server.build_http_server(app, draining.set, lambda: print(greeting, flush=True))
        await server.serve([listening])


@command.command()
def stdio() -> None:
    """Speak MCP over standard input and output, as one user."""
    run(_stdio(configure()))


async def _stdio(settings: Settings) -> None:
    # Before the database, so that a bad token is reported without starting PostgreSQL.
    caller = await caller_of_environment(Verifier(settings))
    try:
        async with database(settings) as url:
            speaking = asyncio.create_task(_speak(settings, url, caller))
            # `wait` does not cancel what it waits for, so an interrupt leaves this block at once, and the database is
            # left in order.
            await asyncio.wait([speaking])
            speaking.result()
    except (SystemExit, asyncio.CancelledError) as asked:
        # A thread of the SDK is blocked reading standard input and cannot be interrupted, so do not wait for it.
        os._exit(int(asked.code or 0) if isinstance(asked, SystemExit) else 130)


async def _speak(settings: Settings, database_url: str, caller: Caller) -> None:
    async with open_services(settings, database_url, local=caller) as services:
        await speak(services.server)


@command.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
) -> None:
    """Bring the database to the newest schema. Safe to run at any time, by several at once."""
    settings = configure()
    if sql:
        migrations.script()
        return
    run(_migrate(settings))
    print(f"The schema is at {migrations.newest()}.")


async def _migrate(settings: Settings) -> None:
    if settings.database_url:
        # Directly: behind a pooler, statements of one session may reach different connections.
        await migrations.migrate(settings.database_url_unpooled or settings.database_url)
        return
    async with database(settings):
        pass


@command.command()
def seed(
    tasks: Annotated[int, typer.Option(min=1, max=1_000_000)] = 10_000,
    users: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    me: Annotated[str | None, typer.Option(help="Your user id or e-mail: be one of them, once you signed in.")] = None,
) -> None:
    """Add demo data. Adding it again adds only what is missing."""
    ids = run(_seed(configure(), tasks, users, me))
    print(f"There are {tasks} tasks of {users} people, the busiest being {ids[0]}. To ask as that person:")
    print(f"  taskdeck token --user {ids[0]}")
    if me is None:
        print("To see such data in the dashboard, sign up there, open it once, and run taskdeck seed --me YOUR-EMAIL.")


async def _seed(settings: Settings, tasks: int, people: int, me: str | None) -> list[str]:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database(settings))
        opened = await stack.enter_async_context(Database.open(settings.database_url_unpooled or url))
        progress = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
        bar = progress.add_task("Adding tasks", total=tasks)
        return await demo.fill(opened, tasks, people, me=me, done=lambda n: progress.advance(bar, n))


@command.command()
def token(
    user: Annotated[str | None, typer.Option(help="User id; without it the person at this machine.")] = None,
    email: Annotated[str | None, typer.Option()] = None,
    name: Annotated[str | None, typer.Option()] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone such as Europe/Berlin.")] = None,
    scope: Annotated[str, typer.Option(help="What it allows.")] = "mcp:read mcp:write",
    ttl: Annotated[str, typer.Option(help="How long it lives: 30m, 1h, 24h at most.")] = "1h",
    audience: Annotated[Literal["mcp", "api"], typer.Option(help="Endpoint that accepts it.")] = "mcp",
) -> None:
    """Print a token of the built-in issuer, for servers on this machine."""
    settings = _at_running_server(configure())
    if user is None and settings.database_url:
        fail("--user: name the user, as with DATABASE_URL nobody is the person at this machine")
    try:
        with in_data_dir(settings):
            issued = LocalIssuer(settings).mint(
                user or read_local_owner(settings),
                email=email,
                name=name,
                timezone=timezone,
                oauth_scopes=scope.split(),
                ttl=_seconds(ttl),
                audience=audience,
            )
    except ValueError as error:
        fail(str(error))
    print(issued)


@command.command(name="claim-local")
def claim_local(
    user: Annotated[str, typer.Option(help="E-mail or user id of your account on the dashboard.")],
    source: Annotated[
        list[str] | None,
        typer.Option("--from", help="User id of which you have used tokens; repeat it for several. [default: me]"),
    ] = None,
) -> None:
    """Make all that was added on this machine without an account that of yours, now and from now on."""
    run(_claim_local(configure(), user, source or ["me"]))


async def _claim_local(settings: Settings, user: str, sources: list[str]) -> None:
    if settings.database_url:
        fail("claim-local is for the embedded database: with DATABASE_URL nobody is the person at this machine")
    async with database(settings) as url:
        with in_data_dir(settings):
            print(await claims.claim(settings, url, user, sources))


@command.command(name="delete-account")
def delete_account(
    user: Annotated[str, typer.Argument(help="User id, or e-mail of an account on the dashboard.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a person with everything in it, for good. Tasks in teams go to an owner of the team."""
    settings = configure()
    if not yes:
        typer.confirm(f"Delete {user} with all tasks and conversations for good?", abort=True, err=True)
    print(f"{run(_delete_account(settings, user))} is deleted.")


async def _delete_account(settings: Settings, user: str) -> str:
    async with database(settings) as url:
        return await delete_person(settings.database_url_unpooled or url, user)


@command.command(name="doctor")
def examine() -> None:
    """Find problems of this installation, and say how to fix them."""
    findings = run(doctor.examine_all(configure()))
    doctor.show(findings)
    if any(finding.fix for finding in findings):
        raise SystemExit(1)


def _seconds(text: str) -> int:
    """A duration such as 45s, 30m or 1h, in seconds."""
    match = re.fullmatch(r"(\d{1,6})([smh])", text)
    if match is None:
        fail("ttl: write for example 30m, 1h or 24h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def _at_running_server(settings: Settings) -> Settings:
    """The settings with the address of the server started last on this data folder, unless the environment sets one."""
    # A token names the address of the server as its issuer and audience, and is refused at any other.
    if settings.port and {"port", "public_url"} & settings.model_fields_set:
        return settings
    try:
        address = (settings.data_dir / "address").read_text("utf-8").strip()
    except OSError:
        if settings.port:
            return settings
        fail("TASKDECK_PORT is 0 and no server has been started with this TASKDECK_DATA_DIR yet: start it first")
    return settings.model_copy(update={"public_url": address})
