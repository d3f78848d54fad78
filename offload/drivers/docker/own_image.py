"""The image of our own server: its name, whether it is that of our source, how it is built.

Where no engine answers, or our image has no such runtime, PlaceUnavailable is raised; where it
cannot be built, OffloadError.
"""

import zlib
from collections.abc import Callable, Iterator

from offload.domain.errors import PlaceUnavailable
from offload.drivers.docker import build_context
from offload.drivers.docker.engine import Engine

SOURCE = "offload.source"
"""The label with the digest of what an image was built from."""

_RUNTIMES = {"tflite": "tflite", "savedmodel": "tensorflow"}


def runtime(of: str) -> str:
    """What the Dockerfile calls the runtime of a model."""
    if of not in _RUNTIMES:
        raise PlaceUnavailable(
            f"The image of offload has no runtime {of}.",
            hint="For one of your own that has it: --where container --image NAME",
        )
    return _RUNTIMES[of]


def name(of: str) -> str:
    """The name of the image that has the runtime of a model."""
    return "offload" if runtime(of) == "tflite" else f"offload:{runtime(of)}"


def is_current(engine: Engine, image: str) -> bool:
    """Whether the engine has it, built from this source, or by hand, which we take at its word."""
    labels, source = engine.image_labels(image), build_context.digest()
    return labels is not None and labels.get(SOURCE, source) == source


def build(engine: Engine, of: str, follow: Callable[[str], None]) -> None:
    """Build the image with the runtime of a model."""
    with build_context.opened() as context:
        labels = {SOURCE: build_context.digest()}
        engine.build(context, name(of), {"RUNTIME": runtime(of)}, labels, follow)


def is_marked(of: str) -> bool:
    """Whether this machine's engine has the image of just this source, and it says so: others have
    to know it again.
    """
    with Engine.connected() as engine:
        labels = engine.image_labels(name(of)) or {}
        return labels.get(SOURCE) == build_context.digest()


def make(of: str, follow: Callable[[str], None]) -> None:
    """Have this machine's engine build it."""
    with Engine.connected() as engine:
        build(engine, of, follow)


def saved(of: str, on_bytes: Callable[[int, int | None], None]) -> Iterator[bytes]:
    """The image with the runtime of a model as this machine's engine has it, compressed."""
    pack = zlib.compressobj(level=1, wbits=31)  # as fast as gzip can
    with Engine.connected() as engine:
        yield from map(pack.compress, engine.saved(name(of), on_bytes))
    yield pack.flush()
