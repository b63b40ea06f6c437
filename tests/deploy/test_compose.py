"""deploy/compose.yaml and deploy/Caddyfile: what each container may do, and what reaches it."""

from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

LOGINS = {"migrate": "postgres", "server": "tasks_server", "dashboard": "tasks_dashboard"}
CAPABILITIES = {"database": {"CHOWN", "DAC_READ_SEARCH", "FOWNER", "SETGID", "SETUID"}, "caddy": {"NET_BIND_SERVICE"}}


def test_services_are_those_that_are_checked_here() -> None:
    assert set(SERVICES) == {"database", "migrate", "logins", "server", "dashboard", "caddy"}


@pytest.mark.parametrize("name", SERVICES)
def test_container_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) == CAPABILITIES.get(name, set())
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"] == 256
    assert "privileged" not in service


@pytest.mark.parametrize("name", LOGINS)
def test_service_uses_its_own_login(name: str) -> None:
    assert SERVICES[name]["environment"]["DATABASE_URL"].startswith(f"postgresql://{LOGINS[name]}:")


def test_only_caddy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_logins_exist_before_they_are_used() -> None:
    for name, before in {"logins": "migrate", "server": "logins", "dashboard": "logins"}.items():
        assert SERVICES[name]["depends_on"] == {before: {"condition": "service_completed_successfully"}}


def test_proxy_sends_hsts_and_limits_bodies() -> None:
    lines = (ROOT / "deploy/Caddyfile").read_text("utf-8").split("\n\t")
    assert 'header Strict-Transport-Security "max-age=31536000"' in lines
    sizes = [line.strip() for line in lines if "max_size" in line]
    assert sizes == ["max_size 1MiB", "max_size 64KiB"]
