"""Templates of reports: a folder of the user's first, then ours."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from offload.domain.errors import UsageError

_OURS = files(__package__).joinpath("templates")
_HINT = f"Those that come with offload are in {_OURS}"
_MOST_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class Templates:
    """Their contents by name; `folder` is where those come from that are the user's `own`."""

    contents: Mapping[str, bytes]
    folder: str = ""
    own: frozenset[str] = frozenset()

    def text(self, name: str) -> str:
        """One of them.

        Raises:
            UsageError: it is no text.
        """
        try:
            return self.contents[name].decode()
        except UnicodeDecodeError as error:
            raise self.broken(name, None, "it is not UTF-8") from error

    def broken(self, name: str, line: int | None, why: str) -> UsageError:
        """What to raise of one that cannot be used."""
        path = os.path.join(self.folder, name) if name in self.own else name
        where = f"{path}, line {line}" if line else path
        return UsageError(f"The template {where} cannot be used: {why.rstrip('.')}.", hint=_HINT)


@cache
def ours() -> Templates:
    """Those that come with offload."""
    return Templates({each.name: each.read_bytes() for each in _OURS.iterdir()})


def read(folder: str | None) -> Templates:
    """Ours, but for those of the same name in a folder; pictures and the like lie there too.

    Raises:
        UsageError: the folder, or a file in it, cannot be read.
    """
    if folder is None:
        return ours()
    found: dict[str, bytes] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file() and not entry.name.startswith("."):
                    with open(entry.path, "rb") as file:
                        found[entry.name] = file.read(_MOST_BYTES)
    except OSError as error:
        said = f"The templates in {error.filename!r} cannot be read: {error.strerror}."
        raise UsageError(said, hint=_HINT) from error
    return Templates({**ours().contents, **found}, folder, frozenset(found))
