"""MCP over standard input and output: one message a line, and an answer to every line that is none."""

from contextlib import suppress
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR
from pydantic import ValidationError

from mcp_server.http import jsonrpc
from mcp_server.http.jsonrpc import Unfit

Said = SessionMessage | Exception


async def speak(server: Server[Any]) -> None:
    """Answer standard input until it ends."""
    passing, passed = anyio.create_memory_object_stream[Said](0)
    async with stdio_server() as (reading, writing), anyio.create_task_group() as together:
        together.start_soon(_sift, reading, passing, writing)
        await server.run(passed, writing, server.create_initialization_options())


async def _sift(reading: ReadStream[Said], passing: WriteStream[Said], writing: WriteStream[SessionMessage]) -> None:
    """Pass messages on, and answer other lines: the SDK drops them, and a client that sent one would wait for ever."""
    async with passing:
        async for said in reading:
            unfit = _explain(said) if isinstance(said, Exception) else None
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                if unfit is not None:
                    await writing.send(SessionMessage(unfit.error))
                elif not isinstance(said, Exception):
                    await passing.send(said)


def _explain(error: Exception) -> Unfit | None:
    """What is wrong with a line; nothing is with an empty one."""
    problem = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
    if problem is None or problem["type"] != "json_invalid":
        return Unfit(INVALID_REQUEST, jsonrpc.NO_MESSAGE)
    line: str = problem["input"]
    if not line.strip():
        return None
    try:
        number = jsonrpc.read(line).get("id")
    except Unfit as unfit:
        return unfit
    sentence = "A text contains half of a surrogate pair, which is no character; remove it."
    return Unfit(PARSE_ERROR, sentence, number if isinstance(number, int | str) else None)
