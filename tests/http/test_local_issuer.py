"""The local issuer and its key on disk."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mcp_server.identity import jwks
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import SettingsError
from tests.support.token_factory import (
    ISSUER,
    GuardedApp,
    settings_for,
)


@pytest.mark.long
def test_concurrent_processes_create_one_key(tmp_path: Path):
    folder = tmp_path / "new" / "data dir"
    code = (
        "import sys, pathlib; from mcp_server.identity.local_issuer import open_local_key as o; sys.stdin.read(1);"
        "sys.stdout.write(o(pathlib.Path(sys.argv[1])).private_bytes_raw().hex())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(jwks.__file__).parents[2])},
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin
        process.stdin.close()
    made: set[bytes] = set()
    for process in started:
        assert process.stdout
        with process.stdout:
            made.add(process.stdout.read())
        assert process.wait() == 0
    assert len(made) == 1
    assert [path.name for path in folder.iterdir()] == ["issuer.key"]
    assert (folder / "issuer.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_key_created_meanwhile_by_another_process_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    LocalIssuer(settings_for(tmp_path))
    made = (tmp_path / "issuer.key").read_bytes()

    def not_yet(_: Path) -> bool:
        return False  # as seen a moment before the other process had linked its key

    monkeypatch.setattr(Path, "exists", not_yet)
    LocalIssuer(settings_for(tmp_path))
    assert (tmp_path / "issuer.key").read_bytes() == made


def test_key_file_readable_by_others_is_rejected(tmp_path: Path):
    LocalIssuer(settings_for(tmp_path))
    (tmp_path / "issuer.key").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        LocalIssuer(settings_for(tmp_path))


def pem(content: str) -> bytes:
    return f"-----BEGIN PRIVATE KEY-----\n{content}\n-----END PRIVATE KEY-----\n".encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", pem("AAAA"), pem("MA8CAQAwBwYFKwYBBAEEAXg=")],
    ids=["empty", "not PEM", "not PKCS 8", "an unknown algorithm"],
)
def test_invalid_key_file_is_named_in_the_error(tmp_path: Path, content: bytes):
    (tmp_path / "issuer.key").write_bytes(content)
    (tmp_path / "issuer.key").chmod(0o600)
    with pytest.raises(SettingsError, match="is not a private key: delete it"):
        LocalIssuer(settings_for(tmp_path))


def test_uncreatable_data_directory_is_named_in_the_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TASKDECK_DATA_DIR"):
        LocalIssuer(settings_for(tmp_path / "file" / "below"))


def test_local_issuer_refuses_to_run_beside_a_configured_issuer(tmp_path: Path):
    with pytest.raises(SettingsError, match="TASKDECK_ISSUER"):
        LocalIssuer(settings_for(tmp_path, issuer=ISSUER, jwks_url="https://issuer.example/jwks"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"user": ""}, "user"),
        ({"user": "a b"}, "user"),
        ({"user": "alice\n"}, "user"),
        ({"user": "a" * 129}, "user"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": 86_401}, "ttl"),
        ({"oauth_scopes": ["mcp:*"]}, "scope"),
    ],
)
def test_local_issuer_mints_no_token_that_would_be_rejected(tmp_path: Path, wrong: dict[str, Any], named: str):
    issuer = LocalIssuer(settings_for(tmp_path))
    arguments: dict[str, Any] = {"user": "alice"} | wrong
    with pytest.raises(ValueError, match=named):
        issuer.mint(**arguments)


async def test_local_issuer_token_survives_a_restart(tmp_path: Path):
    token = LocalIssuer(settings_for(tmp_path)).mint("alice", email="a@example.com", name="Ann", ttl=60)
    app = GuardedApp(Verifier(settings_for(tmp_path)))
    assert (await app.send_token(token)).status == 200
    caller = app.callers[0]
    assert (caller.user_id, caller.email, caller.name, caller.client) == (
        "alice",
        "a@example.com",
        "Ann",
        "taskdeck",
    )
    assert 0 < caller.expires_at - time.time() <= 60
    assert caller.oauth_scopes == {"mcp:read", "mcp:write"}
    assert (await app.send_token(token, "api")).status == 401
