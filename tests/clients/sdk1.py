"""A client on the official Python SDK 1.x, which has an environment of its own: `python -m tests.clients.sdk1 URL`."""

import asyncio
import sys
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client

from tests.clients.driver import Callback, Memory, client_metadata, open_browser, run_commands


class Connected:
    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = await self._session.call_tool(name, arguments)
        assert not result.isError, result.content
        return result.structuredContent or {}


async def main(url: str) -> None:
    memory, callback = Memory(), Callback()
    await callback.listen()

    async def wait_for_callback() -> tuple[str, str | None]:
        answer = await callback.answers.get()
        return answer["code"], answer.get("state")

    provider = OAuthClientProvider(
        url, client_metadata("Python SDK 1", callback), memory, open_browser, wait_for_callback
    )
    async with (
        httpx.AsyncClient(auth=provider, timeout=60, trust_env=False) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        await run_commands(Connected(session), memory, provider.context)


if __name__ == "__main__":
    sys.stdin.readline()  # the command to connect
    asyncio.run(main(sys.argv[1]))
