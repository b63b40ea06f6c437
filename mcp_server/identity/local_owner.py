"""The local owner: the person at this machine, who uses the embedded database without signing in.

`taskdeck stdio` without a token, `taskdeck token` without `--user`, and the first account on the dashboard share this
user id, so that they see the same tasks.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from mcp_server.identity.addresses import LOOPBACK_NAMES
from mcp_server.settings import Settings, SettingsError
from storage.schema.request_models import USER_ID

DEFAULT_ID = "local"


def read_local_owner(settings: Settings) -> str:
    """The user id: `local`, or the one that `taskdeck claim-local` stored in the data folder.

    Raises:
        SettingsError: the file cannot be read, or holds no user id.
    """
    path = _path(settings)
    try:
        user_id = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return DEFAULT_ID
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"TASKDECK_DATA_DIR: {path} cannot be read: {error}") from error
    if not re.fullmatch(USER_ID, user_id):
        raise SettingsError(f"{path} holds no user id: delete it and run taskdeck claim-local")
    return user_id


def write_local_owner(settings: Settings, user_id: str) -> None:
    """Make this user the local owner.

    Raises:
        OSError: the data folder cannot be written.
    """
    path = _path(settings)
    # The process id, so that two commands do not write the same draft.
    draft = path.with_name(f".owner-{os.getpid()}")
    # A rename is atomic: a server that starts meanwhile reads the old id or the new one.
    draft.write_text(user_id, "utf-8")
    draft.replace(path)


def first_account_is_owner(settings: Settings) -> bool:
    """Whether the first account on the dashboard becomes the local owner.

    Only with the embedded database and a server that nobody else can reach; otherwise a stranger could sign up first.
    """
    if settings.database_url or not settings.loopback:
        return False
    return urlsplit(settings.address).hostname in LOOPBACK_NAMES


def _path(settings: Settings) -> Path:
    return settings.data_dir / "owner"
