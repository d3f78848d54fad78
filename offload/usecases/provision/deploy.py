"""A machine that lets us in, made to serve: engine, host key, limits, image, model, container."""

import hashlib
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Reporter
from offload.domain.machines import SERVER_PORT
from offload.domain.measurements import StartPhase
from offload.drivers.docker.container_spec import SPEC, ContainerSpec
from offload.providers.served_files import INSIDE
from offload.usecases.provision.launch import Phases, Waiter

OnBytes = Callable[[int, int | None], None]
"""Told the bytes there are so far, and the total."""

Way = Literal["auto", "build", "stream"]
"""How the image gets to the machine: built there, or sent from here."""


class ImageOrigin(StrEnum):
    """How a machine came by our image: it had it, built it, or got it from here."""

    PRESENT = "present"
    BUILT = "built"
    STREAMED = "streamed"


CONTAINER = "offload"
_DOCKER = "sudo -n docker"
_ENGINE_S = 420.0
_CARGO = "/var/lib/offload"
_RELOAD = (
    "systemctl reload sshd 2>/dev/null || systemctl reload ssh 2>/dev/null || "
    'kill -HUP "$(cat /run/sshd.pid)"'
)


class RemoteShell(Protocol):
    """What equipping asks of a connection; `drivers.ssh.Shell` is one."""

    def run(
        self,
        command: str,
        stdin: Iterable[bytes] = (),
        on_line: Callable[[str], None] = ...,
        timeout_s: float | None = None,
    ) -> str:
        """What a command prints on standard output.

        Raises:
            CommandFailed: it ends with another exit code than 0.
        """


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """Our image as the machine is to have it: `digest` is that of its source. `context` is what it
    is built from, as a tar stream. `saved` gives the image itself, compressed, and how many bytes
    it takes unpacked, telling how many of those are on their way; None where no engine is here.
    `is_current` says that the engine here has it, `make` sees to that.
    """

    name: str
    runtime: str
    digest: str
    context: Callable[[], Iterator[bytes]]
    saved: Callable[[OnBytes], Iterator[bytes]] | None
    is_current: Callable[[], bool] = lambda: True
    make: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files that the server needs, as a tar stream, None if there are none; `settings` and
    `options` of `serve` name them. Equal contents have equal keys.
    """

    key: str
    packed: Callable[[], Iterator[bytes]] | None
    settings: Mapping[str, str]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """Makes a machine serve; each step looks at what there is, and does what is missing.

    `reporter` is told what happens, and how much of the image has been sent of how much.
    """

    shell: RemoteShell
    patience: Waiter
    phases: Phases
    reporter: Reporter

    def engine(self) -> None:
        """Wait for the engine, and for what the machine was told at its boot.

        Raises:
            PlaceUnavailable: it does not come up.
        """
        ask = f"test -e /etc/offload/booted && {_DOCKER} version -f '{{{{.Server.Version}}}}'"

        def answers() -> str | None:
            return self._says(ask)

        with self.phases.of(StartPhase.ENGINE):
            try:
                self.patience.until(answers, _ENGINE_S, "The machine's Docker engine stays away.")
            except PlaceUnavailable as error:
                said = self._says("sudo -n tail -n 3 /var/log/cloud-init-output.log") or ""
                last = said.strip().splitlines()[-1:]
                raise PlaceUnavailable(" ".join([str(error), *last])) from error

    def host_key(self, private: str) -> None:
        """Have the machine show this key from now on; the old one was in what it was told."""
        key = "/etc/ssh/ssh_host_ed25519_key"
        script = (
            f"umask 077; cat >{key}.next && mv {key}.next {key} && "
            f"ssh-keygen -y -f {key} >{key}.pub && {{ {_RELOAD}; }}"
        )
        self._sudo(script, [private.encode()])

    def limits(self, idle_s: float | None, lifetime_s: float | None) -> None:
        """When the machine ends by itself; None is never."""
        idle, lifetime = math.ceil(idle_s or 0), math.ceil(lifetime_s or 0)
        text = f"IDLE_S={idle}\nLIFETIME_S={lifetime}\n"
        net = f"shutdown -h +{lifetime // 60 + 7}" if lifetime else "true"
        # The net below the watch counts from now; the watch itself from the boot.
        script = (
            "cat >/etc/offload/limits.next; "
            "cmp -s /etc/offload/limits.next /etc/offload/limits && exit; "
            f"mv /etc/offload/limits.next /etc/offload/limits; shutdown -c; {net}"
        )
        self._sudo(f"( {script} ) 2>/dev/null", [text.encode()])

    def image(self, image: ContainerImage, way: Way) -> ImageOrigin:
        """Have our image there: as it is, built there, or sent; which of these it was.

        Raises:
            OffloadError: it cannot be had in the way asked for.
        """
        with self.phases.of(StartPhase.IMAGE):
            label = '{{index .Config.Labels "offload.source"}}'
            ask = f"{_DOCKER} image inspect -f '{label}' {image.name}"
            if (self._says(ask) or "").strip() == image.digest:
                return ImageOrigin.PRESENT
            if way == "build" or (way == "auto" and self._reaches_registries()):
                try:
                    self._build(image)
                    return ImageOrigin.BUILT
                except OffloadError as error:
                    if way == "build" or image.saved is None:
                        raise
                    self.reporter.warn(f"{error} It is sent instead.")
        if image.saved is not None and not image.is_current():
            with self.phases.of(
                StartPhase.BUILD
            ):  # apart, as the next machine need not wait for it
                image.make()
        with self.phases.of(StartPhase.IMAGE):
            self._stream(image)
        return ImageOrigin.STREAMED

    def container(
        self, image: ContainerImage, cargo: ModelFiles, token: str, options: Sequence[str]
    ) -> bool:
        """Have the server run, with these files, this token and these options of `serve`; whether
        it had to be started for that.
        """
        with self.phases.of(StartPhase.CONTAINER):
            if cargo.packed:
                self._load(cargo, cargo.packed)
            spec = _spec(image, cargo, token, options)
            form = f'{{{{.State.Running}}}} {{{{index .Config.Labels "{SPEC}"}}}}'
            now = self._says(f"{_DOCKER} container inspect -f '{form}' {CONTAINER}") or ""
            if now.split() == ["true", spec.labels[SPEC]]:
                return False
            run = (
                f"{_DOCKER} rm -f {CONTAINER} >/dev/null 2>&1; "
                f"exec {_DOCKER} {shlex.join(spec.for_shell())}"
            )
            self.shell.run(run, [spec.environment_lines()], self.reporter.step)
            return True

    def logs(self, lines: int) -> str:
        """The last the server said."""
        return self._says(log_command(lines)) or ""

    def _reaches_registries(self) -> bool:
        ask = "curl -sS -m 5 -o /dev/null"
        both = f"{ask} https://registry-1.docker.io/v2/ && {ask} https://pypi.org/simple/pip/"
        return self._says(f"{both} 2>/dev/null && echo yes") is not None

    def _build(self, image: ContainerImage) -> None:
        runtime, label = shlex.quote(image.runtime), shlex.quote(f"offload.source={image.digest}")
        build = f"{_DOCKER} build -t {image.name} --build-arg RUNTIME={runtime} --label {label} -"
        self.shell.run(build, self._checked(image.context()), self.reporter.step)

    def _stream(self, image: ContainerImage) -> None:
        if image.saved is None:
            raise OffloadError(
                "The machine reaches no registry to build the image from, and there is no Docker "
                "engine here to send it from.",
                hint="To start one here: sudo systemctl start docker",
            )
        sent = self._checked(image.saved(self.reporter.sent))
        self.shell.run(f"{_DOCKER} load", sent, self.reporter.step)

    def _checked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.patience.check()
            yield chunk

    def _load(self, cargo: ModelFiles, packed: Callable[[], Iterator[bytes]]) -> None:
        """Have the files there; they come whole or not at all."""
        home = f"{_CARGO}/{cargo.key}"
        if self._says(f"test -e {home} && echo there"):
            return
        script = (
            f"umask 022; rm -rf {home}.part; mkdir -p {home}.part && tar -x -C {home}.part && "
            f"chmod -R a+rX {home}.part && mv {home}.part {home}"
        )
        self._sudo(script, self._checked(packed()))

    def _sudo(self, script: str, stdin: Iterable[bytes] = ()) -> str:
        return self.shell.run(f"sudo -n sh -c {shlex.quote(script)}", stdin, self.reporter.step)

    def _says(self, command: str) -> str | None:
        """What a command prints; None where it fails."""
        try:
            return self.shell.run(command, (), self.reporter.step)
        except OffloadError:
            return None


def _spec(
    image: ContainerImage, cargo: ModelFiles, token: str, options: Sequence[str]
) -> ContainerSpec:
    """The container of the server; it is another if anything of this is."""
    spec = ContainerSpec(
        image.name,
        CONTAINER,
        (*options, *cargo.options),
        environment={"OFFLOAD_TOKEN": token, **cargo.settings},
        mounts={f"{_CARGO}/{cargo.key}": INSIDE} if cargo.packed else {},
        host_port=SERVER_PORT,
        stays=True,
    )
    secret = hashlib.sha256(token.encode()).hexdigest()
    return spec.identified(image.digest, image.name, cargo.key, dict(cargo.settings), secret)


def log_command(lines: int) -> str:
    """The command that prints the last the server said."""
    return f"{_DOCKER} logs --tail {lines} {CONTAINER} 2>&1"
