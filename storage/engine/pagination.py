"""Cursors of lists (keyset pagination): the sort values of the last row, so rows added meanwhile shift nothing."""

import base64
import hashlib
import json
from datetime import datetime
from typing import Any

from storage.engine.database import Row
from storage.schema.errors import InvalidInput
from storage.schema.request_models import NO_CURSOR


def write(listing: str, *position: datetime | str | int) -> str:
    """An opaque cursor for what follows this position. `listing` identifies the list: its name and its filters."""
    parts = [_print(listing), *(value.isoformat() if isinstance(value, datetime) else value for value in position)]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def following(listing: str, rows: list[Row], given: int, *keys: str) -> str | None:
    """A cursor after the first `given` rows, or None if there are no more.

    Fewer rows may be given than were asked for, because a page is also limited in tokens.
    """
    return write(listing, *(rows[given - 1][key] for key in keys)) if len(rows) > given else None


def read(cursor: str, listing: str, *kinds: type) -> list[Any]:
    """The position that `write` got: one value of each kind (datetime, str or int).

    Raises:
        InvalidInput: it is not a cursor of this list.
    """
    try:
        found, *position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        values = [datetime.fromisoformat(v) if k is datetime else v for v, k in zip(position, kinds, strict=True)]
        # type() and not isinstance(): true and false are ints in Python.
        if found == _print(listing) and [type(value) for value in values] == list(kinds):
            return values
    except (ValueError, TypeError, RecursionError):  # RecursionError: deeply nested JSON
        pass
    raise InvalidInput(f"cursor {NO_CURSOR}.")


def _print(listing: str) -> str:
    # Not a signature: a forged cursor shows nothing that the policies would not show anyway.
    return hashlib.sha256(listing.encode()).hexdigest()[:12]
