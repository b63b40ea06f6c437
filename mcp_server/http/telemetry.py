"""Logs on stderr, one JSON object per line, and OpenTelemetry spans if the standard OTEL_* variables are set.

Log lines never contain what users wrote. Messages of our own code are written with that in mind. Other libraries log
only their source location, and exceptions only type and traceback locations, because their texts may quote a row.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Container
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from opentelemetry.context import get_current
from opentelemetry.propagate import extract
from opentelemetry.trace import ProxyTracerProvider, SpanKind, StatusCode, get_tracer, get_tracer_provider

OURS = ("mcp_server", "storage", "uvicorn")


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    """A Unix time in ISO 8601. A busy server logs many lines in the same second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _JsonLines(logging.Formatter):
    """One line per event: time, level, logger, message and fields. `at` is where it was logged or raised."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}+00:00",
            "level": record.levelname,
            "logger": record.name,
        }
        if record.name.partition(".")[0] in OURS:
            line["message"] = record.getMessage().strip()
            line |= getattr(record, "fields", {})
        else:
            line["at"] = [f"{record.pathname}:{record.lineno}"]
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, traceback_ = record.exc_info
            line["error"] = kind.__name__
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(traceback_)]
        # json.dumps escapes line breaks and control characters, so no text can forge a second line.
        return json.dumps(line)


def configure_logs(level: str) -> None:
    """Send all logs of this process to stderr. `level` applies to our own code, WARNING to libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    # Replaces handlers that libraries have added: they would print the texts that the formatter leaves out.
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)


def start_tracing() -> None:
    """Export spans by OTLP over HTTP, if OTEL_EXPORTER_OTLP_ENDPOINT (or its ..._TRACES_... form) is set.

    Requires the extra `taskdeck[telemetry]`.
    """
    named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not any(os.environ.get(name) for name in named) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        logging.getLogger(__name__).warning("OTEL_* is set, but not installed: pip install 'taskdeck[telemetry]'")
        return
    # Imported here because the extra may not be installed.
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # Resource.create reads it; without it, spans would belong to "unknown_service".
    os.environ.setdefault("OTEL_SERVICE_NAME", "taskdeck")
    provider = TracerProvider(resource=Resource.create())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def is_tracing() -> bool:
    """Whether spans go anywhere. Without a provider they would still cost as much as a cheap tool."""
    return not isinstance(get_tracer_provider(), ProxyTracerProvider)


def trace_messages(server: Server[Any], tools: Container[str]) -> ServerMiddleware[Any]:
    """A span for each message to the server, in the client's own trace if `_meta` names one (W3C Trace Context).

    Replaces the SDK's tracing, which copies names that clients invent and the texts of errors.
    """
    tracer = get_tracer("taskdeck")

    async def trace(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        known = server.get_request_handler(ctx.method) or server.get_notification_handler(ctx.method)
        # What a client invents may contain anything, so only methods and tools that exist are named.
        name = ctx.method if known else "other"
        attributes = {"mcp.method.name": name, "mcp.protocol.version": ctx.protocol_version}
        tool = (ctx.params or {}).get("name") if name == "tools/call" else None
        if isinstance(tool, str) and tool in tools:
            name += f" {tool}"
            attributes |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
        meta = {key: value for key, value in (ctx.meta or {}).items() if isinstance(value, str)}
        with tracer.start_as_current_span(
            name,
            extract(meta, get_current()),
            SpanKind.SERVER,
            attributes,
            # An exception's text may quote a row. Its type is recorded below.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                result = await call_next(ctx)
            except Exception as error:
                kind = str(error.code) if isinstance(error, MCPError) else type(error).__name__
                span.set_attribute("error.type", kind)
                span.set_status(StatusCode.ERROR)
                raise
            if isinstance(result, dict) and result.get("isError"):
                span.set_attribute("error.type", "tool_error")
                span.set_status(StatusCode.ERROR)
            return result

    return trace
