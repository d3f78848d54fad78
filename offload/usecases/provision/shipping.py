"""What is sent to a rented machine: our image, the model, the names of its classes."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial

from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.drivers.docker import build_context, own_image
from offload.drivers.folders import archives
from offload.drivers.folders.machine_files import MachineRecord
from offload.usecases.provision.deploy import ContainerImage, ModelFiles, Way


def way(text: str) -> Way:
    """How the image is to get to the machine."""
    ways: dict[str, Way] = {"build": "build", "stream": "stream"}
    return ways.get(text, "auto")


def image(model: ModelSource, can_send: bool, follow: Callable[[str], None]) -> ContainerImage:
    """Our image with the runtime that the model takes; `can_send` says that the engine here may
    make it.
    """
    runtime = model.runtime

    def context() -> Iterator[bytes]:
        with build_context.opened() as stream:
            yield from archives.chunks(stream)

    return ContainerImage(
        name=own_image.name(runtime),
        runtime=own_image.runtime(runtime),
        digest=build_context.digest(),
        context=context,
        saved=partial(own_image.saved, runtime) if can_send else None,
        is_current=partial(own_image.is_marked, runtime),
        make=partial(own_image.make, runtime, follow),
    )


def cargo(model: ModelSource, record: MachineRecord, cache: str) -> ModelFiles:
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
    return ModelFiles(key[:16], packed, settings, tuple(options))
