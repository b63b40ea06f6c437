"""Other PostgreSQLs to test against: Debian's, and a pooler in transaction mode in front of any."""

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg


def _unprivileged(folder: Path) -> dict[str, int]:
    """PostgreSQL and PgBouncer refuse root: run as the system's postgres, who gets the folder."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    for ancestor in folder.parents:
        if ancestor.stat().st_mode & 0o001 == 0:
            ancestor.chmod(ancestor.stat().st_mode | 0o011)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid}


@asynccontextmanager
async def debian(folder: Path) -> AsyncGenerator[str]:
    """Debian's PostgreSQL (15 in Debian 12) on a socket in `folder`; yields the superuser's URI."""
    run_as = _unprivileged(folder)
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
        check=True,
        capture_output=True,
        cwd="/",
        **run_as,
    )
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c max_connections=200 -c fsync=off"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "-o", options]
    subprocess.run([*control, "start"], check=True, cwd="/", **run_as)
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", **run_as)


@asynccontextmanager
async def pooled(url: str, folder: Path) -> AsyncGenerator[str]:
    """Debian's PgBouncer in transaction mode in front of `url`; yields the address through it."""
    run_as = _unprivileged(folder)
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host, port = query["host"][0], query.get("port", ["5432"])[0]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
logfile = {folder}/log
pidfile = {folder}/pid
"""
    )
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    bouncer = subprocess.Popen([program, "-q", folder / "pgbouncer.ini"], cwd="/", **run_as)
    through = f"postgresql://{user}:{password}@/{parts.path.lstrip('/')}?host={folder}&port=6432"
    try:
        await _answers(through)
        yield through
    finally:
        bouncer.terminate()
        bouncer.wait()


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
