"""A ZIP archive that is written piece by piece, without a file to seek in."""

import asyncio
import io
import zipfile
from collections.abc import Iterable
from datetime import datetime

# Text compresses almost as well as with the default level, in a third of the time.
_LEVEL = 2
_LONG = 16_384


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        self.pending = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]: the stubs name a type that only stubs have
        self.pending += data
        return len(data)


class ZipStream:
    """Collects entries; `take` gives the bytes since the last call."""

    def __init__(self, moment: datetime) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._entry: Entry | None = None
        self._date = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)

    def open(self, name: str) -> "Entry":
        """Begin an entry. It must be closed before the next one begins."""
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        # The size is not known yet, and an entry may be larger than 4 GiB.
        self._entry = Entry(self._zip.open(info, "w", force_zip64=True))
        return self._entry

    def close(self) -> None:
        """End the entry that is open, and write the directory of entries, without which nobody can open the archive."""
        if self._entry:
            self._entry.close()
        self._zip.close()

    def take(self) -> bytes:
        """The bytes that were written since the last call."""
        taken = bytes(self._sink.pending)
        self._sink.pending.clear()
        return taken


class Entry:
    """An open entry of a ZIP archive."""

    def __init__(self, stream: "io.BufferedIOBase | object") -> None:
        self._stream: io.BufferedIOBase = stream  # pyright: ignore[reportAttributeAccessIssue]: what ZipFile.open returns

    async def write(self, texts: Iterable[str]) -> None:
        """Compress texts, long ones in a thread: the event loop has other callers."""
        data = "".join(texts).encode()
        if len(data) > _LONG:
            await asyncio.to_thread(self._stream.write, data)
        else:
            self._stream.write(data)

    def close(self) -> None:
        """End the entry."""
        self._stream.close()
