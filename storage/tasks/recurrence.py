"""Recurrence rules: the days of RFC 5545 (section 3.3.10), found in a bounded number of steps.

dateutil searches up to the year 9999 and blocks the event loop for up to a second if there is no next date
(docs/research.md, "Recurrence of our own").
"""

import re
from bisect import bisect_left
from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice

from storage.schema.errors import InvalidInput

MOST_PERIODS = {"DAILY": 1200, "WEEKLY": 2000, "MONTHLY": 4800, "YEARLY": 400}
"""How many periods are examined. The calendar repeats after 400 years: 4800 months. Days are examined by the year."""

_END = date.max.toordinal() + 1
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MONTHS = (31, 0, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBERS = re.compile(r"[+-]?[0-9]{1,4}(,[+-]?[0-9]{1,4})*")
_WEEKDAY = re.compile(rf"([+-]?0?[1-9][0-9]?)?({'|'.join(_DAYS)})")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_RANGES = {
    "INTERVAL": (1, 9999),
    "COUNT": (1, 9999),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (1, 31),
    "BYYEARDAY": (1, 366),
    "BYWEEKNO": (1, 53),
    "BYSETPOS": (1, 366),
}
_FROM_THE_END = {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_SINGLE = {"INTERVAL", "COUNT", "BYHOUR", "BYMINUTE"}
_DATES = {"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY"}
_TIMES = ("BYHOUR=", "BYMINUTE=")
# The table of RFC 5545 section 3.3.10 marks the other combinations N/A.
_ONLY_WITH = {
    "BYMONTHDAY": ("DAILY", "MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
}


@dataclass(frozen=True, eq=False)  # compared and hashed by identity, which makes it a cheap key of the cache
class Rule:
    """A parsed rule; absent parts are empty. `weekdays` are (ordinal or 0 for every, day with 0 for Monday)."""

    frequency: str
    interval: int
    count: int | None
    until: date | datetime | None
    week_start: int
    hour: int | None
    minute: int | None
    months: tuple[int, ...]
    month_days: tuple[int, ...]
    year_days: tuple[int, ...]
    weeks: tuple[int, ...]
    weekdays: tuple[tuple[int, int], ...]
    positions: tuple[int, ...]

    def moved(self, at: time) -> time:
        """A time of day, unless the rule has one of its own."""
        return at.replace(
            hour=at.hour if self.hour is None else self.hour,
            minute=at.minute if self.minute is None else self.minute,
        )


def parse(text: str) -> Rule:
    """Parse a rule, which must be in upper case.

    Raises:
        InvalidInput: RFC 5545 does not allow it, or it is finer than a day.
    """
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in {"FREQ", "UNTIL", "WKST", "BYDAY", *_RANGES}:
            raise InvalidInput(f"recurrence has a part that is not known: {part[:40]!r}. Write FREQ=MONTHLY;BYDAY=1MO.")
        if name in parts:
            raise InvalidInput(f"recurrence says {name} twice: leave one out.")
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise InvalidInput("recurrence needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as FREQ=WEEKLY;BYDAY=MO.")
    if parts.get("WKST", "MO") not in _DAYS:
        raise InvalidInput("recurrence: WKST takes a day of the week, such as WKST=SU.")
    numbers = {name: _numbers(name, parts[name]) for name in _RANGES if name in parts}
    weekdays = _weekdays(parts["BYDAY"]) if "BYDAY" in parts else ()
    _check_together(frequency, parts, weekdays)
    return Rule(
        frequency=frequency,
        interval=numbers.get("INTERVAL", (1,))[0],
        count=numbers.get("COUNT", (None,))[0],
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=_DAYS.index(parts.get("WKST", "MO")),
        hour=numbers.get("BYHOUR", (None,))[0],
        minute=numbers.get("BYMINUTE", (None,))[0],
        months=numbers.get("BYMONTH", ()),
        month_days=numbers.get("BYMONTHDAY", ()),
        year_days=numbers.get("BYYEARDAY", ()),
        weeks=numbers.get("BYWEEKNO", ()),
        weekdays=weekdays,
        positions=numbers.get("BYSETPOS", ()),
    )


def find_next(rule: Rule, start: date) -> date | None:
    """The first day of the rule after `start`; None if there is none within MOST_PERIODS."""
    # A period of FREQ=DAILY has one day, so BYSETPOS can only choose the first, which is also the last.
    whole, this, daily = _anchored(rule, start), start.toordinal(), rule.frequency == "DAILY"
    if daily and rule.positions and {1, -1}.isdisjoint(rule.positions):
        return None
    for first, past in islice(_periods(rule, start), MOST_PERIODS[rule.frequency]):
        days = _days(whole, max(first, 1), min(past, _END))
        if daily:
            days = [day for day in days if (day - this) % rule.interval == 0]
        elif rule.positions:
            days = sorted({days[n - (n > 0)] for n in rule.positions if -len(days) <= n <= len(days)})
        for day in days:
            if day > this:
                return date.fromordinal(day)
    return None


def advance(text: str, displaced: time | None) -> str:
    """The rule of the next occurrence, with COUNT reduced by one.

    `displaced` is the time of day that daylight saving skips on its day: the rule keeps it for later occurrences.
    """
    # A time of day in the rule has been applied to this occurrence, so it goes unless it is displaced again.
    parts = [part for part in text.split(";") if not part.startswith(_TIMES)]
    parts = [f"COUNT={int(part[6:]) - 1}" if part.startswith("COUNT=") else part for part in parts]
    if displaced is not None:
        parts += [f"BYHOUR={displaced.hour}", f"BYMINUTE={displaced.minute}"]
    return ";".join(parts)


def _numbers(name: str, value: str) -> tuple[int, ...]:
    low, high = _RANGES[name]
    either_end = name in _FROM_THE_END
    found = tuple(int(number) for number in value.split(",")) if _NUMBERS.fullmatch(value) else ()
    right = all(low <= (abs(n) if either_end else n) <= high for n in found)
    if not found or not right or (name in _SINGLE and len(found) > 1):
        what = "one number" if name in _SINGLE else "numbers"
        backwards = f", or from -{high} to -1 to count from the end" if either_end else ""
        raise InvalidInput(f"recurrence: {name} takes {what} from {low} to {high}{backwards}.")
    return found


def _weekdays(value: str) -> tuple[tuple[int, int], ...]:
    found = [_WEEKDAY.fullmatch(day) for day in value.split(",")]
    days = tuple((int(day[1] or 0), _DAYS.index(day[2])) for day in found if day)
    if len(days) < len(found) or not all(-53 <= number <= 53 for number, _ in days):
        raise InvalidInput("recurrence: BYDAY takes days such as MO, 1MO (the first) or -1FR (the last), -53 to 53.")
    return days


def _until(value: str) -> date | datetime:
    try:
        if _UNTIL.fullmatch(value):
            return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    except ValueError:
        pass
    raise InvalidInput("recurrence: UNTIL takes a day or a moment, such as UNTIL=20261231 or UNTIL=20261231T170000Z.")


def _check_together(frequency: str, parts: dict[str, str], weekdays: tuple[tuple[int, int], ...]) -> None:
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidInput("recurrence ends by COUNT or by UNTIL: leave one of them out.")
    for name, allowed in _ONLY_WITH.items():
        if name in parts and frequency not in allowed:
            raise InvalidInput(f"recurrence: {name} goes with FREQ={' or '.join(allowed)}, not with {frequency}.")
    if any(number for number, _ in weekdays) and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
        raise InvalidInput(
            "recurrence: a numbered day such as 1MO goes with FREQ=MONTHLY or YEARLY, and not with BYWEEKNO."
        )
    if "BYSETPOS" in parts and not _DATES & set(parts):
        raise InvalidInput("recurrence: BYSETPOS chooses among days: say which, such as BYDAY=MO,TU;BYSETPOS=1.")


def _anchored(rule: Rule, start: date) -> Rule:
    """The rule with the days that it takes from its start (RFC 5545: "derived from DTSTART")."""
    if rule.weeks or rule.year_days or rule.month_days or rule.weekdays:
        return rule
    match rule.frequency:
        case "YEARLY":
            return replace(rule, months=rule.months or (start.month,), month_days=(start.day,))
        case "MONTHLY":
            return replace(rule, month_days=(start.day,))
        case "WEEKLY":
            return replace(rule, weekdays=((0, start.weekday()),))
        case _:
            return rule


def _periods(rule: Rule, start: date) -> Iterator[tuple[int, int]]:
    """The weeks, months or years of the rule, from that of the start on: the first day and the day after the last.

    FREQ=DAILY gets whole years, because examining single days would be slow.
    """
    if rule.frequency == "WEEKLY":
        # WKST decides which days form a week, and so which weeks an INTERVAL skips.
        monday = start.toordinal() - (start.weekday() - rule.week_start) % 7
        yield from ((day, day + 7) for day in range(monday, _END, 7 * rule.interval))
        return
    span, month = (1, start.month - 1) if rule.frequency == "MONTHLY" else (12, 0)
    step = span if rule.frequency == "DAILY" else span * rule.interval
    for number in range(start.year * 12 + month, 10_000 * 12, step):
        yield _first_of(number), _first_of(number + span)


def _first_of(month: int) -> int:
    year, index = divmod(month, 12)
    return date(year, index + 1, 1).toordinal() if year <= date.max.year else _END


def _days(rule: Rule, first: int, past: int) -> list[int]:
    """The matching days from `first` to before `past`."""
    found: list[int] = []
    # The matching days of a year are sorted, so bisection finds those of a week or month in it.
    for year in range(date.fromordinal(first).year, date.fromordinal(past - 1).year + 1):
        january, *shape = _year(year)
        offsets = _matching(rule, *shape)
        begin, end = bisect_left(offsets, first - january), bisect_left(offsets, past - january)
        found += [january + offset for offset in offsets[begin:end]]
    return found


@lru_cache(maxsize=512)
def _year(year: int) -> tuple[int, int, int, int, int]:
    """The first day of a year, its weekday, and the lengths of the year before, of the year, and of the year after."""
    january = date(year, 1, 1).toordinal()
    return january, (january - 1) % 7, 365 + isleap(year - 1), 365 + isleap(year), 365 + isleap(year + 1)


# Years with the same weekday on 1 January and the same lengths match on the same days, so 400 years need few entries.
@lru_cache(maxsize=256)
def _matching(rule: Rule, weekday: int, before: int, length: int, after: int) -> list[int]:
    """The matching days, counted from 0, of a year that begins with `weekday`; the others are lengths of years."""
    found: list[int] = []
    offset = -1
    for month, usual in enumerate(_MONTHS, 1):
        size = usual or length - 337  # February: the other months have 337 days
        for day in range(size):
            offset += 1
            today = (weekday + offset) % 7
            # An ordinal such as 1MO counts within the month, or within the year for FREQ=YEARLY without BYMONTH.
            within = (day, size) if rule.frequency == "MONTHLY" or rule.months else (offset, length)
            if (
                (not rule.months or month in rule.months)
                and (not rule.month_days or not {day + 1, day - size}.isdisjoint(rule.month_days))
                and (not rule.year_days or not {offset + 1, offset - length}.isdisjoint(rule.year_days))
                and (not rule.weekdays or _is_weekday(rule, today, *within))
                and (
                    not rule.weeks or _is_week(rule, offset - (today - rule.week_start) % 7 + 3, before, length, after)
                )
            ):
                found.append(offset)
    return found


def _is_weekday(rule: Rule, today: int, index: int, size: int) -> bool:
    numbers = (0, index // 7 + 1, -((size - 1 - index) // 7 + 1))
    return any(day == today and number in numbers for number, day in rule.weekdays)


def _is_week(rule: Rule, fourth: int, before: int, length: int, after: int) -> bool:
    """Whether the rule has the week with this fourth day. Week 1 has at least four days in its year (RFC 5545)."""
    if fourth < 0:
        fourth, length = fourth + before, before
    elif fourth >= length:
        fourth, length = fourth - length, after
    number, weeks = fourth // 7 + 1, (length - 1 - fourth % 7) // 7 + 1
    return number in rule.weeks or number - weeks - 1 in rule.weeks
