"""Stops an embedded PostgreSQL whose last user was killed and so could not stop it.

A process of its own, started as `python -I -S watchdog.py HOME LIFELINE`. It lives as long as the server,
so it imports only modules that cost little memory, and sleeps in the kernel: every user of the server holds a shared
lock on `users`, and the exclusive lock is granted when all of them are gone, however they ended.
"""

import fcntl
import os
import signal
import sys
import time

GRACE = 5.0  # seconds for another process to take the server over, such as one that a supervisor restarts
STOP_TIMEOUT = 60.0  # seconds


def try_lock(descriptor: int, kind: int) -> bool:
    """Try to take the lock (`fcntl.LOCK_SH` or `LOCK_EX`) without waiting; False if it is held."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def interrupt_server(home: str) -> bool:
    """Request a fast shutdown, which disconnects all clients and loses nothing; False if no server was signalled."""
    # Each launch removes an old pid file first, so while `alive` is locked the file belongs to the running server.
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
        fcntl.flock(users, fcntl.LOCK_UN)  # new users must not wait for this process
        if not _is_free(alive):
            time.sleep(GRACE)
        # First `lock`, as every process that starts the server does: none can appear while it is being stopped.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if try_lock(users, fcntl.LOCK_EX) and _stop(home, alive):
            shared = os.path.join(home, "shared")
            if os.path.isdir(shared):
                # By /bin/rm, because importing shutil would cost memory for as long as the server runs.
                os.waitpid(os.posix_spawn("/bin/rm", ["rm", "-rf", "--", os.readlink(shared)], {}), 0)
            os.close(lifeline)  # before `lock`, so that the next process sees that a new watchdog is needed
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
