"""`python -m evals` with a model's endpoint over HTTP, against Taskdeck and against another server."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_server.http import uvicorn_server
from tests.evals.scripted_player import Scripted
from tests.support import processes

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
LATE: list[Any] = [["list_tasks", {"due_before": "@-1d", "sort": "due"}], "{0.tasks.0.title}, {0.tasks.1.title}"]
OTHER: list[Any] = [["set_state", {"key": 1, "state": 2}], "Both wings?"]


class Endpoint:
    """Speaks OpenAI's chat completions; the first request gets 503, as busy endpoints answer."""

    def __init__(self) -> None:
        self.url, self.steps, self.requests = "", list[Any](), list[dict[str, Any]]()

    async def complete(self, request: Request) -> JSONResponse:
        body = await request.json()
        self.requests.append(body)
        if len(self.requests) == 1:
            return JSONResponse({"error": {"message": "busy"}}, 503)
        player = Scripted(
            self.steps, "UTC", "", done=sum(message["role"] == "assistant" for message in body["messages"])
        )
        message = await player.reply(body["messages"], body["tools"])
        return JSONResponse({"choices": [{"index": 0, "message": message}]})


@pytest.fixture
async def endpoint() -> AsyncGenerator[Endpoint]:
    found = Endpoint()
    app = Starlette(routes=[Route("/v1/chat/completions", found.complete, methods=["POST"])])
    with uvicorn_server.listen("127.0.0.1", 0) as listening:
        found.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve([listening]))
        yield found
        server.should_exit = True
        await serving


async def run(*args: str, **variables: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "evals", "--model", "scripted", *args),
        cwd=HERE.parents[1],
        env=processes.environment(Path("unused"), **variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, stdout.decode(), stderr.decode()


async def test_taskdeck_by_stdio(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.steps = LATE
    server = f"env TASKDECK_DATA_DIR={tmp_path}/{{scenario}} {processes.TASKDECK} stdio"
    out = tmp_path / "results.jsonl"
    status, stdout, stderr = await run(
        *("--endpoint", endpoint.url, "--server", server, "--only", "what-is-late", "--only", "share-one"),
        *("--out", str(out)),
    )
    assert (status, "what-is-late: done (1 calls)" in stderr) == (0, True), stderr
    assert "left out share-one: the target has no people" in stderr
    assert "| dates | 1 of 1 | 1 | 0 |" in stdout
    (line,) = out.read_text("utf-8").splitlines()
    result = json.loads(line)
    assert (result["scenario"], result["done"], result["calls"]) == ("what-is-late", True, 1)
    assert result["transcripts"][0][-1]["content"] == "Ring the plumber, Renew the passport"
    assert [request["model"] for request in endpoint.requests] == ["scripted"] * 3


async def test_another_server_with_the_same_tasks(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.steps = OTHER
    server = f"{sys.executable} {HERE / 'other_server.py'} {tmp_path}/{{scenario}}.json"
    status, stdout, stderr = await run(
        *("--endpoint", endpoint.url, "--server", server),
        *("--target", str(HERE / "other_target.yaml"), "--only", "already-done", "--only", "a-typing-error"),
    )
    assert status == 0, stderr
    # The first item is the parcel in one scenario; in the other it is done already, which the answer does not say.
    assert "a-typing-error: done (1 calls)" in stderr
    assert "already-done: the answer lacks" in stderr
    assert "| **all** | 1 of 2 | 2 | 0 |" in stdout
