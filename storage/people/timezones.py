"""Names of time zones, from the IANA tz database that Python uses."""

import re
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from storage.schema.errors import InvalidInput

# The database also has posix/ (the same zones again) and right/ (with leap seconds, which PostgreSQL does not count).
_NAME = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+/-]{1,63}")
_NO_PLACES = {"Factory", "localtime", "posixrules"}


def is_timezone(name: str) -> bool:
    """Whether this is exactly the name of a zone."""
    try:
        return bool(_NAME.fullmatch(name)) and name not in _NO_PLACES and ZoneInfo(name).key == name
    except (ValueError, LookupError, OSError):
        return False


def find_timezone(name: str) -> str:
    """The name of a zone, from a text that may differ in case and have spaces in place of underscores.

    Raises:
        InvalidInput: there is no such zone.
    """
    if is_timezone(name):
        return name
    known = _names()
    wanted = name.strip()[:64].replace(" ", "_").casefold()
    if wanted in known:
        return known[wanted]
    # Not Etc/GMT+2: its sign is reversed (POSIX), so it is not what people mean by GMT+2.
    cities = {folded.rpartition("/")[2]: folded for folded in known if "/" in folded and not folded.startswith("etc/")}
    similar = get_close_matches(wanted, cities, 1, 0.8) or get_close_matches(wanted, cities.values(), 1, 0.8)
    hint = f" Did you mean {known[cities.get(similar[0], similar[0])]}?" if similar else ""
    raise InvalidInput(f"timezone must be an IANA time zone such as Europe/Berlin, America/New_York or UTC.{hint}")


def rules_of(timezone: str | None) -> ZoneInfo:
    """The rules of a stored time zone; UTC if there is none, or if this machine does not know it."""
    try:
        return ZoneInfo(timezone or "UTC")
    except (ValueError, LookupError, OSError):
        return ZoneInfo("UTC")


def spellings(timezone: str) -> list[str]:
    """The name, then the one that replaced it: a database may know only that one (tz database, file `backward`)."""
    newer = _links().get(timezone)
    return [timezone, newer] if newer else [timezone]


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Every name, by its lower case."""
    return {name.casefold(): name for name in available_timezones() - _NO_PLACES}


@lru_cache(maxsize=1)
def _links() -> dict[str, str]:
    """The current name of each older one. Links in tzdata.zi are lines `L TARGET NAME` (zic(8), "Link lines")."""
    lines = files("tzdata.zoneinfo").joinpath("tzdata.zi").read_text("utf-8").splitlines()
    return {link: target for _, target, link in (line.split() for line in lines if line.startswith("L "))}
