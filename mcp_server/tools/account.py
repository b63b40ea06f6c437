"""Who am I."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mcp_server.tools.registry import Call, Nothing, tool
from storage.schema.response_models import View


class Whoami(View):
    """The caller."""

    user_id: str
    email: str | None = None
    name: str | None = None
    scopes: list[str]
    now: str
    timezone: str | None = None


@tool("account", "Who am I", reads=True)
async def whoami(call: Call, said: Nothing) -> Whoami:
    """Tell whose tasks these are, what the token allows, and the current time. Call it before working with dates."""
    caller = call.caller
    zone = ZoneInfo(caller.timezone) if caller.timezone else UTC
    return Whoami(
        user_id=caller.user_id,
        email=caller.email,
        name=caller.name,
        scopes=sorted(caller.scopes),
        now=datetime.now(zone).isoformat(timespec="seconds"),
        timezone=caller.timezone,
    )
