"""MCP over standard input and output: one message per line. Lines that are not messages get an error response."""

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
from mcp_server.tools.registry import bulk_tools


async def speak(server: Server[Any]) -> None:
    """Serve standard input until it ends."""
    lines = anyio.wrap_file(_take_stdin())
    passing, passed = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    # The SDK's reader drops lines that are not messages, and takes a request with an invalid id for a notification: its
    # client would wait for ever. So the SDK reads an empty stream, and gets messages from _read. It still owns standard
    # output, and diverts file descriptor 1 to stderr, so that a stray print cannot corrupt the protocol.
    nothing = anyio.wrap_file(StringIO())
    async with stdio_server(stdin=nothing) as (_, writing), anyio.create_task_group() as together:
        together.start_soon(_read, lines, passing, writing)
        await server.run(passed, writing, server.create_initialization_options())


def _take_stdin() -> BufferedReader:
    """Take standard input away from everything else in this process, and from processes that it starts."""
    # The SDK diverts descriptor 0 only when it reads standard input itself, which `speak` prevents. The duplicate is
    # not inheritable (PEP 446), so a child process, or a library that calls input(), finds the end of a file and cannot
    # take bytes of the client's messages. PostgreSQL, which may be started before, gets /dev/null anyway.
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
    """Pass messages on, and answer invalid lines."""
    bulk = bulk_tools()
    async with passing:
        async for line in lines:
            if not line.strip():
                continue
            # The other end of either stream is closed when the server stops, while this task may still hold a line.
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                try:
                    message = jsonrpc_message_adapter.validate_python(jsonrpc.read(line, bulk).message)
                except InvalidMessage as invalid:
                    await writing.send(SessionMessage(invalid.error))
                else:
                    await passing.send(SessionMessage(message))
