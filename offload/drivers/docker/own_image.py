"""The image of our own server: its name, what it is built from, whether it is that of our source.

It is built from the checkout, or what the wheel carries of it. .dockerignore is the one list; the
models of the user's own that it lets in are not ours to send. Where no engine answers, or our image
has no such runtime, PlaceUnavailable is raised; where offload was installed without what its image
is built from, or that cannot be built, OffloadError.
"""

import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import IO

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.drivers.docker.engine import Engine
from offload.drivers.folders.files import chunks, sha256_of_all

BASE = "python:3.11-slim"
"""What the Dockerfile builds on, unless it is told otherwise."""
SOURCE = "offload.source"
"""The label with the digest of what an image was built from."""

_MODEL = "offload.model"
"""The label with the SHA-256 of the model in an image."""
_NOTHING: Mapping[str, str] = {}
_RUNTIMES = {"tflite": "tflite", "savedmodel": "tensorflow", "onnx": "onnx"}
_LIST = ".dockerignore"
_NOT_OURS = "models"
_PICTURES = "examples/images"
_SHIPPED = ("offload/project/", "offload/examples/")
"""What the wheel adds to the package."""
_TIME_S = 315_532_800
"""1980: the wheel that is built of it is a zip archive, which knows no earlier time."""


@dataclass(frozen=True)
class OwnImage:
    """Our image with the runtime that the model takes."""

    model_runtime: str

    @property
    def runtime(self) -> str:
        """What the Dockerfile calls the runtime."""
        if self.model_runtime not in _RUNTIMES:
            raise PlaceUnavailable(
                f"The container image of offload has no runtime {self.model_runtime}.",
                hint="To use one of your own that has it: --where container --container-image NAME",
            )
        return _RUNTIMES[self.model_runtime]

    @property
    def name(self) -> str:
        """What engines call it."""
        return "offload" if self.runtime == "tflite" else f"offload:{self.runtime}"

    @cached_property
    def digest(self) -> str:
        """Of the source that it is built from."""
        return digest()

    def context(self) -> Iterator[bytes]:
        """What it is built from, as a tar stream."""
        with opened() as stream:
            yield from chunks(stream)

    @property
    def arguments(self) -> dict[str, str]:
        """What the Dockerfile is told."""
        return {"RUNTIME": self.runtime}

    @property
    def labels(self) -> dict[str, str]:
        """What says what it was built from."""
        return {SOURCE: self.digest}

    @property
    def more(self) -> Mapping[str, str]:
        """Files that it is built from besides, by their names in the context."""
        return _NOTHING

    def is_current(self, engine: Engine) -> bool:
        """Whether the engine has it, of this source or built by hand, which we take at its word."""
        labels = engine.image_labels(self.name)
        return labels is not None and labels.get(SOURCE, self.digest) == self.digest

    def build(self, engine: Engine, follow: Callable[[str], None]) -> None:
        """Have the engine build it, and remove the one that had its name, if that was our build."""
        is_ours = SOURCE in (engine.image_labels(self.name) or {})
        before = engine.image_id(self.name) if is_ours else None
        with opened(more=self.more) as context:
            engine.build(context, self.name, self.arguments, self.labels, follow)
        if before is not None:
            engine.remove_unnamed(before)

    def is_marked(self) -> bool:
        """Whether this machine's engine has that of just this source, and it says so: others have
        to know it again.
        """
        with Engine.connected() as engine:
            return (engine.image_labels(self.name) or {}).get(SOURCE) == self.digest

    def make(self, follow: Callable[[str], None]) -> None:
        """Have this machine's engine build it."""
        with Engine.connected() as engine:
            self.build(engine, follow)

    def saved(self, on_bytes: Callable[[int, int | None], None]) -> Iterator[bytes]:
        """As this machine's engine has it, compressed; `on_bytes` is told as by `Engine.saved`."""
        pack = zlib.compressobj(level=1, wbits=31)  # as fast as gzip can
        with Engine.connected() as engine:
            yield from map(pack.compress, engine.saved(self.name, on_bytes))
        yield pack.flush()


