"""What `taskdeck up` prints: addresses, and a line to copy for each kind of client."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mcp_server.identity.local_owner import first_account_is_owner, read_local_owner
from mcp_server.settings import Settings
from storage.people.accounts import Account


def welcome(settings: Settings, dashboard_url: str | None, accounts: Sequence[Account] = ()) -> str:
    """The text for a server that was just started. `accounts` are those of the dashboard."""
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
        user = "--user me " if settings.database_url else ""
        token = f"{variable} {command} token {user}--ttl 24h".strip()
        parts += ["", "Or with a token, good for a day:"]
        parts += [f'  claude mcp add --transport http taskdeck {url} --header "Authorization: Bearer $({token})"']
    if not settings.database_url:
        flag = f"--env {variable} " if variable else ""
        parts += [
            "",
            "Or on this machine alone, without a token:",
            f"  claude mcp add taskdeck {flag}-- {command} stdio",
        ]
    if dashboard_url:
        parts += ["", *_whose_tasks(settings, dashboard_url, f"{variable} {command}".strip(), accounts)]
    block = json.dumps({"mcpServers": {"taskdeck": entry}}, indent=2)
    return "\n".join([*parts, "", "Other clients (Cursor, VS Code, ...):", block, "", "Ctrl-C stops everything."])


def _whose_tasks(settings: Settings, dashboard_url: str, command: str, accounts: Sequence[Account]) -> list[str]:
    """Whose tasks the printed commands reach, and how to see them on the dashboard."""
    if settings.database_url:
        return [
            'The token is that of the user "me", whose tasks no account of the dashboard shows.',
            f"For tokens of your account: {dashboard_url}/tokens",
        ]
    owner_id = read_local_owner(settings)
    owner = next((account for account in accounts if account.user_id == owner_id), None)
    if owner:
        return [f"Without signing in these are the tasks of {owner.email}."]
    if accounts or not first_account_is_owner(settings):
        return [
            "Without signing in these are tasks that no account of the dashboard shows. To give them to yours:",
            f"  {command} claim-local --user YOUR-EMAIL",
        ]
    return ["All of them reach the same tasks: those of the first account that you make on the dashboard."]


def _variable(settings: Settings) -> str:
    """What another shell must set to reach the same data."""
    given = "data_dir" in settings.model_fields_set
    return f"TASKDECK_DATA_DIR={shlex.quote(str(settings.data_dir))}" if given else ""


def _command() -> str:
    """The absolute path of the running command."""
    started = Path(sys.argv[0])
    # Started as `python -m mcp_server`: the command is beside the interpreter.
    if started.name != "taskdeck":
        started = Path(sys.executable).with_name("taskdeck")
    return str(Path(shutil.which(str(started)) or started).absolute())
