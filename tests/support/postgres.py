"""Other PostgreSQL servers to test against: Debian's, and PgBouncer in transaction mode in front of any."""

import asyncio
import os
import pwd
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from storage.embedded_postgres.privileges import Account

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path())
"""The programs of Debian's PostgreSQL, which are not on the PATH."""

_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")


def _hand_over(folder: Path) -> Account:
    """PostgreSQL and PgBouncer refuse to run as root: give the folder to the system user postgres and run as it."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    _let_through(folder)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _let_through(folder: Path) -> None:
    for ancestor in folder.parents:
        if ancestor.stat().st_uid == 0 and ancestor.stat().st_mode & 0o001 == 0:
            ancestor.chmod(ancestor.stat().st_mode | 0o011)


async def _start(account: Account, *command: str | Path) -> Process:
    return await asyncio.create_subprocess_exec(*command, cwd="/", stdout=asyncio.subprocess.DEVNULL, **account)


async def _run(account: Account, *command: str | Path) -> None:
    process = await _start(account, *command)
    assert await process.wait() == 0, f"{command[0]} failed"


@asynccontextmanager
async def debian(tls_port: int = 0) -> AsyncGenerator[str]:
    """Run Debian's PostgreSQL (15 in Debian 12) in a new folder; yields the superuser's URI.

    With `tls_port` it also listens on 127.0.0.1 with TLS, passwords and a self-signed certificate.
    """
    with own_folder() as folder:
        async with _debian(folder, tls_port) as url:
            yield url


@contextmanager
def own_folder() -> Generator[Path]:
    """A folder directly in the system's temporary directory: servers run as users who cannot enter pytest's."""
    with TemporaryDirectory(prefix="taskdeck-tests-") as folder:
        yield Path(folder)


@asynccontextmanager
async def _debian(folder: Path, tls_port: int) -> AsyncGenerator[str]:
    account = _hand_over(folder)
    data, log = folder / "data", folder / "log"
    settings = ("-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")
    await _run(account, PROGRAMS / "initdb", "-D", data, *settings)
    listening = "-c listen_addresses=''"
    if tls_port:
        made = ("-subj", "/CN=127.0.0.1", "-keyout", data / "server.key", "-out", data / "server.crt")
        await _run(account, "openssl", "req", "-batch", "-x509", "-nodes", "-newkey", "ec", *_CURVE, *made)
        listening = f"-c listen_addresses=127.0.0.1 -c port={tls_port} -c ssl=on"
    options = f"{listening} -c unix_socket_directories='{folder}' -c max_connections=200 -c fsync=off"
    control = (PROGRAMS / "pg_ctl", "-D", data, "-w", "-s", "-l", log, "-o", options)
    await _run(account, *control, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}&port={tls_port or 5432}"
    finally:
        await _run(account, *control, "-m", "immediate", "stop")


@asynccontextmanager
async def pooled(url: str) -> AsyncGenerator[str]:
    """Run Debian's PgBouncer in transaction mode in front of `url`; yields the URL through it."""
    with own_folder() as folder:
        async with _pooled(url, folder) as through:
            yield through


@asynccontextmanager
async def _pooled(url: str, folder: Path) -> AsyncGenerator[str]:
    account = _hand_over(folder)
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host, port = query["host"][0], query.get("port", ["5432"])[0]
    _let_through(Path(host))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    # No passwords: checking one takes PgBouncer's only thread 10 ms, and each server opens a dozen connections.
    (folder / "users.txt").write_text(f'"{user}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 20
server_idle_timeout = 5
max_client_conn = 500
logfile = {folder}/log
pidfile = {folder}/pid
"""
    )
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    bouncer = await _start(account, program, "-q", folder / "pgbouncer.ini")
    through = f"postgresql://{user}:{password}@/{parts.path.lstrip('/')}?host={folder}&port=6432"
    try:
        await _answers(through)
        yield through
    finally:
        bouncer.terminate()
        await bouncer.wait()


async def _answers(url: str) -> None:
    for attempt in range(100):
        try:
            connection = await asyncpg.connect(url, statement_cache_size=0)
        except (OSError, asyncpg.PostgresError):
            if attempt == 99:
                raise
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return
