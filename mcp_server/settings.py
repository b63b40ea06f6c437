"""The environment, read once at start and passed down. docs/quickstart.md lists every variable."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from storage.engine.dsn import cleaned
from storage.engine.quotas import KINDS, QUOTAS, Quotas
from storage.people.timezones import find_timezone
from storage.schema.errors import InvalidInput

Toolset = Literal["tasks", "teams", "conversations", "search", "statistics", "account"]
TOOLSETS: tuple[Toolset, ...] = ("tasks", "teams", "conversations", "search", "statistics", "account")


class SettingsError(Exception):
    """A variable has a bad value; the text is one line that names it."""


class Settings(BaseSettings):
    """Everything that can be configured. The names are part of the public interface (docs/quickstart.md)."""

    # `NAME=` in an environment file, or `${NAME:-}` in a Compose file, sets an empty variable: it means the default.
    model_config = SettingsConfigDict(env_prefix="TASKDECK_", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    database_url_unpooled: str | None = Field(None, validation_alias="DATABASE_URL_UNPOOLED")
    data_dir: Path = Field(default_factory=lambda: user_data_path("taskdeck", appauthor=False))
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str = ""
    dashboard_port: int = Field(3000, ge=0, le=65535)
    issuer: str | None = None
    jwks_url: str | None = None
    token: str | None = None
    timezone: str | None = None
    rate_limit: int = Field(600, ge=0)
    calls_in_flight: int = Field(4, ge=0)
    max_tasks: int = Field(QUOTAS["tasks"].default, ge=0)
    max_conversations: int = Field(QUOTAS["conversations"].default, ge=0)
    max_messages: int = Field(QUOTAS["messages"].default, ge=0)
    max_teams: int = Field(QUOTAS["teams"].default, ge=0)
    max_members: int = Field(QUOTAS["members"].default, ge=0)
    max_shares: int = Field(QUOTAS["shares"].default, ge=0)
    audit_days: int = Field(365, ge=0, le=36500)
    # NoDecode: pydantic-settings would expect JSON in a variable with several values.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    toolsets: Annotated[tuple[Toolset, ...], NoDecode] = TOOLSETS
    read_only: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_origins", "toolsets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"{value} is in the home directory of an unknown user") from error

    @field_validator("database_url", "database_url_unpooled")
    @classmethod
    def _postgresql(cls, value: str | None) -> str | None:
        # Only checked: storage cleans the address when it connects, and the dashboard's driver gets it as it was given.
        if value:
            cleaned(value)
        return value or None

    @field_validator("audit_days")
    @classmethod
    def _a_month(cls, value: int) -> int:
        if 0 < value < 30:
            raise ValueError("must be at least 30, or 0 to keep the audit log for ever")
        return value

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value and not origin_of(value):
            raise ValueError("must be an http:// or https:// address")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        try:
            return value and find_timezone(value)
        except InvalidInput as error:
            raise ValueError(str(error).removeprefix("timezone ")) from error

    @field_validator("public_url")
    @classmethod
    def _root(cls, value: str) -> str:
        if value and not _is_root(value):
            raise ValueError("must be an http:// or https:// address without a path, such as https://tasks.example.com")
        return origin_of(value)

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _is_root(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
        return tuple(map(origin_of, value))

    @field_validator("toolsets")
    @classmethod
    def _some(cls, value: tuple[Toolset, ...]) -> tuple[Toolset, ...]:
        # An empty variable means the default, as for every other setting.
        return value or TOOLSETS

    @model_validator(mode="after")
    def _check_combinations(self) -> "Settings":
        if self.database_url_unpooled and not self.database_url:
            raise ValueError("DATABASE_URL_UNPOOLED goes with DATABASE_URL: set both, or only DATABASE_URL")
        if bool(self.issuer) != bool(self.jwks_url):
            raise ValueError("TASKDECK_ISSUER and TASKDECK_JWKS_URL go together: set both, or neither")
        if not self.loopback and not self.issuer:
            raise ValueError(
                f"TASKDECK_HOST={self.host} is reachable from other machines, where the built-in token issuer "
                "does not serve: set TASKDECK_ISSUER and TASKDECK_JWKS_URL, or bind 127.0.0.1"
            )
        if not self.loopback and not self.public_url:
            raise ValueError("TASKDECK_PUBLIC_URL is required when TASKDECK_HOST is not a loopback address")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def quotas(self) -> Quotas:
        """The limits of rows for each person."""
        return Quotas({kind: getattr(self, f"max_{kind}") for kind in KINDS})

    @property
    def address(self) -> str:
        """The public URL without a trailing slash. Only known once the port is (`with_port`)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    def with_port(self, port: int) -> "Settings":
        """A copy with the port that the kernel chose for port 0."""
        return self.model_copy(update={"port": port})


def origin_of(url: str) -> str:
    """Scheme, host and port as browsers write them (RFC 6454 section 6.2); empty if this is not an HTTP address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    if default_port is None or port == 0 or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        return ""
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + ("" if port in (None, default_port) else f":{port}")


def _is_root(url: str) -> bool:
    """Whether the address is only an origin, with or without a trailing slash."""
    # urlsplit drops tabs and newlines, and browsers read a backslash as a slash (WHATWG URL), so both are refused.
    return bool(origin_of(url)) and urlsplit(url).path in ("", "/") and not re.search(r"[?#@\s\\]", url)


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a value is bad; one line that names the variable.
    """
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [str(part) for part in first["loc"][:1]]
        variable = names[0] if names and names[0].isupper() else f"TASKDECK_{names[0].upper()}" if names else ""
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{variable}: {reason}" if variable else reason) from error
