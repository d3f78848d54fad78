"""Detection put together: model, place, files, results folder."""

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from offload.detectors import source
from offload.domain.errors import OffloadError
from offload.domain.ports import Session
from offload.domain.results import Json, Row, printable
from offload.domain.timing import Clock, spread
from offload.domain.vision import Detections, Image, check_classes
from offload.drivers.folders import results_formats
from offload.drivers.folders.results_dir import UNREADABLE, ResultsDir
from offload.drivers.host import machine
from offload.drivers.images import image_files, pictures
from offload.drivers.images.image_files import FileImage, ImageList
from offload.drivers.images.stored import plain
from offload.places import make
from offload.places.served import ServedPlace
from offload.providers.config import Endpoint
from offload.usecases.context import Context
from offload.usecases.detect import places, privacy, results, rows
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job, Samples, Summary, Tally
from offload.usecases.detect.todo import Todo
from offload.version import __version__

Sharing = Callable[[Session, Job, ImageList], AbstractContextManager[Generator[Row]]]
"""How several places share a job: from the session of the one here, the job and its images to the
rows; others may join while the context lasts.
"""


@dataclass(slots=True)
class DetectRun:
    """A detection that is ready to go: iterate over its rows, then ask for its summary. `total`
    images are to be done, None while nobody knows how many; `kept` were done before; `sessions`,
    `duplicate_uploads` and `read` are the job's. `tally` is what people are told: of the rows so
    far, in the end of all in the folder.

    The first call of each detector is slower by initialisation the others do not pay: the very
    first is reported apart, and as many as run at a time are left out of the spread unless there is
    nothing else.
    """

    session: Session
    where: str
    total: int | None
    kept: int
    startup_s: float
    rows: Iterator[Row]
    clock: Clock
    endpoint: Endpoint | None = None
    sessions: Mapping[str, Session] = field(default_factory=dict)
    duplicate_uploads: Sequence[str] = ()
    log: Callable[[Row], None] = lambda _row: None
    read: Callable[[str], FileImage] = lambda path: image_files.read("", path)
    todo: Todo | None = None
    tally: Tally = field(default_factory=Tally)
    detect_s: float = 0.0
    waited_s: float = 0.0
    samples: dict[str, Samples] = field(default_factory=lambda: defaultdict(Samples))
    images: int = 0
    places: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    infer_s: "array[float]" = field(default_factory=lambda: array("d"))
    billed_s: float = 0.0
    bytes: int = 0
    sent_bytes: int = 0
    fallen_back: int = 0

    def __iter__(self) -> Iterator[Row]:
        began_s = self.clock()
        for row in self.rows:
            self._count()
            self.log(row)
            self.tally.add(row)
            self.images += 1
            self.places[row.where] += 1
            self.bytes += row.bytes or 0
            self.sent_bytes += row.sent_bytes
            self.failed += row.error is not None
            if row.error is None:
                self.fallen_back += row.fallback is not None
                self.objects.update(d.label for d in row.detections)
                self.infer_s.append(row.durations.infer_s)
                self.billed_s += row.durations.there_s
            self.detect_s = self.clock() - began_s
            self.samples[row.where].add(row, self.detect_s)
            before_s = self.clock()
            yield row
            self.waited_s += self.clock() - before_s
        self._count()

    @property
    def comes_from_store(self) -> bool:
        """Whether images of it are no files here, but in a store or at a web server."""
        return self.todo is not None and self.todo.has_stored

    def _count(self) -> None:
        """Take over what a listing says by now."""
        if self.todo is not None:
            self.total, self.kept = self.todo.total, self.todo.kept

    @property
    def complete(self) -> bool:
        """Whether every image has its row."""
        return self.images == self.total

    def summary(self) -> Summary:
        """What came of it so far."""
        done, infer_s = self.images - self.failed, self.infer_s
        return Summary(
            model=self.session.model,
            where=self.where,
            concurrency=self.session.concurrency,
            images=self.images,
            images_by_place=dict(self.places),
            failed=self.failed,
            kept=self.kept,
            fallen_back=self.fallen_back,
            objects=self.objects.total(),
            objects_by_label=dict(self.objects.most_common()),
            startup_s=self.startup_s,
            phases=dict(self.session.phases),
            first_infer_s=infer_s[0] if infer_s else None,
            infer=spread(infer_s[self.session.concurrency :] or infer_s),
            detect_s=self.detect_s,
            images_per_s=done / self.detect_s if done and self.detect_s > 0 else None,
            bytes=self.bytes,
            sent_bytes=self.sent_bytes,
        )


