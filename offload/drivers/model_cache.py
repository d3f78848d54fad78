"""The folder of downloaded models: fetched once, checked before every use."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace

from offload.domain.errors import ModelError
from offload.domain.typed import read
from offload.drivers.folders import archive, files
from offload.drivers.http import web

MAX_BYTES = 2**31
"""What a model weighs at most, packed and unpacked; no `.tflite` or `.onnx` file can weigh more."""

_MANIFEST = "model.json"
_SILENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Cached:
    """A model on disk: a `.tflite` or `.onnx` file or a SavedModel, and where it came from."""

    name: str
    path: str
    url: str
    sha256: str
    bytes: int
    fetched_at: str


class ModelCache:
    """Models below one folder, each with a manifest that records its SHA-256 when it first came.

    Where the SHA-256 of a model is `known`, it is never another one.
    """

    def __init__(self, folder: str, most_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._silence_mark = os.path.join(folder, "hub-silent")

    def get(self, name: str, known: str = "") -> Cached | None:
        """The model called `name`, if it is here and still what came.

        Raises:
            ModelError: its bytes have changed since.
        """
        cached = _manifest(self._home(name))
        if cached is None:
            return None
        found = files.sha256_of(cached.path) if os.path.exists(cached.path) else ""
        if not found == cached.sha256 == (known or found):
            shown = web.without_secrets(name)
            raise ModelError(
                f"The cached model {shown} has changed since its download: its SHA-256 differs.",
                hint=f"To fetch it again: offload models pull {shown} --force",
            )
        return cached

    def all(self) -> Iterator[Cached]:
        """Every model here, by name, unchecked."""
        with suppress(OSError):
            for entry in sorted(os.listdir(self.folder)):
                if cached := _manifest(os.path.join(self.folder, entry)):
                    yield cached

    def fetch(
        self, name: str, url: str, on_bytes: web.OnBytes, known: str = "", *,
        force: bool = False,
    ) -> Cached:  # fmt: skip
        """Download `url` as `name` unless it is here; archives (`.tar.gz`) are unpacked.

        Processes that want the same model wait for the first one. A transfer that broke off goes on
        where it stopped. A model that was here before must come with the SHA-256 it had.

        Raises:
            web.Unreachable: the server does not deliver, or too much.
            ModelError: what came is damaged, not what it should be, or cannot be stored.
        """
        home, said = self._home(name), f"The model cache {self.folder} cannot be written"
        hint = "To keep models elsewhere: export OFFLOAD_CACHE=DIR"
        with ExitStack() as stack:
            stack.enter_context(files.explained(said, hint, ModelError))
            os.makedirs(home, exist_ok=True)
            stack.enter_context(files.locked(f"{home}.lock"))
            before = _manifest(home)
            if before and not force and os.path.exists(before.path):
                return before
            part, unpacked = (os.path.join(home, each) for each in ("download.part", "unpacking"))
            stack.callback(_remove, unpacked)
            web.download(url, part, on_bytes, self._most_bytes)
            fresh = self._unpack(part, unpacked)
            cached = _described(fresh, home, name, url)
            _compare(cached, before, known, fresh)
            _remove(cached.path)
            os.replace(fresh, cached.path)
            manifest = asdict(cached) | {"path": os.path.relpath(cached.path, home)}
            files.write_json(os.path.join(home, _MANIFEST), manifest)
            return cached

    def unpacked(self, path: str) -> str:
        """The model in an archive of this disk, taken out once.

        Raises:
            ModelError: the archive is damaged, or holds none.
        """
        home = os.path.join(self.folder, files.sha256_of(path))
        said = f"The model cache {self.folder} cannot be written"
        with ExitStack() as stack:
            stack.enter_context(files.explained(said, "", ModelError))
            os.makedirs(self.folder, exist_ok=True)
            stack.enter_context(files.locked(f"{home}.lock"))
            fresh = os.path.join(self.folder, f"{os.path.basename(home)}.part")
            try:
                if not os.path.isdir(home):
                    _remove(fresh)
                    archive.unpack(path, fresh, self._most_bytes)
                    model_in(fresh)
                    os.replace(fresh, home)
                return model_in(home)
            except ValueError as error:
                raise ModelError(f"{path} is no archive of a model: {error}.") from error
            finally:
                _remove(fresh)

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
        """The folder of a model with a short name, or with that of a hub or URL."""
        address = os.fsencode(web.without_user(name))
        plain = hashlib.sha256(address).hexdigest() if "/" in name else name
        return os.path.join(self.folder, plain)

    def _unpack(self, part: str, unpacked: str) -> str:
        """The finished download, checked: a model's file, or the folder that an archive held."""
        with suppress(OSError):
            os.remove(part + ".etag")
        if is_tflite(part) or is_onnx(part):
            return part
        try:
            if not archive.is_archive(part):
                raise ValueError("it is neither a model nor an archive")
            _remove(unpacked)
            archive.unpack(part, unpacked, self._most_bytes)
            return model_in(unpacked)
        except ValueError as error:
            raise ModelError(f"The download is damaged: {error}.") from error
        finally:
            _remove(part)


