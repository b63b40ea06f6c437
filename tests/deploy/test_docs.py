"""The documents are correct: examples run, and named settings, tests, commands and links exist."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import click
import pytest
import typer

from mcp_server.cli.commands import command
from mcp_server.settings import Settings
from tests.support.processes import ROOT, TASKDECK, Server, environment, serving

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
QUICKSTART = (ROOT / "docs/quickstart.md").read_text("utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```(sh|python)\n(.*?)```", QUICKSTART, re.DOTALL)
NOT_OURS = {"FORWARDED_ALLOW_IPS", "OTEL_EXPORTER_OTLP_ENDPOINT"}


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    async with serving(tmp_path_factory.mktemp("docs") / "data") as running:
        yield running


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[text.split("\n")[0] for _, text in EXAMPLES])
def test_example_runs_as_written(server: Server, language: str, text: str, tmp_path: Path) -> None:
    """Runs against a server on a free port, so as not to disturb a running one."""
    command = {"sh": ["sh", "-eu", "-c"], "python": [sys.executable, "-c"]}[language]
    variables = environment(server.data_dir, PATH=f"{TASKDECK.parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        [*command, text.replace("http://127.0.0.1:8000", server.address)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'isError":true' not in done.stdout
    assert done.stdout or list(tmp_path.iterdir())


def documented(heading: str) -> dict[str, str]:
    """The variables of the table that follows a sentence, with their defaults."""
    table = QUICKSTART[QUICKSTART.index(heading) :].split("\n\n")[1]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    return {name: default.strip() for names, default in rows for name in re.findall(r"`([A-Z_]+)`", names)}


def test_every_server_setting_is_documented_with_its_default() -> None:
    table = documented("All settings are environment variables")
    fields = {
        str(field.validation_alias or f"TASKDECK_{name.upper()}"): field
        for name, field in Settings.model_fields.items()
    }
    assert set(table) - NOT_OURS == set(fields)
    for name, field in fields.items():
        if isinstance(field.default, (int, str)) and field.default != "":
            assert table[name] == f"`{str(field.default).lower() if field.default is False else field.default}`", name


def test_every_dashboard_setting_is_documented() -> None:
    source = (ROOT / "dashboard/src/lib/settings.ts").read_text("utf-8")
    read = set(re.findall(r"env\.([A-Z_]+)|env, \"([A-Z_]+)\"", source))
    providers = re.findall(r'credentials\(env, "([A-Z]+)"\)', source)
    names = {a or b for a, b in read} - set(providers)
    names |= {f"{provider}_CLIENT_{part}" for provider in providers for part in ("ID", "SECRET")}
    assert set(documented("The dashboard, when it is not started")) == names


def test_tests_named_in_security_md_exist() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    named = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", text)
    assert len(named) > 40
    threats = text[text.index("## Access") : text.index("## Tokens")]
    rows = [row for row in threats.splitlines() if row.startswith("| ") and not row.startswith("| threat")]
    assert not [row for row in rows if "`tests/" not in row], "each threat names the test that would fail"
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        assert test in defined, f"{path} has no {test}"


def test_every_case_of_the_token_table_is_tested() -> None:
    cases = set(re.findall(r"\bJ\d+\b", (ROOT / "docs/security.md").read_text("utf-8")))
    names = ("tokens", "token_claims", "token_cache", "jwks", "auth_http", "host_guard", "resource_metadata")
    tests = "".join((ROOT / f"tests/http/test_{name}.py").read_text("utf-8") for name in names)
    assert cases == {case for case in re.findall(r"\bJ\d+\b", tests.partition("import")[2])}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_documented_commands_exist() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    code = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", code, re.MULTILINE)) <= targets
    ours = set(cast(click.Group, typer.main.get_command(command)).commands)
    named = set(re.findall(r"(?:^|[(/ ])taskdeck ([a-z][a-z-]*)", code, re.MULTILINE))
    assert {"up", "serve"} <= ours
    assert named <= ours | {"http"}  # `claude mcp add ... taskdeck http://...`


def test_variables_of_deploy_examples_are_documented() -> None:
    text = "".join(
        (ROOT / "deploy" / name).read_text("utf-8") for name in ("compose.yaml", "taskdeck.service", "Dockerfile")
    )
    known = {*documented("All settings are"), *documented("The dashboard, when it is not started")}
    assert set(re.findall(r"\b(?:TASKDECK|DATABASE|BETTER|FORWARDED)_[A-Z_]+\b", text)) <= known
