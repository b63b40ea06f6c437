"""The spans of protocol messages, recorded in this process."""

import pytest
from mcp import MCPError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mcp_server.http import telemetry
from tests.conftest import Person


async def test_spans_name_the_tool_and_the_kind_of_error(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(telemetry, "get_tracer_provider", lambda: provider)
    async with alice.client() as client:
        await client.call_tool("whoami", {})
        await client.call_tool("add_task", {})
        with pytest.raises(MCPError):
            await client.get_prompt("no_such_prompt")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    found = {
        name: (span.status.is_ok, attributes.get("gen_ai.tool.name"), attributes.get("error.type"))
        for name, span in spans.items()
        if (attributes := span.attributes or {}) and name.startswith(("tools/call", "prompts/get"))
    }
    assert found == {
        "tools/call whoami": (True, "whoami", None),
        "tools/call add_task": (False, "add_task", "tool_error"),
        "prompts/get": (False, None, "-32602"),
    }
