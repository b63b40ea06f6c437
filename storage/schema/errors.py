"""Errors of storage. Their texts are sentences for callers, who can act on them.

StorageError
├── NotFound         no such row, or not visible: the same text for both
├── NotAllowed       the row is visible, but the caller may not do this
│   └── NotConfirmed the person has not agreed to it
├── Conflict         the row has changed, or the key was used for something else
├── InvalidInput     an argument that cannot be stored
├── NeedsConsent     the person must be asked first
└── Unavailable      the database cannot be reached or is too busy; try again
"""


class StorageError(Exception):
    """A refusal whose text is written for the caller: it names no table, query or class."""


class NotFound(StorageError):
    """There is no such row among those that the caller may see: another text for hidden rows would reveal their ids."""


class NotAllowed(StorageError):
    """The caller sees the row, but may not do this to it."""


class NotConfirmed(NotAllowed):
    """The person must agree first, or has not agreed."""


class Conflict(StorageError):
    """The row changed meanwhile, or an idempotency key was used with other arguments."""


class InvalidInput(StorageError):
    """An argument cannot be stored; the text names the field and what it takes."""


class NeedsConsent(StorageError):
    """What takes the person's consent was asked for without it. Nothing was changed.

    `count` is how many things it concerns, `titles` are those of the first.
    """

    def __init__(self, count: int, titles: list[str]) -> None:
        super().__init__("The person is to be asked first.")
        self.count = count
        self.titles = titles


class Unavailable(StorageError):
    """The database cannot be reached, or is too busy. Nothing was changed.

    `retry_after` is in seconds.
    """

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after
