"""Batches that were begun here: how they are, why images and shards failed, how they end."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from offload import engines
from offload.domain import typed
from offload.domain.errors import UsageError, meant
from offload.drivers.folders.files import atomic_write_bytes
from offload.drivers.objects.store import is_url, opened
from offload.engines.ports import EngineConfig, LastingEngine
from offload.usecases.batch import index, layout, plan
from offload.usecases.batch.layout import Index, Manifest
from offload.usecases.context import Context


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """A batch by its name: where its rows go, and who hands out its shards."""

    name: str
    out: str
    engine: str
    address: str | None = None
    region: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How a batch is. `images` and `of` None as long as not all are listed; `jobs` is what its
    engine says.
    """

    name: str
    out: str
    engine: str | None
    shards: int
    shards_of: int | None
    images: int | None
    images_of: int | None
    failed_shards: dict[str, str]
    cancelled: bool
    jobs: tuple[str, ...] = ()


def remember(context: Context, batch: KnownBatch) -> None:
    """Know of it from now on."""
    folder = context.settings.batches_path
    os.makedirs(folder, exist_ok=True)
    atomic_write_bytes(os.path.join(folder, f"{batch.name}.json"), typed.encoded(batch))


def known(context: Context) -> list[KnownBatch]:
    """Those that were begun here, as far as their files can be read."""
    folder, found = context.settings.batches_path, []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):
            with suppress(OSError, ValueError), open(os.path.join(folder, name), "rb") as file:
                found.append(typed.parse(KnownBatch, file.read()))
    return found


def named(name: str, context: Context) -> KnownBatch:
    """The batch of that name, or whose rows go there.

    Raises:
        UsageError: there is none.
    """
    batches = known(context)
    for each in batches:
        if name in {each.name, each.out} or os.path.abspath(name) == each.out:
            return each
    if is_url(name) or os.path.isdir(name):
        return KnownBatch(plan.plan_of(opened(name)).name, name, "local")
    names = [each.name for each in batches]
    raise UsageError(
        f"There is no batch {name!r} here.{meant(name, names)}",
        hint=f"Known: {', '.join(names)}." if names else "To begin one: offload batch --help",
    )


def status(name: str, context: Context) -> BatchStatus:
    """How a batch is.

    Raises:
        OffloadError: there is none, or its store or engine refuses.
    """
    batch = named(name, context)
    out = opened(batch.out)
    manifest, done = layout.read(out, layout.MANIFEST, Manifest), layout.done(out)
    ended = layout.read(out, layout.INDEX, Index)
    lasting = _lasting(batch, context)
    errors = ended.errors if ended else {}
    return BatchStatus(
        name=batch.name,
        out=batch.out,
        engine=batch.engine,
        shards=len(done),
        shards_of=len(manifest.shards) if manifest else None,
        images=sum(s.images for s in manifest.shards if s.name in done) if manifest else None,
        images_of=manifest.images if manifest else None,
        failed_shards={name: why for name, why in errors.items() if name not in done},
        cancelled=layout.is_cancelled(out),
        jobs=tuple(lasting.status(batch.name)) if lasting else (),
    )


def logs(name: str, context: Context) -> Iterator[str]:
    """Why shards have no rows and images have no detections, a line each; then what the workers
    logged, where the engine keeps that.

    Raises:
        OffloadError: there is none, or its store or engine refuses.
    """
    batch = named(name, context)
    out = opened(batch.out)
    for shard, why in status(name, context).failed_shards.items():
        yield f"shard {shard}: {why}"
    manifest = layout.read(out, layout.MANIFEST, Manifest)
    done = layout.done(out)
    for each in manifest.shards if manifest else ():
        for row in index.documents(out, each) if each.name in done else ():
            if row["error"] is not None:
                yield f"{row['path']}: {row['error']}"
    if lasting := _lasting(batch, context):
        yield from lasting.logs(batch.name)


def cancel(name: str, context: Context) -> KnownBatch:
    """Have nobody begin another shard of a batch; the command that began it goes on with it.

    Raises:
        OffloadError: there is none, or its store or engine refuses.
    """
    batch = named(name, context)
    opened(batch.out).put(layout.CANCELLED, b"")
    if lasting := _lasting(batch, context):
        lasting.cancel(batch.name)
    return batch


def _lasting(batch: KnownBatch, context: Context) -> LastingEngine | None:
    """The engine of a batch, if it goes on without the process that began it."""
    if not engines.traits(batch.engine).survives:
        return None
    config = EngineConfig(
        context.settings, context.reporter, context.clouds,
        address=batch.address, region=batch.region, profile=batch.profile,
    )  # fmt: skip
    return cast("LastingEngine", engines.make(batch.engine, config))
