"""A container of ours as it is to be, said once: for the engine here, and as words of a shell."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from offload.domain.machines import SERVER_PORT

MARK = "offload.service"
"""The label on every container that we start."""

SPEC = "offload.spec"
"""The label that tells whether a container is what is wanted now."""

KEEP = "offload.kept"
"""The label of one that stays when its job is done, for those that ask for it by this value."""

_LOOPBACK = "127.0.0.1"
_HARDENED: Mapping[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=64m"},  # noqa: S108 - a path inside the container
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 512,
}
"""What no container of ours may do, in the words of Docker's SDK; its command says the same."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A server in a container: its port published on the engine's loopback, nothing more.

    `options` are those of `offload serve`. `mounts` maps paths at the engine to paths inside,
    read-only. `host_port` None is any that is free. `cpus` are cores, `memory` is Docker's text
    such as `512m`. `environment` may hold secrets. `stays` starts it again whenever it ends.
    """

    image: str
    name: str
    options: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    mounts: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    host_port: int | None = None
    cpus: float | None = None
    memory: str | None = None
    stays: bool = False

    @property
    def command(self) -> list[str]:
        """What runs in it."""
        inside = ("--host", "0.0.0.0", "--port", str(SERVER_PORT))  # noqa: S104 - published on loopback only
        return ["serve", "--offline", *inside, *self.options]

    def identified(self, *by: object) -> "ContainerSpec":
        """With the label that is the same of containers whose command, limits and `by` are."""
        text = json.dumps([self.command, self.cpus, self.memory, *by], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return replace(self, labels={SPEC: digest, **self.labels})

    def for_sdk(self) -> dict[str, Any]:
        """The arguments of the SDK's `containers.create`."""
        return {
            "image": self.image,
            "command": self.command,
            "name": self.name,
            "environment": dict(self.environment),
            "labels": {MARK: "1", **self.labels},
            "ports": {f"{SERVER_PORT}/tcp": (_LOOPBACK, self.host_port)},
            "mounts": [  # not volumes, in whose text a colon of a path is a separator
                {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
                for source, target in self.mounts.items()
            ],
            "nano_cpus": round(self.cpus * 1e9) if self.cpus else None,
            "mem_limit": self.memory,
            **_HARDENED,
        }

    def for_shell(self) -> list[str]:
        """The words after `docker` that run it; its environment is read from standard input, as
        `environment_lines`.
        """
        words = ["run", "-d", "--name", self.name]
        # Docker's own files of what was said are bounded in this form alone.
        words += ["--restart", "unless-stopped", "--log-driver=local"] if self.stays else []
        for label, value in {MARK: "1", **self.labels}.items():
            words += ["--label", f"{label}={value}"]
        words += ["-p", f"{_LOOPBACK}:{self.host_port or ''}:{SERVER_PORT}"]
        for source, target in self.mounts.items():
            words += ["-v", f"{source}:{target}:ro"]
        return [*words, *hardened(), "--env-file", "/dev/stdin", self.image, *self.command]

    def environment_lines(self) -> bytes:
        """The environment as Docker's files of variables have it."""
        lines = "".join(f"{name}={value}\n" for name, value in self.environment.items())
        return lines.encode(errors="surrogateescape")


def hardened() -> list[str]:
    """The words of `docker run` that deny a container what none of ours may do."""
    return [word for option, value in _HARDENED.items() for word in _shell_option(option, value)]


def last_words(log: str) -> str:
    """The last error in what a server printed, or its last line; empty if it printed nothing."""
    lines = log.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return next(iter((errors or lines)[-1:]), "")


def _shell_option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if value is True:
        return [option]
    if isinstance(value, Mapping):
        value = [f"{key}:{text}" for key, text in value.items()]
    values = value if isinstance(value, list) else [value]
    return [word for each in values for word in (option, str(each))]
