"""A machine that lets us in, made to serve: engine, host key, limits, image, model, container."""

import hashlib
import math
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from offload.detectors.source import ModelSource
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import Reporter
from offload.domain.machines import SERVER_PORT
from offload.domain.measurements import StartPhase
from offload.drivers.aws.lookup import USUAL_TYPES
from offload.drivers.docker.container_spec import SPEC, ContainerSpec
from offload.drivers.docker.own_image import BASE, SOURCE, OwnImage
from offload.drivers.folders.files import packed
from offload.providers.config import INSIDE, Phases, ServedFiles
from offload.usecases.provision.launch import Waiter

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell


ImageOrigin = Literal["present", "built", "streamed"]
"""How a machine came by our image: it had it, built it, or got it from here."""

CONTAINER = "offload"
_DOCKER = "sudo -n docker"
_ENGINE_S = 420.0
_MOST_MEMORY = """$(awk '/^MemTotal/{print int($2*0.9)"k"}' /proc/meminfo)"""
"""Most of what the machine has, as its shell works it out."""

_MODELS = "/var/lib/offload"
_MIRROR = "public.ecr.aws"
"""Has what Docker Hub has, which limits what an address may pull: those of EC2 had other users."""


def key_of(model: ModelSource, files: ServedFiles) -> str:
    """The same for equal files of a server."""
    text = f"{model.identity.sha256} {sorted(files.files)} {sorted(model.labels.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_another_kind(engine_arch: str, arch: str) -> UsageError:
    """That the images that are made here do not run on a machine."""
    return UsageError(
        f"This computer's container images are for {engine_arch}, the machine is {arch}.",
        hint="To build one there: --container-image build; for a machine that runs it: "
        f"--instance-type {USUAL_TYPES.get(engine_arch, 'TYPE')}",
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """Makes a machine serve; each step looks at what there is, and does what is missing, or raises
    OffloadError.

    `reporter` is told what happens, and how much of the image has been sent of how much.
    """

    shell: "Shell"
    patience: Waiter
    phases: Phases
    reporter: Reporter

    def engine(self) -> None:
        """Wait for the engine, and for what the machine was told at its boot."""
        ask = f"test -e /etc/offload/booted && {_DOCKER} version -f '{{{{.Server.Version}}}}'"
        answers = partial(self.says, ask)
        with self.phases.of(StartPhase.ENGINE):
            try:
                self.patience.until(
                    answers, _ENGINE_S, "The machine's Docker engine does not start."
                )
            except PlaceUnavailable as error:
                said = self.says("sudo -n tail -n 3 /var/log/cloud-init-output.log") or ""
                last = said.strip().splitlines()[-1:]
                raise PlaceUnavailable(" ".join([str(error), *last])) from error

    def host_key(self, private: str) -> None:
        """Have the machine show this key from now on; the old one was in what it was told."""
        key = "/etc/ssh/ssh_host_ed25519_key"
        script = (
            f"umask 077; cat >{key}.next && mv {key}.next {key} && "
            f"ssh-keygen -y -f {key} >{key}.pub && {{ systemctl reload sshd 2>/dev/null || "
            'systemctl reload ssh 2>/dev/null || kill -HUP "$(cat /run/sshd.pid)"; }'
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

    def image(self, image: OwnImage, way: str, arch: str, engine_arch: str | None) -> ImageOrigin:
        """Have our image there: as it is, built there, or sent; which of these it was. `way` is
        `build`, `stream`, or `auto`: built if the machine reaches the registries. `arch` is the
        machine's processor, `engine_arch` that of the images of the engine here, if there is one.
        """
        with self.phases.of(StartPhase.IMAGE):
            label = f'{{{{index .Config.Labels "{SOURCE}"}}}}'
            ask = f"{_DOCKER} image inspect -f '{label}' {image.name}"
            if (self.says(ask) or "").strip() == image.digest:
                return "present"
            if way == "build" or (way == "auto" and self._reaches_registries()):
                try:
                    self._build(image)
                    return "built"
                except OffloadError as error:
                    if way == "build" or engine_arch != arch:
                        raise
                    self.reporter.warn(f"{error} The container image is sent instead.")
        if engine_arch is None:
            raise OffloadError(
                "The machine cannot reach a registry to build the container image, and there is "
                "no Docker engine here to send it.",
                hint="To start one here: sudo systemctl start docker",
            )
        if engine_arch != arch:
            raise of_another_kind(engine_arch, arch)
        if not image.is_marked():
            # Apart, as the next machine need not wait for it.
            with self.phases.of(StartPhase.BUILD):
                image.make(self._build_step)
        with self.phases.of(StartPhase.IMAGE):
            sent = self._checked(image.saved(self.reporter.sent))
            self.shell.run(f"{_DOCKER} load", sent, self.reporter.step)
        return "streamed"

    def container(
        self,
        image: OwnImage,
        files: ServedFiles,
        key: str,
        token: str,
        options: Sequence[str],
    ) -> bool:
        """Have the server run, with these files, this token and these options of `serve`; whether
        it had to be started for that. Equal files have equal keys.
        """
        home = f"{_MODELS}/{key}"
        with self.phases.of(StartPhase.CONTAINER):
            if files.files:
                self._load(home, files)
            spec = ContainerSpec(
                image.name,
                CONTAINER,
                (*options, *files.options),
                environment={"OFFLOAD_TOKEN": token, **files.settings},
                mounts={home: INSIDE} if files.files else {},
                host_port=SERVER_PORT,
                stays=True,
            )
            secret = hashlib.sha256(token.encode()).hexdigest()
            spec = spec.identified(image.digest, image.name, key, dict(files.settings), secret)
            form = f'{{{{.State.Running}}}} {{{{index .Config.Labels "{SPEC}"}}}}'
            now = self.says(f"{_DOCKER} container inspect -f '{form}' {CONTAINER}") or ""
            if now.split() == ["true", spec.labels[SPEC]]:
                return False
            verb, *words = spec.for_shell()
            run = (
                f"{_DOCKER} rm -f {CONTAINER} >/dev/null 2>&1; "
                f"exec {_DOCKER} {verb} --memory {_MOST_MEMORY} {shlex.join(words)}"
            )
            self.shell.run(run, [spec.environment_lines()], self.reporter.step)
            return True

    def _reaches_registries(self) -> bool:
        ask = "curl -sS -m 5 -o /dev/null"
        of_base = f"{ask} https://{_MIRROR}/v2/ || {ask} https://registry-1.docker.io/v2/"
        both = f"{{ {of_base}; }} 2>/dev/null && {ask} https://pypi.org/simple/pip/"
        return self.says(f"{both} 2>/dev/null && echo yes") is not None

    def _build(self, image: OwnImage) -> None:
        runtime, label = shlex.quote(image.runtime), shlex.quote(f"{SOURCE}={image.digest}")
        mirrored = f"{_MIRROR}/docker/library/{BASE}"
        is_there = self.says(f"timeout 120 {_DOCKER} pull -q {mirrored}") is not None
        base = f"--build-arg BASE={mirrored} " if is_there else ""
        arguments = f"{base}--build-arg RUNTIME={runtime} --label {label}"
        build = f"{_DOCKER} build -t {image.name} {arguments} -"
        self.shell.run(build, self._checked(image.context()), self.reporter.step)

    def _checked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.patience.check()
            yield chunk

    def _build_step(self, line: str) -> None:
        self.patience.check()
        self.reporter.step(line)

    def _load(self, home: str, files: ServedFiles) -> None:
        """Have the files there; they come whole or not at all."""
        if self.says(f"test -e {home} && echo there"):
            return
        script = (
            f"umask 022; rm -rf {home}.part; mkdir -p {home}.part && tar -x -C {home}.part && "
            f"chmod -R a+rX {home}.part && mv {home}.part {home}"
        )
        self._sudo(script, self._checked(packed(files.files)))

    def _sudo(self, script: str, stdin: Iterable[bytes] = ()) -> str:
        return self.shell.run(f"sudo -n sh -c {shlex.quote(script)}", stdin, self.reporter.step)

    def says(self, command: str) -> str | None:
        """What a command prints; None where it fails."""
        with suppress(OffloadError):
            return self.shell.run(command, (), self.reporter.step)
        return None


def log_command(lines: int) -> str:
    """The command that prints the last the server said."""
    return f"{_DOCKER} logs --tail {lines} {CONTAINER} 2>&1"
