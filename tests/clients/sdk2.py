"""A client on the official Python SDK 2.x: `python -m tests.clients.sdk2 URL`."""

import asyncio
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult

from tests.clients.driver import Callback, Memory, client_metadata, open_browser, run_commands


class Connected:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = await self._client.call_tool(name, arguments)
        assert not result.is_error, result.content
        return result.structured_content or {}


async def main(url: str) -> None:
    memory, callback = Memory(), Callback()
    await callback.listen()

    async def wait_for_callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate({"code": ""} | await callback.answers.get())

    provider = OAuthClientProvider(
        url, client_metadata("Python SDK 2", callback), memory, open_browser, wait_for_callback
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        await run_commands(Connected(client), memory, provider.context)


if __name__ == "__main__":
    sys.stdin.readline()  # the command to connect
    asyncio.run(main(sys.argv[1]))
