"""What the parts ask of each other."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from offload.domain.typed import Name
from offload.domain.vision import Detections, Image, InputSpec, Pixels, RawDetections, Selection


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights answered: the name asked for, the runtime, the SHA-256 of the file or tree."""

    name: Name
    runtime: Name
    sha256: Name


class Model(Protocol):
    """What is known of a model before it answers."""

    @property
    def identity(self) -> ModelIdentity:
        """Which weights."""

    @property
    def labels(self) -> Mapping[int, str]:
        """Class id to name; empty when unknown beforehand."""

    @property
    def min_score(self) -> float:
        """The score below which its detections are dropped unless told otherwise."""


class Detector(Protocol):
    """A loaded model that answers for pictures already in its input shape."""

    @property
    def input(self) -> InputSpec:
        """The shape `detect` takes."""

    @property
    def max_batch(self) -> int:
        """How many pictures one call may hold."""

    @property
    def labels(self) -> Mapping[int, str]:
        """Class id to name; empty when the model names its findings itself."""

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """Answer for 1 to `max_batch` pictures, each [height, width, 3], in their order.

        Called by one thread at a time.
        """


class Session(Protocol):
    """A place that is up."""

    @property
    def model(self) -> ModelIdentity:
        """The weights that answer here."""

    @property
    def labels(self) -> Mapping[int, str]:
        """Class id to name; empty when unknown beforehand."""

    @property
    def concurrency(self) -> int:
        """How many `detect` calls at a time keep the place busy."""

    @property
    def slots(self) -> int:
        """How many images the place works on at a time; those beyond wait for their turn."""

    @property
    def host(self) -> Mapping[str, Any]:
        """The machine that detects."""

    @property
    def phases(self) -> Mapping[str, float]:
        """What bringing the place up consisted of, in order, and the seconds of each."""

    def detect(self, image: Image) -> Detections:
        """Find the objects of one image; safe to call from several threads.

        Raises:
            ImageError: this image cannot be used.
            Unanswered: the place does not answer.
        """

    def probe(self, payload: bytes) -> float:
        """Seconds that moving `payload` to the place takes, without the model; a round trip is part
        of it. 0 where nothing is moved.

        Raises:
            Unanswered: the place does not answer.
        """

    def probe_down(self, size_bytes: int) -> float:
        """Seconds that as many bytes from the place take, the round trip of asking for them
        included.

        Raises:
            Unanswered: the place does not answer.
        """


class Place(Protocol):
    """Somewhere to run: `open` brings it up, leaving the context takes it down."""

    @property
    def name(self) -> str:
        """The name `--where` takes."""

    @property
    def model(self) -> Model:
        """What will answer there; finding out may mean asking the place.

        Raises:
            PlaceUnavailable: it does not say.
        """

    def open(self, selection: Selection, images: int) -> AbstractContextManager[Session]:
        """Bring the place up for about `images` images, whose detections are selected so.

        Raises:
            PlaceUnavailable: it cannot be reached or started.
        """


@runtime_checkable
class Coolable(Protocol):
    """A place whose cold start can be asked for."""

    def cool(self) -> None:
        """Have the next call be a cold one, as far as that may be asked for."""


class Stream(Protocol):
    """A connection that is no socket of ours. Its errors are OSErrors, with a reason."""

    def read(self, n: int, timeout_s: float | None) -> bytes:
        """Up to `n` bytes as soon as there are any; none at the end."""

    def write(self, data: bytes, timeout_s: float | None) -> None:
        """Send it all; `timeout_s` is how long it may make no progress."""

    def is_readable(self) -> bool:
        """Whether `read` would return at once: of an idle connection, that it has ended."""

    def close(self) -> None:
        """Close it."""


Dial = Callable[[float], Stream]
"""Makes a connection to a server within so many seconds, or raises OSError."""
