"""Places and operators of mutants."""

from pathlib import Path
from typing import Any

import pytest

from tests.mutants.cosmic import mutate
from tests.mutants.operators import OPERATORS, PROVIDER
from tests.mutants.places import PACKAGES, Mutant, mutants_of, sample

EXAMPLES: list[tuple[str, Any]] = [
    (name, example) for name, operator in OPERATORS.items() for example in operator.examples()
]


@pytest.mark.parametrize(("operator", "example"), EXAMPLES, ids=[example.pre_mutation_code for _, example in EXAMPLES])
def test_operators_make_the_change_of_their_example(operator: str, example: Any) -> None:
    assert mutate(example.pre_mutation_code, f"{PROVIDER}/{operator}", 0) == example.post_mutation_code


def changed(source: str) -> set[str]:
    """The lines that some mutant changes."""
    lines = source.splitlines()
    return {lines[mutant.start[0] - 1].strip() for mutant in mutants_of("file.py", source)}


@pytest.mark.parametrize(
    "source",
    [
        "def f(a: int | None = x) -> dict[str, int | None]:\n    return g",
        "a: Literal[1, 2] = x",
        "B = list[int | str]",
        '__all__ = ["a"] + [1]',
        "if TYPE_CHECKING:\n    a = 1",
        "if __name__ == '__main__':\n    main()",
        'logger.info("%s", a + 1)',
        'raise_(b"x", help="a" + "b")',
        "class P(Protocol):\n    def f(self, a=1):\n        ...",
        '"""A docstring."""',
        "@lru_cache(maxsize=8)\ndef f():\n    return a",
        "class C(D, total=False):\n    a = b",
        "class C(D, frozen=True):\n    a = b",
    ],
)
def test_meaningless_code_is_not_mutated(source: str) -> None:
    assert changed(source.replace("raise_(", "a = b(")) == set()


def test_bound_in_an_annotation_is_mutated_but_not_its_type() -> None:
    source = "a: Annotated[int | None, Field(ge=1)] | None = x"
    mutants = [mutant.apply(source) for mutant in mutants_of("file.py", source)]
    assert sorted(mutants) == [
        "a: Annotated[int | None, Field()] | None = x",
        "a: Annotated[int | None, Field(ge= 0)] | None = x",
        "a: Annotated[int | None, Field(ge= 2)] | None = x",
    ]


@pytest.mark.parametrize("arguments", ["frozen=True", "frozen=True, eq=False"])
def test_arguments_of_a_dataclass_are_not_mutated(arguments: str) -> None:
    mutants = mutants_of("file.py", source := f"@dataclass({arguments})\nclass C:\n    a: int")
    assert [mutant.apply(source) for mutant in mutants] == ["class C:\n    a: int"]


def test_meaningful_keyword_of_a_class_is_mutated() -> None:
    assert changed("class C(D, table=True):\n    a = b") == {"class C(D, table=True):"}


def test_positions_count_characters() -> None:
    source = 'a = "äöü"; b: int | None = 1; c = 1 if d else e'
    found = [mutant.apply(source) for mutant in mutants_of("file.py", source)]
    assert 'a = "äöü"; b: int | None = 1; c = 1 if not d else e' in found
    assert not [text for text in found if "&" in text]


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A product of two files with 60 places."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "numbers.py").write_text("\n".join(f"a{n} = {n}" for n in range(30)))
    return tmp_path


def test_sample_depends_on_its_seed_and_has_no_duplicates(product: Path) -> None:
    short, long = sample(product, 1, 20), sample(product, 1, 100)
    assert long[:20] == short
    assert sample(product, 2, 20) != short
    assert len({(mutant.path, mutant.start) for mutant in long}) == len(long) == 60


def looks(root: Path, mutants: list[Mutant]) -> list[tuple[str, str, str]]:
    """What each mutant changes, without the number of the line."""
    sources = {mutant.path: (root / mutant.path).read_text() for mutant in mutants}
    return [
        (mutant.path, mutant.operator, sources[mutant.path].splitlines()[mutant.start[0] - 1]) for mutant in mutants
    ]


def test_change_elsewhere_keeps_the_sample(product: Path) -> None:
    before = looks(product, sample(product, 1, 100))
    changed_file = product / PACKAGES[0] / "numbers.py"
    changed_file.write_text("b = not c\n" + changed_file.read_text().replace("a7 = 7\n", ""))
    after = looks(product, sample(product, 1, 100))
    removed, added = f"{PACKAGES[0]}/numbers.py a7 = 7", f"{PACKAGES[0]}/numbers.py b = not c"
    assert [row for row in before if f"{row[0]} {row[2]}" != removed] == [
        row for row in after if f"{row[0]} {row[2]}" != added
    ]
    assert len(before) == len(after) == 60


def test_identical_lines_are_places_of_their_own(product: Path) -> None:
    (product / PACKAGES[0] / "numbers.py").write_text("\n".join(["a = 1"] * 50))
    mutants = [mutant for mutant in sample(product, 1, 100) if mutant.path.startswith(PACKAGES[0])]
    assert sorted(mutant.start[0] for mutant in mutants) == [*range(1, 51)]
    assert len({mutant.occurrence % 2 for mutant in mutants}) == 2, "each place draws one of its two mutants"
