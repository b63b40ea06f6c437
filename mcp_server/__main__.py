"""The `taskdeck` command."""

import asyncio
import logging
import re
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Annotated, Literal, NoReturn, TypeVar

import typer
import uvicorn
from mcp.server.stdio import stdio_server

from mcp_server.app import open_app, open_deck
from mcp_server.auth import caller_of_environment
from mcp_server.issuer import LocalIssuer
from mcp_server.settings import Settings, SettingsError, read_settings
from mcp_server.tokens import Verifier
from storage import embedded, schema
from storage.errors import StorageError

T = TypeVar("T")

command = typer.Typer(
    help="The memory and task board that AI agents and people share.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; what is wrong with settings or database is one line on stderr and exit code 2."""
    try:
        command()
    except (SettingsError, StorageError) as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    print(f"taskdeck: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def _configure() -> Settings:
    settings = read_settings()
    logging.basicConfig(stream=sys.stderr, level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    return settings


def _run(work: Awaitable[T]) -> T:
    async def awaited() -> T:
        return await work

    try:
        return asyncio.run(awaited())
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@asynccontextmanager
async def _database(settings: Settings) -> AsyncGenerator[str]:
    """The configured database, or the embedded one, brought to the newest schema."""
    if settings.database_url:
        yield settings.database_url
        return
    async with embedded.running(settings.data_dir) as url:
        await schema.migrate(url)
        yield url


@command.command()
def serve() -> None:
    """Serve MCP over HTTP, on the configured or the embedded database."""
    _run(_serve(_configure()))


async def _serve(settings: Settings) -> None:
    listening = socket.create_server((settings.host, settings.port), backlog=2048)
    settings = settings.with_port(listening.getsockname()[1])
    async with _database(settings) as url, open_app(settings, url) as app:
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=10)
        )
        if settings.loopback:
            (settings.data_dir / "address").write_text(settings.address, "utf-8")
        print(f"MCP: {settings.address}/mcp", flush=True)
        await server.serve([listening])


@command.command()
def stdio() -> None:
    """Speak MCP over standard input and output, as one user."""
    _run(_stdio(_configure()))


async def _stdio(settings: Settings) -> None:
    caller = await caller_of_environment(Verifier(settings))
    async with _database(settings) as url, open_deck(settings, url, local=caller) as deck:
        async with stdio_server() as (reading, writing):
            await deck.server.run(reading, writing, deck.server.create_initialization_options())


@command.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
) -> None:
    """Bring the database to the newest schema. Safe to run at any time, by several at once."""
    settings = _configure()
    if sql:
        schema.script()
        return
    _run(_migrate(settings))
    print(f"The schema is at {schema.newest()}.")


async def _migrate(settings: Settings) -> None:
    direct = settings.database_url_unpooled or settings.database_url
    if direct:
        await schema.migrate(direct)
        return
    async with _database(settings):
        pass


@command.command()
def token(
    user: Annotated[str, typer.Option(help="User id (letters, digits, _ . : @ | -).")],
    email: Annotated[str | None, typer.Option()] = None,
    name: Annotated[str | None, typer.Option()] = None,
    scope: Annotated[str, typer.Option(help="What it allows.")] = "mcp:read mcp:write",
    ttl: Annotated[str, typer.Option(help="How long it lives: 30m, 1h, 24h at most.")] = "1h",
    audience: Annotated[Literal["mcp", "api"], typer.Option(help="Which door it opens.")] = "mcp",
) -> None:
    """Print a token of the built-in issuer, for servers on this machine."""
    settings = _configure()
    if settings.port == 0:
        settings = settings.model_copy(update={"public_url": _read_address(settings)})
    try:
        issued = LocalIssuer(settings).mint(
            user, email=email, name=name, scopes=scope.split(), ttl=_seconds(ttl), audience=audience
        )
    except ValueError as error:
        _fail(str(error))
    print(issued)


def _seconds(text: str) -> int:
    """A duration such as 45s, 30m or 1h, in seconds."""
    match = re.fullmatch(r"(\d{1,6})([smh])", text)
    if match is None:
        _fail("ttl: write for example 30m, 1h or 24h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def _read_address(settings: Settings) -> str:
    """Where the server that chose its own port is listening."""
    try:
        return (settings.data_dir / "address").read_text("utf-8").strip()
    except OSError:
        _fail("TASKDECK_PORT is 0 and no server has been started with this TASKDECK_DATA_DIR yet: start it first")


if __name__ == "__main__":
    main()
