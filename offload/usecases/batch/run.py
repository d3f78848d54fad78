"""A batch put together: model, stores, shards, an engine; and what it came to."""

import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import cast

from offload import engines
from offload.costmodel.batch import STARTED_S
from offload.costmodel.terms import SHORTEST_S
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError, meant
from offload.domain.results import Json
from offload.domain.vision import check_classes
from offload.drivers.folders import results_formats
from offload.drivers.folders.results_formats import FORMATS
from offload.drivers.host import machine
from offload.drivers.images.stored import is_prefix
from offload.drivers.objects.documents import join
from offload.drivers.objects.store import Store, is_url, opened
from offload.engines.ports import (
    EngineConfig,
    EngineSession,
    Job,
    LastingEngine,
    Outcome,
    Shard,
)
from offload.usecases.batch import index, layout, limits, pace, plan, shard, status
from offload.usecases.batch.layout import Index, Manifest, Plan, Spec
from offload.usecases.batch.plan import Ahead
from offload.usecases.batch.status import KnownBatch
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.version import __version__

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked for besides what is detected: where the images are, where their rows go, who
    hands them out.

    Raises:
        UsageError: there is no such format, or the name cannot be one.
    """

    source: str
    out: str
    engine: str = "local"
    name: str | None = None
    formats: tuple[str, ...] = ()
    shard_images: int | None = None
    max_cost_usd: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is touched."""
        for name in self.formats:
            if name not in FORMATS:
                wrong = f"There is no format {name!r}.{meant(name, FORMATS)}"
                raise UsageError(wrong, hint=f"Available: {', '.join(FORMATS)}.")
        results_formats.check(self.formats)
        if self.name is not None and not _NAME.fullmatch(self.name):
            wrong = f"--name takes letters, digits, - and _, not {self.name!r}."
            raise UsageError(wrong, hint="For instance: --name photos-2026")

    @property
    def called(self) -> str:
        """The batch's name."""
        return self.name or index.name_of(self.out)


@dataclass(slots=True)
class BatchRun:
    """A batch under way: iterate over what becomes of its shards, then ask for its index. `kept`
    shards had their rows before.
    """

    asked: Batch
    plan: Plan
    out: Store
    ahead: Ahead
    session: EngineSession
    job: Job
    context: Context
    kept: set[str]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    shards: dict[int, Shard] = field(default_factory=dict)
    kept_shards: set[int] = field(default_factory=set)
    kept_images: int = 0

    def __iter__(self) -> Iterator[Outcome]:
        with closing(self.session.run(self.job, self._todo(), self.context.stop)) as outcomes:
            for outcome in outcomes:
                self.outcomes[outcome.shard] = outcome
                yield outcome

    def _todo(self) -> Generator[Shard]:
        for each in self.ahead:
            self.shards[each.number] = each
            if each.name in self.kept:
                self.kept_shards.add(each.number)
                self.kept_images += each.images
            else:
                yield each

    @property
    def is_whole(self) -> bool:
        """Whether all images are listed, and somebody tried each shard."""
        return (
            self.ahead.is_whole and len(self.outcomes) + len(self.kept_shards) == self.ahead.shards
        )

    @property
    def done(self) -> int:
        """How many shards have rows."""
        return len(self.kept_shards) + sum(not each.error for each in self.outcomes.values())

    @property
    def images(self) -> int:
        """How many images have rows."""
        done = (self.shards[n].images for n, each in self.outcomes.items() if not each.error)
        return sum(done) + self.kept_images

    def index(self) -> Index:
        """What all runs came to, written under the output, with the files that were asked for.

        Raises:
            OffloadError: rows cannot be read, or do not add up.
        """
        made = index.written(self.out, self.outcomes)
        if made.complete:
            model = self.plan.spec.model
            run = {"offload": __version__, "model": asdict(model.identity)}
            shards = plan.manifest_of(self.out).shards
            rows = partial(index.rows, self.out, shards)
            join(rows, self.asked.formats, self.out, model.labels, run)
        return made


