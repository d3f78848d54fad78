"""This process: the lane everything else is compared with."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from offload.domain.places import PlaceTraits, StartState
from offload.domain.ports import Detector, Model
from offload.domain.timing import Clock, Durations
from offload.domain.vision import Detections, Image, Pixels, RawDetections, Selection, select
from offload.drivers.host import machine
from offload.drivers.host.capture import Captured
from offload.drivers.images import pictures
from offload.providers.config import PlaceConfig

TRAITS = PlaceTraits(
    "local",
    title="the local process",
    phrase="here",
    leaves_machine=False,
    uses_link=False,
    rented=False,
    in_process=True,
    start_states=(StartState.COLD,),
    options=frozenset({"labels", "workers", "threads", "deadline_s"}),
    simplicity=0,
)


def make(config: PlaceConfig) -> "InProcess":
    """Detection here: a detector per core, one thread each; fewer images share the cores."""
    model = config.resolve(config.asked)

    def load(images: int) -> Sequence[Detector]:
        workers = min(config.workers or config.cores, max(1, images))
        return config.load(model, workers, config.threads or max(1, config.cores // workers))

    return InProcess(model, load, config.max_pixels, config.clock)


def standing(config: PlaceConfig) -> "InProcess":
    """The same for images that come by themselves, alone or many at a time."""
    model, cores = config.resolve(config.asked), config.cores
    place = make(replace(config, resolve=lambda _asked: model))
    threads = config.threads or max(1, cores // (config.workers or cores))
    return replace(place, load_wide=wide(model, partial(config.load, model), threads, cores))


def wide(
    model: Model, load: Callable[[int, int], Sequence[Detector]], threads: int, cores: int
) -> Callable[[], Detector | None]:
    """A detector for requests that are alone, unless each detector uses every core already.

    A SavedModel's threads are the process's own: a second one would share them.
    """
    if threads >= cores or model.identity.runtime == "savedmodel":
        return lambda: None
    return lambda: load(1, cores)[0]


@dataclass(frozen=True, slots=True)
class InProcess:
    """Detectors in threads of this process.

    `load` makes the detectors for a number of images: their libraries release the interpreter lock
    while they decode and infer, so one thread a detector keeps a core busy and the threads overlap
    freely. `load_wide`, where given, makes one more that uses all cores, for a picture that is
    alone.
    """

    model: Model
    load: Callable[[int], Sequence[Detector]]
    max_pixels: int
    clock: Clock
    load_wide: Callable[[], Detector | None] = lambda: None
    name: str = "local"

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator["InProcessSession"]:
        """Load the detectors; they go when the context ends.

        Raises:
            ModelError: the model cannot be run.
        """
        began_s = self.clock()
        detectors, wide = self.load(images), self.load_wide()
        yield InProcessSession(self, detectors, wide, selection, self.clock() - began_s)


class InProcessSession:
    """Loaded detectors that threads share, and the pictures that wait for one.

    Whoever gets a free detector runs it on the pictures that have waited longest, its own or not,
    as many as fit one call. So batches form by themselves under load, and a lone picture waits for
    nobody; if the one before it was as alone, it gets the `wide` detector, where there is one.
    """

    def __init__(
        self,
        place: InProcess,
        detectors: Sequence[Detector],
        wide: Detector | None,
        selection: Selection,
        load_s: float,
    ) -> None:
        self.model = place.model.identity
        self.labels: Mapping[int, str] = detectors[0].labels
        self.concurrency = self.slots = len(detectors) * detectors[0].max_batch
        self.phases = {"load": load_s}
        self.host = machine.describe()
        self._input = detectors[0].input
        self._clock = place.clock
        self._max_pixels = place.max_pixels
        self._selection = selection
        self._free = list(detectors)
        self._wide = [wide] if wide else []
        self._visitors = 0
        self._alone_in_a_row = 0
        self._waiting: deque[_Ticket] = deque()
        self._changed = threading.Condition()

    def detect(
        self,
        image: Image,
        selection: Selection | None = None,
        max_pixels: int | None = None,
        *,
        heavy: bool = True,
    ) -> Detections:
        """Decode in the caller's thread, infer on the next free detector; by default as opened. One
        that is heavy to decode raises TooHeavy if it may not be.
        """
        with self._visit():
            started_s = self._clock()
            limit = min(self._max_pixels, max_pixels or self._max_pixels)
            picture = pictures.decode(image.data, self._input, limit, heavy=heavy)
            decode_s = self._clock() - started_s
            raw, queue_s, infer_s = self._infer(picture.pixels)
        found = select(raw, self.labels, selection or self._selection, picture.covered)
        durations = Durations(decode_s=decode_s, queue_s=queue_s, infer_s=infer_s)
        return Detections(found, picture.width, picture.height, durations)

    def probe(self, payload: bytes) -> float:
        """Nothing is moved, so nothing is waited for."""
        del payload
        return 0.0

    def probe_down(self, size_bytes: int) -> float:
        """Nothing is moved, so nothing is waited for."""
        del size_bytes
        return 0.0

    @contextmanager
    def _visit(self) -> Iterator[None]:
        """Meanwhile a picture is on its way to a detector."""
        with self._changed:
            self._visitors += 1
            self._alone_in_a_row = self._alone_in_a_row + 1 if self._visitors == 1 else 0
        try:
            yield
        finally:
            with self._changed:
                self._visitors -= 1

    def _infer(self, pixels: Pixels) -> tuple[RawDetections, float, float]:
        """The answer for one picture, the seconds it waited and its share of the call's seconds."""
        ticket = _Ticket(pixels, self._clock())
        with self._changed:
            self._waiting.append(ticket)
            while not ticket.answer.done():
                if self._free and self._waiting:
                    self._serve()
                else:
                    self._changed.wait()
        return ticket.answer.result()

    def _serve(self) -> None:
        """Run a free detector on who has waited longest; the lock is held, but not meanwhile."""
        # Alone for a moment is not alone: under load two detectors would share the cores badly.
        resting = self._wide if self._wide and self._alone_in_a_row > 1 else self._free
        detector = resting.pop()
        size = min(detector.max_batch, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(size)]
        self._changed.release()
        try:
            self._run(detector, batch)
        finally:
            self._changed.acquire()
            resting.append(detector)
            for ticket in batch:
                ticket.answer.cancel()  # where the run was interrupted before it began
            self._changed.notify_all()

    def _run(self, detector: Detector, batch: "Sequence[_Ticket]") -> None:
        started_s = self._clock()
        with Captured() as caught:  # each waiting caller raises it in its thread
            answers = detector.detect([ticket.pixels for ticket in batch])
            infer_s = (self._clock() - started_s) / len(batch)
            for ticket, raw in zip(batch, answers, strict=True):
                ticket.answer.set_result((raw, started_s - ticket.asked_s, infer_s))
        for ticket in batch:
            if not ticket.answer.done():
                ticket.answer.set_exception(caught.error)


@dataclass(slots=True)
class _Ticket:
    pixels: Pixels
    asked_s: float
    answer: Future[tuple[RawDetections, float, float]] = field(default_factory=Future)
