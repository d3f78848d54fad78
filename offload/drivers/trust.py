"""What of others the user has vouched for, by SHA-256: once, and again when it has changed."""

import json
import os
from contextlib import suppress


def is_known(sha256: str, what: str) -> bool:
    """Whether `what`, a path or a kind of thing, was vouched for with these bytes."""
    with suppress(OSError), open(_file(), encoding="utf-8") as file:
        return _line(sha256, what) in file
    return False


def note(sha256: str, what: str) -> None:
    """Vouch for it.

    Raises:
        OSError: it cannot be written down.
    """
    file = _file()
    os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(_line(sha256, what))


def _line(sha256: str, what: str) -> str:
    return f"{sha256}  {json.dumps(what)}\n"  # a path may hold a line break


def _file() -> str:
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("offload"), "trusted")
