"""What every command needs: settings, an event loop, the database, and one way to fail."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import NoReturn, TypeVar

from mcp_server.http.telemetry import configure_logs, start_tracing
from mcp_server.settings import Settings, SettingsError, read_settings
from storage.embedded_postgres import supervisor
from storage.engine import migrations

T = TypeVar("T")


def fail(sentence: str) -> NoReturn:
    """End with exit code 2 and one line on stderr."""
    print(f"taskdeck: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def configure() -> Settings:
    """Read the settings, and start logs and traces by them."""
    settings = read_settings()
    configure_logs(settings.log_level)
    start_tracing()
    return settings


def run(work: Awaitable[T]) -> T:
    """Run asynchronous work, on uvloop where it is installed; Ctrl-C ends it with exit code 130."""

    # Runner takes only a coroutine.
    async def awaited() -> T:
        return await work

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(awaited())
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    # uvloop supports neither Windows nor PyPy.
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


@asynccontextmanager
async def database(settings: Settings) -> AsyncGenerator[str]:
    """The URL of the configured database as it is, or of the embedded one, migrated."""
    if settings.database_url:
        yield settings.database_url
        return
    with in_data_dir(settings):
        pass
    async with supervisor.running(settings.data_dir) as url:
        await migrations.migrate(url)
        yield url


@contextmanager
def in_data_dir(settings: Settings) -> Generator[None]:
    """Create the data folder if it is missing. An OSError within becomes a SettingsError."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise SettingsError(f"TASKDECK_DATA_DIR: {error.filename or settings.data_dir}: {error.strerror}") from error
