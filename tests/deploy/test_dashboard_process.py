"""The dashboard as a process of `taskdeck up`: started, watched and stopped. A small program stands in for Node."""

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from mcp_server.cli import dashboard_process
from mcp_server.cli.dashboard_process import Dashboard
from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings
from tests.support.processes import serving, until
from tests.support.token_factory import Clock

NODE = """#!{python}
import http.server, json, os, signal, sys, threading

if "--version" in sys.argv:
    raise SystemExit(print("v99.0.0"))
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ) | {{"PID": os.getpid()}}).encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("chatter", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

COMMAND = """#!{python}
from pathlib import Path
from mcp_server.cli import commands, dashboard_process

dashboard_process.SERVER = Path(__file__)
commands.main()
"""


def write_program(path: Path, text: str) -> Path:
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in as the machine's Node.js, and a proxy that must not be asked for anything on this machine."""
    (tmp_path / "bin").mkdir()
    for name in ("node", "npm"):
        write_program(tmp_path / "bin" / name, NODE)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("BETTER_AUTH_SECRET", raising=False)


def free_url() -> str:
    with uvicorn_server.listen("127.0.0.1", 0) as tried:
        return f"http://127.0.0.1:{tried.getsockname()[1]}"


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[str]:
    """The URL of a dashboard that is running."""
    dashboard = Dashboard(settings, "postgresql://u:p@127.0.0.1/board", free_url())
    async with dashboard.running():
        yield dashboard.url


async def ask(url: str) -> dict[str, str]:
    """The environment and the process id of the dashboard, as soon as it answers."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        while True:
            try:
                return json.loads((await http.get(url)).text)
            except httpx2.HTTPError:
                continue


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_it_answers_once_entered_and_is_gone_once_left(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings) as url:
        async with httpx2.AsyncClient(trust_env=False) as http:
            seen = (await http.get(url)).json()
        assert is_alive(seen["PID"])
    assert not is_alive(seen["PID"])
    assert caplog.messages == []
    expected = {
        "DATABASE_URL": "postgresql://u:p@127.0.0.1/board",
        "TASKDECK_DASHBOARD_URL": url,
        "TASKDECK_PUBLIC_URL": "http://127.0.0.1:8000",
        "TASKDECK_BRIDGE_URL": "http://127.0.0.1:8000",
        "TASKDECK_LOCAL_OWNER": "local",
        "BETTER_AUTH_SECRET": (settings.data_dir / "dashboard.secret").read_text(),
        "NODE_ENV": "production",
    }
    assert {name: seen[name] for name in expected} == expected
    assert len(expected["BETTER_AUTH_SECRET"]) == 64


async def test_it_is_started_again_after_a_longer_pause_each_time_it_dies_young(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monotonic())
    monkeypatch.setattr(dashboard_process, "monotonic", clock)
    monkeypatch.setattr(dashboard_process, "PAUSES", (0.01, 0.02, 0.03))
    pids = set[int]()
    async with running(settings) as url:
        for seconds in (0, 60, 1, 61):
            pids.add(pid := int((await ask(url))["PID"]))
            clock.now += seconds
            os.kill(pid, signal.SIGKILL)
            logged = len(caplog.messages)
            await until(lambda logged=logged: len(caplog.messages) > logged)
        pids.add(int((await ask(url))["PID"]))
    assert len(pids) == 5
    assert caplog.messages == [
        f"The dashboard ended with status -9: starting it again in {pause} s" for pause in (0.02, 0.03, 0.03, 0.01)
    ]


async def test_one_that_does_not_answer_in_time_is_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_process, "READY_SECONDS", 0.1)
    monkeypatch.setenv("STATUS", "404")
    async with running(settings) as url:
        assert caplog.messages == [f"The dashboard does not answer yet at {url}"]


async def test_one_that_ignores_the_request_to_stop_is_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_process, "STOP_SECONDS", 0.1)
    monkeypatch.setenv("STUBBORN", "1")
    async with running(settings) as url:
        pid = int((await ask(url))["PID"])
    assert not is_alive(pid)


async def test_up_prints_where_the_dashboard_is_and_a_line_that_signs_in_there(tmp_path: Path, direct_url: str) -> None:
    program = write_program(tmp_path / "up", COMMAND)
    database = {"DATABASE_URL": direct_url, "DATABASE_URL_UNPOOLED": direct_url}
    async with serving(tmp_path / "data", "up", program=program, **database) as server:
        lines = server.output.splitlines()
        assert "chatter" not in lines, "what the dashboard prints is not part of the banner"
        (url,) = (line.split()[-1] for line in lines if line.startswith("  Dashboard "))
        assert (await ask(url))["TASKDECK_PUBLIC_URL"] == server.address
        assert f"  claude mcp add --transport http taskdeck {server.url}" in lines
        assert f"For tokens of your account: {url}/tokens" in lines
        assert await server.stop(signal.SIGINT) in (0, 130)
