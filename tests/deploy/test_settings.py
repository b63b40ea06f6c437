"""Settings from environment variables: validation and normalization."""

import os
from pathlib import Path

import pytest

from mcp_server.identity.addresses import known_origins
from mcp_server.settings import Settings, read_settings
from tests.support.processes import (
    run_in_process,
)

BAD: list[tuple[dict[str, str], str]] = [
    ({"TASKDECK_PORT": "lots"}, "TASKDECK_PORT: "),
    ({"TASKDECK_PORT": "70000"}, "TASKDECK_PORT: "),
    ({"TASKDECK_HOST": "0.0.0.0"}, "TASKDECK_HOST=0.0.0.0 is reachable from other machines"),
    ({"TASKDECK_ISSUER": "https://issuer.example"}, "TASKDECK_ISSUER and TASKDECK_JWKS_URL go together"),
    ({"DATABASE_URL_UNPOOLED": "postgresql://h/d"}, "DATABASE_URL_UNPOOLED goes with DATABASE_URL"),
    ({"TASKDECK_PUBLIC_URL": "taskdeck.example"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_PUBLIC_URL": "https://a:abc"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_PUBLIC_URL": "https://a:99999"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_PUBLIC_URL": "https://a#f"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_PUBLIC_URL": "https://u:p@a"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_PUBLIC_URL": "https://a b"}, "TASKDECK_PUBLIC_URL: must be an http"),
    ({"TASKDECK_ALLOWED_ORIGINS": "*"}, "TASKDECK_ALLOWED_ORIGINS: '*' is not an origin"),
    ({"TASKDECK_ALLOWED_ORIGINS": "https://a?x"}, "TASKDECK_ALLOWED_ORIGINS: 'https://a?x' is not an origin"),
    ({"TASKDECK_ALLOWED_ORIGINS": "https://a#x"}, "TASKDECK_ALLOWED_ORIGINS: 'https://a#x' is not an origin"),
    ({"TASKDECK_ALLOWED_ORIGINS": "https://u@a"}, "TASKDECK_ALLOWED_ORIGINS: 'https://u@a' is not an origin"),
    ({"TASKDECK_ALLOWED_ORIGINS": "http://a:99999"}, "TASKDECK_ALLOWED_ORIGINS: 'http://a:99999' is not an origin"),
    ({"TASKDECK_ISSUER": "https://a:abc", "TASKDECK_JWKS_URL": "https://a"}, "TASKDECK_ISSUER: must be an http"),
    ({"TASKDECK_DATA_DIR": "/proc/nowhere"}, "TASKDECK_DATA_DIR: /proc/nowhere: "),
    ({"TASKDECK_DATA_DIR": "/dev/null/data"}, "TASKDECK_DATA_DIR: /dev/null/data: "),
    ({"TASKDECK_DATA_DIR": "~nobody-here/data"}, "TASKDECK_DATA_DIR: "),
    ({"TASKDECK_TOOLSETS": "tasks,magic"}, "TASKDECK_TOOLSETS: "),
    ({"TASKDECK_LOG_LEVEL": "loud"}, "TASKDECK_LOG_LEVEL: "),
    ({"TASKDECK_TIMEZONE": "Berlin"}, "TASKDECK_TIMEZONE: must be an IANA time zone such as Europe/Berlin"),
    ({"TASKDECK_AUDIT_DAYS": "29"}, "TASKDECK_AUDIT_DAYS: must be at least 30, or 0 to keep the audit log for ever"),
    ({"TASKDECK_RATE_LIMIT": "-1"}, "TASKDECK_RATE_LIMIT: "),
    ({"TASKDECK_READ_ONLY": "perhaps"}, "TASKDECK_READ_ONLY: "),
    ({"DATABASE_URL": "mysql://localhost/x"}, "DATABASE_URL: must start with postgresql://"),
]


@pytest.mark.parametrize(("variables", "message"), BAD, ids=[" ".join(variables) for variables, _ in BAD])
def test_bad_setting_is_one_line_that_names_it(variables: dict[str, str], message: str, tmp_path: Path) -> None:
    ended = run_in_process("serve", data_dir=tmp_path, **variables)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {message}")
    assert ended.stderr.count("\n") == 1


def test_empty_variable_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TASKDECK_", "DATABASE_")):
            monkeypatch.delenv(name)
    default = read_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper() if name.startswith("database") else f"TASKDECK_{name.upper()}", "")
    assert read_settings() == default
    monkeypatch.setenv("TASKDECK_TOOLSETS", " , ")
    assert read_settings() == default


def test_addresses_are_normalized_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKDECK_PUBLIC_URL", "https://Tasks.Example:443/")
    monkeypatch.setenv("TASKDECK_ALLOWED_ORIGINS", "https://App.Example:443,http://[::1]:80/, http://a:8080")
    settings = read_settings()
    assert settings.address == "https://tasks.example"
    assert settings.allowed_origins == ("https://app.example", "http://[::1]", "http://a:8080")
    assert "https://tasks.example" in known_origins(settings, None)
