"""How much is read of a body that is too large, so that its sender gets the answer."""

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from mcp_server.http import request_body
from mcp_server.http.request_body import BadRequest

MIB = 1024 * 1024
CHUNK = 65_536


@pytest.mark.parametrize(
    ("announced", "expected"), [({"content-length": str(100 * MIB)}, 4 * MIB), ({}, 5 * MIB + CHUNK)]
)
async def test_four_mib_are_read_after_the_refusal_is_certain(announced: dict[str, str], expected: int) -> None:
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += CHUNK
        return {"type": "http.request", "body": b"x" * CHUNK, "more_body": True}

    with pytest.raises(BadRequest) as refused:
        await request_body.read(Headers(announced), receive)
    assert refused.value.status == 413
    assert received == expected
