"""Observability of HTTP requests: /metrics (Prometheus), Server-Timing, and a span for each request."""

import logging
import re
import time
from collections.abc import Callable, Container, Iterable

from opentelemetry import trace
from opentelemetry.propagate import extract
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.http.telemetry import is_tracing
from storage.engine import retry
from storage.engine.database import Database
from storage.events.feed import Feed

logger = logging.getLogger(__name__)

# Many requests take about a millisecond; the first bucket of prometheus_client's defaults ends at five.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one server. `sockets` and `streams` return how many live sockets and subscriptions are open."""

    def __init__(self, opened: Database, feed: Feed, sockets: Callable[[], int], streams: Callable[[], int]) -> None:
        # Not the global registry, which refuses a second server in the same process.
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "taskdeck_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "taskdeck_request_seconds",
            "Time to answer, by route and, at /mcp, by tool.",
            ("route", "tool"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Gauges(opened, feed, sockets, streams))

        self._series: dict[tuple[str, str, int, str], tuple[Counter, Histogram]] = {}

    def count(self, route: str, method: str, status: int, tool: str, seconds: float) -> None:
        """Count a request and its time. All labels must be from bounded sets."""
        key = (route, method, status, tool)
        # prometheus_client takes longer to find a series by its labels than to count in it.
        if (series := self._series.get(key)) is None:
            series = self.requests.labels(route, method, status), self.seconds.labels(route, tool)
            self._series[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def route(self) -> Route:
        """GET /metrics: names no user and no task."""
        return Route("/metrics", self._show)

    async def _show(self, _: Request) -> Response:
        headers = {"Cache-Control": "no-store"}
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST, headers=headers)


class _Gauges(Collector):
    """Values that are read at the moment of the scrape."""

    def __init__(self, opened: Database, feed: Feed, sockets: Callable[[], int], streams: Callable[[], int]) -> None:
        self._database = opened
        self._feed = feed
        self._sockets = sockets
        self._streams = streams

    def collect(self) -> Iterable[Metric]:
        pool = self._database.pool
        for name, text, value in (
            ("taskdeck_pool_connections", "Connections of the pool.", pool.get_size()),
            ("taskdeck_pool_idle_connections", "Connections of the pool that nobody uses now.", pool.get_idle_size()),
            ("taskdeck_pool_max_connections", "Connections that the pool may open.", pool.get_max_size()),
            ("taskdeck_sockets", "Live sockets that are open and authenticated.", self._sockets()),
            ("taskdeck_subscriptions", "Subscription streams that are open.", self._streams()),
            ("taskdeck_listening", "Whether changes are heard (1).", self._feed.listener.state == "listening"),
        ):
            yield GaugeMetricFamily(name, text, value)
        retries = CounterMetricFamily("taskdeck_storage_retries", "Verbs that were started again.", labels=("verb",))
        for verb, count in retry.retries.items():
            retries.add_metric((verb,), count)
        yield retries


_PARAMETER = re.compile(r"\{\w+\}")
_NUMBER = re.compile(r"/[0-9]+(?=/|$)")


class RequestMetrics:
    """Counts and times each request.

    Only `paths` and `tools` become labels, and every number in a path is the same `{id}`. Anything else counts as
    "other", or clients could create time series.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Iterable[str], tools: Container[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(_PARAMETER.sub("{id}", path) for path in paths)
        self._tools = tools
        self._tracer = trace.get_tracer("taskdeck")
        self._tracing = is_tracing()

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if asgi_scope["type"] != "http":
            return await self._app(asgi_scope, receive, send)
        started = time.perf_counter()
        path = asgi_scope["path"]
        path = path if path in self._paths else _NUMBER.sub("/{id}", path)
        route = path if path in self._paths else "other"
        # nginx's status for a client that left before the response. No response was started then.
        status = 499

        async def note(message: Message) -> None:
            nonlocal status
            # Only the start of a response can have headers, so Server-Timing leaves out the time to send the body.
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = (time.perf_counter() - started) * 1000
                timing = (b"server-timing", b"app;dur=%.1f" % elapsed)
                message = {**message, "headers": [*message.get("headers", ()), timing]}
            await send(message)

        try:
            if self._tracing:
                await self._trace(asgi_scope, route, receive, note, lambda: status)
            else:
                await self._app(asgi_scope, receive, note)
        except Exception:
            # Starlette sends the 500 outside of this middleware, so `note` does not see it.
            status = 500
            raise
        finally:
            self._record(asgi_scope, route, status, time.perf_counter() - started)

    async def _trace(
        self, asgi_scope: Scope, route: str, receive: Receive, send: Send, status: Callable[[], int]
    ) -> None:
        with self._tracer.start_as_current_span(
            f"{asgi_scope['method']} {route}",
            extract(Headers(scope=asgi_scope)),
            trace.SpanKind.SERVER,
            # An exception's text may quote what a user wrote.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await self._app(asgi_scope, receive, send)
            span.set_attribute("http.response.status_code", status())

    def _record(self, asgi_scope: Scope, route: str, status: int, seconds: float) -> None:
        # Set by McpRequests. All middleware before it passes this same dict on, so the key is visible here.
        tool = asgi_scope.get("tool") or ""
        tool = tool if not tool or tool in self._tools else "other"
        # The method needs no list of its own: httptools parses only those that it knows.
        method: str = asgi_scope["method"]
        self._metrics.count(route, method, status, tool, seconds)
        if logger.isEnabledFor(logging.INFO):
            fields = {"route": route, "method": method, "status": status, "ms": round(seconds * 1000, 1)}
            fields |= {"tool": tool} if tool else {}
            # Not info(), which walks the stack for the caller's file and line at every request.
            logger.handle(
                logger.makeRecord(logger.name, logging.INFO, "", 0, "request", (), None, None, {"fields": fields})
            )
