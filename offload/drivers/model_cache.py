"""The folder of downloaded models: fetched once, checked before every use."""

import json
import os
import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace

from offload.domain.errors import ModelError
from offload.domain.typed import read
from offload.drivers.folders import files
from offload.drivers.http import web

_MANIFEST = "manifest.json"
_SILENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Cached:
    """A model on disk: a `.tflite` file or a SavedModel folder, and where it came from."""

    name: str
    path: str
    url: str
    sha256: str
    bytes: int
    fetched_at: str


class ModelCache:
    """Models below one folder, each with a manifest that records its SHA-256 when it first came."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._silence_mark = os.path.join(folder, "hub-silent")

    def get(self, name: str) -> Cached | None:
        """The model called `name`, if it is here and still what came.

        Raises:
            ModelError: its bytes have changed since.
        """
        cached = self._manifest(name)
        if cached is None:
            return None
        if not os.path.exists(cached.path) or files.sha256_of(cached.path) != cached.sha256:
            raise ModelError(
                f"The cached model {name} is not what was downloaded: its SHA-256 differs.",
                hint=f"To fetch it again: offload models pull {name} --force",
            )
        return cached

    def all(self) -> Iterator[Cached]:
        """Every model here, by name, unchecked."""
        with suppress(OSError):
            for name in sorted(os.listdir(self.folder)):
                if cached := self._manifest(name):
                    yield cached

    def fetch(self, name: str, url: str, on_bytes: web.OnBytes, *, force: bool = False) -> Cached:
        """Download `url` as `name` unless it is here; archives (`.tar.gz`) are unpacked.

        Processes that want the same model wait for the first one. A transfer that broke off goes on
        where it stopped. A model that was here before must come with the SHA-256 it had.

        Raises:
            web.Unreachable: the server does not deliver.
            ModelError: what came is damaged, not what came the first time, or cannot be stored.
        """
        home, said = self._home(name), f"The model cache {self.folder} cannot be written"
        hint = "To keep models elsewhere: export OFFLOAD_CACHE=DIR"
        with ExitStack() as stack:
            stack.enter_context(files.explained(said, hint, ModelError))
            os.makedirs(home, exist_ok=True)
            stack.enter_context(files.locked(f"{home}.lock"))
            before = self._manifest(name)
            if before and not force and os.path.exists(before.path):
                return before
            part = os.path.join(home, "download.part")
            web.download(url, part, on_bytes)
            fresh = _unpack(part, home)
            found = files.sha256_of(fresh)
            shown = web.without_secrets(url)
            if before and before.url == shown and before.sha256 != found:
                _remove(fresh)
                raise ModelError(
                    f"{shown} now delivers other bytes than when {name} was first downloaded "
                    f"(SHA-256 {found[:12]}… instead of {before.sha256[:12]}…).",
                    hint=f"If you trust the change: rm -r {home} && offload models pull {name}",
                )
            path = os.path.join(home, "saved_model" if os.path.isdir(fresh) else "model.tflite")
            _remove(path)
            os.replace(fresh, path)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            cached = Cached(name, path, shown, found, files.size_bytes(path), now)
            manifest = asdict(cached) | {"path": os.path.relpath(path, home)}
            files.write_json(os.path.join(home, _MANIFEST), manifest)
            return cached

    def hub_is_silent(self) -> bool:
        """Whether the hub was found unreachable less than an hour ago."""
        with suppress(OSError):
            return 0 <= time.time() - os.path.getmtime(self._silence_mark) < _SILENCE_S
        return False

    def note_hub(self, *, silent: bool) -> None:
        """Remember that the hub did not answer, or that it did."""
        with suppress(OSError):  # an unwritable cache only costs the wait next time
            if silent:
                files.atomic_write_bytes(self._silence_mark, b"")
            else:
                os.remove(self._silence_mark)

    def _home(self, name: str) -> str:
        """The folder of a model whose name may be a hub handle or a URL."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "--", name.partition("://")[2] or name)
        return os.path.join(self.folder, plain)

    def _manifest(self, name: str) -> Cached | None:
        home = self._home(name)
        path = os.path.join(home, _MANIFEST)
        with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            cached = read(Cached, json.load(file))
            return replace(cached, path=os.path.join(home, cached.path))
        return None


def is_tflite(path: str) -> bool:
    """Whether the file begins as a TensorFlow Lite model does."""
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"TFL3"


def _unpack(part: str, home: str) -> str:
    """The finished download, checked: a `.tflite` file, or the folder that an archive held."""
    with suppress(OSError):
        os.remove(part + ".etag")
    try:
        if not tarfile.is_tarfile(part):
            if not is_tflite(part):
                raise OSError("it is neither a .tflite file nor an archive")
            return part
        fresh = os.path.join(home, "unpacking")
        _remove(fresh)
        with tarfile.open(part) as archive:
            archive.extractall(fresh, filter="data")
            while archive.fileobj and archive.fileobj.read(1 << 20):
                pass  # the checksum stands at the end, where unpacking never looks
        if not os.path.exists(os.path.join(fresh, "saved_model.pb")):
            raise OSError("the archive holds no saved_model.pb")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        _remove(part)
        raise ModelError(f"What was downloaded is damaged: {error}.") from error
    os.remove(part)
    return fresh


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)
