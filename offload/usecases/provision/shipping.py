"""What is sent to a rented machine: our image, the model, the names of its classes."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from offload.detectors.source import ModelSource
from offload.drivers.docker import build_context, own_image
from offload.drivers.folders import archives
from offload.drivers.folders.machine_files import MachineRecord
from offload.providers.served_files import served_files
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
    needed = served_files(model, record.model, record.labels, cache)
    labels = sorted(model.labels.items())
    text = f"{model.identity.sha256} {sorted(needed.files)} {labels}"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    packed = (lambda: archives.packed(needed.files)) if needed.files else None
    return ModelFiles(key, packed, needed.settings, needed.options)
