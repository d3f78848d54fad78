"""Detection put together: model, place, files, results folder."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from offload.domain.places import SPLIT
from offload.domain.ports import Session
from offload.domain.results import Json, Row
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, check_classes
from offload.drivers.folders import results_dir
from offload.drivers.folders.results_dir import ResultsDir
from offload.drivers.host import machine
from offload.drivers.images import image_files, pictures
from offload.places import make
from offload.places.served import ServedPlace
from offload.providers import Endpoint
from offload.usecases.context import Context
from offload.usecases.detect import places, privacy
from offload.usecases.detect import rows as use_case
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job, Samples, Summary, Tally
from offload.version import __version__

if TYPE_CHECKING:
    from offload.usecases.split.rental import HiredMachine
    from offload.usecases.split.splitting import SplitRun


@dataclass(slots=True)
class DetectRun:
    """A detection that is ready to go: iterate over its rows, then ask for its summary."""

    total: int
    kept: int
    startup_s: float
    tally: Tally
    rows: Iterator[Row]
    clock: Clock
    detect_s: float = 0.0
    waited_s: float = 0.0
    samples: dict[str, Samples] = field(default_factory=lambda: defaultdict(Samples))
    via: Endpoint | None = None
    shared: "SplitRun | None" = None

    def __iter__(self) -> Iterator[Row]:
        began_s = self.clock()
        for row in self.rows:
            self.tally.add(row)
            self.detect_s = self.clock() - began_s
            self.samples[row.where].add(row, self.detect_s)
            before_s = self.clock()
            yield row
            self.waited_s += self.clock() - before_s

    @property
    def complete(self) -> bool:
        """Whether every image has its row."""
        return self.tally.images == self.total

    def summary(self) -> Summary:
        """What came of it so far."""
        return self.tally.summary(self.startup_s, self.detect_s, self.kept)


@contextmanager
def detection(
    request: Request, context: Context, began_s: float, rental: "HiredMachine | None" = None
) -> Iterator[DetectRun]:
    """Everything a request needs, brought up; what it wrote is complete when the context ends.

    `began_s` is when the process began, on the context's clock. `rental` is a machine that may be
    brought up for a split.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    clock, stop, configured = context.clock, context.stop, context.settings
    found = image_files.find(request.sources, recursive=request.recursive, skip=request.out)
    privacy.check(request, configured, found)
    privacy.tell_of_idle(request, found, context.reporter)
    is_shared = request.where == SPLIT or request.deadline_s is not None
    with ExitStack() as stack:
        via = None if is_shared else stack.enter_context(places.endpoint(request, context))
        kit = places.kit(request, context, via)
        place = make(request.members[0], kit)
        model = place.model
        selection = request.selection(model)
        check_classes(selection, model.labels)
        other = places.fallback(request.fallback, kit, model) if request.fallback else None
        results: ResultsDir | None = None
        todo = found
        if request.out is not None:
            fixed = request.fixed(model, found.root)
            opened = results_dir.opened(request.out, fixed, overwrite=request.overwrite)
            results = stack.enter_context(opened)
            left = [path for path in found.paths if not results.holds(found.root, path)]
            todo = replace(found, paths=left)
        total = len(todo.paths) + len(todo.problems)
        session = stack.enter_context(place.open(selection, total))
        fallback = None
        if other is not None:
            fallback = (other.name, stack.enter_context(other.open(selection, total)))
        job = Job(
            paths=todo.paths,
            problems=todo.problems,
            read=partial(image_files.read, todo.root),
            max_failures=request.failure_limit(total),
            keep=_annotator(request, results),
            fallback=fallback,
        )
        shared: SplitRun | None = None
        if is_shared:
            from offload.usecases.split import splitting

            here = splitting.LocalMember(place.name, session, began_s)
            job_and = splitting.shared(request, context, here, job, todo, rental)
            shared = stack.enter_context(job_and)
            detected = use_case.limited(job, shared.rows(), stop)
        else:
            detected = use_case.detect(job, session, place.name, clock, stop)
        # Closed before the place is: a consumer that fails leaves no worker behind.
        rows: Iterator[Row] = stack.enter_context(closing(detected))
        kept = len(found.paths) - len(todo.paths)
        tally = Tally(session, request.where)
        via = via or (place.endpoint if isinstance(place, ServedPlace) else None)
        run = DetectRun(total, kept, clock() - began_s, tally, rows, clock, via=via, shared=shared)
        if results is None:
            yield run
            return
        run.rows = _logged(rows, results)
        with _documented(results, request, fixed, session, run):
            yield run


@contextmanager
def _documented(
    results: ResultsDir, request: Request, fixed: Json, session: Session, run: DetectRun
) -> Iterator[None]:
    """`run.json` from the start, and again with the other documents at the end."""
    provenance: Json = {"offload": __version__, "model": asdict(session.model)}
    document = provenance | {
        "place": request.where,
        "sources": list(request.sources),
        "settings": fixed,
        "host": asdict(machine.describe()),
        "detected_on": dict(session.host),
        "started_at": machine.now(),
        "finished_at": None,
        "complete": False,
    }
    if results.also_sent:
        document["also_sent"] = results.also_sent
    nothing_to_do = run.kept and not run.total
    if not nothing_to_do:  # else the run that did the work keeps its account
        results.write_run(document)
    with ExitStack() as stack:
        stack.callback(results.export, request.formats, session.labels, provenance)
        try:
            yield
        except KeyboardInterrupt:
            stack.pop_all()  # now means now; the log is whole as it is
            raise
    if nothing_to_do:
        return
    outcome = {
        "finished_at": machine.now(),
        "complete": run.complete,
        "totals": asdict(run.summary()),
    }
    if run.shared:
        sessions = run.shared.work.sessions
        outcome["detected_on"] = {name: dict(each.host) for name, each in sessions.items()}
        outcome["also_sent"] = sorted({*results.also_sent, *run.shared.work.duplicate_uploads})
    results.write_run(document | outcome | {"in_folder": results.counts()})


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
