"""The container image that has a model in it, of a function, a fleet or a server in a cluster."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from offload.detectors.catalogue import BUILTIN, NAMED
from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError
from offload.domain.events import PhaseBegan, Reporter
from offload.domain.measurements import StartPhase
from offload.drivers.aws.repositories import Repository
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.usecases.provision import deploy

Engines = Callable[[], AbstractContextManager[Engine]]
Prepared = Callable[[], Repository]


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


def pushed(image: ModelImage, engine: Engine, into: Prepared, reporter: Reporter) -> str:
    """The address of the image in a repository of the account, built and sent unless it is there.
    The repository is asked for once there is something to put into it.
    """
    reporter.emit(PhaseBegan(StartPhase.BUILD))
    if not image.is_current(engine):
        image.build(engine, reporter.step)
    reporter.emit(PhaseBegan(StartPhase.IMAGE))
    repository, tag = into(), f"{image.tag}-{engine.arch}"
    address = repository.address()
    if not repository.has(tag):
        engine.push(image.name, address, tag, repository.login(), reporter.sent)
    return f"{address}:{tag}"


def pushed_for(
    arch: str, image: ModelImage, engines: Engines, into: Prepared, reporter: Reporter
) -> str:
    """The same, by the engine here, for machines of a processor.

    Raises:
        UsageError: the engine makes images for another one.
    """
    with engines() as engine:
        if engine.arch != arch:
            raise deploy.of_another_kind(engine.arch, arch)
        return pushed(image, engine, into, reporter)
