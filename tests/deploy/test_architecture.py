"""docs/architecture.md names every module, and the documents name no file that does not exist."""

import re
import secrets
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

from tests.conftest import Person
from tests.support.processes import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")
FOLDERS = "storage|mcp_server|dashboard|tests|benchmarks|evals|alembic|deploy|docs|examples"
MOST_FILES = 9
"""In each of the two walks: a longer way is hard to follow."""


def mapped() -> dict[str, str]:
    """The rows of the module map: the path from the root of the repository, and what it is for."""
    rows: dict[str, str] = {}
    for section in ARCHITECTURE.partition("## Module map\n")[2].split("\n### ")[1:]:
        folder = re.match(r"`(.+/)`\n", section)
        for name, purpose in re.findall(r"^\| `(.+)` \| (.*) \|$", section, re.MULTILINE):
            assert folder, "a table of modules stands below a heading that names their folder"
            assert f"{folder[1]}{name}" not in rows, f"{name} is listed twice"
            rows[f"{folder[1]}{name}"] = purpose
    return rows


def modules() -> Iterator[str]:
    """Files of both Python packages and of the dashboard's library, and folders of its app with a page or a route."""
    for package in ("storage", "mcp_server"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts:
                yield str(path.relative_to(ROOT))
    for path in (ROOT / "dashboard/src/lib").rglob("*.ts"):
        yield str(path.relative_to(ROOT))
    app = ROOT / "dashboard/src/app"
    for path in (*app.rglob("page.tsx"), *app.rglob("route.ts")):
        if path.parent != app:
            yield f"{path.parent.relative_to(ROOT)}/"


def test_the_map_names_every_module_and_only_those_that_exist() -> None:
    rows, found = mapped(), set(modules())
    missing, gone = sorted(found - rows.keys()), sorted(rows.keys() - found)
    assert missing == [], "add these to the module map of docs/architecture.md"
    assert gone == [], "remove these from the module map of docs/architecture.md"
    assert all(len(purpose) > 5 for purpose in rows.values())


def walk(heading: str) -> str:
    """The text of a section."""
    return ARCHITECTURE.partition(heading)[2].partition("\n#")[0]


@pytest.mark.parametrize("heading", ["### A title, ", "### A token's `sub`, "])
def test_a_walk_through_the_code_names_at_most_nine_files(heading: str) -> None:
    steps = re.findall(r"^\d+\. `(.+?)`: ", walk(heading), re.MULTILINE)
    assert len(steps) == len(set(steps))
    assert 5 < len(steps) <= MOST_FILES
    assert all((ROOT / step).is_file() for step in steps)


@contextmanager
def files_that_hold(text: str) -> Generator[set[str]]:
    """The files of the product with a function that has the text in an argument, a variable or its result."""
    found: set[str] = set()

    def look(frame: FrameType, event: str, result: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event not in ("call", "return") or not path.is_relative_to(ROOT):
            return
        name = str(path.relative_to(ROOT))
        if name not in found and re.match(r"(mcp_server|storage)/", name):
            with suppress(Exception):  # what is not built yet cannot be shown
                if text in repr(frame.f_locals) or text in repr(result):
                    found.add(name)

    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)


async def test_the_walk_of_a_title_names_every_file_that_it_passes(alice: Person) -> None:
    await alice.call("whoami")
    title = f"Title {secrets.token_hex(8)}"
    with files_that_hold(title) as passed:
        added = await alice.call("add_task", title=title)
    assert added["title"] == title
    named = set(re.findall(r"`((?:mcp_server|storage)/[^`]+)`", walk("### A title, ")))
    assert passed | {"storage/schema/tables.py"} == named


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[^`\s:]*)", page.read_text("utf-8"))
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_middleware_is_listed_in_the_order_of_the_application() -> None:
    application = (ROOT / "mcp_server/app.py").read_text("utf-8")
    built = re.findall(r"^ +Middleware\((\w+)", application, re.MULTILINE)
    assert built
    assert re.findall(r"^ +\| `(\w+)` \| `http/", ARCHITECTURE, re.MULTILINE) == built
