"""A caller that changes its arguments by their paths, knowing what it wanted to say in the first place."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

Arguments = dict[str, Any]
Path = tuple[str | int, ...]


class Follower:
    """A caller who has said `arguments`, and wanted to say `meant`."""

    def __init__(self, arguments: Arguments, meant: Arguments) -> None:
        self.arguments, self._meant = deepcopy(arguments), meant

    def leave_out(self, path: Path) -> None:
        """Say nothing there. A long name may have been shortened."""
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

    def mean(self, path: Path) -> bool:
        """Say what was meant there in the first place, if anything was."""
        value: Any = self._meant
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return False
        self.put(path, deepcopy(value))
        return True

    def mean_again(self, wrong: str) -> None:
        """Say what was meant wherever this value stands."""
        paths = [path for path, value in leaves(self.arguments) if str(value).endswith(wrong)]
        assert paths, f"{wrong} was not said"
        for path in paths:
            if not self.mean(path):
                self.leave_out(path)


def holder_of(arguments: Arguments, path: Path) -> tuple[Any, str | int]:
    """The object or list that holds what is at a path, and its name or index there."""
    holder: Any = arguments
    for step in path[:-1]:
        holder = holder[step]
    return holder, path[-1]


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that holds no others, with its path."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from leaves(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from leaves(inner, (*at, index))
    else:
        yield at, value
