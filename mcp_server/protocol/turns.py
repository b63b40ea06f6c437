"""Calls wait for their turn over stdio as they do over HTTP, where `CallsInFlight` sees to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR

from mcp_server.http.in_flight import InFlight, TooManyCalls
from mcp_server.identity.callers import Caller

_METHODS = frozenset({"tools/call", "resources/read", "resources/list", "prompts/get", "completion/complete"})
"""The requests that use the database and do not last."""


def take_turns(in_flight: InFlight, local: Caller | None) -> ServerMiddleware[Any]:
    """Middleware for messages that came without an HTTP request. `local` is their caller."""

    async def wait(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if local is None or ctx.request is not None or ctx.method not in _METHODS:
            return await call_next(ctx)
        async with turn_of(in_flight, local):
            return await call_next(ctx)

    return wait


@asynccontextmanager
async def turn_of(in_flight: InFlight, caller: Caller) -> AsyncGenerator[None]:
    """Wait for a place among the caller's calls, and keep it.

    Raises:
        MCPError: there is none in time.
    """
    try:
        async with in_flight.hold(caller.user_id):
            yield
    except TooManyCalls as error:
        raise MCPError(INTERNAL_ERROR, f"{error}.") from error
