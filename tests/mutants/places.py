"""The places where the product can be mutated, and a seeded sample with one mutant for each."""

import ast
import difflib
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants import cosmic
from tests.mutants.cosmic import Position
from tests.mutants.operators import WORDS

PACKAGES = ("mcp_server", "storage")

STRICTNESS = {"frozen", "total"}
"""Keywords of a class that only a type checker or wrong code notices."""


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file; `occurrence` counts the places where the operator applies, as cosmic-ray does."""

    path: str
    start: Position
    end: Position
    operator: str
    occurrence: int

    def apply(self, source: str) -> str:
        """The file with the change."""
        return cosmic.mutate(source, self.operator, self.occurrence)


def diff(before: str, after: str, path: str) -> str:
    """What changed, as `diff -U1` tells it, without the names of the files."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, n=1, lineterm="")
    return "\n".join(list(lines)[2:])


def product_files(root: Path) -> list[str]:
    """Every file of the product, as paths from the root."""
    return sorted(
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if "migrations" not in path.relative_to(root).parts[:-1]
    )


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a file, without those of code that has no behaviour."""
    skipped = meaningless(source)
    for operator, occurrence, start, end in cosmic.find(source):
        if not any(first <= start and end <= last for first, last in skipped):
            yield Mutant(path, start, end, operator, occurrence)


def sample(root: Path, seed: int, count: int) -> list[Mutant]:
    """A sample that the seed and the product decide: one mutant for each place, every place as likely as another.

    A larger count begins with the same mutants. What Python cannot parse, or means the same to it, is passed over.
    A change of one line replaces only the places of that line, and of lines with the same text in the same file.
    """
    sources = {path: (root / path).read_text("utf-8") for path in product_files(root)}
    drawn = sorted(numbered for path, source in sources.items() for numbered in _draw(seed, path, source))
    valid = (mutant for _, mutant in drawn if _differs(sources[mutant.path], mutant))
    return [mutant for mutant, _ in zip(valid, range(count), strict=False)]


def _draw(seed: int, path: str, source: str) -> Iterator[tuple[int, Mutant]]:
    """A mutant of each place, with the number that orders the sample.

    Both come from a hash of what the place looks like instead of where it is, so that they outlast changes elsewhere.
    """
    places: dict[tuple[Position, Position], list[Mutant]] = defaultdict(list)
    for mutant in mutants_of(path, source):
        places[mutant.start, mutant.end].append(mutant)
    lines, identical = source.splitlines(), Counter[tuple[str, int, int]]()
    for start, end in sorted(places):
        looks = (lines[start[0] - 1], start[1], end[1])
        text = json.dumps([seed, path, *looks, identical[looks]])
        number = int.from_bytes(hashlib.sha256(text.encode()).digest())
        mutants = sorted(places[start, end], key=lambda mutant: (mutant.operator, mutant.occurrence))
        yield number, mutants[number % len(mutants)]  # by its last bits; the order is by the first
        identical[looks] += 1


def _differs(source: str, mutant: Mutant) -> bool:
    try:
        return ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def meaningless(source: str) -> list[tuple[Position, Position]]:
    """Spans where a change cannot be noticed, or only by comparing texts.

    Annotations (but not what is called in one, such as `Field(le=100)`), unions of types, `if TYPE_CHECKING:` and
    `if __name__ == …`, `__all__`, stubs of `...`, calls of a logger, keyword arguments that are texts, caches, and the
    strictness of classes.
    """
    finder = _Meaningless(source.splitlines())
    finder.visit(ast.parse(source))
    return finder.spans


class _Meaningless(ast.NodeVisitor):
    def __init__(self, lines: Sequence[str]) -> None:
        self.spans: list[tuple[Position, Position]] = []
        self._lines = lines

    def _skip(self, node: Any) -> None:
        self.spans.append(
            (self._at(node.lineno, node.col_offset), self._at(node.end_lineno or 0, node.end_col_offset or 0))
        )

    def _skip_decorator(self, node: ast.expr) -> None:
        (line, column), end = self._at(node.lineno, node.col_offset), (node.end_lineno or 0) + 1
        self.spans.append(((line, column - 1), (end, 0)))  # parso's decorators begin at the @ and end with their line

    def _at(self, line: int, column: int) -> Position:
        return line, len(self._lines[line - 1].encode()[:column].decode())  # ast counts bytes

    def _skip_type(self, node: ast.expr | None) -> None:
        """A type without the calls in it."""
        if isinstance(node, ast.Call):
            self.visit(node)
        elif node is not None:
            children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            if not any(isinstance(child, ast.Call) for child in ast.walk(node)):
                self._skip(node)
            for child in children:
                self._skip_type(child)

    def visit_arg(self, node: ast.arg) -> None:
        self._skip_type(node.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._skip_type(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._skip_type(node.returns)
        for decorator in node.decorator_list:
            if ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("cache", "lru_cache"):
                self._skip_decorator(decorator)
        for child in (*node.decorator_list, node.args, *node.body):
            self.visit(child)
        if all(isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) for child in node.body):
            self._skip(node)

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).rpartition(".")[2] == "dataclass":
                for keyword in decorator.keywords:
                    self._skip(keyword)
        for keyword in node.keywords:
            if keyword.arg in STRICTNESS:
                self._skip(keyword)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self._skip(node)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        names = {child.id for child in ast.walk(node.test) if isinstance(child, ast.Name)}
        if names & {"TYPE_CHECKING", "__name__"}:
            self._skip(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).split(".")[0] in ("logger", "log", "logging"):
            self._skip(node)
        for keyword in node.keywords:
            if keyword.arg in WORDS:
                self._skip(keyword.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sides = (node.left, node.right)
        if isinstance(node.op, ast.BitOr) and any(isinstance(s, ast.Constant) and s.value is None for s in sides):
            self._skip(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        # list[A | B]; but not row[a - 1]
        if isinstance(node.value, ast.Name) and node.value.id in ("list", "dict", "set", "tuple", "type", "Callable"):
            self._skip_type(node.slice)
        self.generic_visit(node)
