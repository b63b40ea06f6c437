"""A copy of the repository to mutate on disk, so that processes started by tests see the mutant."""

import itertools
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from tests.mutants.places import PACKAGES

_COPIED = (*PACKAGES, "tests", "alembic")
_LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", ".pytest_cache")
_STAMPS = itertools.count(1)


class Sandbox:
    """A folder that looks like the repository; what is not copied is linked."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self.temporary = Path(mkdtemp(prefix="m"))  # short, for the names of sockets are short
        self.temporary.chmod(0o711)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for entry in root.iterdir():
            if entry.name in _COPIED:
                shutil.copytree(entry, folder / entry.name, ignore=_LEFT_OUT)
            elif entry.is_file():
                shutil.copy2(entry, folder)
            elif entry.name not in folder.relative_to(root).parts and entry.name != ".git":
                (folder / entry.name).symlink_to(entry)

    def write(self, path: str, text: str) -> None:
        """Change a file, with a date that no compiled file was made from."""
        file = self.folder / path
        file.write_text(text, "utf-8")
        os.utime(file, (stamp := next(_STAMPS), stamp))

    def sweep(self) -> None:
        """End what a run has left running, and remove what it has left in the folder for temporary files."""
        self._kill(self.temporary)
        for entry in self.temporary.iterdir():
            shutil.rmtree(entry, ignore_errors=True)

    def close(self) -> None:
        """Remove everything and end running processes."""
        self._kill(self.temporary, self.folder)
        shutil.rmtree(self.temporary, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self, *folders: Path) -> None:
        """End processes whose working or temporary folder is one of ours."""
        mark = f"TMPDIR={self.temporary}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                place = (process / "cwd").resolve()
                marked = mark in (process / "environ").read_bytes().split(b"\0")
                if marked or any(place.is_relative_to(folder) for folder in folders):
                    os.kill(int(process.name), signal.SIGKILL)
