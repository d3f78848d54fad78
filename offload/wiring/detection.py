"""Detection put together: model, place, files, results folder."""

import datetime
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
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
from offload.domain.vision import Detections, Image, check_classes
from offload.drivers import imagefiles, machine, pictures, resultsdir
from offload.drivers.resultsdir import ResultsDir
from offload.drivers.settings import Settings
from offload.places import PLACES
from offload.version import __version__
from offload.wiring import configuration
from offload.wiring.request import Request


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
    check_classes(request.selection(model), model.labels)
    with ExitStack() as stack:
        results: ResultsDir | None = None
        paths = found.paths
        if request.out is not None:
            fixed = request.fixed(model, found.root)
            opened = resultsdir.opened(request.out, fixed, overwrite=request.overwrite)
            results = stack.enter_context(opened)
            paths = [path for path in paths if not results.holds(found.root, path)]
        total = len(paths) + len(found.problems)
        place = _place(request, configured, model, total)
        session = stack.enter_context(place.open())
        job = Job(
            paths=paths,
            problems=found.problems,
            read=lambda path: imagefiles.read(found.root, path),
            digest=lambda data: hashlib.sha256(data).hexdigest(),
            printable=imagefiles.printable,
            max_failures=request.failure_limit(total),
            keep=_annotator(request, results),
        )
        # Closed before the place is: a consumer that fails leaves no worker behind.
        rows = stack.enter_context(closing(use_case.detect(job, session, place.name, clock, stop)))
        kept = len(found.paths) - len(paths)
        run = Run(total, kept, clock() - began_s, Tally(session, place.name), rows, clock)
        if results is None:
            yield run
            return
        run.rows = _logged(rows, results)
        with _documented(results, request, fixed, session, run):
            yield run


@contextmanager
def _documented(
    results: ResultsDir, request: Request, fixed: Json, session: Session, run: Run
) -> Iterator[None]:
    """`run.json` from the start, and again with the other documents at the end."""
    provenance: Json = {"offload": __version__, "model": asdict(session.model)}
    document = provenance | {
        "place": request.where,
        "sources": list(request.sources),
        "settings": fixed,
        "host": asdict(machine.describe()),
        "started_at": _now(),
        "finished_at": None,
        "complete": False,
    }
    nothing_to_do = run.kept and not run.total
    if not nothing_to_do:  # else the run that did the work keeps its account
        results.write_run(document)
    try:
        yield
    except KeyboardInterrupt:
        raise  # now means now; the log is whole as it is
    except BaseException:
        results.export(request.formats, session.labels, provenance)
        raise
    results.export(request.formats, session.labels, provenance)
    if nothing_to_do:
        return
    outcome = {"finished_at": _now(), "complete": run.complete, "totals": asdict(run.summary())}
    results.write_run(document | outcome | {"in_folder": results.counts()})


def detect(*sources: str, **wishes: Any) -> Iterator[Row]:
    """A row for every image that `sources` name; `wishes` are the fields of Request.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    configured = configuration.load()
    hub = configuration.hub(configured)
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


def _place(request: Request, configured: Settings, model: ModelSource, images: int) -> Place:
    module, _, name = PLACES[request.where].partition(":")
    cores = machine.usable_cores()
    workers = min(request.workers or configured.workers or cores, max(1, images))
    threads = request.threads or configured.threads or max(1, cores // workers)
    place: Place = getattr(import_module(module), name)(
        identity=model.identity,
        load=lambda: detectors.load(model, workers, threads),
        selection=request.selection(model),
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


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
