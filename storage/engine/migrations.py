"""The version of the schema: migrate a database to the newest one, or report which one it has."""

import asyncio
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from storage.engine import sql_objects
from storage.engine.database import Database
from storage.engine.retry import NO_SCHEMA, Unprepared
from storage.engine.statements import Statement
from storage.schema.errors import NotAllowed, StorageError

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_VERSION = Statement(sql_objects.VERSION, (), {})


class SchemaError(StorageError):
    """The schema cannot be brought to the newest version; the text says why."""


def _config(url: str = "") -> Config:
    # The wheel contains alembic/ as storage/migrations; a checkout has it beside storage/.
    packaged = Path(str(files("storage"))) / "migrations"
    folder = packaged if packaged.is_dir() else packaged.parents[1] / "alembic"
    config = Config()
    # The parser of Config expands %, so a literal one is doubled. The URL is no option, for the same reason.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    if url:
        config.attributes["url"] = url
    return config


@cache
def newest() -> str:
    """The revision that this release of the code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def current(connection: "Connection") -> str | None:
    """The revision of a database, None if it has not been migrated yet."""
    try:
        return await connection.fetchval(_VERSION.sql)
    except asyncpg.UndefinedTableError:
        return None


async def check(database: Database) -> None:
    """Check the schema with the role of requests.

    Raises:
        Unprepared: requests cannot work with it; `fix` says what to do.
        Unavailable: the database cannot be reached.
    """
    try:
        async with database.nobody(probing=True).transaction() as transaction:
            found = await transaction.fetch_one(_VERSION)
    # Requests may read alembic_version since revision 010, so a schema that refuses it is older.
    except NotAllowed as error:
        raise Unprepared(NO_SCHEMA) from error
    revision = found and found["version_num"]
    if revision != newest():
        raise Unprepared(f"The schema is at {revision}, this release needs {newest()}: run taskdeck migrate")
    if found is None or not sql_objects.is_current(found["record"]):
        raise Unprepared("The functions and policies are those of another release: run taskdeck migrate")


async def find_drift(connection: "Connection") -> list[str]:
    """Functions, triggers, policies and rights that differ from what was applied, by name. Empty: none do."""
    record = await connection.fetchval(f"SELECT {sql_objects.RECORD}")
    objects = {row["name"]: row["seen"] for row in await connection.fetch(sql_objects.objects_query())}
    changed = sql_objects.differences(record, objects)
    return changed if changed or sql_objects.is_current(record) else ["functions and policies of another release"]


async def migrate(url: str) -> None:
    """Bring the database at `url` (a direct connection, as the schema's owner) to the newest revision.

    Safe to call from many processes at once, and again at any time.

    Raises:
        SchemaError: the database refused; its reason is in the text.
    """
    # In a thread, because alembic/env.py starts an event loop of its own.
    try:
        await asyncio.to_thread(command.upgrade, _config(url), "head")
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        why = " ".join(str(reason).split()) or type(reason).__name__
        raise SchemaError(f"The database cannot be migrated: {why}") from error


def script() -> None:
    """Print the migrations as SQL, for databases that only an administrator may change.

    It may run on a database of any version up to `newest()`, and again.
    """
    command.upgrade(_config(), "head", sql=True)
