"""Dates of scenarios, relative to the day of the run: `+3d`, `-1d 17:00`, `fri`, `fri 09:30`."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPEC = re.compile(rf"(?P<day>[+-]\d+d|{'|'.join(_WEEKDAYS)})(?: (?P<time>\d\d:\d\d))?")
_PLACEHOLDER = re.compile(r"\{(" + _SPEC.pattern.replace("(?P<day>", "(?:").replace("(?P<time>", "(?:") + r")\}")


def resolve(spec: str, today: date, zone: ZoneInfo) -> date | datetime:
    """The day of a specification, or the instant if it has a time. A weekday is the next one after today.

    Raises:
        ValueError: the specification cannot be read.
    """
    found = _SPEC.fullmatch(spec)
    if not found:
        raise ValueError(f"{spec!r} is not a date like +3d, -1d 17:00 or fri")
    word = found["day"]
    days = (_WEEKDAYS.index(word) - today.weekday() - 1) % 7 + 1 if word in _WEEKDAYS else int(word[:-1])
    day = today + timedelta(days)
    return datetime.combine(day, time.fromisoformat(found["time"]), zone) if found["time"] else day


def write(moment: date | datetime) -> str:
    """A date, or an instant with its offset, in ISO 8601."""
    return moment.isoformat()


def fill(text: str, today: date, zone: ZoneInfo) -> str:
    """Replace `{+3d}` in what a user says by a date in words."""

    def words(found: re.Match[str]) -> str:
        moment = resolve(found[1], today, zone)
        day = f"{moment:%A} {moment.day} {moment:%B %Y}"
        return f"{day} at {moment:%H:%M}" if isinstance(moment, datetime) else day

    return _PLACEHOLDER.sub(words, text)


def is_due(shown: str | None, spec: str, today: date, zone: ZoneInfo) -> bool:
    """Whether what a server shows as due is the specified day or instant."""
    if not shown:
        return False
    wanted = resolve(spec, today, zone)
    if isinstance(wanted, datetime):
        return "T" in shown and datetime.fromisoformat(shown) == wanted
    if "T" not in shown:
        return date.fromisoformat(shown) == wanted
    return datetime.fromisoformat(shown).astimezone(zone).date() == wanted
