"""`taskdeck token`, and what the command offers in its help."""

from pathlib import Path

import jwt
import pytest

from tests.support.processes import typed


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("1s", 1), ("45s", 45), ("1m", 60), ("30m", 1800), ("1h", 3600), ("24h", 86_400)]
)
def test_a_token_lives_as_long_as_was_asked(ttl: str, seconds: int, tmp_path: Path) -> None:
    ended = typed("token", "--user", "alice", "--ttl", ttl, data_dir=tmp_path, TASKDECK_PORT="8000")
    assert ended.status == 0, ended.stderr
    claims = jwt.decode(ended.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


def test_the_help_offers_no_change_of_the_users_shell(tmp_path: Path) -> None:
    offered = typed("--help", data_dir=tmp_path).stdout
    assert "serve" in offered
    assert "completion" not in offered
