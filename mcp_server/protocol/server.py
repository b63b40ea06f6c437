"""The MCP server: one handler per kind of request. Here StorageError becomes a protocol response.

It uses the SDK's low-level Server, whose handlers see the HTTP request (docs/research.md, "Low-level server").
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, TypeVar

from mcp.server.apps import EXTENSION_ID
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_server.http.in_flight import InFlight
from mcp_server.http.telemetry import is_tracing, trace_messages
from mcp_server.identity.callers import UNNAMED_CLIENTS, Caller, Callers
from mcp_server.protocol import prompts, recording, resources
from mcp_server.protocol.params import explain_params
from mcp_server.protocol.subscriptions import Subscriptions
from mcp_server.protocol.turns import take_turns, turn_of
from mcp_server.settings import Settings
from mcp_server.tools import account, changes, conversations, search, statistics, tasks, teams
from mcp_server.tools.calls import Call, ConfirmationRequired
from mcp_server.tools.registry import Tool, offered
from storage.schema.errors import NotAllowed, NotConfirmed, NotFound, StorageError, Unavailable

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
R = TypeVar("R")

TOPICS = (tasks, changes, teams, conversations, search, statistics, account)
"""Importing these modules registers their tools."""

RESOURCE_NOT_FOUND = -32002
"""The error code in revisions before 2026-07-28, which uses INVALID_PARAMS."""

OUR_FAULT = "Something went wrong on our side; it was logged. Nothing was changed. Try again, or do without."


@dataclass(frozen=True)
class Handlers:
    """One method per kind of request. `local` is the caller of requests that did not come over HTTP.

    `dashboard` is the address of the dashboard, if it is known.
    """

    tools: dict[str, Tool]
    callers: Callers
    local: Caller | None
    subscriptions: Subscriptions | None
    in_flight: InFlight
    dashboard: str | None

    def caller_of(self, ctx: Context) -> Caller:
        """The caller. Over HTTP it comes only from authentication, never from `local`.

        Raises:
            MCPError: there is none.
        """
        caller = self.local if ctx.request is None else ctx.request.scope["caller"]
        if caller is None:
            raise MCPError(INVALID_PARAMS, "Nobody is signed in.")
        # History and undo go by the client. The name in a token comes from its issuer. The name that a client gives
        # itself only tells apart programs of one person that share a token of the command, or stdio.
        if caller.client and caller.client not in UNNAMED_CLIENTS:
            return caller
        return replace(caller, client=_client_name(ctx) or caller.client)

    async def list_tools(self, ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        """List the tools. The list is the same for everybody, so that clients may cache it."""
        return ListToolsResult(tools=[tool.wire for tool in self.tools.values()])

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        """Run a tool, and record the call if `_meta` names a conversation.

        A refusal is a result with `isError`, which the model reads, and not a protocol error (MCP, Tools).
        """
        # The name is cut for error texts only: a client may send any length.
        name, arguments, caller = params.name[:100], params.arguments or {}, self.caller_of(ctx)

        async def run(call: Call) -> CallToolResult:
            tool = self.tools.get(params.name)
            if tool is None:
                raise NotFound(f"There is no tool {name!r} here. Use tools/list to see what there is.")
            # Over HTTP, McpRequests has already answered 403. This check also covers stdio.
            if tool.oauth_scope not in caller.oauth_scopes:
                raise NotAllowed(f"{name} takes a token with the scope {tool.oauth_scope}.")
            return await tool.call(call, arguments)

        try:
            place = recording.place_of(ctx.meta)
            scope = await self.callers.scope(caller)
            call = Call(scope, caller, params.input_responses or {}, _can_ask(ctx), self.dashboard)
            if place is None:
                return await run(call)
            # Recording is a write to conversations, which a read-only server and other toolsets must not offer.
            if "append_messages" not in self.tools:
                return _refusal("This server keeps no calls: leave the conversation out of _meta.")
            return await recording.keep(call, name, arguments, run, place)
        except ConfirmationRequired as confirmation:
            return confirmation.question
        except StorageError as error:
            if isinstance(error, NotAllowed) and not isinstance(error, NotConfirmed):
                await self.callers.note_refusal(caller, name)
            return _refusal(str(error))
        except Exception:
            # Its text may quote a row, so neither the client nor the log gets it; an unknown name is the client's text.
            logger.exception("tool %s failed", name if name in self.tools else "other")
            return _refusal(OUR_FAULT)

    async def list_resources(self, ctx: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """List the caller's own resources."""
        cursor = params.cursor if params else None
        return await self._answered(ctx, lambda call: resources.list_own(call.scope, self.tools, cursor))

    async def list_templates(self, ctx: Context, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """List the kinds of resources, which are the same for everybody."""
        return ListResourceTemplatesResult(resource_templates=resources.templates(self.tools))

    async def read_resource(self, ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Read one resource. A missing one and somebody else's get the same error."""
        uri = str(params.uri)
        # The view is the same for everybody and contains no data. All other resources keep the SDK's default, which is
        # private and not cached.
        if (view := resources.read_view(uri)) is not None:
            return ReadResourceResult(contents=[view], ttl_ms=300_000, cache_scope="public")
        text = await self._answered(ctx, lambda call: resources.read(call.scope, self.tools, uri), uri)
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=resources.MIME)])

    async def list_prompts(self, ctx: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        """List the prompts, which are the same for everybody."""
        return ListPromptsResult(prompts=prompts.listed(self.tools.keys()))

    async def get_prompt(self, ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
        """Fill a prompt with the caller's own data."""
        given = params.arguments or {}
        return await self._answered(ctx, lambda call: prompts.get(call, self.tools.keys(), params.name, given))

    async def complete(self, ctx: Context, params: CompleteRequestParams) -> CompleteResult:
        """Complete an argument with the caller's own values."""
        argument = params.argument
        completion = await self._answered(ctx, lambda call: prompts.complete(call, argument.name, argument.value))
        return CompleteResult(completion=completion)

    async def listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Stream changes of resources that the caller may read."""
        caller = self.caller_of(ctx)

        async def check(uri: str) -> None:
            # A stream lasts, so it takes no place among the calls; what it reads to begin with does.
            async with turn_of(self.in_flight, caller):
                await self._check_readable(ctx, uri)

        return await self._streams.listen(ctx, params.notifications, caller, check)

    async def subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Notify of changes of a resource: `resources/subscribe` of revisions before 2026-07-28, over stdio only."""
        await self._check_readable(ctx, str(params.uri))
        self._streams.subscribe(ctx, str(params.uri), self.caller_of(ctx))
        return EmptyResult()

    async def unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """End a subscription of `subscribe`."""
        self._streams.unsubscribe(str(params.uri))
        return EmptyResult()

    @property
    def _streams(self) -> Subscriptions:
        if self.subscriptions is None:
            raise MCPError(METHOD_NOT_FOUND, "This server does not tell of changes.")
        return self.subscriptions

    async def _check_readable(self, ctx: Context, uri: str) -> None:
        # Subscriptions does not check access, so a resource of somebody else must be refused here.
        await self._answered(ctx, lambda call: resources.check(call.scope, self.tools, uri), uri)

    async def _answered(self, ctx: Context, ask: Callable[[Call], Awaitable[R]], uri: str | None = None) -> R:
        """The result of `ask`; a refusal becomes a protocol error, which names the URI of a resource."""
        data = {"uri": uri} if uri else None
        try:
            caller = self.caller_of(ctx)
            return await ask(Call(await self.callers.scope(caller), caller))
        except MCPError:
            raise
        except Unavailable as error:
            raise MCPError(INTERNAL_ERROR, str(error), data) from error
        except StorageError as error:
            older = uri is not None and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
            code = RESOURCE_NOT_FOUND if older and isinstance(error, NotFound) else INVALID_PARAMS
            raise MCPError(code, str(error), data) from error
        except Exception as error:
            logger.exception("resource failed")
            raise MCPError(INTERNAL_ERROR, OUR_FAULT, data) from error


def build_mcp_server(
    settings: Settings,
    callers: Callers,
    local: Caller | None = None,
    subscriptions: Subscriptions | None = None,
    in_flight: InFlight | None = None,
    dashboard: str | None = None,
) -> Server[Any]:
    """A server for one database. `local` is the caller over stdio and in memory.

    Results name pages below the address `dashboard`, or else that of the issuer.
    """
    tools = offered(settings)
    dashboard = (settings.issuer or dashboard or "").rstrip("/") or None
    in_flight = in_flight or InFlight(settings.calls_in_flight)
    handlers = Handlers(tools, callers, local, subscriptions, in_flight, dashboard)
    # resources/subscribe needs a connection that stays open, which stateless HTTP does not have.
    persistent = subscriptions is not None and local is not None
    server: Server[Any] = Server(
        "taskdeck",
        title="Taskdeck",
        version=version("taskdeck"),
        description="Tasks, teams and conversations that AI agents and people share.",
        instructions=prompts.instructions(tools.keys(), dashboard),
        # "public" is right only because the list does not depend on the caller: scopes are checked in the call.
        cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="public")},
        # Without this, the SDK runs tools/list for each call with arguments, to find those that headers must repeat.
        get_tool_input_schema=lambda name: tools[name].wire.input_schema if name in tools else None,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
        on_subscriptions_listen=handlers.listen if subscriptions else None,
        on_subscribe_resource=handlers.subscribe if persistent else None,
        on_unsubscribe_resource=handlers.unsubscribe if persistent else None,
    )
    server.extensions[EXTENSION_ID] = {}
    # Replaces the SDK's tracing, which is on by default (docs/research.md, "Spans of our own"). Spans are outermost, so
    # that they see the errors of explain_params.
    server.middleware = [explain_params, take_turns(in_flight, local)]
    if is_tracing():
        server.middleware.insert(0, trace_messages(server, tools))
    return server


def _client_name(ctx: Context) -> str | None:
    """The name that the client gives itself, if any."""
    params = ctx.session.client_params
    return params.client_info.name if params else None


def _can_ask(ctx: Context) -> bool:
    """Whether the client can ask the person, and repeat the call with the answer."""
    # Before 2026-07-28 a question needs a connection back to the client, which stateless HTTP does not have.
    declared = ctx.session.client_capabilities
    can = declared.elicitation if declared else None
    if can is None or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    # An empty capability means the form mode (MCP, Elicitation); a client that declares only "url" cannot show a form.
    return can.form is not None or can.url is None


def _refusal(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)
