"""What is sent to a rented machine: our image, the model, the names of its classes."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial

from offload.app.equip import Cargo, Image, Way
from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.drivers import archives, buildcontext, ownimage
from offload.drivers.machinefiles import Record


def way(text: str) -> Way:
    """How the image is to get to the machine."""
    ways: dict[str, Way] = {"build": "build", "stream": "stream"}
    return ways.get(text, "auto")


def image(model: ModelSource, can_send: bool, follow: Callable[[str], None]) -> Image:
    """Our image with the runtime that the model takes; `can_send` says that the engine here may
    make it.
    """
    runtime = model.runtime

    def context() -> Iterator[bytes]:
        with buildcontext.opened() as stream:
            yield from archives.chunks(stream)

    return Image(
        name=ownimage.name(runtime),
        runtime=ownimage.runtime(runtime),
        digest=buildcontext.digest(),
        context=context,
        saved=partial(ownimage.saved, runtime) if can_send else None,
        is_current=partial(ownimage.is_marked, runtime),
        make=partial(ownimage.make, runtime, follow),
    )


def cargo(model: ModelSource, record: Record, cache: str) -> Cargo:
    """The files that the server needs: the model as it lies here, and the names of its classes."""
    files: dict[str, str] = {}
    settings = {"OFFLOAD_MODEL": BUILTIN}
    options: list[str] = []
    path = os.path.abspath(model.path)
    if model.identity.name != BUILTIN:
        inside = os.path.abspath(cache) + os.sep
        if path.startswith(inside):  # a model of our cache is known there by its name
            home = path.removeprefix(inside).split(os.sep)[0]
            files[f"models/{home}"] = os.path.join(inside, home)
            name = record.model or model.identity.name
            settings = {"OFFLOAD_MODEL": name, "OFFLOAD_CACHE": "/cargo"}
        else:
            files[os.path.basename(path)] = path
            settings = {"OFFLOAD_MODEL": f"/cargo/{os.path.basename(path)}"}
    if record.labels is not None:
        files["labels.txt"] = os.path.abspath(record.labels)
        options = ["--labels", "/cargo/labels.txt"]
    labels = sorted(model.labels.items())
    key = hashlib.sha256(f"{model.identity.sha256} {sorted(files)} {labels}".encode()).hexdigest()
    packed = (lambda: archives.packed(files)) if files else None
    return Cargo(key[:16], packed, settings, tuple(options))
