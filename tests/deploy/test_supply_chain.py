"""`make audit` and `make sbom`, with a database of vulnerabilities that the tests run."""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.long

OSV_RECORD = {
    "id": "PYSEC-2026-1",
    "modified": "2026-11-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "anyio", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}
NPM_ADVISORY = {
    "id": 1,
    "url": "https://example.com/advisories/1",
    "title": "Pages can be forged",
    "severity": "high",
    "vulnerable_versions": "<99.1",
}


class VulnerabilityDatabase(ThreadingHTTPServer):
    """Answers as OSV and as the npm registry do. `vulnerable` decides whether anything is found."""

    vulnerable = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        query = json.loads(body)
        answer: dict[str, Any] = {}
        if cast(VulnerabilityDatabase, self.server).vulnerable:
            if query.get("package") == {"name": "anyio", "ecosystem": "PyPI"}:
                answer = {"vulns": [OSV_RECORD]}
            elif "next" in query:
                answer = {"next": [NPM_ADVISORY]}
        self._answer(200, answer)

    def do_GET(self) -> None:
        self._answer(404, {})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[VulnerabilityDatabase]:
    with VulnerabilityDatabase(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"npm_config_registry": url, "npm_config_fetch_retries": "0", "NO_PROXY": "*"}
    return subprocess.run(
        ["make", "--silent", "audit", f"AUDIT=--osv-url {url}/v1/query"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_vulnerabilities_are_named_and_fail_the_audit(database: VulnerabilityDatabase) -> None:
    ended = audit(database.url)
    assert ended.returncode != 0
    assert "Python packages: 1 known vulnerabilities" in ended.stdout
    assert re.search(r"^anyio \d[\d.]*: PYSEC-2026-1, fixed in 99\.1$", ended.stdout, re.MULTILINE), ended.stdout
    assert "next <99.1: https://example.com/advisories/1 (high), Pages can be forged" in ended.stdout


def test_packages_without_vulnerabilities_pass(database: VulnerabilityDatabase) -> None:
    database.vulnerable = False
    ended = audit(database.url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "Python packages: no known vulnerabilities",
        "dashboard packages: no known vulnerabilities",
    ]


def test_database_that_does_not_answer_is_a_warning() -> None:
    with VulnerabilityDatabase(("127.0.0.1", 0), Handler) as closed:
        url = closed.url
    ended = audit(url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "Warning: the Python packages were not audited: no vulnerability database answered",
        "Warning: the dashboard packages were not audited: no vulnerability database answered",
    ]


def test_bills_of_materials_list_exactly_what_is_locked() -> None:
    subprocess.run(["make", "--silent", "sbom"], cwd=ROOT, capture_output=True, check=True)
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    server = json.loads((ROOT / "dist/server.cdx.json").read_text())
    assert server["bomFormat"] == "CycloneDX"
    assert server["metadata"]["component"]["name"] == "taskdeck"
    assert {(c["name"], c["version"]) for c in server["components"]} == set(pinned)
    assert all(c["externalReferences"][0]["hashes"] for c in server["components"])

    lock = json.loads((ROOT / "dashboard/package-lock.json").read_text())["packages"]
    locked = {(path.rpartition("node_modules/")[2], package["version"]) for path, package in lock.items() if path}
    dashboard = json.loads((ROOT / "dist/dashboard.cdx.json").read_text())
    listed = {(c.get("group", "") + "/" * ("group" in c) + c["name"], c["version"]) for c in dashboard["components"]}
    assert listed == locked
