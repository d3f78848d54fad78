"""Containers on this machine: the same server, behind ports of this machine's loopback."""

import os
import re
import secrets
import shlex
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import Built
from offload.domain.measurements import StartPhase
from offload.domain.places import PlaceTraits, StartState
from offload.domain.vision import MAX_FILE_BYTES
from offload.drivers.docker.container_spec import KEEP, SPEC, ContainerSpec, last_words
from offload.drivers.docker.engine import Engine, RunningContainer
from offload.drivers.docker.own_image import OwnImage
from offload.drivers.http.connections import Server
from offload.drivers.http.web import Unreachable
from offload.providers.config import INSIDE, KEPT, Endpoint, Phases, PlaceConfig, served_files
from offload.service import wire
from offload.service.client.greeting import ask, expect
from offload.version import __version__

_RUNTIME = "offload.runtime"
_STEP = re.compile(r"Step (\d+)/(\d+) ")
_PATIENCE_S = 60.0
_POLL_S = 0.01
_ENDING_S = 3.0

TRAITS = PlaceTraits(
    "container",
    title="the container",
    phrase="in a container here",
    leaves_machine=False,
    uses_link=False,
    rented=False,
    start_states=(StartState.COLD, StartState.WARM),
    options=frozenset({
        "container_image", "cpus", "memory", "replicas", "keep_as", "keep", "labels", "workers",
        "threads", "concurrency", "timeout_s", "max_retries", "fallback", "upload_max_side",
        "upload_quality", "strip_metadata", "deadline_s",
    }),
    simplicity=1,
)  # fmt: skip


@contextmanager
def open(  # noqa: A001 - what every provider calls it
    config: PlaceConfig, model: ModelSource
) -> Iterator[Sequence[Endpoint]]:
    """Containers that stayed, and new ones, which go again afterwards unless they are to stay.

    Raises:
        PlaceUnavailable: no engine of this machine answers, or a container does not start.
        OffloadError: its image cannot be built.
    """
    with ExitStack() as stack:
        engine = stack.enter_context(Engine.connected())
        if not engine.is_here:
            raise PlaceUnavailable(
                "DOCKER_HOST names a Docker engine on another machine; the container's port is "
                "not reachable here.",
                hint="On that machine: offload serve; here: --where remote --url …",
            )
        leaving = stack.enter_context(ExitStack())
        starting = _Starting(config, model, engine, Phases(config.clock), leaving)
        starting.have_image()
        containers = starting.up(starting.wanted(stack))
        endpoints = [starting.ready(container) for container in containers]
        if config.container.keep:
            leaving.pop_all()
        yield endpoints


def check(config: PlaceConfig) -> None:
    """UsageError for more cores than there are, which an engine refuses, too."""
    asked, cores = config.container.cpus, os.cpu_count() or 1
    if asked is not None and asked > cores:
        raise UsageError(f"--cpus {asked:g} is too many: at most {cores} here.")


def check_is_ours(image: str, labels: Mapping[str, str] | None) -> None:
    """PlaceUnavailable unless a container image, with these labels if it is here, is ours."""
    hint = "Leave the option out, and offload builds its own."
    if labels is None:
        hint = f"If a registry has it: docker pull {shlex.quote(image)}; else leave the option out."
        raise PlaceUnavailable(f"The container image {image} is not here.", hint=hint)
    if _RUNTIME not in labels:
        raise PlaceUnavailable(f"The container image {image} is not offload's.", hint=hint)