@contextmanager
def detection(
    request: Request, context: Context, began_s: float, shared: Sharing | None = None
) -> Iterator[DetectRun]:
    """Everything a request needs, brought up; what it wrote is complete when the context ends.

    `began_s` is when the process began, on the context's clock; `shared` brings in other places.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    clock, stop = context.clock, context.stop
    results_formats.check(request.formats)
    found = privacy.found(request, context, is_whole=shared is not None)
    if omission_before := found.omission:
        context.reporter.note(omission_before)
    with ExitStack() as stack:
        endpoint = None if shared else stack.enter_context(places.endpoint(request, context))
        config = places.config(request, context, endpoint)
        place = make(request.members[0], config)
        model = place.model
        selection = request.selection(model)
        check_classes(selection, model.labels)
        other = places.fallback(request.fallback, config, model) if request.fallback else None
        kept: results.Results | None = None
        if request.out is not None:
            fixed = request.fixed(model, found.root)
            opened = results.opened(request.out, fixed, overwrite=request.overwrite)
            kept = stack.enter_context(opened)
            if kept.set_aside:
                context.reporter.warn(
                    f"Lines of the log in {request.out} that could not be read "
                    f"({kept.set_aside}) are kept in {UNREADABLE}; their images "
                    "are done again."
                )
        todo = stack.enter_context(closing(Todo(found, kept)))
        many = sys.maxsize if todo.total is None else todo.total
        session = stack.enter_context(place.open(selection, many))
        if not session.labels and model.identity.runtime in source.NAMELESS:
            context.reporter.warn(source.without_labels(model.identity.name))
        fallback = None
        if other is not None:
            fallback = (other.name, stack.enter_context(other.open(selection, many)))
        job = Job(
            paths=todo.paths,
            problems=todo.left.problems,
            read=todo.left.read if shared else todo.read,
            max_failures=lambda: request.failure_limit(todo.least),
            fallback=fallback,
        )
        if isinstance(kept, ResultsDir) and request.annotate:
            job = replace(job, keep=partial(_annotate, kept, request))
        answers = stack.enter_context(shared(session, job, todo.left)) if shared else None
        detected = rows.detect(job, session, place.name, clock, stop, answers)
        # Closed before the place is: a consumer that fails leaves no worker behind.
        stack.enter_context(closing(detected))
        endpoint = endpoint or (place.endpoint if isinstance(place, ServedPlace) else None)
        run = DetectRun(
            session, request.where, todo.total, todo.kept, clock() - began_s, detected, clock,
            endpoint, todo=todo,
        )  # fmt: skip
        run.sessions, run.duplicate_uploads = job.sessions, job.duplicate_uploads
        run.read = job.read
        run.tally.least_score = request.shown_score
        if kept is not None:
            run.log = kept.append
            stack.enter_context(_documented(kept, request, fixed, session, run))
        yield run
        if omission_before != found.omission:
            context.reporter.note(found.omission)


@contextmanager
def _documented(
    kept: results.Results, request: Request, fixed: Json, session: Session, run: DetectRun
) -> Iterator[None]:
    """`run.json` from the start, and again with the other documents at the end."""
    provenance: Json = {"offload": __version__, "model": asdict(session.model)}
    document = provenance | {
        "place": request.where,
        "sources": [_shown(source) for source in request.sources],
        "settings": fixed,
        "host": machine.describe(),
        "detected_on": dict(session.host),
        "started_at": machine.now(),
        "finished_at": None,
        "complete": False,
    }
    if kept.also_sent:
        document["also_sent"] = kept.also_sent
    nothing_to_do = run.kept and run.total == 0
    if not nothing_to_do:  # else the run that did the work keeps its account
        kept.write_run(document)
    with ExitStack() as stack:
        shown = request.shown_score if request.annotate else None
        stack.callback(kept.export, request.formats, session.labels, provenance, shown)
        try:
            yield
        except KeyboardInterrupt:
            stack.pop_all()  # now means now; the log is whole as it is
            raise
    if kept.index.counts()["images"] > run.images:
        run.tally = Tally(request.shown_score)
        for row in kept.rows():
            run.tally.add(row)
    if nothing_to_do:
        return
    outcome = {
        "finished_at": machine.now(),
        "complete": run.complete,
        "totals": asdict(run.summary()),
    }
    if run.sessions:
        outcome["detected_on"] = {name: dict(each.host) for name, each in run.sessions.items()}
        outcome["also_sent"] = sorted({*kept.also_sent, *run.duplicate_uploads})
    kept.write_run(document | outcome | {"in_folder": kept.index.counts()})


def _shown(source: str | Image) -> str:
    return printable(plain(source) if isinstance(source, str) else source.path)


def stopped_early(run: DetectRun, request: Request) -> OffloadError:
    """What to raise of a run that ended before its last image, though nobody interrupted it."""
    return OffloadError(
        f"Stopped early: {run.failed} images failed, --max-failures is {request.max_failures}.",
        hint="To continue regardless: the same again without --max-failures.",
    )


def _annotate(results: ResultsDir, request: Request, image: Image, found: Detections) -> None:
    shown = [d for d in found.found if d.score >= request.shown_score]
    results.annotate(image.path, *pictures.drawn(image.data, shown, request.max_pixels))
