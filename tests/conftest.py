"""Shared fixtures: one real PostgreSQL per run, a database migrated by an unprivileged role, new users per test."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from mcp_server.identity.callers import Caller, Callers
from mcp_server.protocol.server import build_mcp_server
from mcp_server.settings import Settings
from storage.embedded_postgres import supervisor
from storage.engine import migrations
from storage.engine.database import Database, Scope
from tests.support import processes
from tests.support.postgres import debian, own_folder, pooled

POOLED = os.environ.get("TASKDECK_TEST_POOLER") == "1"

# Background jobs start with SIGINT ignored and nohup ignores SIGHUP; processes that tests signal would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server and its role `owner`, which may create roles but is no superuser, as on Neon."""

    url: str
    password: str

    @classmethod
    async def at(cls, url: str) -> "Cluster":
        """Use the PostgreSQL at a superuser's URL; the role `owner` gets a new password."""
        made = cls(url, secrets.token_hex(8))
        connection = await asyncpg.connect(url)
        verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'owner'") else "CREATE"
        await connection.execute(f"{verb} ROLE owner LOGIN CREATEROLE PASSWORD '{made.password}'")
        await connection.close()
        return made

    def address(self, database: str, role: str | None = None) -> str:
        """The URL of a database for a role; without a role, for the superuser."""
        parts = urlsplit(self.url)
        login = f"{role}:{self.password}@" if role else f"{parts.netloc.rpartition('@')[0]}@"
        return f"postgresql://{login}/{database}?{parts.query}"

    async def create(self, database: str, template: str = "template0") -> str:
        """Create a database owned by `owner` and return its URL. The template must have no connections."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(f"CREATE DATABASE {database} OWNER owner TEMPLATE {template}")
        await connection.close()
        return self.address(database, "owner")

    async def drop(self, database: str) -> None:
        """Drop a database, with the connections to it."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await connection.close()


@asynccontextmanager
async def running_cluster() -> AsyncGenerator[Cluster]:
    """The embedded PostgreSQL, or Debian's (TASKDECK_TEST_POSTGRES=debian), with a migrated database `blank`."""
    with own_folder() as folder:
        starting = debian() if os.environ.get("TASKDECK_TEST_POSTGRES") == "debian" else supervisor.running(folder)
        async with starting as url:
            found = await Cluster.at(url.replace("//taskdeck:", "//postgres:"))
            await migrations.migrate(await found.create("blank"))
            yield found


@pytest.fixture(scope="session")
async def cluster() -> AsyncGenerator[Cluster]:
    """A PostgreSQL for this run, or the one at TASKDECK_TEST_CLUSTER (a superuser's URL), shared by several runs."""
    if url := os.environ.get("TASKDECK_TEST_CLUSTER"):
        yield await Cluster.at(url)
        return
    async with running_cluster() as found:
        yield found


@pytest.fixture(scope="session")
async def direct_url(cluster: Cluster) -> str:
    """The URL of the migrated database that the tests share, without a pooler."""
    return await cluster.create("tests", "blank")


RequestUrl = Callable[[str], str]
"""Maps the URL of a database to the URL that requests use: the same, or through the pooler."""


@pytest.fixture(scope="session")
async def request_url(cluster: Cluster) -> AsyncGenerator[RequestUrl]:
    """The identity, or URLs of PgBouncer in transaction mode if TASKDECK_TEST_POOLER=1."""
    if not POOLED:
        yield lambda address: address
        return
    async with pooled(cluster.address("postgres", "owner")) as through:
        yield lambda address: urlsplit(through)._replace(path=urlsplit(address).path).geturl()


@pytest.fixture(scope="session")
async def database_url(direct_url: str, request_url: RequestUrl) -> str:
    """The URL that requests use for the shared database."""
    return request_url(direct_url)


@pytest.fixture(scope="session", autouse=POOLED)
def homes(cluster: Cluster, request_url: RequestUrl) -> Generator[None]:
    """Give each data folder of a started taskdeck process a database behind the pooler."""

    @cache
    def find(data_dir: Path) -> dict[str, str]:
        with ThreadPoolExecutor() as executor:  # callers are synchronous functions inside a running event loop
            name = f"home_{secrets.token_hex(8)}"
            direct = executor.submit(asyncio.run, cluster.create(name, "blank")).result()
        return {"DATABASE_URL": request_url(direct), "DATABASE_URL_UNPOOLED": direct}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "find_database", find)
        yield


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Default settings, independent of environment variables."""
    return Settings.model_construct(None, **{**_defaults(), "data_dir": tmp_path, "port": 8000})


def _defaults() -> dict[str, Any]:
    return {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in Settings.model_fields.items()
    }


class Refused(Exception):
    """A tool call failed; the text is what the model reads."""


@dataclass(frozen=True)
class Person:
    """A user with an MCP client."""

    user_id: str
    email: str
    database: Database
    settings: Settings
    scopes: frozenset[str] = frozenset({"mcp:read", "mcp:write"})
    timezone: str | None = "UTC"

    @property
    def caller(self) -> Caller:
        return Caller(
            user_id=self.user_id,
            email=self.email,
            name=self.user_id.title(),
            timezone=self.timezone,
            oauth_scopes=self.scopes,
            client="pytest",
            expires_at=4e9,
            audience="mcp",
            issuer="tests",
            client_key="pytest",
        )

    @property
    def scope(self) -> Scope:
        return self.database.scope(self.user_id, "pytest")

    def client(self) -> Client:
        """An in-memory client of the newest protocol revision, connected to its own server."""
        return Client(build_mcp_server(self.settings, Callers(self.database), self.caller))

    async def ask(self, tool: str, meta: Any = None, /, **arguments: Any) -> CallToolResult:
        """Call a tool and return the whole result."""
        async with self.client() as client:
            return await client.call_tool(tool, arguments, meta=meta)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured result.

        Raises:
            Refused: the result is an error.
        """
        result = await self.ask(tool, **arguments)
        content = result.content[0]
        assert isinstance(content, TextContent)
        if result.is_error:
            raise Refused(content.text)
        assert result.structured_content is not None
        return result.structured_content

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail, and return its error text."""
        with pytest.raises(Refused) as refused:
            await self.call(tool, **arguments)
        return str(refused.value)


@pytest.fixture
async def person(database: Database, settings: Settings) -> Callable[[str], Person]:
    """Make users with unique ids, unknown to the database until their first call."""

    def make(name: str) -> Person:
        user_id = f"{name}-{secrets.token_hex(4)}"
        return Person(user_id, f"{user_id}@example.com", database, settings)

    return make


@pytest.fixture
async def alice(person: Callable[[str], Person]) -> Person:
    return await introduce(person("alice"))


@pytest.fixture
async def bob(person: Callable[[str], Person]) -> Person:
    return await introduce(person("bob"))


@pytest.fixture
async def carol(person: Callable[[str], Person]) -> Person:
    return await introduce(person("carol"))


async def introduce(user: Person) -> Person:
    """Store a user's profile, as their first request does."""
    await user.call("whoami")
    await Callers(user.database).scope(user.caller)
    return user
