"""The schema's version: bring a database to the newest one, or say how far it is."""

import asyncio
from functools import cache
from importlib.resources import files
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from storage.engine.database import Database, Statement
from storage.engine.retry import NO_SCHEMA, Unprepared
from storage.schema.errors import NotAllowed, StorageError

_VERSION = Statement("SELECT version_num FROM alembic_version", (), {})


class SchemaError(StorageError):
    """The schema cannot be brought to the newest version; the text says why."""


def _config(url: str = "") -> Config:
    packaged = Path(str(files("storage"))) / "migrations"
    folder = packaged if packaged.is_dir() else packaged.parents[1] / "alembic"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    if url:
        config.attributes["url"] = url
    return config


@cache
def newest() -> str:
    """The revision that this release of the code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def current(
    connection: "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
) -> str | None:
    """The revision of a database, None when nothing was migrated yet."""
    try:
        return await connection.fetchval(_VERSION.sql)
    except asyncpg.UndefinedTableError:
        return None


async def check(database: Database) -> None:
    """Look at the schema as a request would.

    Raises:
        Unprepared: requests cannot work with it; `mend` says why.
        Unavailable: the database cannot be reached.
    """
    try:
        async with database.nobody().transaction() as transaction:
            found = await transaction.fetch_value(_VERSION)
    except NotAllowed as error:
        raise Unprepared(NO_SCHEMA) from error
    if found != newest():
        raise Unprepared(f"The schema is at {found}, this release needs {newest()}: run taskdeck migrate")


async def migrate(url: str) -> None:
    """Bring the database at `url` (a direct connection, as the schema's owner) to the newest revision.

    Safe to call from many processes at once, and again at any time.

    Raises:
        SchemaError: the database refused; its reason is in the text.
    """
    try:
        await asyncio.to_thread(command.upgrade, _config(url), "head")
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        told = " ".join(str(reason).split()) or type(reason).__name__
        raise SchemaError(f"The database cannot be migrated: {told}") from error


def script() -> None:
    """Print the migrations as SQL, for databases that only an administrator may change.

    It may run on a database of any version up to `newest()`, and again.
    """
    command.upgrade(_config(), "head", sql=True)
