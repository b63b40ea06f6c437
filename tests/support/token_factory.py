"""Makes valid and invalid tokens, serves the keys of the valid ones, and sends requests with them."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.http.authentication import Authentication
from mcp_server.http.mcp_requests import McpRequests
from mcp_server.identity.callers import Caller
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import Settings

ADDRESS = "http://127.0.0.1:8000"
ISSUER = "https://issuer.example"
PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
Endpoint = Literal["mcp", "api", "socket"]
ENDPOINTS: tuple[Endpoint, ...] = ("mcp", "api", "socket")

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
ED, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: object, claims: object, key: PrivateKey | bytes = ED) -> str:
    """A compact JWS of any header and claims (bytes are used as is); a key of type bytes means HMAC-SHA256."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    text = ".".join(encode(part) for part in parts)
    if isinstance(key, bytes):
        signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    elif isinstance(key, Ed25519PrivateKey):
        signature = key.sign(text.encode())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = ECAlgorithm(ECAlgorithm.SHA256).sign(text.encode(), key)
    else:
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(text.encode(), key)
    return f"{text}.{encode(signature)}"


def header(*without: str, **changes: object) -> dict[str, object]:
    good: dict[str, object] = {"alg": "EdDSA", "typ": "JWT", "kid": "ed"}
    return {name: value for name, value in (good | changes).items() if name not in without}


def claims(*without: str, **changes: object) -> dict[str, object]:
    """Valid claims with changes. Functions among the values are called now."""
    now = int(time.time())
    good: dict[str, object] = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": f"{ADDRESS}/mcp",
        "iat": now,
        "exp": now + 900,
        "scope": "mcp:read mcp:write",
    }
    named = {name: value for name, value in (good | changes).items() if name not in without}
    return {name: value() if callable(value) else value for name, value in named.items()}


def to_jwk(kid: str | None, key: PrivateKey, **changes: object) -> dict[str, object]:
    jwk: dict[str, Any]
    if isinstance(key, Ed25519PrivateKey):
        jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwk = {name: value for name, value in jwk.items() if name != "key_ops"}
    return jwk | ({} if kid is None else {"kid": kid}) | changes


def key_set(*jwks: object) -> bytes:
    return json.dumps({"keys": jwks}).encode()


ALL_KEYS = key_set(to_jwk("ed", ED), to_jwk("ec", EC), to_jwk("rsa", RSA))


@dataclass
class KeyServer:
    """The JWKS endpoint of an issuer. With `hang` it never responds; `fetches` counts requests."""

    body: bytes = ALL_KEYS
    status: str = "200 OK"
    headers: str = ""
    hang: bool = False
    fetches: int = 0
    url: str = ""
    _open: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.fetches += 1
            if self.hang:
                await reader.read()
                return
            head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\n{self.headers}\r\n"
            writer.write(head.encode() + self.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running_key_server(**how: Any) -> AsyncGenerator[KeyServer]:
    key_server = KeyServer(**how)
    server = await asyncio.start_server(key_server.answer, "127.0.0.1", 0)
    key_server.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    async with server:
        yield key_server


@dataclass
class Clock:
    """A clock that tests set."""

    now: float

    def __call__(self) -> float:
        return self.now


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings of a server at ADDRESS, independent of environment variables."""
    fixed: dict[str, Any] = {"host": "127.0.0.1", "port": 8000, "public_url": "", "DATABASE_URL": None}
    fixed |= dict.fromkeys(("issuer", "jwks_url", "token"))
    return Settings(data_dir=folder, **(fixed | changes))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def challenge(self) -> str:
        return self.headers.get("www-authenticate", "")


async def send_request(
    app: ASGIApp,
    *headers: tuple[str, str],
    kind: str = "http",
    method: str = "POST",
    path: str = "/mcp",
    query: str = "",
    body: bytes | list[bytes] = b"",
) -> Answer:
    """Send one request as an ASGI server would: with repeated headers, or a WebSocket that can be denied over HTTP."""
    named = dict(headers)
    sent = headers if "host" in named else (("host", "127.0.0.1:8000"), *headers)
    scope: Scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in sent],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {"websocket.http.response": {}},
        "subprotocols": [],
    }
    chunks = list(body) if isinstance(body, list) else [body]
    answer = Answer(0, {}, b"")

    async def receive() -> Message:
        if kind == "websocket":
            return {"type": "websocket.connect"}
        if not chunks:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        if message["type"].endswith("response.start"):
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"].endswith("response.body"):
            answer.body += message.get("body", b"")
        elif message["type"] == "websocket.accept":
            answer.status = 101

    await app(scope, receive, send)
    return answer


@dataclass
class GuardedApp:
    """An application behind authentication, with three endpoints. `callers` are those who reached it."""

    verifier: Verifier
    callers: list[Any] = field(default_factory=list[Any])
    bodies: list[bytes] = field(default_factory=list[bytes])

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.callers.append(scope.get("caller"))
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def guarded(self) -> ASGIApp:
        writers = {"add_task": "mcp:write"}

        async def note_refusal(_caller: Caller, _attempted: str) -> None:
            """There is no database."""

        def required_scope(tool: str) -> str:
            return writers.get(tool, "mcp:read")

        settings = self.verifier.settings
        inner = McpRequests(self.application, settings, required_scope, ("add_task",), note_refusal)
        return Authentication(inner, self.verifier)

    async def send_request(self, endpoint: Endpoint, *headers: tuple[str, str], **request: Any) -> Answer:
        how: dict[str, Any] = {
            "mcp": {"kind": "http", "method": "POST", "path": "/mcp", "body": PING},
            "api": {"kind": "http", "method": "GET", "path": "/api/dashboard/statistics"},
            "socket": {"kind": "websocket", "method": "GET", "path": "/api/ws"},
        }[endpoint]
        sent = (*headers, ("content-type", "application/json")) if endpoint == "mcp" else headers
        return await send_request(self.guarded(), *sent, **(how | request))

    async def send_token(self, token: str, endpoint: Endpoint = "mcp", **request: Any) -> Answer:
        return await self.send_request(endpoint, ("authorization", f"Bearer {token}"), **request)
