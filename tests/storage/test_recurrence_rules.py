"""Recurrence rules one by one: examples of RFC 5545 (section 3.8.5.3), weeks across a new year, and the limits."""

from datetime import date

import pytest

from storage.schema.errors import InvalidInput
from storage.tasks import recurrence


def find_days(start: str, rule: str, count: int) -> list[str]:
    """So many days after the start, which counts as one of the rule's; fewer if the rule ends."""
    days = [date.fromisoformat(start)]
    read = recurrence.parse(rule)
    while len(days) <= count and (found := recurrence.find_next(read, days[-1])):
        days.append(found)
    return [day.isoformat() for day in days[1:]]


@pytest.mark.parametrize(
    ("start", "rule", "days"),
    [
        ("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", ["1998-05-11", "1999-05-17"]),
        ("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", ["1997-03-20", "1997-03-27", "1998-03-05"]),
        ("1997-01-01", "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200", ["1997-04-10", "1997-07-19", "2000-01-01"]),
        ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", ["1998-05-18", "1999-05-17"]),
        ("1996-11-05", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", ["2000-11-07"]),
        ("1997-09-07", "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU", ["1997-09-28", "1997-11-02", "1997-11-30"]),
        ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3", ["1997-10-29", "1997-11-28", "1997-12-29"]),
        ("1997-09-04", "FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3", ["1997-10-07", "1997-11-06"]),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", ["1997-08-10", "1997-08-19", "1997-08-24"]),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", ["1997-08-17", "1997-08-19", "1997-08-31"]),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=10", ["1997-09-12", "1997-09-22", "1997-10-02"]),
        ("1998-01-30", "FREQ=DAILY;BYMONTH=1", ["1998-01-31", "1999-01-01"]),
    ],
)
def test_days_are_those_of_the_standard(start: str, rule: str, days: list[str]) -> None:
    assert find_days(start, rule, len(days)) == days


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        # Week 1 is the first with four days of the year: Thursday, 1 January 2026, is in one that begins on a Monday.
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=WE", ["2025-12-31", "2027-01-06"]),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=WE;WKST=SU", ["2026-01-07", "2027-01-06"]),
        # 2026 has 53 weeks, as 2032 has, and the last one ends in 2027.
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR", ["2027-01-01", "2032-12-31"]),
        ("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO", ["2025-12-22", "2026-12-28", "2027-12-27"]),
        ("FREQ=YEARLY;BYWEEKNO=-53;BYDAY=SU", ["2026-01-04", "2032-01-04"]),
        ("FREQ=YEARLY;BYWEEKNO=10", ["2026-03-02", "2026-03-03"]),
    ],
)
def test_weeks_have_the_number_of_the_year_that_most_of_them_is_in(rule: str, days: list[str]) -> None:
    assert find_days("2025-12-01", rule, len(days)) == days


@pytest.mark.parametrize(
    ("position", "days"),
    [("1", ["2026-01-31"]), ("-1", ["2026-01-31"]), ("-2", []), ("2", []), ("2,-1", ["2026-01-31"])],
)
def test_a_day_has_only_one_first_and_last_day(position: str, days: list[str]) -> None:
    assert find_days("2026-01-30", f"FREQ=DAILY;BYMONTH=1;BYSETPOS={position}", 1) == days


LIMITS = (
    ("DAILY", "INTERVAL", 1, 9999),
    ("DAILY", "COUNT", 1, 9999),
    ("DAILY", "BYHOUR", 0, 23),
    ("DAILY", "BYMINUTE", 0, 59),
    ("DAILY", "BYMONTH", 1, 12),
    ("MONTHLY", "BYMONTHDAY", -31, 31),
    ("YEARLY", "BYYEARDAY", -366, 366),
    ("YEARLY", "BYWEEKNO", -53, 53),
    ("YEARLY;BYDAY=MO", "BYSETPOS", -366, 366),
)


@pytest.mark.parametrize(("frequency", "name", "low", "high"), LIMITS)
def test_numbers_are_accepted_up_to_their_limits(frequency: str, name: str, low: int, high: int) -> None:
    for number in (low, high):
        recurrence.parse(f"FREQ={frequency};{name}={number}")
    for number in (low - 1, high + 1):
        with pytest.raises(InvalidInput, match=f"{name} takes .*{low if low >= 0 else 1} to {high}"):
            recurrence.parse(f"FREQ={frequency};{name}={number}")


def test_weekdays_are_numbered_up_to_53_from_either_end() -> None:
    assert recurrence.parse("FREQ=YEARLY;BYDAY=53MO,-53SU").weekdays == ((53, 0), (-53, 6))
    for day in ("54MO", "-54MO", "0MO", "M", "MOO"):
        with pytest.raises(InvalidInput, match="BYDAY takes days such as MO"):
            recurrence.parse(f"FREQ=YEARLY;BYDAY={day}")
