"""examples/chat.py as a process with a scripted model: messages are stored and survive a restart."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import RunningServer, running_server

pytestmark = pytest.mark.long

EXAMPLE = Path(__file__).parents[2] / "examples/chat.py"


@dataclass
class Model:
    """A chat completions endpoint with scripted answers that keeps the messages it receives."""

    url: str = ""
    script: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    received: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])

    async def complete(self, request: Request) -> JSONResponse:
        self.received.append((await request.json())["messages"])
        message = self.script.pop(0) if self.script else None
        return JSONResponse({"choices": [{"message": message}]}, 200 if message else 500)


@pytest.fixture
async def model() -> AsyncGenerator[Model]:
    listening, made = uvicorn_server.listen("127.0.0.1", 0), Model()
    made.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    app = Starlette(routes=[Route("/v1/chat/completions", made.complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve([listening]))
    yield made
    server.should_exit = True
    await serving


@pytest.fixture
async def server(tmp_path: Path, database_url: str, direct_url: str) -> AsyncGenerator[RunningServer]:
    async with running_server(Settings.model_validate({"data_dir": tmp_path}), database_url, direct_url) as built:
        yield built


async def chat(server: RunningServer, model: Model, person: Person, *words: str, go_on: int | None = None) -> list[str]:
    """Run the example with these input lines and return its output."""
    environment = os.environ | {
        "TASKDECK_URL": f"{server.url}/mcp",
        "TASKDECK_TOKEN": server.token(person.user_id, "mcp"),
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "none",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, *([str(go_on)] if go_on else []), env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    printed, _ = await process.communicate("".join(f"{line}\n" for line in words).encode())
    return printed.decode().splitlines()


def answer_with(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def calls(**tools: dict[str, Any]) -> dict[str, Any]:
    functions = [{"name": name, "arguments": json.dumps(arguments)} for name, arguments in tools.items()]
    asked = [{"id": f"call_{n}", "type": "function", "function": f} for n, f in enumerate(functions)]
    return {"role": "assistant", "content": None, "tool_calls": asked}


async def kept(person: Person, conversation_id: int) -> list[tuple[str, str]]:
    page = await person.call("get_conversation", conversation_id=conversation_id)
    return [(message["role"], message["content"]) for message in page["messages"]]


async def test_messages_are_kept_across_a_restart(server: RunningServer, model: Model, alice: Person):
    model.script = [calls(add_task={"title": "Buy milk"}, complete_task={"task_id": 10**12}), answer_with("Added.")]
    first, answer = await chat(server, model, alice, "Remind me to buy milk")
    number = int(first.removeprefix("Conversation "))
    assert answer == "Added."
    (task,) = (await alice.call("list_tasks"))["tasks"]
    assert task["title"] == "Buy milk"
    user, asked, added, refused, final = await kept(alice, number)
    assert (user, final) == (("user", "Remind me to buy milk"), ("assistant", "Added."))
    assert (asked[0], added[0], refused[0]) == ("assistant", "tool", "tool")
    assert json.loads(added[1])["result"]["id"] == task["id"]
    assert json.loads(refused[1])["error"].startswith("No task")

    page = await alice.call("get_conversation", conversation_id=number)
    assert [message.get("tool_call_id") for message in page["messages"]] == [None, None, "call_0", "call_1", None]

    model.script = [answer_with("Milk.")]
    assert await chat(server, model, alice, "What was it?", go_on=number) == [first, "Milk."]
    sent = model.received[-1]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert [message.get("tool_call_id") for message in sent[3:5]] == ["call_0", "call_1"]
    assert len(await kept(alice, number)) == 7


async def test_interrupted_chat_continues(server: RunningServer, model: Model, alice: Person):
    """The model fails after a tool call, and a call is stored without its result."""
    model.script = [calls(add_task={"title": "Buy milk"})]
    (first,) = await chat(server, model, alice, "Remind me to buy milk")
    number = int(first.removeprefix("Conversation "))
    lost = [{"role": "assistant", "content": "", "tool_calls": calls(list_tasks={})["tool_calls"]}]
    await alice.call("append_messages", conversation_id=number, messages=lost)
    model.script = [answer_with("It is on your list.")]
    assert await chat(server, model, alice, "Well?", go_on=number) == [first, "It is on your list."]
    sent = model.received[-1]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "assistant", "tool", "user"]
    assert "interrupted" in sent[5]["content"]


async def test_conversation_of_another_user_cannot_be_continued(
    server: RunningServer, model: Model, alice: Person, bob: Person
):
    theirs = (await bob.call("start_conversation"))["id"]
    assert await chat(server, model, alice, "Hello", go_on=theirs) == []
    assert await kept(bob, theirs) == []
    assert model.received == []