@contextmanager
def batch(
    asked: Batch, request: Request, config: EngineConfig, context: Context
) -> Iterator[BatchRun]:
    """Everything a batch needs, brought up.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    source_store, out = opened(_there(asked.source)), opened(asked.out)
    traits, engine = engines.traits(asked.engine), engines.make(asked.engine, config)
    model = model_of(request, context)
    with engine.open() as session:
        limits.check(session, asked.engine, asked.max_cost_usd)
        spec = spec_of(asked, request, model, config, traits.leaves_machine, session.workers)
        planned = _agreed(asked, request.fixed(model, spec.source), spec, session, out, context)
        if traits.leaves_machine:
            shard.share_model(spec, out)
        out.delete(layout.CANCELLED)
        here = KnownBatch(
            planned.name, spec.out, asked.engine, config.address, config.region, config.profile
        )  # fmt: skip
        status.remember(context, here)
        known = layout.read(out, layout.MANIFEST, Manifest)
        coming = iter(known.shards) if known else plan.shards(planned, source_store, out)
        command = ("batch", "worker", "--out", spec.out, "--expects", __version__)
        job = Job(planned.name, spec.out, partial(shard.work, spec), command)
        ahead = Ahead(coming, context.stop)
        lasting = cast("LastingEngine", engine) if traits.survives else None
        with (
            limits.left(lasting, planned.name, out, asked.max_cost_usd, context),
            limits.watched(session, out, asked.max_cost_usd, context),
        ):
            yield BatchRun(asked, planned, out, ahead, session, job, context, layout.done(out))


def model_of(request: Request, context: Context) -> ModelSource:
    """The model that is asked for, or the default.

    Raises:
        OffloadError: it cannot be had, or has no such classes.
    """
    asked = request.model or context.settings.model
    labels = request.labels or source.usual_labels(asked, context.settings.labels)
    model = source.chosen(asked, context.hub, labels)
    check_classes(request.selection(model), model.labels)
    return model


def spec_of(
    asked: Batch,
    request: Request,
    model: ModelSource,
    config: EngineConfig,
    leaves_machine: bool,
    workers: int,
) -> Spec:
    """What workers are told. On this machine they share its cores."""
    share = None if leaves_machine else max(1, machine.usable_cores() // workers)
    return Spec(
        source=_absolute(asked.source),
        out=_absolute(asked.out),
        model=replace(model, path=os.path.abspath(model.path)),
        selection=request.selection(model),
        max_pixels=request.max_pixels,
        cores=config.cpus or share,
        threads=request.threads,
    )


def _agreed(
    asked: Batch, fixed: Json, spec: Spec, session: EngineSession, out: Store, context: Context
) -> Plan:
    """The plan of this batch: the one that is there, if it is for the same."""
    there = layout.read(out, layout.PLAN, Plan)
    if there is None:
        images = asked.shard_images or pace.images_of_shard(spec, context)
        grows = asked.shard_images is None
        # Jobs that go on without us are processes of their own, of which each loads the model.
        shortest_s = STARTED_S if engines.traits(asked.engine).survives else SHORTEST_S
        made = Plan(asked.called, fixed, spec, images, session.workers, grows, shortest_s)
        if out.put_new(layout.PLAN, layout.as_json(made)):
            return made
        there = plan.plan_of(out)
    now = {"source": spec.source, **fixed}
    before = {"source": there.spec.source, **there.settings}
    changed = sorted(key for key in now if before.get(key) != now[key])
    if changed:
        differences = "; ".join(f"{k}: {before.get(k)} then, {now[k]} now" for k in changed)
        raise UsageError(
            f"{out.url} holds rows of another batch ({differences}).",
            hint="To keep them, choose another --out.",
        )
    return there


def _there(source_url: str) -> str:
    """The source, which a folder is only if it exists."""
    if not (is_prefix(source_url) or os.path.isdir(source_url)):
        raise UsageError(
            f"{source_url!r} is neither a folder nor a prefix of a store.",
            hint="For instance: offload batch s3://BUCKET/photos/ --out s3://BUCKET/rows/",
        )
    return source_url


def _absolute(url: str) -> str:
    return url if is_url(url) else os.path.abspath(url)
