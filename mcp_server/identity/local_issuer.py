"""The built-in issuer: signs tokens for a server that only this machine can reach."""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from unicodedata import category
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcp_server.identity.jwks import Key
from mcp_server.identity.secret_files import read_or_create
from mcp_server.settings import Settings, SettingsError
from storage.people.timezones import find_timezone
from storage.schema.request_models import USER_ID

Audience = Literal["mcp", "api"]
"""The MCP endpoint and the dashboard API. A token for one is refused by the other (RFC 8707 section 2)."""
READ, WRITE = "mcp:read", "mcp:write"
OAUTH_SCOPES = (READ, WRITE)
MAX_LIFETIME_SECONDS = 86_400
EMAIL_LENGTH, NAME_LENGTH = (3, 320), (1, 200)
"""Characters: minimum and maximum."""


class LocalIssuer:
    """Issues tokens on this machine, with a key in the data directory.

    Raises:
        SettingsError: TASKDECK_ISSUER is set, the server is reachable from elsewhere, or the key file is unusable.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.issuer or not settings.loopback:
            raise SettingsError(
                "The built-in issuer serves only on a loopback address without TASKDECK_ISSUER: "
                f"get a token from {settings.issuer or 'your issuer'}"
            )
        self._settings = settings
        self._private = open_local_key(settings.data_dir)
        self._public = Key("EdDSA", self._private.public_key())
        self.name = f"{settings.address}/local"

    async def find(self, _kid: str | None) -> Key:
        """The public key; there is only one."""
        return self._public

    async def ready(self) -> bool:
        """Always true."""
        return True

    def mint(
        self,
        user: str,
        *,
        email: str | None = None,
        name: str | None = None,
        timezone: str | None = None,
        oauth_scopes: Iterable[str] = OAUTH_SCOPES,
        ttl: int = 3600,
        audience: Audience = "mcp",
    ) -> str:
        """A signed token for `user`, valid for `ttl` seconds and one audience.

        Raises:
            ValueError: the verifier would refuse this argument; the text names it. InvalidInput: no such time zone.
        """
        granted = tuple(oauth_scopes)
        _check(user, email, name, granted, ttl)
        now = int(time.time())
        claims = {
            "iss": self.name,
            "sub": user,
            "aud": f"{self._settings.address}/{audience}",
            "iat": now,
            "exp": now + ttl,
            # All printed tokens have the same client id. The rate limit tells them apart by "jti", and history by the
            # name that each program gives itself (callers.UNNAMED_CLIENTS).
            "jti": uuid4().hex,
            "client_id": "taskdeck",
            "scope": " ".join(granted),
            "email": email,
            # Whoever can run the command vouches for the address.
            "email_verified": True if email else None,
            "name": name,
            "zoneinfo": timezone and find_timezone(timezone),
        }
        claims = {claim: value for claim, value in claims.items() if value is not None}
        # RFC 9068 section 2.1: the type keeps an ID token from being taken for an access token.
        return jwt.encode(claims, self._private, "EdDSA", headers={"typ": "at+jwt"})


def displayable(value: object, least: int, most: int) -> str | None:
    """The value if it is text of this length that can be stored and shown, else None."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        return None
    # Control characters could fake lines in logs and terminals; PostgreSQL stores no surrogates (Cs).
    return None if any(category(char) in ("Cc", "Cs") for char in value) else value


def open_local_key(folder: Path) -> Ed25519PrivateKey:
    """The private key in `folder`/issuer.key, made on first use. Processes that start together get the same.

    Raises:
        SettingsError: the file is open to others, is not such a key, or the folder cannot be written.
    """
    path = folder / "issuer.key"
    try:
        pem = read_or_create(path, _create_pem)
        # It is created with mode 0600, which a backup or a copy may not have kept.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} is open to other users of this machine: run chmod 600 on it")
        key = serialization.load_pem_private_key(pem, password=None)
    except OSError as error:
        raise SettingsError(f"TASKDECK_DATA_DIR: {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{path} is not a private key: delete it, then a new one is made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path} is not an Ed25519 key: delete it, then a new one is made")
    return key


def _create_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _check(user: str, email: str | None, name: str | None, oauth_scopes: tuple[str, ...], ttl: int) -> None:
    if not re.fullmatch(USER_ID, user):
        raise ValueError("user: 1 to 128 letters, digits and _ . : @ | - are allowed")
    if not 0 < ttl <= MAX_LIFETIME_SECONDS:
        raise ValueError("ttl: a token lives between one second and 24 hours")
    if not set(oauth_scopes) <= set(OAUTH_SCOPES):
        raise ValueError(f"scope: choose from {' '.join(OAUTH_SCOPES)}")
    for what, value, (least, most) in (("email", email, EMAIL_LENGTH), ("name", name, NAME_LENGTH)):
        if value is not None and displayable(value, least, most) is None:
            raise ValueError(f"{what}: {least} to {most} characters without control characters are allowed")
