"""Recurrence rules at the end of the calendar, and how many numbers a part takes."""

from datetime import date

import pytest

from storage.schema.errors import InvalidInput
from storage.tasks import recurrence


@pytest.mark.parametrize(
    ("rule", "start", "following"),
    [
        ("FREQ=MONTHLY", date(9999, 11, 15), date(9999, 12, 15)),
        ("FREQ=MONTHLY", date(9999, 12, 15), None),
        ("FREQ=YEARLY", date(9998, 12, 31), date(9999, 12, 31)),
        ("FREQ=YEARLY", date(9999, 12, 31), None),
        ("FREQ=DAILY", date(9999, 12, 30), date(9999, 12, 31)),
        ("FREQ=DAILY", date(9999, 12, 31), None),
        ("FREQ=WEEKLY", date(9999, 12, 24), date(9999, 12, 31)),
        ("FREQ=WEEKLY", date(9999, 12, 31), None),
    ],
)
def test_last_year_of_the_calendar_has_occurrences(rule: str, start: date, following: date | None) -> None:
    assert recurrence.find_next(recurrence.parse(rule), start) == following


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("INTERVAL=1,2", "recurrence: INTERVAL takes one number from 1 to 9999."),
        ("BYHOUR=24", "recurrence: BYHOUR takes one number from 0 to 23."),
        ("BYMONTH=13", "recurrence: BYMONTH takes numbers from 1 to 12."),
        (
            "BYMONTHDAY=32",
            "recurrence: BYMONTHDAY takes numbers from 1 to 31, or from -31 to -1 to count from the end.",
        ),
    ],
)
def test_refused_number_is_explained(part: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        recurrence.parse(f"FREQ=MONTHLY;{part}")
    assert str(refused.value) == sentence


def test_refused_frequency_lists_all_that_are_possible() -> None:
    with pytest.raises(InvalidInput) as refused:
        recurrence.parse("FREQ=WEEKLY;BYMONTHDAY=1")
    assert str(refused.value) == "recurrence: BYMONTHDAY goes with FREQ=DAILY or MONTHLY or YEARLY, not with WEEKLY."
