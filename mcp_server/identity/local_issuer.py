"""The built-in issuer: makes the tokens of a server that only this machine can reach."""

import os
import re
import tempfile
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
from mcp_server.settings import Settings, SettingsError
from storage.people.timezones import find_timezone

Audience = Literal["mcp", "api"]
"""The two doors. A token for one does not open the other."""
SCOPES = ("mcp:read", "mcp:write")
SUBJECT = r"^[A-Za-z0-9_.:@|-]{1,128}$"
MAX_LIFETIME_SECONDS = 86_400
EMAIL_LENGTH, NAME_LENGTH = (3, 320), (1, 200)
"""Characters, at least and at most."""


class LocalIssuer:
    """Issues tokens on this machine, with a key in the data directory.

    Raises:
        SettingsError: tokens come from elsewhere (TASKDECK_ISSUER), or the key file cannot be used.
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
        """The public key. There is only one."""
        return self._public

    async def ready(self) -> bool:
        """Always: the key is at hand."""
        return True

    def mint(
        self,
        user: str,
        *,
        email: str | None = None,
        name: str | None = None,
        timezone: str | None = None,
        scopes: Iterable[str] = SCOPES,
        ttl: int = 3600,
        audience: Audience = "mcp",
    ) -> str:
        """A signed token for `user`, good for `ttl` seconds at one door.

        Raises:
            ValueError: an argument that the verifier would refuse; the text names it. InvalidInput: no such time zone.
        """
        granted = tuple(scopes)
        if not re.fullmatch(SUBJECT[1:-1], user):
            raise ValueError("user: 1 to 128 letters, digits and _ . : @ | - are allowed")
        if not 0 < ttl <= MAX_LIFETIME_SECONDS:
            raise ValueError("ttl: a token lives between one second and 24 hours")
        if not set(granted) <= set(SCOPES):
            raise ValueError(f"scope: choose from {' '.join(SCOPES)}")
        for what, said, (least, most) in (("email", email, EMAIL_LENGTH), ("name", name, NAME_LENGTH)):
            if said is not None and plain(said, least, most) is None:
                raise ValueError(f"{what}: {least} to {most} characters without control characters are allowed")
        now = int(time.time())
        claims = {
            "iss": self.name,
            "sub": user,
            "aud": f"{self._settings.address}/{audience}",
            "iat": now,
            "exp": now + ttl,
            "jti": uuid4().hex,
            "client_id": "taskdeck",
            "scope": " ".join(granted),
            "email": email,
            "name": name,
            "zoneinfo": timezone and find_timezone(timezone),
        }
        claims = {claim: value for claim, value in claims.items() if value is not None}
        return jwt.encode(claims, self._private, "EdDSA", headers={"typ": "at+jwt"})


def plain(value: object, least: int, most: int) -> str | None:
    """Text of so many characters that can be stored and shown, else nothing: no reason to keep somebody out."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        return None
    return None if any(category(char) in ("Cc", "Cs") for char in value) else value


def open_local_key(folder: Path) -> Ed25519PrivateKey:
    """The private key in `folder`/issuer.key, made on first use. Processes that start together get the same.

    Raises:
        SettingsError: the file is open to others, is not such a key, or the folder cannot be written.
    """
    path = folder / "issuer.key"
    try:
        if not path.exists():
            _make_local_key(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} is open to other users of this machine: run chmod 600 on it")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(f"TASKDECK_DATA_DIR: {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{path} is not a private key: delete it, then a new one is made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path} is not an Ed25519 key: delete it, then a new one is made")
    return key


def _make_local_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle, draft = tempfile.mkstemp(prefix=".issuer-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces: whoever comes second takes the key of the first.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.unlink(draft)
