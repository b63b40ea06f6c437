"""`taskdeck token`, and what the command offers in its help."""

from pathlib import Path

import jwt
import pytest

from tests.support.processes import run_in_process


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("1s", 1), ("45s", 45), ("1m", 60), ("30m", 1800), ("1h", 3600), ("24h", 86_400)]
)
def test_token_expires_after_the_requested_time(ttl: str, seconds: int, tmp_path: Path) -> None:
    ended = run_in_process("token", "--user", "alice", "--ttl", ttl, data_dir=tmp_path, TASKDECK_PORT="8000")
    assert ended.status == 0, ended.stderr
    claims = jwt.decode(ended.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


def test_help_does_not_offer_shell_completion(tmp_path: Path) -> None:
    offered = run_in_process("--help", data_dir=tmp_path).stdout
    assert "serve" in offered
    assert "completion" not in offered
