"""A caller that corrects its arguments, by path, towards the intended ones."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

Arguments = dict[str, Any]
Path = tuple[str | int, ...]


class RetryingCaller:
    """A caller that sent `arguments` but intended `intended`."""

    def __init__(self, arguments: Arguments, intended: Arguments) -> None:
        self.arguments, self._intended = deepcopy(arguments), intended

    def leave_out(self, path: Path) -> None:
        """Remove the value at a path. The error may have shortened a long name."""
        holder, step = holder_of(self.arguments, path)
        if isinstance(holder, dict) and step not in holder:
            names = cast("dict[str, Any]", holder)
            step = next(name for name in names if name.startswith(str(step)))
        del holder[step]

    def put(self, path: Path, value: Any) -> None:
        holder, step = holder_of(self.arguments, path)
        holder[step] = value

    def get(self, path: Path) -> Any:
        holder, step = holder_of(self.arguments, path)
        return holder[step]

    def send_intended(self, path: Path) -> bool:
        """Send the intended value at a path; False if there is none."""
        value: Any = self._intended
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return False
        self.put(path, deepcopy(value))
        return True

    def replace_wrong(self, wrong: str) -> None:
        """Send the intended value wherever the wrong one stands."""
        paths = [path for path, value in leaves(self.arguments) if str(value).endswith(wrong)]
        assert paths, f"{wrong} was not sent"
        for path in paths:
            if not self.send_intended(path):
                self.leave_out(path)


def holder_of(arguments: Arguments, path: Path) -> tuple[Any, str | int]:
    """The object or list that contains the value at a path, and the value's name or index in it."""
    holder: Any = arguments
    for step in path[:-1]:
        holder = holder[step]
    return holder, path[-1]


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar value, with its path."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from leaves(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from leaves(inner, (*at, index))
    else:
        yield at, value
