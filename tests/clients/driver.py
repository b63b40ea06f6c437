"""What the drivers of both Python SDKs share: they are run as processes of their own, each with its own SDK.

A driver reads commands from standard input, one JSON object a line, and answers each with one on standard output. In
between it may send `open`, the address that its user's browser should show.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl


def send(**message: Any) -> None:
    print(json.dumps(message), flush=True)


async def open_browser(url: str) -> None:
    """The SDK's redirect handler."""
    send(open=url)


class Memory:
    """What a client keeps between its runs (the SDK's TokenStorage)."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Callback:
    """Where the browser comes back to."""

    def __init__(self) -> None:
        self.answers = asyncio.Queue[dict[str, str]]()
        self.url = ""

    async def listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = urlsplit((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        if target.path == "/callback":
            self.answers.put_nowait(dict(parse_qsl(target.query)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nBack again.")
        await writer.drain()
        writer.close()


def client_metadata(name: str, callback: Callback) -> OAuthClientMetadata:
    return OAuthClientMetadata(
        client_name=name, redirect_uris=[AnyUrl(callback.url)], token_endpoint_auth_method="none"
    )


def ask_for_scope_at_refresh(context: Any, scope: str) -> Callable[[], None]:
    """Let the SDK's next refresh, which asks for no scopes by itself, ask for these; gives what ends that.

    Args:
        context: the OAuthContext of either SDK
        scope: scopes, separated by spaces; none if empty
    """
    usual = context.prepare_token_auth

    def prepare(data: dict[str, str], headers: dict[str, str] | None = None) -> Any:
        return usual(data | ({"scope": scope} if scope else {}), headers)

    context.prepare_token_auth = prepare
    context.token_expiry_time = 1.0  # long ago

    def end() -> None:
        context.prepare_token_auth = usual

    return end


class Session(Protocol):
    """A client session, in words that both SDKs have."""

    async def tools(self) -> list[str]: ...

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]: ...


async def run_commands(session: Session, memory: Memory, context: Any) -> None:
    """Answer commands until standard input ends, first the one that made the session."""
    send(result=None)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            send(result=await _run(command, session, memory, context))
        except Exception:
            send(error=traceback.format_exc())


async def _run(command: dict[str, Any], session: Session, memory: Memory, context: Any) -> Any:
    match command["command"]:
        case "tools":
            return await session.tools()
        case "call":
            return await session.call(command["name"], command["args"])
        case "tokens":
            return memory.tokens and memory.tokens.model_dump(mode="json")
        case "refresh":
            end = ask_for_scope_at_refresh(context, command["scope"])
            await session.call("whoami", {})
            return end()
        case _:
            raise ValueError(command)
