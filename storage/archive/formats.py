"""Which program wrote a file, and what its rows are."""

import io
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Literal, cast
from zipfile import BadZipFile, ZipFile

from storage.archive import chats, own, todoist
from storage.archive.incoming import Row
from storage.schema.errors import InvalidInput

Format = Literal["auto", "taskdeck", "todoist-csv", "todoist-json", "chatgpt", "claude"]
MOST_JSON_BYTES = 64 * 1024 * 1024
"""The size of Todoist's JSON, which is read as a whole."""
_CHATS: dict[str, Callable[[IO[str]], Iterator[Row]]] = {"chatgpt": chats.read_chatgpt, "claude": chats.read_claude}


def detect(path: Path) -> Format:
    """The format of a file.

    Raises:
        InvalidInput: it is none that can be imported.
    """
    with _explaining_encoding(), ExitStack() as stack:
        if (archive := _zip(path, stack)) is not None:
            names = set(archive.namelist())
            if "manifest.json" in names:
                return "taskdeck"
            if found := _named(names, "conversations.json"):
                return _detect_json(stack.enter_context(_text(archive.open(found))))
            if any(name.lower().endswith(".csv") for name in names):
                return "todoist-csv"
            raise InvalidInput("The ZIP file has no manifest.json, conversations.json or CSV file: see docs/export.md")
        binary = stack.enter_context(path.open("rb"))
        start = binary.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        binary.seek(0)
        if start in (b"[", b"{"):
            return _detect_json(stack.enter_context(_text(binary)))
        return "todoist-csv"


@contextmanager
def _explaining_encoding() -> Generator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is not UTF-8 text: export it again, or save it as UTF-8") from error


def read(path: Path, kind: Format, user_id: str) -> Iterator[Row]:
    """The rows of a file, which may be read again from the beginning. `user_id` is who imports.

    Raises:
        InvalidInput: the file is not of this format; the text says what to do.
    """
    with _explaining_encoding(), ExitStack() as stack:
        archive = _zip(path, stack)
        if kind == "taskdeck":
            if archive is None:
                raise InvalidInput("The file is not a ZIP archive of taskdeck export")
            yield from own.read_tasks(archive, user_id)
            yield from own.read_conversations(archive)
        elif kind == "todoist-csv":
            for name, stream in _csv_files(path, archive, stack):
                yield from todoist.read_csv(stream, name)
        elif kind == "todoist-json":
            yield from todoist.read_api(_whole(path))
        else:
            yield from _CHATS[kind](_conversations(path, archive, stack))


def _zip(path: Path, stack: ExitStack) -> ZipFile | None:
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return None
    try:
        return stack.enter_context(ZipFile(path))
    except BadZipFile as error:
        raise InvalidInput("The ZIP file is damaged or incomplete: download it again") from error


def _text(stream: IO[bytes]) -> IO[str]:
    # utf-8-sig drops the byte order mark that spreadsheets write; newline="" is what csv asks for.
    return io.TextIOWrapper(stream, "utf-8-sig", newline="")


def _named(names: set[str], wanted: str) -> str | None:
    return next((name for name in sorted(names) if name == wanted or name.endswith(f"/{wanted}")), None)


def _conversations(path: Path, archive: ZipFile | None, stack: ExitStack) -> IO[str]:
    if archive is None:
        return stack.enter_context(_text(path.open("rb")))
    name = _named(set(archive.namelist()), "conversations.json")
    if name is None:
        raise InvalidInput("The ZIP file has no conversations.json: export it again")
    return stack.enter_context(_text(archive.open(name)))


def _csv_files(path: Path, archive: ZipFile | None, stack: ExitStack) -> Iterator[tuple[str | None, IO[str]]]:
    """Each CSV file with the name of its project: a backup has a file `Name [123].csv` for each."""
    if archive is None:
        yield None, stack.enter_context(_text(path.open("rb")))
        return
    for name in sorted(archive.namelist()):
        if name.lower().endswith(".csv"):
            project = Path(name).stem.partition(" [")[0].strip()[:50]
            yield None if project == "Inbox" else project, stack.enter_context(_text(archive.open(name)))


def _whole(path: Path) -> Any:  # noqa: ANN401
    if path.stat().st_size > MOST_JSON_BYTES:
        raise InvalidInput(f"The file is larger than {MOST_JSON_BYTES // 1024 // 1024} MiB: split it")
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The file is not valid JSON: export it again, and do not change it") from error


def _detect_json(stream: IO[str]) -> Format:
    first: Any = None
    try:
        first = next(chats.elements(stream), None)
    except InvalidInput:
        return "todoist-json"
    keys: set[str] = set(cast("dict[str, Any]", first)) if isinstance(first, dict) else set()
    known: list[tuple[str, Format]] = [("mapping", "chatgpt"), ("chat_messages", "claude"), ("content", "todoist-json")]
    for key, kind in known:
        if key in keys:
            return kind
    raise InvalidInput(
        "The file is none that can be imported: give the ZIP of taskdeck export, a backup of Todoist, or the export of "
        "ChatGPT or Claude"
    )
