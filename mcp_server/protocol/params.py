"""Errors for invalid params of protocol requests, in sentences that say what to send."""

from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from pydantic import ValidationError

MOST = 3
"""How many sentences an error has at most."""

_KINDS = {
    "missing": "is required",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be text",
    "bool_type": "must be true or false",
}

NOT_INITIALIZED = "Send initialize first, and then notifications/initialized."


async def explain_params(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: explain params that the SDK rejects, and requests before `initialize`."""
    try:
        return await call_next(ctx)
    except ValidationError as error:
        found = (_sentence(cast("dict[str, Any]", each), ctx) for each in error.errors(include_url=False))
        raise MCPError(INVALID_PARAMS, " ".join(list(dict.fromkeys(found))[:MOST])) from error
    except MCPError as error:
        # Of all errors with this code, only the SDK's errors of the handshake have empty data.
        if error.error.code == INVALID_PARAMS and error.error.data == "":
            raise MCPError(INVALID_PARAMS, NOT_INITIALIZED) from error
        raise


def _sentence(problem: dict[str, Any], ctx: ServerRequestContext[Any, Any]) -> str:
    """One sentence per field. If a field may have several shapes, none is named: pydantic has tried them all."""
    # The SDK validates some params inside their message and others alone, so the path may or may not begin with them.
    steps = problem["loc"][1:] if problem["loc"][:1] == ("params",) else problem["loc"]
    value: Any = ctx.params or {}
    path = ["params"]
    for number, step in enumerate(steps):
        last = problem["type"] == "missing" and number == len(steps) - 1
        # In the path of a union, pydantic inserts the name of the alternative that it tried: no key of what was sent.
        if not last and not _has(value, step):
            return f"{'.'.join(path)} is not what {ctx.method} takes there: see its schema in the MCP specification."
        path.append(str(step))
        value = None if last else value[step]
    known = _KINDS.get(problem["type"])
    if problem["type"] == "literal_error":
        known = f"must be {problem['ctx']['expected']}"
    hint = ": send it as such, not as JSON text" if isinstance(value, str) and known == "must be an object" else ""
    return f"{'.'.join(path)} {known or f'is not what {ctx.method} takes there'}{hint}."


def _has(value: object, step: int | str) -> bool:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(cast("list[object]", value))
    return isinstance(value, dict) and step in value
