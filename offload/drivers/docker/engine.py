"""The Docker engine. Where none answers, PlaceUnavailable is raised."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.drivers.docker.container_spec import MARK, ContainerSpec

if TYPE_CHECKING:
    import docker

_CONFLICT = 409
_KILLED = 128 + 9
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class RunningContainer:
    """A container of ours: its id, the loopback port that leads to it, its labels and settings.

    `state` is Docker's word; `starved` is true of one that was killed for want of memory.
    """

    id: str
    name: str
    state: str
    starved: bool
    port: int | None
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)


def version() -> str:
    """The running engine's version."""
    with Engine.connected(timeout_s=3) as engine:
        return engine.version


class Engine:
    """A connection to the engine that Docker's own environment variables name. `arch` is the
    machine that its images are for, in EC2's words.
    """

    def __init__(self, client: "docker.DockerClient") -> None:
        self._client = client
        said = client.version()
        self.version = str(said["Version"])
        self.arch = {"amd64": "x86_64"}.get(said["Arch"], str(said["Arch"]))

    @classmethod
    @contextmanager
    def connected(cls, timeout_s: int = 60) -> Iterator["Engine"]:
        """Connect; OffloadError where the engine refuses what it is asked for meanwhile."""
        import docker
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException  # what docker lets through, streams
        from urllib3.exceptions import HTTPError  # included

        try:
            client = docker.from_env(timeout=timeout_s)
            engine = cls(client)
        except (DockerException, ValueError) as error:
            raise _unavailable(str(error)) from error
        try:
            with contextlib.closing(client):
                yield engine
        except (APIError, RequestException, HTTPError) as error:
            reason = str(getattr(error, "explanation", None) or error).rstrip(".")
            raise PlaceUnavailable(
                f"The Docker engine refuses: {reason}.", hint="To see why: docker events --since 5m"
            ) from error

    @property
    def is_here(self) -> bool:
        """Whether its containers' ports are this machine's."""
        host = urlsplit(os.environ.get("DOCKER_HOST") or "unix://")
        here = {"localhost", "127.0.0.1", "::1"}
        return host.scheme in {"unix", "npipe"} or host.hostname in here

    def memory_bytes(self) -> int:
        """Of the machine that its containers run on."""
        return int(self._client.info()["MemTotal"])

    def image_labels(self, image: str) -> Mapping[str, str] | None:
        """The labels of an image that is here; None if it is not."""
        from docker.errors import ImageNotFound

        with contextlib.suppress(ImageNotFound):
            return dict(self._client.images.get(image).labels)
        return None

    def image_id(self, image: str) -> str:
        """The id of an image that is here."""
        return str(self._client.images.get(image).id)

    def saved(self, image: str, on_bytes: Callable[[int, int | None], None]) -> Iterator[bytes]:
        """An image that is here as a tar stream, as `docker load` takes it; `on_bytes` is told how
        many bytes have been taken, and about how many there are.
        """
        found = self._client.images.get(image)
        total_bytes, have_bytes = int(found.attrs["Size"]), 0
        tag = image if ":" in image else f"{image}:latest"  # it may have others, too
        for chunk in found.save(named=tag):
            have_bytes += len(chunk)
            on_bytes(have_bytes, max(have_bytes, total_bytes))
            yield chunk

    def build(
        self,
        context: IO[bytes],
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> None:
        """Build an image of a tar stream, telling what the engine says line by line; OffloadError
        where that fails.
        """
        lines = self._client.api.build(
            fileobj=context, custom_context=True, tag=tag, buildargs=dict(arguments),
            labels=dict(labels), rm=True, forcerm=True, decode=True,
        )  # fmt: skip
        reason = "a step failed"
        for line in lines:
            if "error" in line:
                raise OffloadError(
                    f"The container image {tag} cannot be built: {reason[:200].rstrip('.')}.",
                    hint="For the full log: --verbose. To use an older one: --container-image "
                    f"{tag}",
                )
            text = _COLOURS.sub("", str(line.get("stream", ""))).strip()
            if text:
                on_line(text)
            if text.startswith("ERROR"):
                reason = text

    def remove_unnamed(self, image_id: str) -> None:
        """Remove an image if it has no name any more, unless a container was made of it."""
        from docker.errors import ImageNotFound

        with contextlib.suppress(ImageNotFound):
            if not self._client.images.get(image_id).tags:
                with _conflict_ok():
                    self._client.images.remove(image_id)

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image that is here one more name."""
        self._client.images.get(image).tag(repository, tag)

    def push(
        self,
        image: str,
        repository: str,
        tag: str,
        login: tuple[str, str] | None,
        on_bytes: Callable[[int, int | None], None],
    ) -> None:
        """Push an image that is here to a registry, as the user and with the password of `login`,
        or as `docker login` was told; `on_bytes` is told how many bytes have gone, of how many so
        far. Layers that are there already do not go. OffloadError where the registry refuses, or
        says nothing for long.
        """
        from docker.errors import APIError
        from urllib3.exceptions import ReadTimeoutError  # as it comes out of docker's stream

        self.tag(image, repository, tag)
        known = dict(zip(("username", "password"), login, strict=True)) if login else None
        try:
            lines = self._client.api.push(
                repository, tag, stream=True, decode=True, auth_config=known
            )
            for done_bytes, total_bytes in _gone(lines):
                on_bytes(done_bytes, total_bytes)
        except ReadTimeoutError as error:
            raise _not_taken(f"it has said nothing for {self._client.api.timeout} s") from error
        finally:
            with contextlib.suppress(APIError):
                self._client.images.remove(f"{repository}:{tag}")  # that name alone

    def create(self, wanted: ContainerSpec) -> str:
        """Create the container; its id."""
        return str(self._client.containers.create(**wanted.for_sdk()).id)

    def start(self, container_id: str) -> None:
        """Start it."""
        self._client.containers.get(container_id).start()

    def look(self, container_id: str) -> RunningContainer | None:
        """How it is now; None if it is gone."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound):
            return _running(self._client.containers.get(container_id))
        return None

    def ours(self) -> list[RunningContainer]:
        """Every container that we started and that is still there, running or not."""
        found = self._client.containers.list(all=True, filters={"label": MARK}, ignore_removed=True)
        return [_running(container) for container in found]

    def logs(self, container_id: str, lines: int = 20) -> str:
        """The last it said."""
        data: bytes = self._client.containers.get(container_id).logs(tail=lines)
        return data.decode("utf-8", "replace")

    def remove(self, container_id: str, grace_s: int = 10) -> None:
        """Stop it, kill it if that takes longer than `grace_s`, and remove it."""
        from docker.errors import NotFound

        try:
            with contextlib.suppress(NotFound):
                self._client.api.stop(container_id, timeout=grace_s)
        finally:  # an impatient Ctrl-C included
            with contextlib.suppress(NotFound), _conflict_ok():
                self._client.api.remove_container(container_id, force=True)


def _gone(lines: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """How many bytes of layers have gone, and of how many, as an engine tells of a push."""
    moving: dict[str, tuple[int, int]] = {}
    error = ""
    for line in lines:  # to the end, so that the connection is given back
        error = error or str(line.get("error", ""))
        layer, detail = line.get("id", ""), line.get("progressDetail") or {}
        if "total" in detail:
            total_bytes = int(detail["total"])
            moving[layer] = min(int(detail["current"]), total_bytes), total_bytes
        elif line.get("status") == "Pushed" and layer in moving:
            moving[layer] = (moving[layer][1],) * 2
        else:
            continue
        done, total = (sum(each) for each in zip(*moving.values(), strict=True))
        yield done, total
    if error:
        raise _not_taken(error[:300].rstrip("."))


def _not_taken(reason: str) -> OffloadError:
    return OffloadError(
        f"The registry does not take the container image: {reason}.",
        hint="To go on: the same command",
    )


@contextmanager
def _conflict_ok() -> Iterator[None]:
    """For a removal: somebody else is removing it, or a container was made of it."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code != _CONFLICT:
            raise


def _running(container: Any) -> RunningContainer:
    pairs = (text.partition("=") for text in container.attrs["Config"]["Env"] or [])
    ports = container.ports or {}
    published = [binding["HostPort"] for bindings in ports.values() for binding in bindings or []]
    state, limit_bytes = container.attrs["State"], container.attrs["HostConfig"].get("Memory")
    return RunningContainer(
        id=container.id,
        name=container.name,
        state=container.status,
        # The engine may learn of the end before it learns why.
        starved=state.get("OOMKilled") or bool(limit_bytes and state.get("ExitCode") == _KILLED),
        port=int(published[0]) if published else None,
        labels=container.labels or {},
        environment={name: value for name, _, value in pairs},
    )


def _unavailable(reason: str) -> PlaceUnavailable:
    if "Permission denied" in reason:
        return PlaceUnavailable(
            "You have no permission to use the Docker engine.",
            hint="To get it from the next login on: sudo usermod -aG docker $USER",
        )
    if where := os.environ.get("DOCKER_HOST"):
        return PlaceUnavailable(
            f"No Docker engine answers at DOCKER_HOST={where}.", hint="To try: docker version"
        )
    hint = "To install one: sudo apt-get install docker.io (or see docs.docker.com/engine)"
    if shutil.which("dockerd"):
        hint = "To start one: sudo systemctl start docker"
    return PlaceUnavailable("No Docker engine answers.", hint=hint)
