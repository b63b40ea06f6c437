"""A player that follows a script, and one that does nothing."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from evals import dates
from evals.players import Message, Tools

SCRIPTS: dict[str, list[list[Any]]] = yaml.safe_load(Path(__file__).with_name("scripts.yaml").read_text("utf-8"))


@dataclass
class Idle:
    """Ends every chat at once."""

    answer: str = "Done."

    async def reply(self, messages: list[Message], tools: Tools) -> Message:
        return {"role": "assistant", "content": self.answer}


@dataclass
class Scripted:
    """Makes the calls of one chat's script. Values of replies, dates and Bob's address are filled in."""

    steps: list[Any]
    timezone: str
    bob: str
    done: int = 0
    calls: int = field(default=0)

    async def reply(self, messages: list[Message], tools: Tools) -> Message:
        step = self.steps[self.done]
        self.done += 1
        replies = [message["content"] for message in messages if message["role"] == "tool"]
        if isinstance(step, str):
            return {"role": "assistant", "content": re.sub(r"\{([\w.]+)\}", lambda m: str(find(replies, m[1])), step)}
        self.calls += 1
        name, args = step
        function = {"name": name, "arguments": json.dumps(self._fill(args, replies))}
        return {"role": "assistant", "content": "", "tool_calls": [{"id": str(self.calls), "function": function}]}

    def _fill(self, value: Any, replies: list[str]) -> Any:
        if isinstance(value, dict):
            return {name: self._fill(each, replies) for name, each in value.items()}  # pyright: ignore
        if isinstance(value, list):
            return [self._fill(each, replies) for each in value]  # pyright: ignore
        if not isinstance(value, str):
            return value
        if value.startswith("$"):
            return find(replies, value[1:])
        if value == "@bob":
            return self.bob
        if value.startswith("@"):
            zone = ZoneInfo(self.timezone)
            return dates.write(dates.resolve(value[1:], datetime.now(zone).date(), zone))
        return value


def find(replies: list[str], path: str) -> Any:
    """The value at `0.tasks.1.id`: in the reply to the first call. `0` alone is the whole reply."""
    number, *steps = path.split(".")
    if not steps:
        return replies[int(number)]
    value: Any = json.loads(replies[int(number)])
    for step in steps:
        value = value[int(step) if isinstance(value, list) else step]
    return value
