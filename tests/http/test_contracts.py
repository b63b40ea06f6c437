"""The documents in docs/contracts match the running server.

After an intended change of the API: TASKDECK_UPDATE_SNAPSHOTS=1 pytest tests/http/test_contracts.py, and review.
"""

import asyncio
import functools
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance  # pyright: ignore[reportUnknownVariableType]

from mcp_server.settings import Settings
from storage.conversations import conversations
from storage.schema.request_models import NewTask
from storage.tasks import deletion, tasks
from tests.conftest import Person
from tests.support.consent import share
from tests.support.running_server import DatabaseProxy, RunningServer, running_server

CONTRACTS = Path(__file__).parents[2] / "docs/contracts"
BRIDGE = CONTRACTS / "dashboard-api.yaml"
EVENTS: dict[str, Any] = yaml.safe_load((CONTRACTS / "websocket-events.yaml").read_text("utf-8"))
UPDATE = os.environ.get("TASKDECK_UPDATE_SNAPSHOTS") == "1"


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    known = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server"), "rate_limit": 0})
    async with running_server(known, database_url, direct_url) as built:
        yield built


async def test_openapi_document_matches_the_served_one(server: RunningServer) -> None:
    async with server.client() as client:
        served = (await client.get("/api/openapi.json")).json()
    if UPDATE:
        BRIDGE.write_text(yaml.safe_dump(served, sort_keys=False, allow_unicode=True, width=120), "utf-8")
    assert yaml.safe_load(BRIDGE.read_text("utf-8")) == served
    assert set(served["paths"]) >= {"/api/dashboard/statistics", "/api/dashboard/trend"}
    for path in served["paths"].values():
        for operation in path.values():
            assert operation["responses"].keys() >= {"200", "401", "403", "404", "422", "429", "500", "503"}


async def test_responses_match_the_openapi_document(server: RunningServer, alice: Person) -> None:
    await tasks.add(alice.scope, NewTask.model_validate({"title": "There", "due": "2026-12-24", "tags": ["a"]}))
    bearer = {"Authorization": f"Bearer {server.token(alice.user_id)}"}
    assert await asyncio.to_thread(_send_generated_requests, server.url, bearer) >= 40


def _send_generated_requests(url: str, headers: dict[str, str]) -> int:
    load: Any = schemathesis.openapi.from_dict
    schema = load(yaml.safe_load(BRIDGE.read_text("utf-8")))
    schema.config.update(base_url=url)
    sent = 0
    for result in schema.get_all_operations():
        strategy = result.ok().as_strategy()

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
        @given(case=strategy)
        def ask(case: Any) -> None:
            nonlocal sent
            # Tokens have their own tests; requests without one would get this address rate limited.
            # No schema can say which strings name a time zone, a person, a visible team, a moment or a search.
            path = case.path
            unknowable = (
                case.method != "GET" or "/activity" in path or "/conversations" in path or path.endswith("/tasks")
            )
            case.call_and_validate(
                headers=headers,
                excluded_checks=[ignored_auth, *([positive_data_acceptance] if unknowable else [])],
            )
            sent += 1

        ask()
    return sent


def _validator(message: str) -> Any:
    payload = EVENTS["components"]["messages"][message]["payload"]
    return jsonschema.Draft7Validator(payload, format_checker=jsonschema.FormatChecker())


async def test_websocket_messages_match_the_asyncapi_document(
    server: RunningServer, alice: Person, bob: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    messages: list[dict[str, Any]] = [{"type": "ready"}]
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(server.settings.with_port(0), database_url, proxy.url) as other,
        other.socket(alice.user_id) as socket,
    ):
        await proxy.cut()
        messages.append(await socket.receive())
    async with server.socket(alice.user_id) as socket:
        task = await tasks.add(alice.scope, NewTask.model_validate({"title": "Mine"}))
        shared = await tasks.add(bob.scope, NewTask.model_validate({"title": "Lent"}))
        await share(bob.scope, shared.id, alice.scope)
        await tasks.complete(alice.scope, task.id)
        await conversations.start(alice.scope)
        await deletion.remove(alice.scope, task.id)
        while messages[-1].get("event_type") != "task_deleted":
            messages.append(await socket.receive())
        messages += [*await socket.until_pong(), {"type": "pong"}]
    names = {"ready", "change", "resync", "paused", "people", "conversation", "pong"}
    seen = {name for name in names for message in messages if _validator(name).is_valid(message)}
    assert seen == names
    for message in messages:
        assert sum(_validator(name).is_valid(message) for name in names) == 1, message


def test_asyncapi_examples_are_valid() -> None:
    for name, message in EVENTS["components"]["messages"].items():
        for example in message["examples"]:
            _validator(name).validate(example["payload"])


def test_asyncapi_document_has_no_dangling_references() -> None:
    assert EVENTS["asyncapi"] == "3.0.0"
    assert EVENTS.keys() >= {"info", "channels", "operations", "components"}
    references = list(_references(EVENTS))
    assert len(references) > 10
    for reference in references:
        functools.reduce(lambda node, key: node[key], reference.removeprefix("#/").split("/"), EVENTS)
    listed = set(EVENTS["channels"]["live"]["messages"])
    assert listed == EVENTS["components"]["messages"].keys()
    used = {ref["$ref"].rpartition("/")[2] for op in EVENTS["operations"].values() for ref in op["messages"]}
    assert used == listed


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        branch = cast("dict[str, Any]", node)
        yield from [branch["$ref"]] if "$ref" in branch else []
        node = list(branch.values())
    if isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _references(value)
