"""`offload.detect` and `offload.Detector`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, Self, TypeAlias

from offload import bootstrap
from offload.api.boundary import HERE, Names, Path, checked, explained, hear
from offload.api.rows import Row, Rows, single
from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import Stop
from offload.domain.places import AUTO, SPLIT
from offload.domain.ports import ModelIdentity, Session
from offload.domain.results import Row as PlainRow
from offload.domain.results import printable
from offload.domain.typed import Amount, Count, Percent, Positive, Seconds, Share, SidePx, Workers
from offload.domain.vision import check_classes
from offload.drivers.images import handed, image_files, pictures
from offload.drivers.images.handed import Source, Sources
from offload.drivers.images.image_files import ImageList
from offload.places import inprocess, known, make
from offload.usecases.context import Context
from offload.usecases.detect import places, rows
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job

Format: TypeAlias = Literal[
    "jsonl", "coco", "coco-results", "megadetector", "csv", "json", "parquet"
]


def detect(
    sources: Sources,
    *,
    recursive: bool = False,
    where: str = HERE,
    others: Names = (),
    model: Path | None = None,
    labels: Path | None = None,
    min_score: Share | None = None,
    classes: Names = (),
    max_detections: Positive = 300,
    iou: Share = 0.7,
    out: Path | None = None,
    format: Format | Sequence[Format] = "jsonl",  # noqa: A002 - named as the option is
    annotate: bool = False,
    overwrite: bool = False,
    max_failures: int | str | None = None,
    max_pixels: Positive = pictures.MAX_PIXELS,
    workers: Workers | None = None,
    threads: Workers | None = None,
    url: str | None = None,
    token: str | None = None,
    machine: str | None = None,
    deadline_s: Seconds | None = None,
    max_cost_usd: Amount | None = None,
    keep_local: Names = (),
    concurrency: Workers | None = None,
    timeout_s: Seconds = 60.0,
    max_retries: Count = 5,
    fallback: str | None = None,
    upload_max_side: SidePx | None = None,
    upload_quality: Percent = 90,
    strip_metadata: bool = False,
    container_image: str | None = None,
    cpus: float | None = None,
    memory: str | None = None,
    replicas: Workers | None = None,
    keep: bool = False,
    offline: bool = False,
) -> Rows:
    """Find the objects in images: a row for each, in the order in which they are done.

    `sources` is one image or several: a path, a folder, a glob pattern, a `.txt` file with a path
    a line; the bytes of an encoded file, a PIL image, an array (uint8, [height, width, 3], red
    first); a pair `(name, image)`; a list of any of these; or a dictionary of images by name.
    Images in memory without a name are called `image-0001` and so on, by position.

    The keywords are the options of `offload detect`. Seconds, bytes and dollars are numbers; the
    unit is in the name. Everything is checked and the place is started before this returns. A place
    that costs money is used without asking. Unlike runs of the command, these are not recorded for
    `advise`; use `profile`.

    >>> for row in offload.detect("examples/images/dog-on-lawn.webp", model="builtin"):
    ...     print(row.path, [found.label for found in row.detections])
    examples/images/dog-on-lawn.webp ['dog']

    Raises:
        UsageError: a source does not exist, or an argument is invalid.
        ModelError: the model cannot be found, fetched or run.
        PlaceUnavailable: the place cannot be reached or started.
    """
    given = checked(detect, locals())
    if out is None and (annotate or overwrite or given["formats"] != ("jsonl",)):
        raise UsageError("annotate, format and overwrite need out=FOLDER.")
    with explained():
        sent = annotate or not known()[where].in_process
        if max_failures is not None:
            given["max_failures"] = str(max_failures)
        request = Request(handed.sources(sources, sent=sent), **given)
        context = bootstrap.context(hear, offline=offline)
        if where == AUTO:
            from offload.usecases.detect import choose

            request, _ = choose.decided(request, context)
            context.reporter.note(f"where={request.where!r} uses several.")
        return Rows(request, context)


class Detector:
    """A model that is loaded once and used any number of times, from any number of threads.

    The keywords are those of `detect`. With `where`, it connects to a server once. It is open until
    `close` is called or the `with` block ends.

    >>> with offload.Detector("builtin", classes="person") as detector:
    ...     row = detector("examples/images/couple-on-beach.jpg")
    ...     rows = list(detector.detect(["examples/images/dog-on-lawn.webp", row.draw()]))
    >>> len(row.detections), [(row.path, len(row.detections)) for row in rows]
    (2, [('examples/images/dog-on-lawn.webp', 0), ('image-0002', 2)])

    Raises:
        UsageError, ModelError, PlaceUnavailable: as `detect`.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        labels: Path | None = None,
        min_score: Share | None = None,
        classes: Names = (),
        max_detections: Positive = 300,
        iou: Share = 0.7,
        max_pixels: Positive = pictures.MAX_PIXELS,
        workers: Workers | None = None,
        threads: Workers | None = None,
        where: str = HERE,
        url: str | None = None,
        token: str | None = None,
        machine: str | None = None,
        offline: bool = False,
    ) -> None:
        given = checked(Detector.__init__, locals())
        with explained(), ExitStack() as stack:
            request = Request((), **given)
            if where in {AUTO, SPLIT}:
                raise UsageError("A Detector uses one place.", hint="offload.detect(…) has more.")
            context = bootstrap.context(hear, offline=offline)
            self._where, self._clock = where, context.clock
            self._is_sent = not known()[where].in_process
            self._open: Session | None = stack.enter_context(_opened(request, context))
            self._stack = stack.pop_all()

    @property
    def model(self) -> ModelIdentity:
        """The model in use: `name`, `runtime`, `sha256`."""
        return self._session.model

    @property
    def labels(self) -> Mapping[int, str]:
        """Class id to name; empty when unknown beforehand."""
        return self._session.labels

    def __call__(self, image: Source) -> Row:
        """The row of one image; if it cannot be used, the reason is in `error`.

        Raises:
            UsageError: there is no such file.
        """
        with explained():
            found = single(image, sent=self._is_sent)
            job, (path,) = Job(found.paths, found.read), found.paths
            row, _ = rows.attempt(job, path, self._session, self._where, self._clock)
        return Row.of(row, found.read)

    def detect(self, images: Sources) -> Iterator[Row]:
        """The rows of several images, in their order; several are processed at a time.

        Raises:
            UsageError: a source does not exist.
        """
        with explained():
            found = image_files.find(handed.sources(images, sent=self._is_sent))
        job = Job(found.paths, found.read, found.problems)
        done = rows.detect(job, self._session, self._where, self._clock, Stop())
        return _in_order(done, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the model, or the connection to the server."""
        self._open = None
        self._stack.close()

    @property
    def _session(self) -> Session:
        if self._open is None:
            raise OffloadError("This Detector is closed.")
        return self._open


@contextmanager
def _opened(request: Request, context: Context) -> Iterator[Session]:
    with places.endpoint(request, context) as endpoint:
        config = places.config(request, context, endpoint)
        is_here = known()[request.where].in_process
        place = inprocess.standing(config) if is_here else make(request.where, config)
        selection = request.selection(place.model)
        check_classes(selection, place.model.labels)
        with place.open(selection, config.workers or config.cores) as session:
            yield session


def _in_order(done: Iterator[PlainRow], found: ImageList) -> Iterator[Row]:
    """Rows by the order of the images; those of what could not be listed come first."""
    place = {printable(path): number for number, path in enumerate(found.paths)}
    waiting: dict[int, Row] = {}
    following = 0
    with explained():
        for row in done:
            ours = Row.of(row, found.read)
            if row.path not in place:
                yield ours
                continue
            waiting[place[row.path]] = ours
            while following in waiting:
                yield waiting.pop(following)
                following += 1