@dataclass(slots=True)
class _Starting:
    """Containers that come up: those that go again when the job is done, and what it all took."""

    config: PlaceConfig
    model: ModelSource
    engine: Engine
    phases: Phases
    leaving: ExitStack

    @property
    def image(self) -> str:
        return self.config.container.image or OwnImage(self.model.identity.runtime).name

    def have_image(self) -> None:
        """See that the image is one of offload; ours is built if it is not there or outdated."""
        image, own = self.image, OwnImage(self.model.identity.runtime)
        if self.config.container.image is not None:
            check_is_ours(image, self.engine.image_labels(image))
        elif not own.is_current(self.engine):
            with self.phases.of(StartPhase.BUILD):
                own.build(self.engine, self._built)
            self.config.reporter.emit(Built(1, 1))

    def _built(self, line: str) -> None:
        """Tell of a line that the engine says as it builds."""
        reporter = self.config.reporter
        reporter.step(line)
        if step := _STEP.match(line):
            reporter.emit(Built(int(step[1]) - 1, int(step[2])))

    @property
    def memory(self) -> str:
        """Its limit in Docker's words; by default what leaves this machine able to go on."""
        return self.config.container.memory or f"{self.engine.memory_bytes() // 10 * 9 >> 20}m"

    def wanted(self, stack: ExitStack) -> ContainerSpec:
        """The container; what it has mounted lives as long as `stack`."""
        config, model, own = self.config, self.model, self.config.container
        labels = _labels_file(model, stack) if config.labels is not None else None
        needed = served_files(model, config.asked, labels, config.cache)
        options = (
            ("--max-pixels", config.max_pixels),
            ("--max-bytes", MAX_FILE_BYTES),
            ("--workers", config.workers),
            ("--threads", config.threads),
        )
        given = [str(word) for option in options if option[1] is not None for word in option]
        if model.identity.name != BUILTIN:
            _check_readable(model.path)
        spec = ContainerSpec(
            self.image,
            "",
            (*given, *needed.options),
            environment={"OFFLOAD_TOKEN": secrets.token_hex(16), **needed.settings},
            mounts={here: f"{INSIDE}/{there}" for there, here in needed.files.items()},
            labels={KEEP: own.keep} if own.keep else {},
            cpus=own.cpus,
            memory=self.memory,
        )
        names = {str(key): name for key, name in model.labels.items()}
        lasting = {there: here for there, here in needed.files.items() if here != labels}
        known_by = (model.identity.sha256, lasting, dict(needed.settings), names)
        return spec.identified(__version__, self.engine.image_id(self.image), *known_by)

    def up(self, like: ContainerSpec) -> list[RunningContainer]:
        missing = self.config.container.replicas or 1
        found = self._kept(like)[:missing]
        return found + [self._started(like) for _ in range(missing - len(found))]

    def ready(self, container: RunningContainer) -> Endpoint:
        """The server in a container, once its model is loaded."""
        config = self.config
        endpoint = Endpoint(
            f"http://127.0.0.1:{container.port}",
            container.environment["OFFLOAD_TOKEN"],
            phases=self.phases.taken_s,
            hint=f"To see why: docker logs {container.name}",
        )
        address = config.address(endpoint)
        address = replace(address, timeout_s=max(address.timeout_s, _PATIENCE_S))
        with closing(address.connect(config.clock, 1)) as server:
            self._wait(container, server)
            try:
                info = ask(server, address)
            except PlaceUnavailable as error:
                if self._ends(container.id):
                    raise self._gone(container.id) from error
                raise
        expect(info, self.model, f"the container {container.name}")
        if self.phases.taken_s:
            self.phases.of_server(info.startup)
        return endpoint

    def _kept(self, like: ContainerSpec) -> list[RunningContainer]:
        """The containers that stayed and are what is wanted, the oldest first."""
        kept_as = self.config.container.keep or KEPT
        return [
            found
            for found in reversed(self.engine.ours())
            if found.labels.get(SPEC) == like.labels[SPEC]
            and found.labels.get(KEEP) == kept_as
            and found.state == "running"
        ]

    def _started(self, like: ContainerSpec) -> RunningContainer:
        name = f"offload-{secrets.token_hex(4)}"
        self.leaving.callback(self.engine.remove, name)  # who is interrupted may not learn its id
        with self.phases.of(StartPhase.CREATE):
            container_id = self.engine.create(replace(like, name=name))
        with self.phases.of(StartPhase.START):
            self.engine.start(container_id)
        running = self.engine.look(container_id)
        if running is None or running.port is None:
            raise self._gone(container_id)
        return running

    def _wait(self, container: RunningContainer, server: Server) -> None:
        """Until the server in it answers at all; adds that to the phase `start`."""
        give_up_s = self.config.clock() + _PATIENCE_S
        with self.phases.of(StartPhase.START) if self.phases.taken_s else nullcontext():
            while True:
                try:
                    server.request("GET", wire.LIVE)
                    break
                except Unreachable as error:
                    if self.config.clock() > give_up_s or not self._runs(container.id):
                        raise self._gone(container.id) from error
                    time.sleep(_POLL_S)

    def _runs(self, container_id: str) -> bool:
        now = self.engine.look(container_id)
        return now is not None and now.state == "running"

    def _ends(self, container_id: str) -> bool:
        """Whether a container whose server does not answer is ending, which takes a moment."""
        give_up_s = self.config.clock() + _ENDING_S
        while (runs := self._runs(container_id)) and self.config.clock() <= give_up_s:
            time.sleep(_POLL_S)
        return not runs

    def _gone(self, container_id: str) -> PlaceUnavailable:
        """Why a container is not up, in its own last words if it had any."""
        now = self.engine.look(container_id)
        if now is not None and now.starved:
            return PlaceUnavailable(
                f"The container was killed: its memory limit, {self.memory}, is too small.",
                hint="For instance: --memory 2g",
            )
        last = last_words(self.engine.logs(container_id)) if now else ""
        return PlaceUnavailable(
            f"The container did not start.{last and f' It said: {last}'}",
            hint=f"To rebuild its image: docker rmi {self.image}; to do without: --where local",
        )


def _labels_file(model: ModelSource, stack: ExitStack) -> str:
    """The labels as `id name` lines in a file that lives as long as `stack`."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="offload-"))
    os.chmod(folder, 0o755)  # noqa: S103 - the container's user reads it
    path = Path(folder, "labels.txt")
    lines = (f"{key} {name}\n" for key, name in model.labels.items())
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def _check_readable(path: str) -> None:
    """See that a user who is nobody here may read a file, or all below a folder."""
    below = [os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names]
    for file in [path, *below]:
        if not os.stat(file).st_mode & stat.S_IROTH:
            raise PlaceUnavailable(
                f"The container's user cannot read {file}.", hint=f"chmod -R a+rX {path}"
            )
