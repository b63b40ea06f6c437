"""Look up known vulnerabilities of the locked packages: pip-audit with OSV, and npm audit.

A vulnerability makes it fail. A database of vulnerabilities that does not answer is a warning, because work must go on
without a network.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OSV = "https://api.osv.dev/v1/query"


def main() -> None:
    """Print one line for each vulnerability, and end with status 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osv-url", default=OSV, help="the OSV database to ask about Python packages")
    osv_url = parser.parse_args().osv_url
    found: list[str] = []
    for packages, lookup in (("Python", lambda: find_in_python(osv_url)), ("dashboard", find_in_dashboard)):
        vulnerabilities = lookup()
        if vulnerabilities is None:
            print(f"Warning: the {packages} packages were not audited: no vulnerability database answered")
        else:
            print(f"{packages} packages: {len(vulnerabilities) or 'no'} known vulnerabilities")
            found += vulnerabilities
    if found:
        print("\n".join(found))
        raise SystemExit(1)


def find_in_python(osv_url: str) -> list[str] | None:
    """The vulnerabilities of requirements-dev.lock, or None if the database did not answer."""
    pip_audit = Path(sys.executable).with_name("pip-audit")
    locked = ["--requirement", ROOT / "requirements-dev.lock", "--require-hashes", "--disable-pip"]
    database = ["--vulnerability-service", "osv", "--osv-url", osv_url]
    report = _run([pip_audit, *locked, *database, "--format", "json", "--progress-spinner", "off"])
    if "dependencies" not in report or any("skip_reason" in package for package in report["dependencies"]):
        return None
    return [
        f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for package in report["dependencies"]
        for vulnerability in package["vulns"]
    ]


def find_in_dashboard() -> list[str] | None:
    """The vulnerabilities of dashboard/package-lock.json, or None if the registry did not answer."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed: run make audit")
    report = _run([npm, "audit", "--prefix", ROOT / "dashboard", "--package-lock-only", "--json"])
    if "vulnerabilities" not in report:
        return None
    return [
        f"{name} {advisory['range']}: {advisory['url']} ({advisory['severity']}), {advisory['title']}"
        for name, package in report["vulnerabilities"].items()
        for advisory in package["via"]
        # A text names another package of the list, which is vulnerable itself.
        if isinstance(advisory, dict)
    ]


def _run(command: list[str | Path]) -> dict[str, Any]:
    """The JSON that a program prints. Both programs use the same exit status for findings and for failures."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(ended.stdout)
    except json.JSONDecodeError:
        return {}


if __name__ == "__main__":
    main()
