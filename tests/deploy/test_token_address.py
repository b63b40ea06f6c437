"""The address that `taskdeck token` makes a token for."""

from pathlib import Path

import jwt
import pytest

from tests.support.processes import run_in_process


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"TASKDECK_PORT": ""}, "http://127.0.0.1:4567"),
        ({"TASKDECK_PORT": "0"}, "http://127.0.0.1:4567"),
        ({"TASKDECK_PORT": "8001"}, "http://127.0.0.1:8001"),
        ({"TASKDECK_PORT": "", "TASKDECK_PUBLIC_URL": "http://localhost:9"}, "http://localhost:9"),
    ],
)
def test_token_is_for_the_server_started_last_unless_the_environment_names_one(
    variables: dict[str, str], address: str, tmp_path: Path
) -> None:
    (tmp_path / "address").write_text("http://127.0.0.1:4567")
    ended = run_in_process("token", "--user", "alice", data_dir=tmp_path, **variables)
    assert ended.status == 0, ended.stderr
    claims = jwt.decode(ended.stdout.strip(), options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == (f"{address}/local", f"{address}/mcp")
