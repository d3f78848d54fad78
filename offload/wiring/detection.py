"""Detection put together: model, place, files, results folder."""

import datetime
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from offload import detectors
from offload.app import detect as use_case
from offload.app.detect import Job, Summary, Tally
from offload.app.pipeline import Stop
from offload.detectors import source
from offload.detectors.source import Hub, ModelSource
from offload.domain.errors import UsageError
from offload.domain.ports import Place, Session
from offload.domain.results import Json, Row
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, Selection, check_classes
from offload.drivers import imagefiles, machine, pictures, resultsdir
from offload.drivers.resultsdir import ResultsDir
from offload.drivers.settings import Settings
from offload.places import PLACES
from offload.version import __version__
from offload.wiring import configuration


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks `detect` for; None where the model or the machine decides."""

    sources: tuple[str, ...]
    recursive: bool = False
    where: str = "local"
    model: str | None = None
    labels: str | None = None
    min_score: float | None = None
    classes: tuple[str, ...] = ()
    max_detections: int = 300
    max_iou: float = 0.7
    max_pixels: int = pictures.MAX_PIXELS
    max_failures: str | None = None
    out: str | None = None
    formats: tuple[str, ...] = ("jsonl",)
    annotate: bool = False
    overwrite: bool = False
    offline: bool = False
    workers: int | None = None
    threads: int | None = None


@dataclass(slots=True)
class Run:
    """A detection that is ready to go: iterate over its rows, then ask for its summary."""

    total: int
    kept: int
    startup_s: float
    tally: Tally
    rows: Iterator[Row]
    clock: Clock
    detect_s: float = 0.0

    def __iter__(self) -> Iterator[Row]:
        began_s = self.clock()
        for row in self.rows:
            self.tally.add(row)
            self.detect_s = self.clock() - began_s
            yield row

    @property
    def complete(self) -> bool:
        """Whether every image has its row."""
        return self.tally.images == self.total

    def summary(self) -> Summary:
        """What came of it so far."""
        return self.tally.summary(self.startup_s, self.detect_s, self.kept)


@contextmanager
def detection(
    request: Request, hub: Hub, configured: Settings, stop: Stop, began_s: float
) -> Iterator[Run]:
    """Everything a request needs, brought up; what it wrote is complete when the context ends.

    `began_s` is when the process began, on the clock of `time.perf_counter`.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    clock = time.perf_counter
    found = imagefiles.find(request.sources, recursive=request.recursive, skip=request.out)
    model = _model(request, hub, configured)
    selection = _selection(request, model)
    with ExitStack() as stack:
        results: ResultsDir | None = None
        if request.out is not None:
            wanted = _fixed_settings(request, model, selection, found.root)
            results = stack.enter_context(
                resultsdir.opened(request.out, wanted, overwrite=request.overwrite)
            )
            paths = [path for path in found.paths if not results.holds(found.root, path)]
        else:
            paths = found.paths
        total = len(paths) + len(found.problems)
        place = _place(request, configured, model, selection, total)
        session = stack.enter_context(place.open())
        check_classes(selection, session.labels)
        job = Job(
            paths=paths,
            problems=found.problems,
            read=lambda path: imagefiles.read(found.root, path),
            digest=lambda data: hashlib.sha256(data).hexdigest(),
            printable=imagefiles.printable,
            max_failures=_limit(request.max_failures, total),
            keep=_annotator(request, results),
        )
        rows = use_case.detect(job, session, place.name, clock, stop)
        kept = len(found.paths) - len(paths)
        if results is not None:
            rows = _logged(rows, results)
        tally = Tally(session, place.name)
        run = Run(total, kept, clock() - began_s, tally, rows, clock)
        if results is None:
            yield run
            return
        document = _manifest(request, session, wanted)
        results.write_run(document)
        try:
            yield run
        finally:
            document |= {
                "finished_at": _now(),
                "complete": run.complete,
                "totals": asdict(run.summary()),
            }
            results.export(request.formats, session.labels, _provenance(session))
            results.write_run(document)


def detect(*sources: str, **wishes: Any) -> Iterator[Row]:
    """A row for every image that `sources` name; `wishes` are the fields of Request.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    configured = configuration.load()
    hub = configuration.hub(configured, lambda _have, _total: None, lambda _line: None)
    request = Request(sources, **wishes)
    with detection(request, hub, configured, Stop(), time.perf_counter()) as run:
        yield from run


def _model(request: Request, hub: Hub, configured: Settings) -> ModelSource:
    wanted = request.model or configured.model
    if wanted:
        return source.resolve(wanted, hub, request.labels)
    if request.labels:
        raise UsageError("--labels goes with a model.", hint="Add --model FILE.")
    return source.resolve_default(hub)


def _selection(request: Request, model: ModelSource) -> Selection:
    return Selection(
        min_score=model.min_score if request.min_score is None else request.min_score,
        classes=frozenset(name.strip().lower() for name in request.classes),
        max_detections=request.max_detections,
        max_iou=request.max_iou,
    )


def _place(
    request: Request,
    configured: Settings,
    model: ModelSource,
    selection: Selection,
    images: int,
) -> Place:
    if request.where not in PLACES:
        raise UsageError(
            f"There is no place {request.where!r}.", hint=f"There is: {', '.join(PLACES)}."
        )
    module, _, name = PLACES[request.where].partition(":")
    cores = machine.usable_cores()
    workers = request.workers or configured.workers or max(1, min(cores, images))
    threads = request.threads or configured.threads or max(1, cores // workers)
    place: Place = getattr(import_module(module), name)(
        identity=model.identity,
        load=lambda: detectors.load(model, workers, threads),
        selection=selection,
        max_pixels=request.max_pixels,
        clock=time.perf_counter,
    )
    return place


def _annotator(request: Request, results: ResultsDir | None) -> Callable[[Image, Detections], None]:
    if not request.annotate or results is None:
        return lambda _image, _detections: None

    def annotate(image: Image, found: Detections) -> None:
        results.annotate(image.path, pictures.annotate(image.data, found.found, request.max_pixels))

    return annotate


def _logged(rows: Iterator[Row], results: ResultsDir) -> Iterator[Row]:
    for row in rows:
        results.append(row)
        yield row


def _limit(text: str | None, total: int) -> int | None:
    """`--max-failures` as a number of images: `N`, or `P%` of all."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%"))
        if value < 0 or (not text.endswith("%") and not value.is_integer()):
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"--max-failures takes a number or a percentage, not {text!r}.",
            hint="For instance: --max-failures 10 or --max-failures 5%",
        ) from error
    return int(value * total / 100) if text.endswith("%") else int(value)


def _fixed_settings(request: Request, model: ModelSource, selection: Selection, root: str) -> Json:
    """What must be the same for a results folder to be continued."""
    return {
        "root": root,
        "model_sha256": model.identity.sha256,
        "min_score": selection.min_score,
        "classes": sorted(selection.classes),
        "max_detections": selection.max_detections,
        "max_iou": selection.max_iou,
        "max_pixels": request.max_pixels,
        "annotate": request.annotate,
    }


def _manifest(request: Request, session: Session, wanted: Mapping[str, object]) -> Json:
    return {
        **_provenance(session),
        "place": request.where,
        "sources": list(request.sources),
        "settings": dict(wanted),
        "host": asdict(machine.describe()),
        "started_at": _now(),
        "finished_at": None,
        "complete": False,
    }


def _provenance(session: Session) -> Json:
    return {"offload": __version__, "model": asdict(session.model)}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
