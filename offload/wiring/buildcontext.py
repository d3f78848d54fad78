"""What an image of `offload` is built from, in a checkout or out of the installed package."""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import IO

from offload.domain.errors import OffloadError
from offload.drivers.modelcache import sha256_of

MODELS = "models"
"""The context's folder for models of the user's own."""

_IGNORE_FILE = ".dockerignore"
_SHIPPED = ("offload/project/", "offload/examples/")
"""What the wheel adds to the package."""
_TIME_S = 315_532_800  # 1980: wheels are zip archives, which know no earlier time


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Name in the context -> file on this disk; exactly what .dockerignore lets through.

    `model` is what the build argument MODEL must be for the model that was added, if one was.
    """

    files: Mapping[str, str]
    model: str | None = None

    def digest(self) -> str:
        """SHA-256 over names and contents: the same for a checkout and the wheel made from it."""
        lines = [f"{sha256_of(path)}  {name}\n" for name, path in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @contextmanager
    def archive(self) -> Iterator[IO[bytes]]:
        """A tar of it, in a temporary file; equal contents give equal bytes."""
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for folder in sorted({above for name in self.files for above in _above(name)}):
                    archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
                for name, path in sorted(self.files.items()):
                    entry = _entry(name, tarfile.REGTYPE, 0o644)
                    with open(path, "rb") as content:
                        entry.size = os.fstat(content.fileno()).st_size
                        archive.addfile(entry, content)
            file.seek(0)
            yield file


def find(model: str | None = None, package: str | None = None) -> BuildContext:
    """The context of this `offload`, or of the one in the folder `package`.

    `model`, a `.tflite` file or a SavedModel folder, goes with it.

    Raises:
        OffloadError: the package was installed without the project's files.
    """
    package = package or str(resources.files("offload"))
    home = _Home(package)
    listed, dropped = _listed(home.path(_IGNORE_FILE))
    files: dict[str, str] = {}
    for name in listed:
        files |= dict(_below(name, home.path(name), dropped))
    files = {name: path for name, path in files.items() if not name.startswith(_SHIPPED)}
    if model is None:
        return BuildContext(files)
    name = f"{MODELS}/{os.path.basename(os.path.abspath(model))}"
    return BuildContext(files | dict(_below(name, model, dropped)), name)


@dataclass(frozen=True, slots=True)
class _Home:
    """Where the project's files are: around the package, or inside it."""

    package: str

    def path(self, name: str) -> str:
        around = os.path.dirname(self.package)
        if all(os.path.exists(f"{around}/{n}") for n in ("Dockerfile", "pyproject.toml")):
            return os.path.join(around, name)
        inside = {"offload": "", "examples/images": "examples"}.get(name, f"project/{name}")
        return os.path.join(self.package, inside)


def _listed(ignore_file: str) -> tuple[list[str], set[str]]:
    """The names that are let in, and those that are kept out wherever they turn up."""
    try:
        with open(ignore_file, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise OffloadError(
            "This offload was installed without the files that its image is built from.",
            hint="To install it whole: pip install --force-reinstall --no-deps offload",
        ) from error
    names = [line[1:] for line in lines if line.startswith("!") and line != f"!{MODELS}"]
    return names, {line[3:] for line in lines if line.startswith("**/")}


def _below(name: str, path: str, dropped: set[str]) -> Iterator[tuple[str, str]]:
    """A file, or all files of a folder, with their names in the context."""
    if os.path.isfile(path):
        yield name, path
    for parent, folders, files in os.walk(path):
        folders[:] = [folder for folder in folders if folder not in dropped]
        inside = os.path.relpath(parent, path).replace(os.sep, "/")
        for file in files:
            yield f"{name}/{inside}/{file}".replace("/./", "/"), os.path.join(parent, file)


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, _TIME_S
    return entry
