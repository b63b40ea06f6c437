"""`taskdeck doctor`: checks the installation, and suggests a fix for each problem."""

import asyncio
import errno
import os
import stat
import subprocess
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Column, Table

from mcp_server.cli import dashboard_process
from mcp_server.http import uvicorn_server
from mcp_server.identity.access_tokens import InvalidToken
from mcp_server.identity.jwks import KeysUnavailable
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import Settings, SettingsError
from storage.embedded_postgres import supervisor
from storage.embedded_postgres.cluster import Cluster
from storage.embedded_postgres.supervisor import EmbeddedError
from storage.engine.diagnostics import Finding, examine


async def examine_all(settings: Settings) -> list[Finding]:
    """Run all checks. Starts the embedded database if that is the one in use."""
    found = [*_folder(settings), *await _database(settings), *await _tokens(settings)]
    found.append(await _port("TASKDECK_PORT", settings.host, settings.port, "/.well-known/oauth-protected-resource"))
    found.append(await _port("TASKDECK_DASHBOARD_PORT", "127.0.0.1", settings.dashboard_port, "/api/auth/jwks"))
    return [*found, await asyncio.to_thread(_node)]


def show(findings: list[Finding]) -> None:
    """Print a table, and below it what to do."""
    table = Table("", "what", Column("found", overflow="fold"), box=None, pad_edge=False)
    for finding in findings:
        mark = "[green]ok[/]" if finding.fix is None else "[red]!![/]"
        table.add_row(mark, finding.name, finding.found if finding.fix is None else f"{finding.found}\n{finding.fix}")
    Console(highlight=False).print(table)


def _folder(settings: Settings) -> list[Finding]:
    folder = settings.data_dir
    # If it does not exist yet, it would be created in the nearest folder that does.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return [Finding("data folder", f"{there} may not be written", "Choose another one with TASKDECK_DATA_DIR")]
    found = str(folder) if folder.exists() else f"{folder}, made when it is needed"
    secrets = [path for name in ("issuer.key", "dashboard.secret") if (path := folder / name).exists()]
    return [Finding("data folder", found), *map(_secret, secrets)]


def _secret(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    fix = f"Others may read it: run chmod 600 {path}" if mode & 0o077 else None
    return Finding(path.name, f"mode {mode:o}", fix)


async def _database(settings: Settings) -> list[Finding]:
    if settings.database_url:
        return await examine(settings.database_url, settings.database_url_unpooled)
    # A check must not create a database.
    if not Cluster(settings.data_dir).exists():
        return [Finding("database", "the embedded PostgreSQL, made at the first start")]
    try:
        async with supervisor.running(settings.data_dir) as url:
            return await examine(url, None)
    except EmbeddedError as error:
        return [Finding("database", "the embedded PostgreSQL does not run", str(error))]


async def _tokens(settings: Settings) -> list[Finding]:
    found: list[Finding] = []
    if settings.issuer:
        known = await Verifier(settings).ready()
        fix = None if known else f"Check TASKDECK_JWKS_URL: {settings.jwks_url} gives no keys"
        found.append(Finding("token issuer", settings.issuer, fix))
    else:
        found.append(Finding("token issuer", "the built-in one, and the dashboard's"))
    if settings.token:
        try:
            caller = await Verifier(settings).verify(settings.token, "mcp")
        except (InvalidToken, KeysUnavailable) as error:
            found.append(Finding("TASKDECK_TOKEN", str(error), "Get a new one, for example by taskdeck token"))
        else:
            found.append(Finding("TASKDECK_TOKEN", f"speaks for {caller.user_id}"))
    return found


async def _port(variable: str, host: str, port: int, path: str) -> Finding:
    """Whether the port is free, or used by Taskdeck itself, which answers 200 at `path`."""
    if not port:
        return Finding(variable, "any free port")
    try:
        uvicorn_server.listen(host, port).close()
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        if in_use and await _answers(f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"):
            return Finding(variable, f"port {port} is in use, by Taskdeck")
        fix = f"Stop the other program, or set {variable} to another port (0: any)"
        return Finding(variable, f"port {port} is in use" if in_use else f"{host}: {error.strerror}", fix)
    return Finding(variable, f"port {port} is free")


async def _answers(url: str) -> bool:
    try:
        # Not through a proxy of the environment: the question is what listens on this machine.
        async with httpx2.AsyncClient(trust_env=False, timeout=3) as client:
            return (await client.get(url)).status_code == 200
    except httpx2.HTTPError:
        return False


def _node() -> Finding:
    if not dashboard_process.SERVER.exists():
        return Finding("dashboard", "not built here: a checkout builds it by make run")
    try:
        node = dashboard_process.find_node() / "node"
    except SettingsError as error:
        return Finding("node", "not found", str(error))
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding("node", f"{version} ({node})")
