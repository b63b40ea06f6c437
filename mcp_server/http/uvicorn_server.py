"""The HTTP server: uvicorn with time limits for slow clients and a graceful shutdown.

It extends classes that uvicorn does not document as public, so pyproject.toml pins the minor version that is tested.
"""

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
"""Longer than request_body.BODY_SECONDS, so that /mcp can answer 408 before the connection is closed."""
STALL_SECONDS = 30.0
"""How long a client may leave a response unread."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than proxies keep theirs (Node 5 s, nginx 60 s). If the server closed
first, a request could already be on its way, and the proxy would answer it with an error."""
MAX_FRAME_BYTES = 64 * 1024
"""Uvicorn's default is 16 MiB. What a socket sends is a ping, or a token of 8 KiB at most."""
NOTICE_SECONDS = 0.5
"""Between the first 503 of /readyz and the end of accepting connections."""
DRAIN_SECONDS = 10
"""For requests in flight after that. Uvicorn's default is to wait without limit."""
RETURN_SECONDS = 10.0
"""Sockets are asked to reconnect within this time, each after a random delay."""


class _Deadline:
    """Aborts a connection unless it is cleared in time."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._at = loop.time() + seconds
        # Every request sets a deadline twice and clears it, so the timer of an earlier one is kept and looks again.
        if self._timer is not None and self._timer.when() > self._at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(self._at, self._check, loop, transport)

    def clear(self) -> None:
        self._at = None

    def end(self) -> None:
        """Clear it for good: the connection is closed."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._timer = None
        if self._at is None:
            return
        if loop.time() < self._at:
            self._timer = loop.call_at(self._at, self._check, loop, transport)
        else:
            # Not close(), which waits until the client has read what is buffered.
            transport.abort()

    def __bool__(self) -> bool:
        return self._at is not None


class _Http(HttpToolsProtocol):
    """Drops clients that do not finish their headers or body, or do not read their answer (slow loris)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._request = _Deadline()
        self._reader = _Deadline()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Without a buffer, writing pauses as soon as the kernel takes no more, which starts the deadline of the reader.
        transport.set_write_buffer_limits(0)
        self._request.set(HEADER_SECONDS, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.end()
        self._reader.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The first bytes of another request on a kept connection. While a response is under way, no deadline is set:
        # the time until it is sent is the server's own.
        if not self._request and not (self.cycle and not self.cycle.response_complete):
            self._request.set(HEADER_SECONDS, self.transport)
        super().data_received(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9110 section 5.5: whitespace around a value is not part of it. httptools strips only leading whitespace.
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
        # The WebSocket protocol takes the transport over; the deadline would abort it.
        self._request.end()
        super().handle_websocket_upgrade()


class _WebSocket(WebSocketsSansIOProtocol):
    """Drops clients that do not read, and tells the others when to reconnect after a restart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._deadline = _Deadline()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Without a buffer, and with a small one in the kernel, a sender waits for a slow reader. Otherwise a reader
        # could fall megabytes behind unnoticed.
        transport.set_write_buffer_limits(0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_FRAME_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.end()
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
            # Otherwise uvicorn logs an error for each handshake that is rejected.
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
    """Drains before it stops, and exits with code 0."""

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None], on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._on_ready = on_ready
        self._stopping = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn would note the signal and raise it again at the end, so that the process ends by it. Supervisors
        # should see a clean stop, with exit code 0. A second Ctrl-C ends it at once.
        if self._stopping and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        elif not self._stopping:
            self._stopping = True
            # This is a signal handler, which runs between two instructions of any code: it may only wake the loop.
            asyncio.get_running_loop().call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Load balancers first see /readyz fail, while connections are still accepted.
        self._on_drain()
        asyncio.get_running_loop().call_later(NOTICE_SECONDS, setattr, self, "should_exit", True)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 is any free one.

    Raises:
        OSError: the address is in use, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    # Connections inherit this. asyncio sets it only on sockets with an explicit protocol number, which create_server
    # does not give.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def build_http_server(
    app: ASGIApp, on_drain: Callable[[], None], on_ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A server for `app`; run it with `await server.serve([listen(...)])`.

    It calls `on_ready` once it answers requests and signals.

    SIGTERM and SIGINT call `on_drain` and end it within 15 seconds: requests in flight are answered, sockets closed
    with 1012. FORWARDED_ALLOW_IPS names the proxies whose X-Forwarded-For is trusted (uvicorn; loopback by default).
    """
    # Each connection takes a file descriptor, and the soft limit is often 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = uvicorn.Config(
        app,
        http=_Http,
        ws=_WebSocket,
        ws_max_size=MAX_FRAME_BYTES,
        # Compression would keep a window in memory for each socket, and the messages are short.
        ws_per_message_deflate=False,
        # `open_app` has opened everything before, and closes it after the last response.
        lifespan="off",
        # Uvicorn would replace the handlers of configure_logs. Its access log contains whole URLs; RequestMetrics logs
        # routes instead.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return _Server(config, on_drain, on_ready)
