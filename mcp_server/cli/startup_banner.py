"""What `taskdeck up` says once everything runs: where it is, and a line to copy for every kind of client."""

import json
import shlex
import shutil
import sys
from pathlib import Path

from mcp_server.settings import Settings


def welcome(settings: Settings, dashboard_url: str | None) -> str:
    """The text, for a server that this machine's user has just started."""
    url = f"{settings.address}/mcp"
    command = shlex.quote(_command())
    places = [("MCP", url), ("Dashboard", dashboard_url or "not running"), ("Data", str(settings.data_dir))]
    if settings.database_url:
        places[-1] = ("Data", "the database of DATABASE_URL")
    parts = ["Taskdeck is running.", *(f"  {name:<11}{place}" for name, place in places)]
    entry: dict[str, object] = {"type": "http", "url": url}
    if dashboard_url or settings.issuer:
        parts += [
            "",
            "Connect Claude Code, which asks you to sign in:",
            f"  claude mcp add --transport http taskdeck {url}",
        ]
    else:
        entry["headers"] = {"Authorization": "Bearer TOKEN"}
    variable = _variable(settings)
    if not settings.issuer:
        token = f"{variable} {command} token --user me --ttl 24h".strip()
        parts += ["", "Or with a token, good for a day:"]
        parts += [f'  claude mcp add --transport http taskdeck {url} --header "Authorization: Bearer $({token})"']
    if not settings.database_url:
        flag = f"--env {variable} " if variable else ""
        parts += [
            "",
            "Or on this machine alone, without a token:",
            f"  claude mcp add taskdeck {flag}-- {command} stdio",
        ]
    block = json.dumps({"mcpServers": {"taskdeck": entry}}, indent=2)
    return "\n".join([*parts, "", "Other clients (Cursor, VS Code, ...):", block, "", "Ctrl-C stops everything."])


def _variable(settings: Settings) -> str:
    """What another shell must set to reach the same data."""
    given = "data_dir" in settings.model_fields_set
    return f"TASKDECK_DATA_DIR={shlex.quote(str(settings.data_dir))}" if given else ""


def _command() -> str:
    """The absolute path of this very command."""
    started = Path(sys.argv[0])
    if started.name != "taskdeck":
        started = Path(sys.executable).with_name("taskdeck")
    return str(Path(shutil.which(str(started)) or started).absolute())
