"""Secrets that this machine makes for itself: created once, readable by its user alone."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def read_or_create(path: Path, create: Callable[[], bytes]) -> bytes:
    """The content of the file. If it does not exist, `create` gives the content that it gets.

    Processes that start together get the same secret.

    Raises:
        OSError: the file cannot be read, or its folder cannot be written.
    """
    if not path.exists():
        # The content must be complete before the file has its name, or another process could read half a key.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file is created with mode 0600.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-") as draft:
            draft.write(create())
            draft.flush()
            os.fsync(draft.fileno())
            # Unlike a rename, a link never replaces a file: of two processes, the second takes the secret of the first.
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_bytes()
