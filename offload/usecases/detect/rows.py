"""Detect objects in many images at one place, losing none."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from queue import Queue
from typing import TypeVar

from offload.domain.errors import ImageError, PlaceUnavailable, Refused, Unanswered
from offload.domain.events import Stop
from offload.domain.measurements import ImageSample, sample
from offload.domain.ports import ModelIdentity, Session
from offload.domain.results import Row, printable, with_detections
from offload.domain.timing import Clock, Spread
from offload.domain.vision import Detections, Image
from offload.drivers.host.capture import Captured
from offload.drivers.images import image_files
from offload.drivers.images.image_files import FileImage

T = TypeVar("T")
R = TypeVar("R")
_NO_MORE = object()


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: paths to read, problems already known, and when too many failed.

    `max_failures` says how many may fail, as far as is known by then; None never stops early.
    `keep` is handed each image that was detected, before its row is reported; it may raise
    ImageError, which the row then notes. `fallback` is the name of another place, and its session,
    for images that the asked place gives no answer for.

    Of a job that places share, `sessions` are those of the places that joined, by name, and
    `duplicate_uploads` the paths of images that were sent to one, or about to be, while the answer
    that counts came from here.
    """

    paths: Iterable[str]
    read: Callable[[str], FileImage]
    problems: Sequence[tuple[str, str]] = ()
    max_failures: Callable[[], int | None] = lambda: None
    keep: Callable[[Image, Detections], None] = lambda _image, _detections: None
    fallback: tuple[str, Session] | None = None
    sessions: dict[str, Session] = field(default_factory=dict)
    duplicate_uploads: list[str] = field(default_factory=list)


def detect(
    job: Job,
    session: Session,
    where: str,
    clock: Clock,
    stop: Stop,
    answers: Generator[Row] | None = None,
) -> Generator[Row]:
    """A row for every image of the job, in order of completion; `answers` are those of places that
    share it.

    An image that cannot be used is a row with its reason. After more than `job.max_failures` of
    those, or when `stop` is asked, nothing new is begun; what is in progress is finished.
    """

    def one(path: str) -> Row:
        return attempt(job, path, session, where, clock)[0]

    problems = (replace(_blank(path, session, where), error=why) for path, why in job.problems)
    failures = 0
    with closing(answers or pull(job.paths, one, lambda: session.concurrency, stop)) as rows:
        for row in chain(problems, rows):
            yield row
            failures += row.error is not None
            most = job.max_failures() if row.error is not None else None
            if most is not None and failures > most:
                stop.ask()


def pull(
    items: Iterable[T], work: Callable[[T], R], workers: Callable[[], int], stop: Stop
) -> Generator[R]:
    """`work(item)` for every item, in order of completion.

    Each of `workers()` threads, which may become more, takes an item when it has finished its last,
    so at most that many are in progress, and as many results as at first wait for a slow consumer.
    An exception in `work` is a bug: it stops the pipeline and is raised here. Threads are daemons:
    a process that must end now does.
    """
    source, lock = iter(items), threading.Lock()
    done: Queue[tuple[R] | Captured] = Queue(maxsize=workers())

    def take() -> T | object:
        with lock:
            return _NO_MORE if stop else next(source, _NO_MORE)

    def run() -> None:
        with Captured() as end:
            while (item := take()) is not _NO_MORE:
                done.put((work(item),))  # type: ignore[arg-type] # anything else is a T
        done.put(end)

    begun = ended = 0
    try:
        while not begun or ended < begun:
            while begun < workers():
                threading.Thread(target=run, name=f"worker-{begun}", daemon=True).start()
                begun += 1
            result = done.get()
            if isinstance(result, Captured):
                ended += 1
                result.again()
            else:
                yield result[0]
    except KeyboardInterrupt:
        ended = begun  # now means now: the threads end with the process
        raise
    finally:
        stop.ask()
        # Let blocked workers hand over and go; at the interpreter's end they are frozen.
        while ended < begun and not sys.is_finalizing():
            ended += isinstance(done.get(), Captured)


def attempt(
    job: Job,
    path: str,
    session: Session,
    where: str,
    clock: Clock,
    counts: Callable[[], bool] = lambda: True,
) -> tuple[Row, bool]:
    """The row of one image, and whether it has none but for want of an answer. What was detected is
    kept if it `counts`.
    """
    started_s = clock()
    row = _blank(path, session, where)
    try:
        file = job.read(path)
        row = _of_file(row, file)
        read_s = clock() - started_s
        try:
            found = session.detect(file.image)
        except (Unanswered, PlaceUnavailable) as error:
            if job.fallback is None:
                raise
            name, other = job.fallback
            row = replace(row, where=name, fallback=str(error), sent_bytes=error.sent_bytes)
            found = other.detect(file.image)
        row = replace(row, sent_bytes=row.sent_bytes + found.sent_bytes)
        if counts():
            row = _kept(job, file.image, found, row)
    except ImageError as error:
        row = replace(row, error=str(error), sent_bytes=max(row.sent_bytes, error.sent_bytes))
        return row, isinstance(error, Unanswered) and not isinstance(error, Refused)
    return with_detections(row, found, read_s), False


def _of_file(row: Row, file: FileImage) -> Row:
    row = replace(row, mtime_ns=file.mtime_ns, etag=file.etag, note=file.note)
    return image_files.described(row, file.image.data)


def _kept(job: Job, image: Image, found: Detections, row: Row) -> Row:
    try:
        job.keep(image, found)
    except ImageError as error:
        return replace(row, note=f"not drawn: {error}")
    return row


def _blank(path: str, session: Session, where: str) -> Row:
    return Row(printable(path), session.model.name, session.model.sha256, where)


@dataclass(slots=True)
class Tally:
    """Images and objects, and by label the objects that score `least_score` or more."""

    least_score: float = 0.0
    images: int = 0
    failed: int = 0
    objects: int = 0
    shown: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """One row more."""
        self.images += 1
        self.failed += row.error is not None
        self.objects += len(row.detections)
        self.shown.update(d.label for d in row.detections if d.score >= self.least_score)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to. Seconds of the wall clock; `infer` leaves the first calls out."""

    model: ModelIdentity
    where: str
    concurrency: int
    images: int
    images_by_place: dict[str, int]
    failed: int
    kept: int
    fallen_back: int
    objects: int
    objects_by_label: dict[str, int]
    startup_s: float
    phases: dict[str, float]
    first_infer_s: float | None
    infer: Spread | None
    detect_s: float
    images_per_s: float | None
    bytes: int
    sent_bytes: int


@dataclass(slots=True)
class Samples:
    """Images of a run, evenly spread over it, of which never more than `most` are held."""

    most: int = 200
    first_s: float | None = None
    first_sent_bytes: int = 0
    images: list[ImageSample] = field(default_factory=list)
    seen: int = 0
    stride: int = 1

    def add(self, row: Row, finished_s: float) -> None:
        """A row that was done `finished_s` after the first image was taken."""
        if row.error is not None or row.fallback is not None:
            return
        self.seen += 1
        if self.first_s is None:
            self.first_s, self.first_sent_bytes = finished_s, row.sent_bytes
        if self.seen % self.stride == 0:
            self.images.append(sample(row, self.seen, finished_s))
        if len(self.images) == self.most:
            self.images = self.images[1::2]
            self.stride *= 2
