"""Stops an embedded PostgreSQL whose last user was killed and so could not stop it.

A process of its own, started as `python -I -S watchdog.py HOME LIFELINE`. It lives as long as the server,
so it imports only what costs no memory, and sleeps in the kernel: whoever uses the server holds a shared lock on
`users`, and the exclusive lock is granted when all of them are gone, however they ended.
"""

import fcntl
import os
import signal
import sys
import time

GRACE = 5.0  # seconds for somebody to take the server over: a supervisor or client that starts its program again
STOP_TIMEOUT = 60.0  # seconds


def try_lock(descriptor: int, kind: int) -> bool:
    """Whether the lock (`fcntl.LOCK_SH` or `LOCK_EX`) could be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def interrupt_server(home: str) -> bool:
    """Whether the server could be told to disconnect everybody and stop (a fast shutdown, which loses nothing)."""
    # Each launch removes an old pid file first: while somebody holds `alive`, the file is about that process.
    try:
        with open(os.path.join(home, "data", "postmaster.pid"), encoding="utf-8") as file:
            os.kill(int(file.readline()), signal.SIGINT)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    return True


def watch(home: str, lifeline: int) -> None:
    """Return when the server is stopped and nobody uses it. `lifeline` is a descriptor that holds our own lock."""
    users, lock, alive = (_open(home, name) for name in ("users", "lock", "alive"))
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)  # those who come now must not wait for us
        if not _is_free(alive):
            time.sleep(GRACE)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if try_lock(users, fcntl.LOCK_EX) and _stop(home, alive):
            shared = os.path.join(home, "shared")
            if os.path.isdir(shared):
                os.waitpid(os.posix_spawn("/bin/rm", ["rm", "-rf", "--", os.readlink(shared)], {}), 0)
            os.close(lifeline)  # before `lock`: whoever comes next sees that a new watchdog is needed
            return
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(lock, fcntl.LOCK_UN)


def _open(home: str, name: str) -> int:
    return os.open(os.path.join(home, name), os.O_RDWR | os.O_CREAT, 0o600)


def _is_free(alive: int) -> bool:
    free = try_lock(alive, fcntl.LOCK_SH)
    fcntl.flock(alive, fcntl.LOCK_UN)
    return free


def _stop(home: str, alive: int) -> bool:
    asked, deadline = False, time.monotonic() + STOP_TIMEOUT
    while not _is_free(alive):
        if time.monotonic() > deadline:
            return False
        asked = asked or interrupt_server(home)
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]))
