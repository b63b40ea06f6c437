"""What a scenario is: what is on the board before, what the user says, and what must be true afterwards."""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FOLDER = Path(__file__).with_name("scenarios")


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression that is searched in a text, ignoring case."""

Status = Literal["pending", "in_progress", "completed"]
Feature = Literal["memory", "people", "priorities", "recurrence", "subtasks", "times", "undo"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedTask(_Strict):
    """A task that is there before. `due` is relative to today; `parent` is the title of an earlier task."""

    title: str
    description: str | None = None
    due: str | None = None
    priority: str | None = None
    tags: list[str] = []
    status: Status = "pending"
    parent: str | None = None
    repeat: Annotated[int, Field(ge=1, le=500)] = 1
    """How many of it; `{n}` in the title is the number of each."""


class SeedConversation(_Strict):
    """A conversation that was kept earlier."""

    title: str
    messages: list[dict[Literal["user", "assistant"], str]]


class Expected(_Strict):
    """Tasks that must be on the board afterwards; fields that are not named may be anything, if they were before."""

    title: Pattern
    count: int = 1
    status: Status | None = None
    due: str | None = None
    """Relative to today; `none` means without a date."""
    priority: str | None = None
    tags: list[str] | None = None
    description: Pattern | None = None
    parent: str | None = None


class Chat(_Strict):
    """One chat of one person: what they say, one after the other, each after the answer to the one before."""

    says: Annotated[list[str], Field(min_length=1)]
    answer: list[Pattern] = []
    """What the last answer must contain."""
    never: list[Pattern] = []
    """What the last answer must not contain."""


class Scenario(_Strict):
    """One piece of everyday work. Several chats run at the same time."""

    id: Annotated[str, Field(pattern=r"[a-z0-9-]+")]
    topic: str = ""
    needs: list[Feature] = []
    timezone: str = "UTC"
    tasks: list[SeedTask] = []
    conversations: list[SeedConversation] = []
    chats: Annotated[list[Chat], Field(min_length=1)]
    expect: list[Expected] = []
    """Every other task must be as it was, and no other may be there."""
    bob_sees: list[Pattern] | None = None
    """Exactly these tasks are on the list of a second person, Bob, once he accepts what is offered to him."""
    lose_reply: bool = False
    """The reply to the first call that changes something is lost: the model reads that it timed out."""


def load(folder: Path = FOLDER) -> list[Scenario]:
    """All scenarios, by topic; the topic is the name of the file.

    Raises:
        ValueError: a file is not as described, or two scenarios have one id.
    """
    found = [
        Scenario.model_validate(entry | {"topic": path.stem})
        for path in sorted(folder.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text("utf-8"))
    ]
    if len({scenario.id for scenario in found}) < len(found):
        raise ValueError("two scenarios have the same id")
    return found
