"""A function's environments as containers of our own image, with the share of a core that its
memory is worth, as AWS has it.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offload.domain.prices import CORE_MB
from tests.testbed.registry import LOGIN
from tests.testbed.runtime import Launch, Program

LABEL = "offload.tests.function"
_FREEZING_S = 5.0
_PERIOD_US = 20_000
"""Shorter than Docker's own: a call of 10 ms would else wait for 90 more, once it used up its."""


@dataclass
class Container:
    """An environment's program as a container; `pid` is its process here."""

    container: Any
    pid: int

    def alive(self) -> bool:
        """Whether it still runs. It is asked often, and an engine takes long to answer."""
        return os.path.exists(f"/proc/{self.pid}")

    def freeze(self, *, on: bool) -> None:
        """Have its cgroup stand still, or go on: as `docker pause` does, in a hundredth of the
        time.
        """
        if freezer := _freezer(self.pid):
            file, words = freezer
            file.write_text(words[on])
            late_s = time.monotonic() + _FREEZING_S
            while on and not self.frozen() and self.alive() and time.monotonic() < late_s:
                time.sleep(0.001)  # a process in a call of the kernel stops after it

    def frozen(self) -> bool:
        """Whether it stands still."""
        freezer = _freezer(self.pid)
        return freezer is not None and freezer[0].read_text().strip() == freezer[1][True]

    def kill(self) -> None:
        """End it at once."""
        from docker.errors import APIError

        self.freeze(on=False)
        with suppress(APIError):
            self.container.remove(force=True)


def _freezer(pid: int) -> tuple[Path, tuple[str, str]] | None:
    """The file by which a process' cgroup goes on or stands still, and the words for it; None where
    the process has ended.
    """
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, kind, path = line.split(":", 2)
            if kind == "freezer":
                return Path(f"/sys/fs/cgroup/freezer{path}/freezer.state"), ("THAWED", "FROZEN")
            if not kind and Path(f"/sys/fs/cgroup{path}/cgroup.freeze").exists():
                return Path(f"/sys/fs/cgroup{path}/cgroup.freeze"), ("0", "1")
    return None


def as_container(engine: Any, image: str | None = None) -> Any:
    """How the program of a function, as moto has it, is started in a container of that image, or of
    its own, pulled from the emulated account's registry.
    """

    def starting(function: Any) -> Launch:
        memory_mb, entry = int(function.memory_size), function.image_config
        name = image or function.code["ImageUri"]
        if image is None:
            login = dict(zip(("username", "password"), LOGIN, strict=True))
            engine.images.pull(name, auth_config=login)

        def launch(variables: Mapping[str, str]) -> Program:
            quota_us = int(_PERIOD_US * min(os.cpu_count() or 1, memory_mb / CORE_MB))
            started = engine.containers.run(
                name, entry.cmd, entrypoint=entry.entry_point, environment=dict(variables),
                detach=True, network_mode="host", read_only=True, user="993:990",
                tmpfs={"/tmp": "size=512m"}, labels={LABEL: "1"}, mem_limit=f"{memory_mb}m",
                memswap_limit=f"{memory_mb}m", cpu_period=_PERIOD_US, cpu_quota=quota_us,
            )  # fmt: skip
            return _known(started)

        return launch

    return starting


def resting(engine: Any) -> list[Container]:
    """The environments that are there."""
    found = engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    return [_known(container) for container in found]


def _known(container: Any) -> Container:
    container.reload()
    return Container(container, int(container.attrs["State"]["Pid"]))
