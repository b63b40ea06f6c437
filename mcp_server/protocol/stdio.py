"""MCP over standard input and output: one message a line, and an answer to every line that is not a message."""

import os
from contextlib import suppress
from io import BufferedReader, StringIO
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import WriteStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from mcp_server.http import jsonrpc
from mcp_server.http.jsonrpc import InvalidMessage


async def speak(server: Server[Any]) -> None:
    """Answer standard input until it ends."""
    lines = anyio.wrap_file(_take_stdin())
    passing, passed = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    # The SDK's reader would drop lines that are not messages, and take a request with a wrong id for a notification:
    # a client that sent one would wait for ever. So it gets nothing to read.
    nothing = anyio.wrap_file(StringIO())
    async with stdio_server(stdin=nothing) as (_, writing), anyio.create_task_group() as together:
        together.start_soon(_read, lines, passing, writing)
        await server.run(passed, writing, server.create_initialization_options())


def _take_stdin() -> BufferedReader:
    """Standard input for ourselves: whatever else runs in this process, or is started by it, finds it empty."""
    mine = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return os.fdopen(mine, "rb")


async def _read(
    lines: anyio.AsyncFile[bytes],
    passing: WriteStream[SessionMessage | Exception],
    writing: WriteStream[SessionMessage],
) -> None:
    """Pass messages on, and answer other lines."""
    async with passing:
        async for line in lines:
            if not line.strip():
                continue
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                try:
                    message = jsonrpc_message_adapter.validate_python(jsonrpc.read(line).message, by_name=False)
                except InvalidMessage as invalid:
                    await writing.send(SessionMessage(invalid.error))
                else:
                    await passing.send(SessionMessage(message))
