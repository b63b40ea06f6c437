"""The HTTP server: uvicorn, with an end to every wait for a client, and a drain when it is asked to stop."""

import asyncio
import random
import resource
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

HEADER_SECONDS = 10.0
BODY_SECONDS = 35.0
"""Longer than bodies.BODY_SECONDS, whose answer is politer than a closed connection."""
STALL_SECONDS = 30.0
"""How long a client may leave what was sent to it unread."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than proxies keep theirs (Node 5 s, nginx 60 s). Whoever closes first can
hit a request that is already on its way, and a proxy answers that with an error."""
MAX_FRAME_BYTES = 64 * 1024
NOTICE_SECONDS = 0.5
"""Between telling load balancers (/readyz) and closing the door."""
DRAIN_SECONDS = 10
RETURN_SECONDS = 10.0
"""Sockets are asked to come back within this, each at a moment of its own."""


class _Deadline:
    """The one thing that a connection waits for, and what happens if it does not come."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, transport: asyncio.Transport) -> None:
        self.clear()
        self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __bool__(self) -> bool:
        return self._timer is not None


class _Http(HttpToolsProtocol):
    """Drops clients that do not finish their headers or body, or do not read their answer (slow loris)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._request = _Deadline()
        self._reader = _Deadline()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Unread means paused: the deadline of the reader then runs from the first byte that the kernel does not take.
        transport.set_write_buffer_limits(0)
        self._request.set(HEADER_SECONDS, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.clear()
        self._reader.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._request and not (self.cycle and not self.cycle.response_complete):
            self._request.set(HEADER_SECONDS, self.transport)
        super().data_received(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9110 section 5.5: whitespace around a value is not part of it. The parser takes away only what leads.
        super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        self._request.set(BODY_SECONDS, self.transport)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._request.clear()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.set(STALL_SECONDS, self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader.clear()

    def handle_websocket_upgrade(self) -> None:
        self._request.clear()
        super().handle_websocket_upgrade()


class _WebSocket(WebSocketsSansIOProtocol):
    """Drops clients that do not read, and says when to come back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._deadline = _Deadline()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Whatever the kernel does not take at once makes the sender wait, and it takes little: else a reader could be
        # megabytes of changes behind before anybody knew.
        transport.set_write_buffer_limits(0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_FRAME_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline.set(STALL_SECONDS, self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._deadline.clear()

    async def send(self, message: Any) -> None:  # noqa: ANN401
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # uvicorn would log an error for each handshake that we refuse.
            self.handshake_complete = True

    def shutdown(self) -> None:
        if self.conn.state is State.OPEN and not self.close_sent:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1012})
            # RFC 6455 section 7.2.3: clients that were cut off together should not come back together.
            self.conn.send_close(1012, f"restarting; retry-after={random.uniform(0.5, RETURN_SECONDS):.1f}")  # noqa: S311
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        else:
            super().shutdown()


class _Server(uvicorn.Server):
    """Gives notice before it stops, and then ends like any program that has done its work: with exit code 0."""

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None], on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._on_ready = on_ready
        self._asked = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._asked and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        elif not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._on_drain()
        asyncio.get_running_loop().call_later(NOTICE_SECONDS, setattr, self, "should_exit", True)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; of port 0 the kernel chooses a free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    # Connections inherit it. asyncio would not set it on them: it asks for a protocol number that create_server omits.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def build_http_server(
    app: ASGIApp, on_drain: Callable[[], None], on_ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A server for `app`; run it with `await server.serve([listen(...)])`.

    It calls `on_ready` once it answers requests and signals.

    SIGTERM and SIGINT call `on_drain` and end it within 15 seconds: requests in flight are answered, sockets closed
    with 1012. Behind a proxy FORWARDED_ALLOW_IPS names whose X-Forwarded-For is believed (uvicorn; default loopback).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = uvicorn.Config(
        app,
        http=_Http,
        ws=_WebSocket,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return _Server(config, on_drain, on_ready)
