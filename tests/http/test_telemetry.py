"""Logs and spans of a running server, which must contain nothing that users wrote."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import RequestParamsMeta
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.processes import Server, postgres_processes, serving, structured

pytestmark = pytest.mark.long

CANARY = "xanadu-canary"
"""Part of every text and token of the user here."""


@dataclass
class Collector:
    """An OTLP/HTTP endpoint that keeps what it receives."""

    received: list[bytes] = field(default_factory=list[bytes])
    address: str = ""

    @property
    def spans(self) -> dict[str, list[Span]]:
        """The received spans by service name."""
        found: dict[str, list[Span]] = {}
        for body in self.received:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found.setdefault(names["service.name"], []).extend(scope.spans)
        return found


@pytest.fixture
async def collector() -> AsyncGenerator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


async def write(server: Server) -> None:
    """Use every interface with the canary in everything sent, accepted or rejected."""
    async with server.client(CANARY) as client:
        task = (await structured(client, "add_task", title=CANARY, description=CANARY, tags=[CANARY]))["id"]
        message = {"role": "user", "content": CANARY}
        chat = await structured(client, "start_conversation", title=CANARY, messages=[message])
        await structured(client, "list_tasks", search=CANARY)
        await structured(client, "search_messages", query=CANARY)
        for tool, arguments in (
            ("share_task", {"task_id": task, "user": f"{CANARY} {CANARY}"}),
            ("add_task", {"title": CANARY * 100}),
            ("add_task", {"title": CANARY, "due": CANARY}),
            ("add_task", {"title": f"{CANARY}\0"}),
            ("add_task", {"title": CANARY, CANARY: CANARY}),
            ("list_tasks", {"cursor": CANARY}),
            (CANARY, {}),
            ("append_messages", {"conversation_id": chat["id"], "messages": [message | {"role": CANARY}]}),
        ):
            assert (await client.call_tool(tool, arguments)).is_error, tool
        with pytest.raises(MCPError):
            await client.read_resource(f"task://{CANARY}")
    async with server.http() as anonymous:
        for path in (f"/{CANARY}", f"/api/dashboard/statistics?{CANARY}={CANARY}", f"/mcp?{CANARY}"):
            await anonymous.post(path, content=CANARY, headers={"authorization": f"Bearer {CANARY}"})
            await anonymous.get(path, headers={"cookie": CANARY, "origin": f"http://{CANARY}", "user-agent": CANARY})
        bearer = {
            "authorization": f"Bearer {server.token(CANARY)}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        for body in (
            CANARY,
            json.dumps({"jsonrpc": "2.0", "id": CANARY, "method": CANARY, "params": CANARY}),
            json.dumps({"jsonrpc": "2.0", "method": CANARY, "params": {}}),
        ):
            await anonymous.post("/mcp", content=body, headers=bearer)
    for message in (CANARY, json.dumps({"type": "authenticate", "token": CANARY}), json.dumps({"type": CANARY})):
        async with connect(f"{server.address.replace('http', 'ws')}/api/ws?{CANARY}") as socket:
            await socket.send(message)
            with suppress(ConnectionClosed):
                await socket.recv()


async def survive_postgres_crash(server: Server) -> None:
    """Kill PostgreSQL and call a tool until it is back."""
    for pid in postgres_processes(server.data_dir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    async with server.client(CANARY) as client:
        while (await client.call_tool("add_task", {"title": CANARY})).is_error:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.embedded
async def test_logs_and_spans_contain_no_user_data_or_tokens(collector: Collector, tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "TASKDECK_LOG_LEVEL": "DEBUG"}
    async with serving(tmp_path / "data", **variables) as server:
        token = server.token(CANARY)
        await write(server)
        await survive_postgres_crash(server)
        assert await server.stop() == 0
    logs = server.log.read_text()
    lines = [json.loads(line) for line in logs.splitlines()]
    assert {"/mcp", "/api/dashboard/statistics", "other"} <= {line.get("route") for line in lines}
    postgres = (tmp_path / "data/postgres/log").read_text()
    for secret in (CANARY, token.rpartition(".")[2], token[:60]):
        assert secret not in logs
        assert secret not in postgres
        assert not any(secret.encode() in body for body in collector.received)


async def test_spans_join_the_trace_of_the_client(collector: Collector, tmp_path: Path) -> None:
    trace_id = secrets.token_hex(16)
    async with serving(tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT=collector.address) as server:
        async with server.client("alice") as client:
            meta: RequestParamsMeta = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}  # pyright: ignore
            await client.call_tool("add_task", {"title": "Traced"}, meta=meta)
        async with server.client("alice") as client:
            await client.call_tool("add_task", {})
        # Pending spans are exported before the server exits.
        assert await server.stop() == 0
    traced, refused = [span for span in collector.spans["taskdeck"] if span.name == "tools/call add_task"]
    assert traced.trace_id.hex() == trace_id
    assert refused.status.code == Status.STATUS_CODE_ERROR
    requests = {span.span_id: span for span in collector.spans["taskdeck"] if span.name == "POST /mcp"}
    assert requests[refused.parent_span_id].trace_id == refused.trace_id
