"""The HTTP statuses of refusals that the dashboard gets."""

from typing import Any

import pytest
from starlette.requests import Request

from mcp_server.api.dashboard_routes import build_bridge
from mcp_server.api.responses import explain
from mcp_server.identity.callers import Callers
from storage.schema.errors import InvalidInput, NotAllowed, NotFound, StorageError
from tests.conftest import Person


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("No team 7."), 404, "not_found"),
        (NotAllowed("Only the owner may."), 403, "not_allowed"),
        (InvalidInput("title is empty."), 422, "invalid_input"),
    ],
)
async def test_refusal_has_the_status_of_its_kind(error: StorageError, status: int, code: str, alice: Person) -> None:
    request: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [], "caller": alice.caller}
    answer = await explain(Request(request | {"app": build_bridge(Callers(alice.database))}), error)
    assert answer.status_code == status
    assert f'"error":"{code}"'.encode() in bytes(answer.body)
    assert str(error).encode() in bytes(answer.body)