def model_in(folder: str) -> str:
    """The one model that a folder holds, at whatever depth: a SavedModel, or a `.tflite` or `.onnx`
    file.

    Raises:
        ValueError: it holds none, or several.
    """
    found = []
    for at, folders, names in os.walk(folder):
        if "saved_model.pb" in names:
            found.append(at)
            folders.clear()
        else:
            found += [os.path.join(at, n) for n in names if n.endswith((".tflite", ".onnx"))]
    if len(found) == 1:
        return found[0]
    several = ", ".join(sorted(os.path.relpath(each, folder) for each in found))
    raise ValueError(f"it holds several: {several}" if found else "it holds none")


def _manifest(home: str) -> Cached | None:
    path = os.path.join(home, _MANIFEST)
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        cached = read(Cached, json.load(file))
        return replace(cached, path=os.path.join(home, cached.path))
    return None


def _described(fresh: str, home: str, name: str, url: str) -> Cached:
    """What came as `fresh`, as it will lie below `home`."""
    path = os.path.join(home, _kept_as(fresh))
    shown, now = web.without_secrets(url), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    name, found = web.without_secrets(name), files.sha256_of(fresh)
    return Cached(name, path, shown, found, files.size_bytes(fresh), now)


def _compare(cached: Cached, before: Cached | None, known: str, fresh: str) -> None:
    """ModelError, and `fresh` gone, if it is not what is known or what the same address gave."""
    if known:
        wanted, said = known, f"are known as {cached.name}"
        hint = "If you trust them, download them yourself and name the file: --model FILE"
    elif before and before.url == cached.url:
        wanted, said = before.sha256, f"when {cached.name} was first downloaded"
        home = os.path.dirname(cached.path)
        hint = f"If you trust the change: rm -r {home} && offload models pull {cached.name}"
    else:
        return
    if cached.sha256 != wanted:
        _remove(fresh)
        raise ModelError(
            f"{cached.url} delivers different bytes than {said} "
            f"(SHA-256 {cached.sha256[:12]}… instead of {wanted[:12]}…).",
            hint=hint,
        )


def is_tflite(path: str) -> bool:
    """Whether the file begins as a TensorFlow Lite model does."""
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"TFL3"


def is_onnx(path: str) -> bool:
    """Whether the file begins as an ONNX model does: with the version of its format."""
    with open(path, "rb") as file:
        head = file.read(3)
    return head[:1] == b"\x08" and head[2:] in {b"\x12", b":", b"B"}


def runtime_of(path: str) -> str:
    """What runs a model of ours that is kept there."""
    return {".tflite": "tflite", ".onnx": "onnx"}.get(os.path.splitext(path)[1], "savedmodel")


def _kept_as(fresh: str) -> str:
    if os.path.isdir(fresh):
        return "saved_model"
    return "model.onnx" if is_onnx(fresh) else "model.tflite"


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)
