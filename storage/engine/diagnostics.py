"""Checks of a database for `taskdeck doctor`: version, roles, schema, policies, durability, and its addresses."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from storage.engine import migrations
from storage.engine.dsn import cleaned

VERSIONS = range(15, 19)
CONNECT_SECONDS = 10
MOST_NAMED = 5

_ROLES = """
SELECT rolname, rolsuper OR rolbypassrls AS unbound, pg_has_role(rolname, 'MEMBER') AS usable
FROM pg_roles WHERE rolname IN ('taskdeck_app', 'taskdeck_rls')
"""
# Without FORCE, a table's owner passes its policies, and the login of DATABASE_URL may be the owner.
_OPEN_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname
"""
# With one of these off, a crash may lose writes that were acknowledged, or damage pages.
_DURABILITY = """
SELECT name FROM pg_settings WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes', 'synchronous_commit')
"""

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@dataclass(frozen=True)
class Finding:
    """One check and its result. `fix` says what the operator has to do; None if nothing is wrong."""

    name: str
    found: str
    fix: str | None = None


async def examine(url: str, unpooled: str | None) -> list[Finding]:
    """Check the database of DATABASE_URL and, if it is set, DATABASE_URL_UNPOOLED. Changes nothing."""
    ways = {"DATABASE_URL": url} | ({"DATABASE_URL_UNPOOLED": unpooled} if unpooled else {})
    opened: list[Connection] = []
    async with AsyncExitStack() as stack:
        for variable, address in ways.items():
            try:
                opened.append(await _connect(address))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                reason = str(error) or type(error).__name__
                fix = f"Check {variable}, and that PostgreSQL runs"
                return [Finding("database", f"cannot be reached: {reason}", fix)]
            stack.push_async_callback(opened[-1].close)
        # The last one is the unpooled address, if there is one: migrations use it, so its login is the one to check.
        direct = opened[-1]
        found = [_version(direct), *await _schema(direct), *await _roles(direct)]
        found += [await _policies(direct), await _durability(direct)]
    return [*found, *await _ways(url, unpooled)]


async def _connect(url: str) -> "Connection":
    # Either address may lead to a pooler, behind which prepared statements fail.
    return await asyncpg.connect(cleaned(url), timeout=CONNECT_SECONDS, statement_cache_size=0)


def _version(connection: "Connection") -> Finding:
    major = connection.get_server_version().major
    wanted = f"{VERSIONS.start} to {VERSIONS.stop - 1}"
    return Finding("database", f"PostgreSQL {major}", None if major in VERSIONS else f"Use PostgreSQL {wanted}")


async def _schema(connection: "Connection") -> list[Finding]:
    try:
        current = await migrations.current(connection)
    except asyncpg.InsufficientPrivilegeError:
        fix = "GRANT taskdeck_app TO the role of DATABASE_URL"
        return [Finding("schema", "may not be read by this login", fix)]
    # Drift is reported only for this release's schema: another one has other functions and policies by design.
    if current != migrations.newest():
        fix = f"Run taskdeck migrate: this release needs {migrations.newest()}"
        return [Finding("schema", f"at {current}" if current else "not there", fix)]
    name, drift = "functions and policies", await migrations.find_drift(connection)
    if not drift:
        return [Finding("schema", f"at {current}"), Finding(name, "as this release made them")]
    more = f" and {len(drift) - MOST_NAMED} more" if len(drift) > MOST_NAMED else ""
    changed = Finding(name, f"changed: {', '.join(drift[:MOST_NAMED])}{more}", "Run taskdeck migrate: it restores them")
    return [Finding("schema", f"at {current}"), changed]


async def _roles(connection: "Connection") -> list[Finding]:
    rows = {row["rolname"]: row for row in await connection.fetch(_ROLES)}
    found: list[Finding] = []
    for role in ("taskdeck_app", "taskdeck_rls"):
        name, row = f"role {role}", rows.get(role)
        if row is None:
            found.append(Finding(name, "not there", "Run taskdeck migrate, as a role that has CREATEROLE"))
        elif row["unbound"]:
            found.append(Finding(name, "passes all policies", f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"))
        elif role == "taskdeck_app" and not row["usable"]:
            found.append(Finding(name, "cannot be taken by this login", f"GRANT {role} TO the role of DATABASE_URL"))
        else:
            found.append(Finding(name, "bound by the policies"))
    return found


async def _policies(connection: "Connection") -> Finding:
    tables = [row["relname"] for row in await connection.fetch(_OPEN_TABLES)]
    if tables:
        fix = "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY for each of them"
        return Finding("row-level security", f"not forced on {', '.join(tables)}", fix)
    return Finding("row-level security", "forced on every table")


async def _durability(connection: "Connection") -> Finding:
    off = [row["name"] for row in await connection.fetch(_DURABILITY)]
    if off:
        return Finding("durability", f"{', '.join(off)} off: a crash loses data", "Switch on in postgresql.conf")
    return Finding("durability", "a commit survives a crash")


async def _ways(url: str, unpooled: str | None) -> list[Finding]:
    """Whether the listening address is direct: through a pooler, LISTEN succeeds and receives nothing."""
    pooled = await _is_pooled(url)
    requests = Finding("requests", "go through a pooler" if pooled else "go straight to PostgreSQL")
    name = "listening address"
    if unpooled and await _is_pooled(unpooled):
        return [requests, Finding(name, "leads to a pooler", "Set DATABASE_URL_UNPOOLED to the direct address")]
    if pooled and not unpooled:
        fix = "Set DATABASE_URL_UNPOOLED to the direct address (Neon: the host without -pooler)"
        return [requests, Finding(name, "DATABASE_URL leads to a pooler", fix)]
    return [requests, Finding(name, "direct")]


async def _is_pooled(url: str) -> bool:
    """Whether two connections share a server process.

    A pooler in transaction mode gives the server process of an idle connection to the next one. It may have several to
    choose from, so three more connections are tried.
    """
    first = await _connect(url)
    try:
        server = await first.fetchval("SELECT pg_backend_pid()")
        others = [await _connect(url) for _ in range(3)]
        try:
            return server in [await other.fetchval("SELECT pg_backend_pid()") for other in others]
        finally:
            for other in others:
                await other.close()
    finally:
        await first.close()
