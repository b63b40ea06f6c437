"""When things are due, and when they come again.

A date stays a date; a datetime carries its offset. Dates count in UTC. Recurrence is RFC 5545 (RRULE).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rruleset, rrulestr

from storage.errors import InvalidInput

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FREQUENCY = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;|$)")
_COUNT = re.compile(r"(^|;)COUNT=(\d+)")
_PARTS = re.compile(
    r"FREQ=\w+|(INTERVAL|COUNT)=0*[1-9]\d{0,3}|UNTIL=\w+|WKST=\w+|BY(DAY|MONTHDAY|YEARDAY|WEEKNO|MONTH|SETPOS)=[\w,+-]+"
)


@dataclass(frozen=True)
class Due:
    """What was said (`text`, canonical) and the instant it sorts by (`at`; midnight UTC for a date)."""

    text: str
    at: datetime

    @property
    def is_date(self) -> bool:
        """Whether a whole day is meant."""
        return len(self.text) == 10


def parse_due(text: str, field: str = "due") -> Due:
    """Read a date, or a datetime with an offset (ISO 8601).

    Raises:
        InvalidInput: it is neither; the text says what is expected.
    """
    said = text.strip()
    try:
        if _DATE.fullmatch(said):
            day = date.fromisoformat(said)
            return Due(day.isoformat(), datetime.combine(day, time(), UTC))
        moment = datetime.fromisoformat(said)
        if moment.tzinfo is None:
            raise InvalidInput(f"{field} needs an offset from UTC: write {said}Z or {said}+01:00, or only the date.")
        return Due(moment.isoformat(), moment.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{field} is not a date that can be read: write 2026-03-01, or 2026-03-01T17:00:00+01:00."
        ) from error


def parse_recurrence(text: str, due: Due) -> str:
    """The canonical form of a rule.

    Raises:
        InvalidInput: not an RRULE, or finer than a day.
    """
    rule = text.strip().upper().removeprefix("RRULE:")
    if not _FREQUENCY.search(rule):
        raise InvalidInput("recurrence needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as FREQ=WEEKLY;BYDAY=MO.")
    unreadable = "recurrence is not an RFC 5545 rule that can be read: write for example FREQ=MONTHLY;BYDAY=1MO."
    if not all(_PARTS.fullmatch(part) for part in rule.split(";")):
        raise InvalidInput(unreadable)
    try:
        _rule(rule, due.at)
    except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise InvalidInput(unreadable) from error
    return rule


def next_occurrence(due: Due, recurrence: str, timezone: str | None) -> tuple[Due, str] | None:
    """The next due after this one with the rule that then holds, or None when the rule has ended.

    A datetime keeps its time of day: in the person's time zone when its offset is the zone's at that moment
    (so 17:00 stays 17:00 across daylight saving), else at its own offset.
    """
    counted = _COUNT.search(recurrence)
    if counted and int(counted[2]) <= 1:
        return None
    start = due.at if due.is_date else datetime.fromisoformat(due.text)
    zone = None if due.is_date else _zone_of(start, timezone)
    local = (start.astimezone(zone) if zone else start).replace(tzinfo=None)
    following = _following(_local_until(recurrence, zone or start.tzinfo), local)
    if following is None:
        return None
    rest = _COUNT.sub(lambda match: f"{match[1]}COUNT={int(match[2]) - 1}", recurrence)
    if due.is_date:
        return parse_due(following.date().isoformat()), rest
    return parse_due(following.replace(tzinfo=zone or start.tzinfo).isoformat()), rest


def _rule(text: str, start: datetime) -> rrule | rruleset:
    naive = start.replace(tzinfo=None)
    return rrulestr(_local_until(text, UTC), dtstart=naive)


def _following(rule: str, start: datetime) -> datetime | None:
    """The first occurrence after a local start.

    dateutil looks for one up to the year 9999, which takes seconds when there is none. The calendar repeats every
    400 years, so the search begins a few hundred years before that end.
    """
    shift = max(0, (datetime.max.year - 100 - start.year) // 400 * 400)
    later = re.sub(r"(?<=UNTIL=)\d{4}", lambda year: f"{min(int(year[0]) + shift, 9996):04}", rule)
    begin = start.replace(year=start.year + shift)
    found = _rule(later, begin).after(begin)
    return None if found is None else found.replace(year=found.year - shift)


def _local_until(rule: str, zone: tzinfo | None) -> str:
    """UNTIL without its Z, in local time: dateutil compares like with like only."""
    match = re.search(r"UNTIL=(\d{8}T\d{6})Z", rule)
    if match is None:
        return rule
    until = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return rule.replace(match[0], f"UNTIL={until.astimezone(zone):%Y%m%dT%H%M%S}")


def _zone_of(start: datetime, timezone: str | None) -> ZoneInfo | None:
    if timezone is None:
        return None
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return zone if start.astimezone(zone).utcoffset() == start.utcoffset() else None
