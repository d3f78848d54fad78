"""A function's environments as containers of our own image, with the share of a core that its
memory is worth, as AWS has it.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.testbed.runtime import Launch, Program

CORE_MB = 1769
LABEL = "offload.tests.function"
_PERIOD_US = 20_000


@dataclass
class Container:
    """An environment's program as a container."""

    container: Any

    def alive(self) -> bool:
        """Whether it still runs."""
        from docker.errors import NotFound

        with suppress(NotFound):
            self.container.reload()
            return self.container.status in {"running", "paused"}
        return False

    def freeze(self, *, on: bool) -> None:
        """Have it stand still, or go on."""
        from docker.errors import APIError

        with suppress(APIError):  # it is so already, or gone
            self.container.pause() if on else self.container.unpause()

    def kill(self) -> None:
        """End it at once."""
        from docker.errors import APIError

        with suppress(APIError):
            self.container.remove(force=True)


def as_container(engine: Any, image: str = "offload:lambda") -> Any:
    """How the program of a function, as moto has it, is started in a container of our image."""

    def starting(function: Any) -> Launch:
        memory_mb, entry = int(function.memory_size), function.image_config

        def launch(variables: Mapping[str, str]) -> Program:
            quota_us = int(_PERIOD_US * min(os.cpu_count() or 1, memory_mb / CORE_MB))
            started = engine.containers.run(
                image, entry.cmd, entrypoint=entry.entry_point, environment=dict(variables),
                detach=True, network_mode="host", read_only=True, user="993:990",
                tmpfs={"/tmp": "size=512m"}, labels={LABEL: "1"}, mem_limit=f"{memory_mb}m",
                cpu_period=_PERIOD_US, cpu_quota=quota_us,
            )  # fmt: skip
            return Container(started)

        return launch

    return starting
