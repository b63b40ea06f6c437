"""The ports that a command listens on."""

import errno
import socket
import sys

from mcp_server.cli import dashboard_process
from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings, SettingsError


def listen(variable: str, host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one. `variable` is the setting of the port.

    Raises:
        SettingsError: the port is in use, or the host is not this machine's.
    """
    try:
        return uvicorn_server.listen(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            reason = f"TASKDECK_HOST, TASKDECK_{variable}: cannot listen at {host} port {port}: {error.strerror}"
            raise SettingsError(reason) from error
        reason = f"TASKDECK_{variable}: port {port} is in use. Set it to another one, or to 0 for any free one"
        raise SettingsError(reason) from error


def choose_dashboard(settings: Settings) -> str | None:
    """The URL that the dashboard will have; None, with the reason on stderr, if none is started.

    Raises:
        SettingsError: its port is in use.
    """
    if settings.issuer:
        print(f"The dashboard is not started: people sign in at {settings.issuer} (TASKDECK_ISSUER).", file=sys.stderr)
        return None
    if not dashboard_process.SERVER.exists():
        print(
            "The dashboard is not started: it is not built here. A checkout builds it by `make run`.", file=sys.stderr
        )
        return None
    # Node cannot take an open socket over: the port is only tried, or chosen, here.
    with listen("DASHBOARD_PORT", "127.0.0.1", settings.dashboard_port) as tried:
        return f"http://127.0.0.1:{tried.getsockname()[1]}"
