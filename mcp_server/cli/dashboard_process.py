"""The dashboard as a child process: starts it, restarts it if it dies, and ends it together with this process."""

import asyncio
import logging
import os
import secrets
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import httpx2

from mcp_server.identity.local_owner import first_account_is_owner, read_local_owner
from mcp_server.identity.secret_files import read_or_create
from mcp_server.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

CHECKOUT = Path(__file__).parents[2]
SERVER = CHECKOUT / "dashboard/.next/standalone/server.js"

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
PAUSES = (1.0, 2.0, 5.0, 15.0)
"""Seconds between restarts, increasing while it dies soon after its start."""

# Its standard input is a pipe whose other end is ours. However this process ends, the kernel closes the pipe, and node
# exits.
_LEAVE_WITH_PARENT = 'data:text/javascript,process.stdin.resume().on("end",()=>process.exit(0))'


def find_node() -> Path:
    """The folder of a Node.js that can run the dashboard. deploy/node.py chooses it.

    Raises:
        SettingsError: there is none.
    """
    found = subprocess.run(
        [sys.executable, CHECKOUT / "deploy/node.py"], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    if found.returncode:
        raise SettingsError(found.stderr.strip())
    return Path(found.stdout.strip())


class Dashboard:
    """The dashboard at `url`, for a database and a server.

    Raises:
        SettingsError: there is no Node.js, or the data folder cannot be read or written.
    """

    def __init__(self, settings: Settings, database_url: str, url: str) -> None:
        self.url = url
        self._node = find_node() / "node"
        self._environment = os.environ | {
            "DATABASE_URL": database_url,
            "TASKDECK_DASHBOARD_URL": url,
            "TASKDECK_PUBLIC_URL": settings.address,
            # The dashboard calls the server directly, not through the proxy behind a public URL.
            "TASKDECK_BRIDGE_URL": settings.model_copy(update={"public_url": ""}).address,
            "BETTER_AUTH_SECRET": os.environ.get("BETTER_AUTH_SECRET") or _open_secret(settings.data_dir),
            "TASKDECK_LOCAL_OWNER": read_local_owner(settings) if first_account_is_owner(settings) else "",
            "TASKDECK_SHOW_LINKS": "1" if first_account_is_owner(settings) else "",
            # The address that Next.js listens at; containers set the variable to the machine's name.
            "HOSTNAME": "127.0.0.1",
            "PORT": url.rpartition(":")[2],
            "NODE_ENV": "production",
            "NEXT_TELEMETRY_DISABLED": "1",
        }

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run it, and restart it if it dies. Entered once it answers, or after half a minute."""
        keeping = asyncio.create_task(self._keep())
        try:
            await self._answers()
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _keep(self) -> None:
        died = 0
        while True:
            started = monotonic()
            process = await asyncio.create_subprocess_exec(
                *(self._node, "--import", _LEAVE_WITH_PARENT, SERVER),
                env=self._environment,
                stdin=PIPE,
                stdout=DEVNULL,
                # Ctrl-C must reach only this process, which then stops the dashboard.
                start_new_session=True,
            )
            try:
                status = await process.wait()
            finally:
                await _stop(process)
            died = 0 if monotonic() - started > 60 else died + 1
            pause = PAUSES[min(died, len(PAUSES) - 1)]
            logger.error("The dashboard ended with status %s: starting it again in %g s", status, pause)
            await asyncio.sleep(pause)

    async def _answers(self) -> None:
        deadline = monotonic() + READY_SECONDS
        async with httpx2.AsyncClient(trust_env=False) as client:
            while monotonic() < deadline:
                with suppress(httpx2.HTTPError):
                    # This address reads the database, so it answers only once the dashboard has migrated its schema.
                    if (await client.get(f"{self.url}/api/auth/jwks")).status_code == 200:
                        return
                await asyncio.sleep(0.1)
        logger.error("The dashboard does not answer yet at %s", self.url)


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _open_secret(folder: Path) -> str:
    """The secret that signs the dashboard's cookies, created on first use."""
    # Kept in a file, so that people stay signed in when the dashboard restarts.
    path = folder / "dashboard.secret"
    try:
        return read_or_create(path, lambda: secrets.token_hex(32).encode()).decode()
    except OSError as error:
        raise SettingsError(f"TASKDECK_DATA_DIR: {path}: {error.strerror}") from error
