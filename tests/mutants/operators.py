# pyright: reportMissingTypeStubs=false, reportIncompatibleMethodOverride=false
"""Mutation operators for the kinds of fault that cosmic-ray has none for: something is left out.

Most of the product's logic is SQLAlchemy expressions, keyword arguments and guards. What goes wrong there is a missing
condition, a missing order, a missing argument or a missing `raise`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Name

PROVIDER = "taskdeck"

CLAUSES = {
    *("and_", "coalesce", "correlate", "cte", "distinct", "filter", "group_by", "having", "join", "limit", "offset"),
    *("on_conflict_do_nothing", "on_conflict_do_update", "or_", "order_by", "outerjoin", "returning", "select"),
    *("union_all", "where", "with_for_update"),
}
"""SQLAlchemy's names for parts that a statement is complete without."""

STRIPPERS = {"casefold", "lower", "removeprefix", "removesuffix", "rstrip", "lstrip", "strip", "upper"}

WORDS = {"description", "help", "title", "examples"}
"""Keyword arguments that are texts for a reader."""

Span = tuple[tuple[int, int], tuple[int, int]]


def _span(first: Any, last: Any) -> Span:
    return first.start_pos, last.end_pos


def _called(arguments: Any) -> str:
    """The name before the parenthesis that the arguments stand in."""
    parenthesis = arguments.get_previous_leaf()
    name = parenthesis.get_previous_leaf()
    return name.value if name else ""


def _is_droppable_keyword(argument: Any) -> bool:
    name, sign = argument.children[:2]
    return name.type == "name" and sign.type == "operator" and name.value not in WORDS


# Positions are lists, because cosmic-ray changes the node between two of them.


class DropArgument(Operator):
    """Leave out a keyword argument, or one part of an SQL clause."""

    def _droppable(self, node: Any) -> Iterator[int]:
        if node.type == "trailer" and node.children[1].type == "argument" and _is_droppable_keyword(node.children[1]):
            yield 1  # the only argument
        if node.type != "arglist":
            return
        in_clause = _called(node) in CLAUSES
        for index, child in enumerate(node.children):
            if child.type == "argument":
                if _is_droppable_keyword(child):
                    yield index
            elif child.type != "operator" and in_clause:
                yield index

    def mutation_positions(self, node: Any) -> list[Span]:
        return [_span(node.children[index], node.children[index]) for index in self._droppable(node)]

    def mutate(self, node: Any, index: int) -> Any:
        at = list(self._droppable(node))[index]
        if node.type == "trailer":
            del node.children[at]
            return node
        first = at if at == 0 else at - 1  # with the comma before it, or after it
        del node.children[first : first + 2]
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("call(1, key=2)", "call(1)"), Example("s.where(a, b)", "s.where( b)"))


def _opening(trailer: Any) -> str:
    """What a `.name`, `(arguments)` or `[index]` begins with."""
    return trailer.children[0].value if trailer.type == "trailer" else ""


class DropClause(Operator):
    """Leave out one link of a chain of calls, such as `.where(…)` or `.strip()`."""

    def _droppable(self, node: Any) -> Iterator[int]:
        children: list[Any] = getattr(node, "children", [])
        for index in range(1, len(children) - 1):
            link, call = children[index], children[index + 1]
            if [_opening(link), _opening(call)] == [".", "("] and link.children[1].value in CLAUSES | STRIPPERS:
                yield index

    def mutation_positions(self, node: Any) -> list[Span]:
        return [_span(node.children[index], node.children[index + 1]) for index in self._droppable(node)]

    def mutate(self, node: Any, index: int) -> Any:
        at = list(self._droppable(node))[index]
        del node.children[at : at + 2]
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("select(a).where(b)", "select(a)"),)


class DropStatement(Operator):
    """Do nothing instead of a call, a `raise`, a `del` or an assignment such as `+=`."""

    def _droppable(self, node: Any) -> Iterator[int]:
        if node.type == "simple_stmt":
            for index, child in enumerate(node.children):
                if child.type in ("raise_stmt", "del_stmt", "atom_expr", "power", "await_expr"):
                    yield index
                elif child.type == "expr_stmt" and child.children[1].type == "operator":
                    if child.children[1].value not in ("=", ":="):
                        yield index
                elif child.type == "keyword" and child.value == "raise":
                    yield index

    def mutation_positions(self, node: Any) -> list[Span]:
        return [_span(node.children[index], node.children[index]) for index in self._droppable(node)]

    def mutate(self, node: Any, index: int) -> Any:
        at = list(self._droppable(node))[index]
        dropped = node.children[at]
        node.children[at] = Name("pass", dropped.start_pos, dropped.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("if a: raise ValueError(a)\n", "if a: pass\n"), Example("x += 1\n", "pass\n"))


class SwapMembership(Operator):
    """`in` instead of `not in`, and the other way round."""

    def _swappable(self, node: Any) -> Iterator[int]:
        if node.type == "comparison":
            for at in range(1, len(node.children), 2):
                if node.children[at].get_code().split() in (["in"], ["not", "in"]):
                    yield at

    def mutation_positions(self, node: Any) -> list[Span]:
        return [_span(node.children[at], node.children[at]) for at in self._swappable(node)]

    def mutate(self, node: Any, index: int) -> Any:
        at = list(self._swappable(node))[index]
        old = node.children[at]
        new = "in" if "not" in old.get_code() else "not in"
        node.children[at] = Name(new, old.start_pos, old.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("a in b", "a not in b"), Example("a not in b", "a in b"))


class DropException(Operator):
    """Let an exception through that is caught, or one of several. (cosmic-ray's own stumbles over dotted names.)"""

    def _droppable(self, node: Any) -> Iterator[tuple[Any, int]]:
        """The node that has the exceptions as children, and where."""
        if node.type == "except_clause":
            caught = node.children[1]
            several = caught.children[1] if caught.type == "atom" and len(caught.children) == 3 else None
            if several is None or several.type != "testlist_comp":
                yield node, 1
            else:
                yield from ((several, index) for index in range(0, len(several.children), 2))

    def mutation_positions(self, node: Any) -> list[Span]:
        return [_span(parent.children[at], parent.children[at]) for parent, at in self._droppable(node)]

    def mutate(self, node: Any, index: int) -> Any:
        parent, at = list(self._droppable(node))[index]
        if parent is node:
            parent.children[at] = Name("()", parent.children[at].start_pos, " ")
        else:
            del parent.children[at : at + 2]  # with the comma after it
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (
            Example("try: a()\nexcept b.C as d: pass\n", "try: a()\nexcept () as d: pass\n"),
            Example("try: a()\nexcept (b.C, D): pass\n", "try: a()\nexcept ( D): pass\n"),
        )


OPERATORS: dict[str, Any] = {
    operator.__name__: operator for operator in (DropArgument, DropClause, DropStatement, DropException, SwapMembership)
}
