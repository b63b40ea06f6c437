"""TASKDECK_PUBLIC_URL on a server that other machines can reach."""

from pathlib import Path

from tests.support.processes import run_in_process

REACHABLE = {
    "TASKDECK_HOST": "0.0.0.0",
    "TASKDECK_ISSUER": "https://issuer.example",
    "TASKDECK_JWKS_URL": "https://issuer.example/jwks",
}


def test_public_url_is_required_and_sufficient(tmp_path: Path) -> None:
    without = run_in_process("token", "--user", "ada", data_dir=tmp_path, TASKDECK_PORT="8000", **REACHABLE)
    assert (without.status, without.stdout) == (2, "")
    assert without.stderr == (
        "taskdeck: TASKDECK_PUBLIC_URL is required when TASKDECK_HOST is not a loopback address\n"
    )
    variables = REACHABLE | {"TASKDECK_PUBLIC_URL": "https://tasks.example", "TASKDECK_PORT": "8000"}
    with_url = run_in_process("token", "--user", "ada", data_dir=tmp_path, **variables)
    assert with_url.status == 2
    assert "get a token from https://issuer.example" in with_url.stderr
