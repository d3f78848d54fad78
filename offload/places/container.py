"""Containers on this machine: the same server, behind ports of this machine's loopback."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable
from offload.domain.places import PlaceTraits, StartState
from offload.domain.ports import Session
from offload.domain.vision import Selection
from offload.drivers.docker import own_image
from offload.drivers.docker.engine import ContainerSpec, Engine, RunningContainer
from offload.drivers.http.connections import Server
from offload.drivers.http.web import Unreachable
from offload.places.kit import KEPT, PlaceConfig
from offload.places.wanted import KEEP, SPEC, wanted
from offload.service import wire
from offload.service.client.balanced import BalancedSession
from offload.service.client.greeting import Address, ask, expect
from offload.service.client.session import ServerSession

_RUNTIME = "offload.runtime"
_PATIENCE_S = 60.0
_POLL_S = 0.01

TRAITS = PlaceTraits(
    "container",
    title="the container",
    phrase="in a container here",
    leaves_machine=False,
    uses_link=False,
    rented=False,
    start_states=(StartState.COLD, StartState.WARM),
    options=frozenset({
        "image", "cpus", "memory", "replicas", "keep_as", "keep", "labels", "workers", "threads",
        "concurrency", "timeout_s", "max_retries", "fallback", "upload_max_side", "upload_quality",
        "strip_metadata", "deadline_s",
    }),
    simplicity=1,
)  # fmt: skip


def make(kit: PlaceConfig) -> "Container":
    """A container of our image with the model that is asked for, or the default one."""
    return Container(kit, kit.resolve(kit.asked))


@dataclass(frozen=True, slots=True)
class Container:
    """Brought up hardened, with its phases timed; gone when the job is, unless it is to stay.

    Where several are asked for, they are all alike, and share the images.
    """

    kit: PlaceConfig
    model: ModelSource
    name: str = "container"

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator[Session]:
        """Find those that stayed, and start what is missing.

        Raises:
            PlaceUnavailable: no engine answers, or a container does not come up.
            OffloadError: its image cannot be built.
        """
        del images
        kit = self.kit
        with ExitStack() as stack:
            engine = stack.enter_context(_engine_here())
            coming = _Containers(kit, engine, self._name())
            stack.callback(coming.remove)
            image = self._image(engine, coming.phases)
            like = wanted(kit, self.model, image, engine.image_id(image), stack)
            for container in coming.up(like):
                server, address = coming.connected(container, stack)
                info = coming.ready(container, server, address)
                expect(info, self.model, f"the container {container.name}")
                info = replace(info, identity=self.model.identity)
                coming.sessions.append(
                    ServerSession(
                        server, address, info, selection, kit.max_pixels, kit.link.upload.prepare,
                        kit.clock, coming.phases,
                    )
                )  # fmt: skip
            if kit.box.keep:
                coming.leaving.clear()
            yield coming.session()

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
        if own_image.is_current(engine, image):
            return image
        self.kit.reporter.warn(f"Building the image {image}; this happens once and takes minutes.")
        began_s = self.kit.clock()
        own_image.build(engine, self.model.runtime, self.kit.reporter.step)
        phases["build"] = self.kit.clock() - began_s
        return image

    def _name(self) -> str:
        """The image's name: the one asked for, or ours for the model's runtime."""
        return self.kit.box.image or own_image.name(self.model.runtime)


@dataclass(slots=True)
class _Containers:
    """Containers that come up: those that go again when the job is done, and what it all took."""

    kit: PlaceConfig
    engine: Engine
    image: str
    leaving: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    sessions: list[ServerSession] = field(default_factory=list)

    def up(self, like: ContainerSpec) -> list[RunningContainer]:
        """As many containers as are wanted: those that stayed, and new ones."""
        missing = self.kit.box.replicas
        found = self._kept(like)[:missing]
        return found + [self._started(like) for _ in range(missing - len(found))]

    def connected(self, container: RunningContainer, stack: ExitStack) -> tuple[Server, Address]:
        """A connection to the server in a container, once it answers at all."""
        link = self.kit.link
        address = link.address(
            f"http://127.0.0.1:{container.port}", container.environment["OFFLOAD_TOKEN"]
        )
        address = replace(address, hint=f"To see why: docker logs {container.name}")
        server = stack.enter_context(closing(address.connect(self.kit.clock)))
        self._wait(container, server)
        return server, address

    def ready(self, container: RunningContainer, server: Server, address: Address) -> wire.Info:
        """What the server says of itself, once its model is loaded."""
        patient = replace(address, timeout_s=max(address.timeout_s, _PATIENCE_S))
        try:
            info = ask(server, patient)
        except PlaceUnavailable as error:
            now = self.engine.look(container.id)
            if now is None or now.state != "running":
                raise self._gone(container.id) from error
            raise
        if self.phases:
            self.phases |= {"load": info.startup["load_s"], "warm-up": info.startup["warm_up_s"]}
        return info

    def session(self) -> Session:
        """The only one, or all of them as one."""
        if len(self.sessions) == 1:
            return self.sessions[0]
        return BalancedSession(self.sessions, self.phases, self.kit.link.concurrency)

    def remove(self) -> None:
        """Remove those that go, the others too where one does not or Ctrl-C comes."""
        with ExitStack() as stack:
            for container_id in self.leaving:
                stack.callback(self.engine.remove, container_id)

    def _kept(self, like: ContainerSpec) -> list[RunningContainer]:
        """The containers that stayed and are what is wanted, the oldest first."""
        kept_as = self.kit.box.keep or KEPT
        return [
            found
            for found in reversed(self.engine.ours())
            if found.labels.get(SPEC) == like.labels[SPEC]
            and found.labels.get(KEEP) == kept_as
            and found.state == "running"
        ]

    def _started(self, like: ContainerSpec) -> RunningContainer:
        began_s = self.kit.clock()
        container_id = self.engine.create(like)
        self.leaving.append(container_id)
        began_s = self._took("create", began_s)
        self.engine.start(container_id)
        self._took("start", began_s)
        running = self.engine.look(container_id)
        if running is None or running.port is None:
            raise self._gone(container_id)
        return running

    def _wait(self, container: RunningContainer, server: Server) -> None:
        """Until the server in it answers at all; adds that to the phase `start`."""
        began_s = self.kit.clock()
        while True:
            try:
                server.request("GET", wire.LIVE)
                break
            except Unreachable as error:
                now = self.engine.look(container.id)
                late = self.kit.clock() - began_s > _PATIENCE_S
                if late or now is None or now.state != "running":
                    raise self._gone(container.id) from error
                time.sleep(_POLL_S)
        if self.phases:
            self._took("start", began_s)

    def _took(self, phase: str, began_s: float) -> float:
        """Add the time since then to a phase; the time now."""
        now_s = self.kit.clock()
        self.phases[phase] = self.phases.get(phase, 0.0) + now_s - began_s
        return now_s

    def _gone(self, container_id: str) -> PlaceUnavailable:
        """Why a container is not up, in its own last words if it had any."""
        now = self.engine.look(container_id)
        if now is not None and now.starved:
            return PlaceUnavailable(
                f"The container was killed: its memory limit, {self.kit.box.memory}, is too small.",
                hint="For instance: --memory 512m",
            )
        said = self.engine.logs(container_id).strip().splitlines() if now else []
        errors = [line for line in said if line.startswith("error: ")] or said[-1:]
        last = f" It said: {errors[-1]}" if errors else ""
        return PlaceUnavailable(
            f"The container did not come up.{last}",
            hint=f"To build its image anew: docker rmi {self.image}; without it: --where local",
        )


@contextmanager
def _engine_here() -> Iterator[Engine]:
    """The engine, whose containers' ports are this machine's.

    Raises:
        PlaceUnavailable: none answers, or it is another machine's.
    """
    with Engine.connected() as engine:
        if not engine.is_here:
            raise PlaceUnavailable(
                "The Docker engine that DOCKER_HOST names is on another machine, and so would be "
                "the container's port.",
                hint="There: offload serve; here: --where remote --url …",
            )
        yield engine
