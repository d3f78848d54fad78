"""Which functions or fleets this computer brought up: a file each, written before one is made."""

import os
from contextlib import suppress
from dataclasses import dataclass

from offload.domain import typed
from offload.drivers.folders.files import atomic_write_bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A function or fleet by its name, region and the profile that it was made with."""

    name: str
    region: str
    profile: str | None = None

    @property
    def file(self) -> str:
        """What its file is called."""
        return f"{self.region}.{self.name}.json"


def known(folder: str) -> list[Known]:
    """Those that are known, as far as their files can be read."""
    found = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):
            with suppress(OSError, ValueError), open(os.path.join(folder, name), "rb") as file:
                found.append(typed.parse(Known, file.read()))
    return found


def remember(folder: str, one: Known) -> None:
    """Know of it from now on."""
    os.makedirs(folder, exist_ok=True)
    atomic_write_bytes(os.path.join(folder, one.file), typed.encoded(one))


def forget(folder: str, one: Known) -> None:
    """Know of it no more."""
    with suppress(FileNotFoundError):
        os.remove(os.path.join(folder, one.file))
