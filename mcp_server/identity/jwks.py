"""The public keys that an issuer publishes (RFC 7517), fetched when needed and cached."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from mcp_server.identity.addresses import LOOPBACK_NAMES

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""How long a key set is used without fetching it again. A withdrawn key is rejected after this time."""
STALE_SECONDS = 86_400.0
"""How long the last good key set is used while the issuer cannot be reached."""
COOLDOWN_SECONDS = 30.0
"""The minimum time between two fetches. Otherwise tokens with invented key ids could flood the issuer with requests."""
FIRST_COOLDOWN_SECONDS = 5.0
"""The same while there are no keys at all: the issuer may start after this server."""
FETCH_SECONDS = 3.0
MAX_BODY_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048
"""RFC 7518 section 3.3."""

_ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", "None"): "RS256"}


class KeysUnavailable(Exception):
    """The keys of the issuer cannot be fetched now. `retry_after` is in seconds."""

    def __init__(self, retry_after: int = int(FIRST_COOLDOWN_SECONDS)) -> None:
        super().__init__("the keys of the token's issuer cannot be fetched")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Key:
    """A public key with the one algorithm that it may verify (RFC 8725 section 3.1)."""

    algorithm: str
    public: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class KeySet:
    """The key set at an issuer's JWKS address. Concurrent callers share one fetch. `clock` is monotonic, in seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched = self._attempted = float("-inf")
        self._failing = False
        self._flight: asyncio.Task[None] | None = None
        # A proxy from the environment cannot reach this machine's loopback address. No connection is kept alive, so
        # there is nothing to close at the end.
        self._client = httpx2.AsyncClient(
            trust_env=urlsplit(url).hostname not in LOOPBACK_NAMES,
            # Only the configured address is trusted to name keys.
            follow_redirects=False,
            # FETCH_SECONDS limits the whole fetch; httpx2 would limit each read.
            timeout=None,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def find(self, kid: str | None) -> Key | None:
        """The key with this id, or the only key if `kid` is None. None: the issuer has no such key.

        Raises:
            KeysUnavailable: the issuer cannot be reached, and the cached keys cannot answer.
        """
        key = self._pick(kid)
        if key is None or self._age() > FRESH_SECONDS:
            await self._renew(missing=key is None)
            key = self._pick(kid)
        # During an outage an unknown key may be a new one. A refusal would make clients discard a good token.
        if self._age() > STALE_SECONDS or (key is None and self._failing):
            raise KeysUnavailable
        return key

    async def ready(self) -> bool:
        """Whether there are keys; fetches them if they are old."""
        if self._age() > FRESH_SECONDS:
            await self._renew(missing=False)
        return self._age() <= STALE_SECONDS

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _pick(self, kid: str | None) -> Key | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _renew(self, *, missing: bool) -> None:
        if self._flight is None:
            cooldown = COOLDOWN_SECONDS if self._keys else FIRST_COOLDOWN_SECONDS
            if self._clock() - self._attempted < cooldown:
                return
            # Noted before the fetch, so that failures count for the cooldown as well.
            self._attempted = self._clock()
            self._flight = asyncio.create_task(self._fetch())
        # During an outage of the issuer, only requests that the cached keys cannot answer wait for the fetch.
        if missing or not self._failing or self._age() > STALE_SECONDS:
            # Without the shield, one client that disconnects would cancel the fetch for all others.
            await asyncio.shield(self._flight)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_keys(await self._download())
        except Exception as error:
            # Whatever goes wrong here is an outage of the issuer, not an error of one request.
            self._failing = True
            logger.warning("cannot fetch the keys of %s: %s", self._url, type(error).__name__)
        else:
            self._failing = False
            self._fetched = self._clock()
        finally:
            self._flight = None

    async def _download(self) -> bytes:
        body = bytearray()
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != 200:
                raise ValueError(f"status {response.status_code}")
            # Raw bytes, or a small compressed body could grow beyond the limit in a single chunk.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ValueError("too large")
        return bytes(body)


def read_keys(body: bytes) -> dict[str, Key]:
    """The usable signature keys of a JWK set (RFC 7517 section 5), by key id.

    Raises:
        ValueError: this is not a key set, or it has no usable key.
    """
    document: object = json.loads(body)
    entries: object = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(cast("list[object]", entries)) > MAX_KEYS:
        raise ValueError("not a key set")
    keys: dict[str, Key] = {}
    for entry in cast("list[object]", entries):
        if isinstance(entry, dict):
            jwk = cast("dict[str, Any]", entry)
            kid = jwk.get("kid", "")
            if isinstance(kid, str) and (key := _read_key(jwk)):
                keys.setdefault(kid, key)
    if not keys:
        raise ValueError("no usable key")
    return keys


def _read_key(jwk: dict[str, Any]) -> Key | None:
    # Public key algorithms only: with a shared secret ("oct"), everybody who can verify a token could also sign one.
    algorithm = _ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv"))))
    # "d" is the private part: a key pair that was published can sign for anybody.
    if not algorithm or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm or "d" in jwk:
        return None
    try:
        public = PyJWK(jwk, algorithm).key
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        return None
    return Key(algorithm, public)
