"""Properties of recurrence rules: every rule is evaluated in bounded time, and agrees with dateutil."""

import sys
from datetime import date, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from dateutil.rrule import rrule, rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.schema.errors import InvalidInput
from storage.tasks import due_dates, recurrence

MOST_CALLS = 150_000
"""The maximal number of Python and C calls to evaluate a rule."""
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Europe", "Nowhere", None)


def numbers(low: int, high: int, most: int = 3) -> st.SearchStrategy[str]:
    """A list of numbers that is sometimes out of range."""
    return st.lists(st.integers(low, high).filter(bool).map(str), min_size=1, max_size=most, unique=True).map(",".join)


PARTS: dict[str, st.SearchStrategy[str]] = {
    "FREQ": st.sampled_from(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")),
    "INTERVAL": st.one_of(st.integers(1, 13), st.integers(1, 9999)).map(str),
    "COUNT": st.integers(1, 9999).map(str),
    "UNTIL": st.sampled_from(("20260401", "20260401T120000", "20260401T120000Z", "00010101T000000Z", "99991231")),
    "WKST": st.sampled_from(DAYS),
    "BYMONTH": numbers(1, 12),
    "BYMONTHDAY": numbers(-31, 31),
    "BYYEARDAY": numbers(-366, 366),
    "BYWEEKNO": numbers(-53, 53),
    "BYSETPOS": numbers(-5, 5),
    "BYHOUR": st.integers(0, 23).map(str),
    "BYMINUTE": st.integers(0, 59).map(str),
    "BYDAY": st.lists(
        st.one_of(
            st.sampled_from(DAYS),
            st.tuples(st.integers(-53, 53).filter(bool), st.sampled_from(DAYS)).map(lambda pair: f"{pair[0]}{pair[1]}"),
        ),
        min_size=1,
        max_size=4,
    ).map(",".join),
}


@st.composite
def rules(draw: st.DrawFn, *without: str) -> str:
    """Rules with any combination of parts, valid or not."""
    names = draw(st.sets(st.sampled_from([name for name in PARTS if name not in ("FREQ", *without)]), max_size=4))
    return ";".join(f"{name}={draw(PARTS[name])}" for name in ("FREQ", *sorted(names)))


def moment(at: datetime, hours: int) -> str:
    return f"{at.isoformat()}{hours:+03}:00"


DUES = st.one_of(
    st.dates().map(date.isoformat),
    st.builds(moment, st.datetimes(), st.integers(-14, 14)),
    st.sampled_from(("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31", "2026-03-28T02:30:00+01:00")),
)


@settings(deadline=None)
@given(DUES, rules(), st.sampled_from(ZONES))
def test_every_accepted_rule_has_a_valid_next_occurrence(due_text: str, rule: str, zone: str | None) -> None:
    try:
        due = due_dates.parse_due(due_text)
        kept = due_dates.parse_recurrence(rule, due)
    except InvalidInput as refusal:
        assert str(refusal).startswith(("due", "recurrence"))  # noqa: PT017
        return
    following = due_dates.next_occurrence(due.text, kept, zone)
    if following is not None:
        assert following[0].at > due.at
        assert due_dates.parse_recurrence(following[1], following[0]) == following[1]


@settings(deadline=None)
@given(DUES, st.one_of(rules(), st.text()), st.sampled_from(ZONES))
def test_no_stored_rule_raises(due_text: str, rule: str, zone: str | None) -> None:
    due_dates.next_occurrence(due_text, rule, zone)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=9996;BYDAY=TU,WE,TH,FR,SA,SU",
        "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=8",
        "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR;BYSETPOS=2",
        "FREQ=YEARLY;BYWEEKNO=53;BYYEARDAY=100",
        "FREQ=YEARLY;BYMONTH=1;BYDAY=53MO",
    ],
)
def test_search_for_an_impossible_day_is_bounded(rule: str) -> None:
    calls = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    read, before = recurrence.parse(rule), sys.getprofile()
    sys.setprofile(count)
    try:
        found = recurrence.find_next(read, date(2026, 3, 2))
    finally:
        sys.setprofile(before)
    assert found is None
    assert calls < MOST_CALLS


@settings(deadline=None)
@given(st.dates(date(9900, 1, 1)), rules("BYHOUR", "BYMINUTE", "UNTIL", "COUNT"))
def test_next_date_equals_dateutil(start: date, rule: str) -> None:
    """In the last century of the calendar, because dateutil searches until the year 9999."""
    try:
        read = recurrence.parse(rule)
    except InvalidInput:
        return
    # RFC 5545 wants the union of MO and 1TU, and weeks that are whole before a position is chosen from them.
    mixed = 0 < sum(1 for number, _ in read.weekdays if number) < len(read.weekdays)
    if mixed or (read.frequency == "WEEKLY" and read.positions):
        return
    begin = datetime.combine(start, datetime.min.time())
    theirs = rrulestr(rule, dtstart=begin)
    assert isinstance(theirs, rrule)
    try:
        expected = theirs.after(begin)
    except (OverflowError, IndexError):  # dateutil fails at the end of the calendar
        return
    found = recurrence.find_next(read, start)
    if found != (expected and expected.date()):
        assert expected is None or expected.date() > date(9999, 12, 31) - timedelta(days=7), (found, expected)
