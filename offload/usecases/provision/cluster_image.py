"""How our image gets into a cluster: through a registry, or loaded into one on this machine."""

import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.measurements import StartPhase
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.drivers.host import processes
from offload.drivers.kubernetes.cluster import Cluster
from offload.providers.config import Phases
from offload.usecases.context import Context

_ARCHES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}
_OURS = "offload"
_SHARED = {"docker-desktop", "docker-for-desktop", "orbstack"}
"""Contexts whose clusters have the images of this machine's engine."""
_BY_NAME = {
    "kind": ("kind", "load", "docker-image", "{}", "--name"),
    "k3d": ("k3d", "image", "import", "{}", "--cluster"),
}
"""What begins the name of a context -> the command that takes the rest of it."""
_FILE = "FILE"
"""Stands for the image as a file in a command."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The image of a deployment, what the nodes that it is for are called (None: any), and how it
    gets there: `way` is `present`, `pushed` or `loaded`, by `command` if that is one.
    """

    name: str
    arch: str | None
    way: str
    command: tuple[str, ...] = ()


def delivery(image: ModelImage, registry: str | None, cluster: Cluster | None) -> Delivery:
    """How pods get the `image`.

    Raises:
        UsageError: there is no way.
    """
    arch = _arch()
    if registry is not None:
        return Delivery(f"{registry}:{image.tag}-{arch}", arch, "pushed")
    name, command = f"{_OURS}:{image.tag}", _loading(cluster)
    if command is None:
        where = f" {cluster.context}" if cluster else ""
        raise UsageError(
            f"The container image has no way into the cluster{where}, which is none of kind, k3d, "
            "minikube or k3s on this machine.",
            hint="To push it: --registry HOST/NAME; to use one that is there: --container-image "
            "IMAGE",
        )
    return Delivery(name, arch, "loaded", tuple(word.format(name) for word in command))


def deliver(to: Delivery, image: ModelImage, context: Context, phases: Phases) -> None:
    """Have the image built, and sent where pods get it from.

    Raises:
        OffloadError: it cannot be.
    """
    repository, _, tag = to.name.rpartition(":")
    with Engine.connected() as engine:
        if not image.is_current(engine):
            with phases.of(StartPhase.BUILD):
                image.build(engine, context.reporter.step)
        with phases.of(StartPhase.IMAGE):
            if to.way == "pushed":
                engine.push(image.name, repository, tag, None, context.reporter.sent)
                return
            engine.tag(image.name, repository, tag)
            if to.command:
                _load(to, engine, context)


def _load(to: Delivery, engine: Engine, context: Context) -> None:
    with tempfile.TemporaryDirectory(prefix="offload-") as folder:
        path = os.path.join(folder, "image.tar")
        if _FILE in to.command:
            with open(path, "wb") as file:
                file.writelines(engine.saved(to.name, context.reporter.sent))
        words = [path if word == _FILE else word for word in to.command]
        try:
            code, said = processes.run(words, os.environ)
        except OSError as error:
            raise OffloadError(
                f"{words[0]} cannot be run: {error.strerror}.",
                hint="To do without it: --registry HOST/NAME",
            ) from error
    if code:
        raise OffloadError(
            f"{' '.join(words[:4])} ended with exit code {code}: {said}",
            hint=f"To see more: {' '.join(words)}",
        )


def _loading(cluster: Cluster | None) -> Sequence[str] | None:
    """The command that loads the image `{}` into a cluster that is recognised; empty where nothing
    has to be.
    """
    name = cluster.context if cluster else ""
    if cluster is None or name in _SHARED:
        return ()
    kind, _, of = name.partition("-")
    if kind in _BY_NAME and of:
        return *_BY_NAME[kind], of
    nodes = []
    with suppress(PlaceUnavailable):  # not everybody may see them
        nodes = cluster.items("/api/v1/nodes")
    if any("minikube.k8s.io/name" in (node["metadata"].get("labels") or {}) for node in nodes):
        return "minikube", "image", "load", "{}", "--profile", name
    versions = [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes]
    is_k3s = len(nodes) == 1 and "+k3s" in versions[0] and shutil.which("k3s")
    return ("sudo", "-n", "k3s", "ctr", "images", "import", _FILE) if is_k3s else None


def _arch() -> str:
    """What this machine's images are for, in the words of Kubernetes."""
    arch = platform.machine()
    with suppress(PlaceUnavailable), Engine.connected(timeout_s=3) as engine:
        arch = engine.arch
    return _ARCHES.get(arch, arch)
