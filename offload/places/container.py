"""A container on this machine: the same server, behind a port of this machine's loopback."""

import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable
from offload.domain.vision import Selection
from offload.drivers import imagefiles, ownimage
from offload.drivers.connections import Server
from offload.drivers.engine import Engine, Running, Wanted
from offload.drivers.web import Unreachable
from offload.places.kit import Kit
from offload.service import wire
from offload.service.client.greeting import Address, ask, expect
from offload.service.client.session import ServerSession
from offload.version import __version__

SPEC = "offload.spec"
"""The label that tells whether a container is what is wanted now."""

_RUNTIME, _KEPT = "offload.runtime", "offload.kept"
_PORT = 8080
_PATIENCE_S = 60.0
_POLL_S = 0.01


def make(kit: Kit) -> "Container":
    """A container of our image with the model that is asked for, or the default one."""
    return Container(kit, kit.resolve(kit.asked))


@dataclass(frozen=True, slots=True)
class Container:
    """Brought up hardened, with its phases timed; gone when the job is, unless it is to stay."""

    kit: Kit
    model: ModelSource
    name: str = "container"

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator[ServerSession]:
        """Find one that stayed, or start one.

        Raises:
            PlaceUnavailable: no engine answers, or the container does not come up.
            OffloadError: its image cannot be built.
        """
        del images
        kit = self.kit
        phases: dict[str, float] = {}
        with ExitStack() as stack:
            engine = stack.enter_context(Engine.connected())
            if not engine.is_here:
                raise PlaceUnavailable(
                    "The Docker engine that DOCKER_HOST names is on another machine, and so would "
                    "be the container's port.",
                    hint="There: offload serve; here: --where remote --url …",
                )
            leaving: list[str] = []  # containers that go when we do
            stack.callback(_remove, engine, leaving)
            container = self._up(engine, stack, phases, leaving)
            address = kit.link.address(
                f"http://127.0.0.1:{container.port}", container.environment["OFFLOAD_TOKEN"]
            )
            address = replace(address, hint=f"To see why: docker logs {container.name}")
            server = stack.enter_context(closing(address.connect(kit.clock)))
            self._wait(engine, container, server, phases)
            info = self._ready(engine, container, server, address)
            expect(info, self.model, f"the container {container.name}")
            if kit.box.keep:
                leaving.clear()
            if phases:
                phases |= {"load": info.startup["load_s"], "warm-up": info.startup["warm_up_s"]}
            info = replace(info, identity=self.model.identity)
            yield ServerSession(
                server, address, info, selection, kit.max_pixels, kit.link.upload.prepare,
                kit.clock, phases,
            )  # fmt: skip

    def _up(
        self, engine: Engine, stack: ExitStack, phases: dict[str, float], leaving: list[str]
    ) -> Running:
        """A container as wanted: one that was kept, or a new one, which is added to `leaving`."""
        kit = self.kit
        image = self._image(engine, phases)
        wanted = self._wanted(image, engine.image_id(image), stack)
        for found in engine.ours():
            same = found.labels.get(SPEC) == wanted.labels[SPEC]
            if same and found.state == "running" and _KEPT in found.labels:
                return found
        began_s = kit.clock()
        container_id = engine.create(wanted)
        leaving.append(container_id)
        phases["create"] = kit.clock() - began_s
        began_s = kit.clock()
        engine.start(container_id)
        phases["start"] = kit.clock() - began_s
        running = engine.look(container_id)
        if running is None or running.port is None:
            raise self._gone(engine, container_id)
        return running

    def _wait(
        self, engine: Engine, container: Running, server: Server, phases: dict[str, float]
    ) -> None:
        """Until the server in it answers at all; adds that to the phase `start`."""
        began_s = self.kit.clock()
        while True:
            try:
                server.request("GET", wire.LIVE)
                break
            except Unreachable as error:
                now = engine.look(container.id)
                late = self.kit.clock() - began_s > _PATIENCE_S
                if late or now is None or now.state != "running":
                    raise self._gone(engine, container.id) from error
                time.sleep(_POLL_S)
        if phases:
            phases["start"] += self.kit.clock() - began_s

    def _ready(
        self, engine: Engine, container: Running, server: Server, address: Address
    ) -> wire.Info:
        patient = replace(address, timeout_s=max(address.timeout_s, _PATIENCE_S))
        try:
            return ask(server, patient)
        except PlaceUnavailable as error:
            now = engine.look(container.id)
            if now is None or now.state != "running":
                raise self._gone(engine, container.id) from error
            raise

    def _gone(self, engine: Engine, container_id: str) -> PlaceUnavailable:
        """Why a container is not up, in its own last words if it had any."""
        now = engine.look(container_id)
        if now is not None and now.starved:
            return PlaceUnavailable(
                f"The container was killed: its memory limit, {self.kit.box.memory}, is too small.",
                hint="For instance: --memory 512m",
            )
        said = engine.logs(container_id).strip().splitlines() if now else []
        errors = [line for line in said if line.startswith("error: ")] or said[-1:]
        last = f" It said: {errors[-1]}" if errors else ""
        return PlaceUnavailable(
            f"The container did not come up.{last}",
            hint=f"To build its image anew: docker rmi {self._name()}; without it: --where local",
        )

    def _image(self, engine: Engine, phases: dict[str, float]) -> str:
        """The image to start: the one named, else ours, built if it is not there or outdated."""
        box = self.kit.box
        if box.image is not None:
            labels = engine.image_labels(box.image)
            if labels is None or _RUNTIME not in labels:
                what = "is no image of offload" if labels is not None else "is not here"
                raise PlaceUnavailable(
                    f"The image {box.image} {what}.",
                    hint=f"To build it: docker build -t {box.image} .",
                )
            return box.image
        image = self._name()
        if ownimage.is_current(engine, image):
            return image
        self.kit.say(f"Building the image {image}; this happens once and takes minutes.")
        began_s = self.kit.clock()
        ownimage.build(engine, self.model.runtime, self.kit.follow)
        phases["build"] = self.kit.clock() - began_s
        return image

    def _name(self) -> str:
        """The image's name: the one asked for, or ours for the model's runtime."""
        return self.kit.box.image or ownimage.name(self.model.runtime)

    def _wanted(self, image: str, image_id: str, stack: ExitStack) -> Wanted:
        kit, box = self.kit, self.kit.box
        mounts, model = self._mounts(stack)
        options: dict[str, object] = {
            "--host": "0.0.0.0",  # noqa: S104 - the container's own; published on loopback only
            "--port": _PORT,
            "--max-pixels": kit.max_pixels,
            "--max-bytes": imagefiles.MAX_FILE_BYTES,
            "--workers": kit.workers,
            "--threads": kit.threads,
            "--labels": _LABELS if _LABELS in mounts.values() else None,
        }
        command = ["serve", "--offline"]
        for option, value in options.items():
            command += [option, str(value)] if value is not None else []
        spec = {
            "version": __version__,
            "image": image_id,
            "command": command,
            "model": self.model.identity.sha256,
            "mounted": {there: here for here, there in mounts.items() if there != _LABELS},
            "settings": dict(model),
            "labels": {str(key): name for key, name in self.model.labels.items()},
            "cpus": box.cpus,
            "memory": box.memory,
        }
        text = json.dumps(spec, sort_keys=True).encode()
        return Wanted(
            image=image,
            command=tuple(command),
            port=_PORT,
            environment={"OFFLOAD_TOKEN": secrets.token_hex(16), **model},
            mounts=mounts,
            labels={SPEC: hashlib.sha256(text).hexdigest()} | ({_KEPT: "1"} if box.keep else {}),
            cpus=box.cpus,
            memory=box.memory,
        )

    def _mounts(self, stack: ExitStack) -> tuple[dict[str, str], Mapping[str, str]]:
        """Paths here -> paths there, and the settings that name the model there."""
        kit, path = self.kit, os.path.abspath(self.model.path)
        cache = os.path.abspath(kit.cache)
        mounts: dict[str, str] = {}
        if kit.labels is not None:
            mounts[self._labels_file(stack)] = _LABELS
        if self.model.identity.name == BUILTIN:
            return mounts, {"OFFLOAD_MODEL": BUILTIN}
        _check_readable(self.model.path)
        by_name = not (kit.asked and os.path.exists(os.path.expanduser(kit.asked)))
        if by_name and path.startswith(cache + os.sep):
            mounts[cache] = "/cache/models"
            name = kit.asked or self.model.identity.name
            return mounts, {"OFFLOAD_MODEL": name, "OFFLOAD_CACHE": "/cache"}
        there = f"/model/{os.path.basename(path)}"
        return mounts | {path: there}, {"OFFLOAD_MODEL": there}

    def _labels_file(self, stack: ExitStack) -> str:
        """The labels as `id name` lines in a file that lives as long as `stack`."""
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="offload-"))
        os.chmod(folder, 0o755)  # noqa: S103 - the container's user reads it
        path = os.path.join(folder, "labels.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key} {name}\n" for key, name in self.model.labels.items())
        return path


_LABELS = "/model/labels.txt"


def _remove(engine: Engine, containers: list[str]) -> None:
    for container_id in containers:
        engine.remove(container_id)


def _check_readable(path: str) -> None:
    """See that a user who is nobody here may read the model.

    Raises:
        PlaceUnavailable: it may not.
    """
    below = [os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names]
    for file in [path, *below]:
        if not os.stat(file).st_mode & stat.S_IROTH:
            raise PlaceUnavailable(
                f"The container's user may not read {file}.", hint=f"chmod -R a+rX {path}"
            )
