"""Tools on the caller: identity and time zone."""

from datetime import datetime

from pydantic import Field

from mcp_server.tools.registry import Call, NoArguments, tool
from storage.people import users
from storage.people.timezones import rules_of
from storage.schema.request_models import Line, StrictModel
from storage.schema.response_models import ResponseModel


class Whoami(ResponseModel):
    """Who the caller is, what the token allows, the time in the caller's time zone, and what they use of each limit."""

    user_id: str
    email: str | None = None
    name: str | None = None
    scopes: list[str]
    now: str
    timezone: str | None = None
    usage: dict[str, str]


class SetTimezone(StrictModel):
    """Arguments of set_timezone."""

    timezone: Line = Field(description="IANA name such as Europe/Berlin")


class Timezone(ResponseModel):
    """A person's time zone, and the time there."""

    timezone: str
    now: str


@tool("account", "Who am I", reads=True)
async def whoami(call: Call, args: NoArguments) -> Whoami:
    """Tell whose tasks these are, what the token allows, the user's time zone and time there, and use of limits."""
    caller = call.caller
    timezone, usage = await users.read_profile(call.scope)
    return Whoami(
        user_id=caller.user_id,
        email=caller.email,
        name=caller.name,
        scopes=sorted(caller.oauth_scopes),
        now=_now(timezone),
        timezone=timezone,
        usage={kind: f"{used} of {limit}" for kind, (used, limit) in usage.items()},
    )


@tool("account", "Set the time zone", repeatable=True)
async def set_timezone(call: Call, args: SetTimezone) -> Timezone:
    """Set the user's time zone, which their days are in, for all their clients."""
    timezone = await users.choose_timezone(call.scope, args.timezone)
    return Timezone(timezone=timezone, now=_now(timezone))


def _now(timezone: str | None) -> str:
    return datetime.now(rules_of(timezone)).isoformat(timespec="seconds")
