"""Static facts about the product's lines: when each runs, which names it binds, and where names are used."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.places import product_files

Line = tuple[str, int]

Name = tuple[str, str]
"""A name with the file that binds it; fields and methods have no file, because they are matched by name alone."""


@dataclass
class _File:
    statements: dict[int, range] = field(default_factory=dict[int, range])
    in_function: set[int] = field(default_factory=set[int])
    names: dict[int, set[Name]] = field(default_factory=lambda: defaultdict[int, set[Name]](set))


class Names:
    """The names of every file."""

    def __init__(self, root: Path) -> None:
        self.uses: dict[Name, set[Line]] = defaultdict(set)
        self.bodies: dict[Name, set[Line]] = defaultdict(set)
        self.bases: dict[Name, set[Name]] = defaultdict(set)
        self.in_tests: dict[Name, set[tuple[str, str]]] = defaultdict(set)
        self._files: dict[str, _File] = {}
        self._registers: dict[Name, set[Name]] = defaultdict(set)
        paths = product_files(root)
        self._modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in paths}
        trees = {path: ast.parse((root / path).read_text("utf-8")) for path in paths}
        for path, tree in trees.items():
            for function in tree.body:
                if isinstance(function, ast.FunctionDef):
                    self._registers[path, function.name] |= {(path, name) for name in _stored_in(function)}
        for path, tree in trees.items():
            self._files[path] = _File()
            self._read(path, tree.body, set(), "module")
            imported = dict(self._imports(tree))
            self._read_decorators(path, tree, imported)
            for name, line in self._used(path, tree, imported):
                self.uses[name].add((path, line))
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    self.bases[path, node.name] |= {
                        name for base in node.bases for name, _ in self._used(path, base, imported)
                    }
        for test_file in (root / "tests").rglob("test_*.py"):
            self._read_tests(test_file.relative_to(root).as_posix(), ast.parse(test_file.read_text("utf-8")))

    def statement(self, path: str, line: int) -> range:
        """The lines of the statement, without those of the statements in it; not each has code of its own."""
        return self._files[path].statements.get(line, range(line, line + 1))

    def is_in_function(self, path: str, line: int) -> bool:
        """Whether the line runs when something is called."""
        return line in self._files[path].in_function

    def bound_at(self, path: str, line: int) -> set[Name]:
        """What the outermost statement around the line binds; in a class the method, or the field and the class."""
        return self._files[path].names.get(line, set())

    def _read(self, path: str, body: Iterable[ast.stmt], owners: set[Name], inside: str) -> None:
        file = self._files[path]
        for node in body:
            where = {"module": path, "class": ""}.get(inside)
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            own = owners
            if where is not None:  # who uses a class need not use each of its methods
                own = {*(() if is_function else owners), *((where, name) for name in _bound(node))}
            nested = list(_blocks(node))
            first = min((_first_line(child) for child in nested), default=(node.end_lineno or node.lineno) + 1)
            header = range(_first_line(node), max(first, node.lineno + 1))
            for line in header:
                file.statements[line] = header
                file.names[line] |= own
                if inside == "function":
                    file.in_function.add(line)
            kind = inside
            if is_function:
                kind = "function"
                for name in own:
                    self.bodies[name] |= {(path, line) for line in range(first, (node.end_lineno or first) + 1)}
            elif isinstance(node, ast.ClassDef) and inside == "module":
                kind = "class"
            self._read(path, nested, own, kind)

    def _read_decorators(self, path: str, tree: ast.Module, imported: dict[str, Name]) -> None:
        """Bind at a decorator also what it registers the function in, such as the tools by their names."""
        for node in tree.body:
            for decorator in getattr(node, "decorator_list", []):
                registered = {
                    stored for name, _ in self._used(path, decorator, imported) for stored in self._registers[name]
                }
                for line in range(decorator.lineno, decorator.end_lineno + 1):
                    self._files[path].names[line] |= registered

    def _read_tests(self, path: str, tree: ast.Module) -> None:
        """Note the names that a test mentions itself; in a helper, that every test of the file does."""
        imported = dict(self._imports(tree))
        for node in tree.body:
            function = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            for name, _ in self._used(path, node, imported):
                self.in_tests[name].add((path, function if function.startswith("test") else ""))

    def _used(self, path: str, tree: ast.AST, imported: dict[str, Name]) -> Iterator[tuple[Name, int]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                yield imported.get(node.id, (path, node.id)), node.lineno
            elif isinstance(node, ast.Attribute):
                base = imported.get(node.value.id) if isinstance(node.value, ast.Name) else None
                module = self._modules.get(".".join(base)) if base else None
                yield (module or "", node.attr), node.end_lineno or node.lineno
            elif isinstance(node, ast.keyword) and node.arg:
                yield ("", node.arg), node.lineno

    def _imports(self, tree: ast.Module) -> Iterator[tuple[str, Name]]:
        """What imported names stand for: a name of a file of ours, or a module, as package and name."""
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    origin = self._modules.get(node.module, node.module)
                    is_module = f"{node.module}.{alias.name}" in self._modules
                    yield alias.asname or alias.name, (node.module if is_module else origin, alias.name)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _blocks(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements in a statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives a value."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (child.id for child in ast.walk(target) if isinstance(child, ast.Name))


def _stored_in(function: ast.FunctionDef) -> Iterator[str]:
    """The names of what a function stores items in: `NAME[key] = value`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                    yield target.value.id
