"""Due dates and the next occurrence of recurring tasks.

A date stays a date; a datetime has an offset. Dates are computed in UTC. Recurrence is RFC 5545 (RRULE).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.schema.errors import InvalidInput
from storage.schema.request_models import NO_DATE
from storage.tasks import recurrence

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# fromisoformat also accepts any character between date and time, and a date without hyphens.
_MOMENT = re.compile(r"[\dW-]+[Tt ]\d.*")
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Due:
    """The canonical text (`text`) and the instant by which it is sorted (`at`; midnight UTC for a date)."""

    text: str
    at: datetime

    @property
    def is_date(self) -> bool:
        """Whether this is a whole day."""
        return len(self.text) == 10

    @classmethod
    def on(cls, day: date) -> "Due":
        """A whole day."""
        return cls(day.isoformat(), datetime.combine(day, time(), UTC))

    @classmethod
    def stored(cls, text: str) -> "Due":
        """A value that was accepted before, from its canonical text."""
        if _DATE.fullmatch(text):
            return cls.on(date.fromisoformat(text))
        return cls(text, datetime.fromisoformat(text).astimezone(UTC))


def parse_due(text: str, field: str = "due") -> Due:
    """Read a date, or a datetime with an offset (ISO 8601; the offset in minutes, as RFC 3339 wants it).

    Raises:
        InvalidInput: it is neither; the text says what is expected.
    """
    written = text.strip()
    try:
        if _DATE.fullmatch(written):
            return Due.on(date.fromisoformat(written))
        if not _MOMENT.fullmatch(written):
            raise ValueError("neither a date nor a moment")
        moment = datetime.fromisoformat(written)
        offset = moment.utcoffset()
        if offset is None:
            example = f"{written}Z or {written}+01:00"
            raise InvalidInput(f"{field} needs an offset from UTC: write {example}, or only the date.")
        if offset % _MINUTE:
            raise InvalidInput(f"{field} has an offset with seconds: write it in hours and minutes, such as +01:00.")
        return Due(moment.isoformat(), moment.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{field} is {NO_DATE}.") from error


def parse_recurrence(text: str, due: Due) -> str:
    """The canonical form of a rule.

    Raises:
        InvalidInput: RFC 5545 does not allow it, or it is finer than a day.
    """
    written = text.strip().upper().removeprefix("RRULE:")
    rule = recurrence.parse(written)
    if due.is_date and (rule.hour, rule.minute) != (None, None):
        raise InvalidInput("recurrence: BYHOUR and BYMINUTE need a due with a time, such as 2026-03-01T17:00:00+01:00.")
    return written


def next_occurrence(due: str, rule_text: str, timezone: str | None) -> tuple[Due, str] | None:
    """The next due after a stored one with the rule that then holds, or None when the rule has ended. Never raises.

    A datetime keeps its time of day: in the person's time zone when its offset is the zone's at that moment
    (so 17:00 stays 17:00 across daylight saving), else at its own offset. A time that a clock skips is the instant
    by the offset before (RFC 5545 section 3.3.5), and the rule keeps the time of day for what follows.
    """
    try:
        rule = recurrence.parse(rule_text)
        start = Due.stored(due)
    except (InvalidInput, ValueError, OverflowError):
        return None  # stored by a release that accepted more
    if rule.count == 1:
        return None
    wall, zone = _wall_of(start, timezone)
    day = recurrence.find_next(rule, wall.date())
    if day is None:
        return None
    if start.is_date:
        following, wall, displaced = Due.on(day), datetime.combine(day, time()), None
    else:
        wall = datetime.combine(day, rule.moved(wall.time()))
        # By way of UTC, which moves a skipped local time to one that exists. Of a repeated one, Python takes the first
        # (fold=0), as RFC 5545 wants.
        try:
            moment = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
            following = Due(moment.isoformat(), moment.astimezone(UTC))
        except OverflowError:
            return None
        displaced = None if moment.replace(tzinfo=None) == wall else wall.time()
    if _is_over(rule.until, wall, following.at):
        return None
    return following, recurrence.advance(rule_text, displaced)


def _wall_of(due: Due, timezone: str | None) -> tuple[datetime, tzinfo | None]:
    """The local time at which it is due, and the zone of that local time."""
    if due.is_date:
        return due.at.replace(tzinfo=None), UTC
    start = datetime.fromisoformat(due.text)
    wall = start.replace(tzinfo=None)
    try:
        zone = ZoneInfo(timezone or "")
        # The second is for a local time that is skipped: its offset is that before the gap, and the instant has the
        # offset after it.
        usual = (start.astimezone(zone).utcoffset(), wall.replace(tzinfo=zone).utcoffset())
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        return wall, start.tzinfo
    return wall, zone if start.utcoffset() in usual else start.tzinfo


def _is_over(until: date | datetime | None, wall: datetime, at: datetime) -> bool:
    """Whether an occurrence is after UNTIL: an instant, a local time, or a date, whose whole day is included."""
    match until:
        case None:
            return False
        case datetime():
            return wall > until if until.tzinfo is None else at > until
        case _:
            return wall.date() > until
