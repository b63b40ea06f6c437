"""Whether a dashboard is started, and the settings files that `taskdeck doctor` checks."""

from pathlib import Path

import pytest

from mcp_server.cli import dashboard_process
from mcp_server.cli.ports import choose_dashboard
from mcp_server.settings import Settings
from tests.support.processes import run_in_process


def test_dashboard_that_is_built_gets_a_free_port(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = settings.model_copy(update={"dashboard_port": 0})
    monkeypatch.setattr(dashboard_process, "SERVER", tmp_path / "server.js")
    assert choose_dashboard(known) is None
    assert capsys.readouterr().err == (
        "The dashboard is not started: it is not built here. A checkout builds it by `make run`.\n"
    )
    (tmp_path / "server.js").touch()
    url = choose_dashboard(known) or ""
    assert url.startswith("http://127.0.0.1:")
    assert int(url.rpartition(":")[2]) > 0


def test_dashboard_has_port_3000_by_default() -> None:
    assert Settings.model_fields["dashboard_port"].default == 3000


@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o601, False), (0o604, False), (0o640, False)])
def test_secret_that_others_may_reach_is_named(mode: int, private: bool, tmp_path: Path) -> None:
    secret = tmp_path / "issuer.key"
    secret.touch()
    secret.chmod(mode)
    seen = run_in_process("doctor", data_dir=tmp_path)
    assert ("Others may read it: run chmod 600" in " ".join(seen.stdout.split())) is not private
    assert f"mode {mode:o}" in seen.stdout
