"""The image of our own server: its name, whether it is that of our source, how it is built.

Where no engine answers, or our image has no such runtime, PlaceUnavailable is raised; where it
cannot be built, OffloadError.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from offload.domain.errors import PlaceUnavailable
from offload.drivers.docker import build_context
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import archives

SOURCE = "offload.source"
"""The label with the digest of what an image was built from."""

_RUNTIMES = {"tflite": "tflite", "savedmodel": "tensorflow"}


@dataclass(frozen=True)
class OwnImage:
    """Our image with the runtime that the model takes."""

    model_runtime: str

    @property
    def runtime(self) -> str:
        """What the Dockerfile calls the runtime."""
        if self.model_runtime not in _RUNTIMES:
            raise PlaceUnavailable(
                f"The image of offload has no runtime {self.model_runtime}.",
                hint="For one of your own that has it: --where container --image NAME",
            )
        return _RUNTIMES[self.model_runtime]

    @property
    def name(self) -> str:
        """What engines call it."""
        return "offload" if self.runtime == "tflite" else f"offload:{self.runtime}"

    @cached_property
    def digest(self) -> str:
        """Of the source that it is built from."""
        return build_context.digest()

    def context(self) -> Iterator[bytes]:
        """What it is built from, as a tar stream."""
        with build_context.opened() as stream:
            yield from archives.chunks(stream)

    def is_current(self, engine: Engine) -> bool:
        """Whether the engine has it, of this source or built by hand, which we take at its word."""
        labels = engine.image_labels(self.name)
        return labels is not None and labels.get(SOURCE, self.digest) == self.digest

    def build(self, engine: Engine, follow: Callable[[str], None]) -> None:
        """Have the engine build it."""
        with build_context.opened() as context:
            labels = {SOURCE: self.digest}
            engine.build(context, self.name, {"RUNTIME": self.runtime}, labels, follow)

    def is_marked(self) -> bool:
        """Whether this machine's engine has that of just this source, and it says so: others have
        to know it again.
        """
        with Engine.connected() as engine:
            return (engine.image_labels(self.name) or {}).get(SOURCE) == self.digest

    def make(self, follow: Callable[[str], None]) -> None:
        """Have this machine's engine build it."""
        with Engine.connected() as engine:
            self.build(engine, follow)

    def saved(self, on_bytes: Callable[[int, int | None], None]) -> Iterator[bytes]:
        """As this machine's engine has it, compressed; `on_bytes` is told as by `Engine.saved`."""
        pack = zlib.compressobj(level=1, wbits=31)  # as fast as gzip can
        with Engine.connected() as engine:
            yield from map(pack.compress, engine.saved(self.name, on_bytes))
        yield pack.flush()
