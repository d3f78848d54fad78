"""The container image that has a model in it, of a function or of a server in a cluster."""

import os

from offload.detectors.catalogue import BUILTIN, NAMED
from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError
from offload.drivers.docker.own_image import ModelImage


def image_of(model: ModelSource, target: str) -> ModelImage:
    """That with this model, for a `target` of the Dockerfile: named ones are pulled as it is built,
    others go into it as they are here.

    Raises:
        UsageError: the model is a folder.
    """
    name, runtime, sha256 = model.identity.name, model.identity.runtime, model.identity.sha256
    if name == BUILTIN or name in NAMED:
        return ModelImage(runtime, name, sha256, None, target)
    if os.path.isdir(model.path):
        raise UsageError(
            f"The model {name} is a folder, and a container image takes models of one file.",
            hint="To see those that do: offload models list",
        )
    inside = f"models/{os.path.basename(model.path)}"
    return ModelImage(runtime, inside, sha256, model.path, target)
