"""Programs that outlive the process that starts them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from storage.embedded_postgres.privileges import Account


def start_detached(command: Sequence[str | Path], *, cwd: Path, log: Path, lock: int, account: Account) -> None:
    """Start a program in a session of its own; its output is appended to `log`.

    `lock` is a descriptor with a lock (flock). The program and its children inherit it and hold the lock until the
    last of them ends.
    """
    with open(log, "ab", opener=_private) as output:
        # The shell ends at once, so init adopts the program, which never becomes a zombie of this process. A session of
        # its own keeps it from the signals of the terminal, such as Ctrl-C.
        subprocess.run(
            ["/bin/sh", "-c", '"$0" "$@" &', *command],
            check=True,
            cwd=cwd,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(lock,),
            start_new_session=True,
            **account,
        )


def clean_environment() -> dict[str, str]:
    """The environment of programs: none of the caller's PG… variables, and messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