@dataclass(frozen=True)
class ModelImage(OwnImage):
    """The same as the Dockerfile's TARGET `aws`, for a function of Lambda or a fleet's machine, or
    `server`, for a cluster, with its model in it: one that MODEL names, or a `file` of this disk;
    `sha256` is the model's.
    """

    model: str
    sha256: str
    file: str | None
    target: str

    @property
    def name(self) -> str:
        """What engines call it."""
        return f"offload:{self.target}"

    @property
    def tag(self) -> str:
        """What a registry calls it: what it was built from, and its model."""
        return f"{self.digest[:16]}-{self.sha256[:8]}"

    @property
    def arguments(self) -> dict[str, str]:
        """What the Dockerfile is told."""
        return {**super().arguments, "TARGET": self.target, "MODEL": self.model}

    @property
    def labels(self) -> dict[str, str]:
        """What says what it was built from."""
        return {**super().labels, _MODEL: self.sha256}

    @property
    def more(self) -> Mapping[str, str]:
        """The model, if it is a file of this disk."""
        return {self.model: self.file} if self.file else _NOTHING

    def is_current(self, engine: Engine) -> bool:
        """Whether the engine has it, of this source and with this model."""
        return self.labels.items() <= (engine.image_labels(self.name) or {}).items()


def files(package: str | None = None) -> Mapping[str, str]:
    """Name in the context -> file on this disk, in order of names.

    `package` is the folder of the `offload` that the image is to run, else this one.
    """
    package = package or str(resources.files("offload"))
    listed, dropped = _listed(_located(package, _LIST))
    found = {
        name: path
        for entry in listed
        for name, path in _below(entry, _located(package, entry), dropped)
        if not name.startswith(_SHIPPED)
    }
    return dict(sorted(found.items()))


def digest(package: str | None = None) -> str:
    """SHA-256 over names and contents: the same for a checkout and the wheel made from it."""
    return sha256_of_all(files(package))


@contextmanager
def opened(package: str | None = None, more: Mapping[str, str] = _NOTHING) -> Iterator[IO[bytes]]:
    """The context as a tar stream, with `more` files in it by their names there; equal contents
    give equal bytes, whatever their time stamps.
    """
    found = dict(sorted({**files(package), **more}.items()))
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            above = {str(folder) for name in found for folder in PurePosixPath(name).parents}
            for folder in sorted(above - {"."}):
                archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
            for name, path in found.items():
                entry = _entry(name, tarfile.REGTYPE, 0o644)
                with open(path, "rb") as file:
                    entry.size = os.fstat(file.fileno()).st_size
                    archive.addfile(entry, file)
        stream.seek(0)
        yield stream


def _located(package: str, name: str) -> str:
    """Where a name of the list is: around the package in a checkout, else inside it."""
    around = os.path.dirname(package)
    if all(os.path.exists(os.path.join(around, n)) for n in ("Dockerfile", "pyproject.toml")):
        return os.path.join(around, name)
    inside = {"offload": "", _PICTURES: "examples"}.get(name, os.path.join("project", name))
    return os.path.join(package, inside)


def _listed(path: str) -> tuple[list[str], set[str]]:
    """The names that are let in, and those that are kept out wherever they turn up."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise OffloadError(
            "This offload was installed without the files to build its container image.",
            hint="To reinstall it: pip install --force-reinstall --no-deps offload",
        ) from error
    listed = [line[1:] for line in lines if line.startswith("!")]
    dropped = {line[3:] for line in lines if line.startswith("**/")}
    return [name for name in listed if name != _NOT_OURS], dropped


def _below(name: str, path: str, dropped: set[str]) -> Iterator[tuple[str, str]]:
    """A file, or all files of a folder, with their names in the context."""
    root = Path(path)
    for file in [root] if root.is_file() else root.rglob("*"):
        inside = file.relative_to(root)
        if file.is_file() and dropped.isdisjoint(inside.parts):
            yield str(PurePosixPath(name, *inside.parts)), str(file)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, _TIME_S
    return entry
