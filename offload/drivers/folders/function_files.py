"""Which functions this computer brought up: a file each, written before anything is made."""

import os
from contextlib import suppress
from dataclasses import dataclass

from offload.domain import typed
from offload.drivers.folders.files import atomic_write_bytes


@dataclass(frozen=True, slots=True)
class KnownFunction:
    """A function by its name, region and the profile that it was made with."""

    name: str
    region: str
    profile: str | None = None

    @property
    def file(self) -> str:
        """What its file is called."""
        return f"{self.region}.{self.name}.json"


def known(folder: str) -> list[KnownFunction]:
    """Those that are known, as far as their files can be read."""
    found = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):
            with suppress(OSError, ValueError), open(os.path.join(folder, name), "rb") as file:
                found.append(typed.parse(KnownFunction, file.read()))
    return found


def remember(folder: str, function: KnownFunction) -> None:
    """Know of a function from now on."""
    os.makedirs(folder, exist_ok=True)
    atomic_write_bytes(os.path.join(folder, function.file), typed.encoded(function))


def forget(folder: str, function: KnownFunction) -> None:
    """Know of it no more."""
    with suppress(FileNotFoundError):
        os.remove(os.path.join(folder, function.file))
