"""This process: the lane everything else is compared with."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from offload.domain.ports import Detector, ModelIdentity
from offload.domain.timing import Clock, Durations
from offload.domain.vision import Detections, Image, Pixels, RawDetections, Selection, select
from offload.drivers import pictures


@dataclass(frozen=True, slots=True)
class InProcess:
    """Detectors in threads of this process.

    `load` makes the detectors: their libraries release the interpreter lock while they decode and
    infer, so one thread a detector keeps a core busy and the threads overlap freely.
    """

    identity: ModelIdentity
    load: Callable[[], Sequence[Detector]]
    selection: Selection
    max_pixels: int
    clock: Clock
    name: str = "local"

    @contextmanager
    def open(self) -> Iterator["InProcessSession"]:
        """Load the detectors; they go when the context ends.

        Raises:
            ModelError: the model cannot be run.
        """
        yield InProcessSession(self, self.load())


class InProcessSession:
    """Loaded detectors that threads share."""

    def __init__(self, place: InProcess, detectors: Sequence[Detector]) -> None:
        self.model = place.identity
        self.labels: Mapping[int, str] = detectors[0].labels
        self._place = place
        self._pool = _Pool(detectors, place.clock)
        self._input = detectors[0].input
        self.concurrency = len(detectors) * detectors[0].max_batch

    def detect(self, image: Image) -> Detections:
        """Decode in the caller's thread, infer on the next free detector.

        Raises:
            ImageError: the image cannot be decoded.
        """
        clock = self._place.clock
        started_s = clock()
        picture = pictures.decode(image.data, self._input, self._place.max_pixels)
        decode_s = clock() - started_s
        raw, queue_s, infer_s = self._pool.detect(picture.pixels)
        found = select(raw, self.labels, self._place.selection, picture.covered)
        durations = Durations(decode_s=decode_s, queue_s=queue_s, infer_s=infer_s)
        return Detections(found, picture.width, picture.height, durations)

    def probe(self, payload: bytes) -> float:
        """Nothing is moved, so nothing is waited for."""
        del payload
        return 0.0


class _Pool:
    """Detectors and the pictures that wait for one.

    Whoever gets a free detector runs it on the pictures that have waited longest, its own or not,
    as many as fit one call. So batches form by themselves under load, and a lone picture waits for
    nobody.
    """

    def __init__(self, detectors: Sequence[Detector], clock: Clock) -> None:
        self._free = list(detectors)
        self._waiting: deque[_Ticket] = deque()
        self._changed = threading.Condition()
        self._clock = clock

    def detect(self, pixels: Pixels) -> tuple[RawDetections, float, float]:
        """The answer for one picture, the seconds it waited and its share of the call's seconds."""
        ticket = _Ticket(pixels, self._clock())
        with self._changed:
            self._waiting.append(ticket)
            while not ticket.done:
                if self._free and self._waiting:
                    self._serve()
                else:
                    self._changed.wait()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.answer is not None
        return ticket.answer, ticket.queue_s, ticket.infer_s

    def _serve(self) -> None:
        """Run a free detector on those who have waited longest; called with the lock, held but for
        the run itself.
        """
        detector = self._free.pop()
        size = min(detector.max_batch, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(size)]
        self._changed.release()
        try:
            self._run(detector, batch)
        finally:
            self._changed.acquire()
            self._free.append(detector)
            for ticket in batch:
                ticket.done = True
            self._changed.notify_all()

    def _run(self, detector: Detector, batch: "Sequence[_Ticket]") -> None:
        started_s = self._clock()
        answers: Sequence[RawDetections | None] = [None] * len(batch)
        error: BaseException | None = None
        try:
            answers = detector.detect([ticket.pixels for ticket in batch])
        except BaseException as failure:  # noqa: BLE001 - each waiting caller raises it in its thread
            error = failure
        infer_s = (self._clock() - started_s) / len(batch)
        for ticket, answer in zip(batch, answers, strict=True):
            ticket.answer, ticket.error = answer, error
            ticket.queue_s, ticket.infer_s = started_s - ticket.asked_s, infer_s


@dataclass(slots=True)
class _Ticket:
    pixels: Pixels
    asked_s: float
    answer: RawDetections | None = None
    error: BaseException | None = None
    queue_s: float = 0.0
    infer_s: float = 0.0
    done: bool = False
