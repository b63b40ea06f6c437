"""The files of the embedded PostgreSQL, and how its server is launched on them.

data_dir/postgres/      mode 0700, owned by the user who runs Taskdeck
    password            of the superuser and the owner; every connection needs it
    lock                held while a process starts or stops the server
    users               a shared lock for each process that uses the server
    alive               locked by the server and all its children: free means that none of them is left
    watchdog            locked by the process that stops the server after its last user was killed
    log                 output of the server; log.1 is the previous one
    shared              a link to the shared folder, if one is needed, for whoever removes it
    data/               the cluster; owned by an unprivileged user if root runs Taskdeck, as PostgreSQL refuses root
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from storage.embedded_postgres import watchdog
from storage.embedded_postgres.detached import clean_environment, start_detached
from storage.embedded_postgres.privileges import Account, find_programs, give, unprivileged
from storage.embedded_postgres.watchdog import try_lock
from storage.schema.errors import StorageError

MAJOR = "18"
SUPERUSER = "postgres"
OWNER = "taskdeck"
DATABASE = "taskdeck"
PORT = 5432  # only part of the socket's name: nothing listens on TCP
SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
LOG_LIMIT = 8 * 1024 * 1024  # bytes
# Given on the command line, which overrides postgresql.conf and ALTER SYSTEM.
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    # Relative to the cluster, so that neither its path's length nor its parents' permissions matter.
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "max_connections": 200,
    "shared_buffers": "128MB",
    "random_page_cost": 1.1,
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Sooner than by default: counts are fast only if VACUUM has marked pages as visible for index-only scans.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": 0.05,
    "autovacuum_vacuum_insert_scale_factor": 0.02,
    "autovacuum_analyze_scale_factor": 0.02,
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}

# The builtin locale sorts the same on every system, so an update of the C library cannot corrupt indexes.
INITDB = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
    "--data-checksums",
)


class EmbeddedError(StorageError):
    """The embedded PostgreSQL cannot be used; the text says what failed and what to do."""


class Cluster:
    """The PostgreSQL in `data_dir/postgres`. Every method may raise EmbeddedError."""

    def __init__(self, data_dir: Path) -> None:
        self.home = data_dir.expanduser().absolute() / "postgres"
        self._data = self.home / "data"
        self._log = self.home / "log"

    def exists(self) -> bool:
        """Whether the cluster was created completely."""
        return self._data.exists()

    def uri(self, role: str = OWNER) -> str:
        """The address for the database's owner or the superuser, in the form of asyncpg, libpq and node-postgres."""
        place = quote(os.fspath(self._socket_directory()))
        return f"postgresql://{role}:{self._password()}@/{DATABASE}?host={place}&port={PORT}"

    @contextmanager
    def opened(self, name: str) -> Generator[int]:
        """A descriptor of one of the lock files. Closing it releases its locks."""
        with self._said_plainly():
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.home / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def is_deserted(self) -> bool:
        """Whether the server and all its children are gone."""
        with self.opened("alive") as alive:
            return try_lock(alive, fcntl.LOCK_SH)

    def launch(self) -> bool:
        """Start the server, after creating the cluster if there is none. Blocks, but does not wait until it answers.

        False: an old server, or one of its children, is still running; nothing was done.
        """
        with self.opened("alive") as alive, self._said_plainly():
            # The server inherits this lock, so there is no moment in which it runs without one.
            if not try_lock(alive, fcntl.LOCK_EX):
                return False
            account = unprivileged(self._data)
            if not self.exists():
                self._choose_password()
            programs = find_programs(account, self.make_shared_dir)
            if not self.exists():
                self._create(programs, account, alive)
            self._check()
            give(self._data, account)
            for stale in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):  # their process ids may have been reused
                (self._data / stale).unlink(missing_ok=True)
            server = [programs / "postgres", "-D", _place(self._data, account)]
            settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
            start_detached([*server, *settings], cwd=self._data, log=self._log, lock=alive, account=account)
        return True

    def has_watchdog(self) -> bool:
        """Whether the process runs that stops the server if its last user is killed."""
        with self.opened("watchdog") as lifeline:
            return not try_lock(lifeline, fcntl.LOCK_SH)

    def ensure_watchdog(self) -> None:
        """Start that process unless it runs. The caller must hold `lock` and a lock on `users`."""
        with self.opened("watchdog") as lifeline, self._said_plainly():
            if not try_lock(lifeline, fcntl.LOCK_EX):
                return
            # Isolated and without site-packages, because it stays in memory as long as the server.
            program = (sys.executable, "-I", "-S", watchdog.__file__)
            command = (*program, self.home, str(lifeline))
            start_detached(command, cwd=Path("/"), log=self._log, lock=lifeline, account={})

    def ask_to_stop(self) -> bool:
        """Request a fast shutdown; False if no server could be signalled."""
        return watchdog.interrupt_server(os.fspath(self.home))

    def log_size(self) -> int:
        """In bytes."""
        return self._log.stat().st_size if self._log.exists() else 0

    def last_words(self, offset: int) -> str:
        """The last lines that the server has logged since its log had this size."""
        with suppress(FileNotFoundError), open(self._log, "rb") as log:
            log.seek(offset)
            return _excerpt(log.read())
        return ""

    def shorten_log(self) -> None:
        """Move a long log to log.1. Truncated, not renamed: the server keeps writing to the same file."""
        with self._said_plainly():
            if self.log_size() > LOG_LIMIT:
                shutil.copyfile(self._log, self.home / "log.1")
                os.truncate(self._log, 0)

    def shared_dir(self) -> Path:
        """A short folder outside the data, if one is needed. Its name cannot be guessed without the password."""
        # In a folder that others may write, another user could otherwise create it first.
        identity = os.fsencode(self.home) + self._password().encode()
        name = f"taskdeck-{hashlib.sha256(identity).hexdigest()[:24]}"
        place = Path(tempfile.gettempdir())
        return (place if len(os.fsencode(place)) < 50 else Path("/tmp")) / name  # noqa: S108

    def make_shared_dir(self) -> Path:
        """Create the shared folder, which every user may enter and only this one may write."""
        folder = self.shared_dir()
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o711)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise EmbeddedError(f"{folder} belongs to somebody else: remove it and try again.")
        note = self.home / "shared"
        with suppress(FileNotFoundError):
            if note.readlink() != folder:
                note.unlink()
        with suppress(FileExistsError):
            note.symlink_to(folder)
        return folder

    @contextmanager
    def keeping_shared_dir(self) -> Generator[None]:
        """Lock the shared folder, if there is one: systemd-tmpfiles removes only unlocked ones (tmpfiles.d(5))."""
        with ExitStack() as stack:
            if self.shared_dir().exists():
                descriptor = os.open(self.shared_dir(), os.O_RDONLY)
                stack.callback(os.close, descriptor)
                try_lock(descriptor, fcntl.LOCK_SH)
            yield

    def _socket_directory(self) -> Path:
        """The folder of the socket: the data, or a link to it if clients could not parse or open that path."""
        socket = os.fspath(self._data / f".s.PGSQL.{PORT}")
        if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT and not set(",:") & set(socket):  # separate hosts and ports
            return self._data
        link = self.make_shared_dir() / "socket"
        with suppress(FileExistsError):
            link.symlink_to(self._data)
        return link

    def _password(self) -> str:
        with suppress(FileNotFoundError):
            return (self.home / "password").read_text()
        return ""

    def _choose_password(self) -> None:
        # Replaced in one step, so that an interrupted start leaves no empty password.
        draft = self.home / "password.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(24))
        os.replace(draft, self.home / "password")

    def _create(self, programs: Path, account: Account, alive: int) -> None:
        """Create the cluster under another name, so that an interrupted attempt leaves nothing in the way."""
        staging = self.home / "data.new"
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(mode=0o700)
        give(staging, account)
        with tempfile.TemporaryFile(dir=self.home) as secret:
            secret.write(self._password().encode())
            secret.flush()
            if "user" in account:
                os.fchown(secret.fileno(), account["user"], -1)
            places = (f"--pgdata={_place(staging, account)}", f"--pwfile=/dev/fd/{secret.fileno()}")
            done = subprocess.run(
                [programs / "initdb", *places, *INITDB],
                cwd=staging,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(alive, secret.fileno()),
                start_new_session=True,
                **account,
            )
        if done.returncode:
            shutil.rmtree(staging, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL cannot make its cluster in {self.home}.{_excerpt(done.stdout)}")
        staging.rename(self._data)

    def _check(self) -> None:
        if not (self.home / "password").exists():
            raise EmbeddedError(
                f"{self._data} is there, but its password is not ({self.home / 'password'}): put it back, "
                "or choose another folder with TASKDECK_DATA_DIR."
            )
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {version}, and this is PostgreSQL {MAJOR}. Choose another "
                f"folder with TASKDECK_DATA_DIR, and bring the data over with pg_dump of PostgreSQL {version}."
            )

    @contextmanager
    def _said_plainly(self) -> Generator[None]:
        """Turn errors of the operating system into a sentence that says what to do."""
        try:
            yield
        except OSError as error:
            raise EmbeddedError(
                f"The embedded PostgreSQL cannot use {self.home}: {error.strerror or error}. Choose a folder that "
                "you may write with TASKDECK_DATA_DIR, or set DATABASE_URL to use a PostgreSQL of your own."
            ) from error
        except LookupError as error:
            raise EmbeddedError(f"{error}. Set DATABASE_URL to use a PostgreSQL of your own.") from error


def _place(folder: Path, account: Account) -> str:
    """The path of a folder for a program started in it: the account may not be allowed to enter its parents."""
    return "/proc/self/cwd" if account else os.fspath(folder)


def _excerpt(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return "".join(f"\n    {line}" for line in lines[-6:])
