"""What a batch came to: counts that add up to its manifest, or what is missing."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from offload.domain import typed
from offload.domain.errors import OffloadError
from offload.domain.results import Json, Row
from offload.drivers.host import machine
from offload.drivers.objects import packed
from offload.drivers.objects.store import Store
from offload.engines.ports import Outcome, Shard
from offload.usecases.batch import layout, plan
from offload.usecases.batch.layout import Index
from offload.version import __version__

_MOST_BYTES = 2**31


def name_of(out: str) -> str:
    """What a batch is called that nobody named: the end of its output, and what tells it apart."""
    words = [word for word in out.partition("://")[2].rstrip("/").split("/") if word] or [
        word for word in out.rstrip("/").split("/") if word
    ]
    plain = "".join(c if c.isalnum() else "-" for c in "-".join(words[-2:]).lower()).strip("-")
    return f"{plain[:40]}-{hashlib.sha256(out.encode()).hexdigest()[:6]}"


def written(out: Store, outcomes: Mapping[int, Outcome]) -> Index:
    """The index of all rows, and write it. What this process saw written is counted; the rest is
    read.

    Raises:
        OffloadError: rows cannot be read, or do not add up.
    """
    made = made_of(out, outcomes)
    out.put(layout.INDEX, layout.as_json(made))
    return made


def made_of(out: Store, outcomes: Mapping[int, Outcome]) -> Index:
    """The same, only returned."""
    manifest, done = plan.manifest_of(out), layout.done(out)
    images = failed = objects = 0
    errors = {}
    for shard in manifest.shards:
        outcome = outcomes.get(shard.number)
        if shard.name not in done:
            if outcome and outcome.error:
                errors[shard.name] = outcome.error
            continue
        if outcome is None or outcome.error or not outcome.wrote or not outcome.images:
            outcome = counted(out, shard)
        if outcome.images != shard.images:
            raise OffloadError(
                f"The rows of shard {shard.name} are {outcome.images} instead of {shard.images}.",
                hint=f"To do it again, remove {out.url}/{layout.rows_key(shard.name)}",
            )
        images += outcome.images
        failed += outcome.failed
        objects += outcome.objects
    missing = [each.name for each in manifest.shards if each.name not in done]
    return Index(
        name=manifest.name,
        source=manifest.source,
        complete=not missing,
        shards=len(manifest.shards) - len(missing),
        images=images,
        failed=failed,
        objects=objects,
        missing=missing,
        errors=errors,
        offload=__version__,
        finished_at=machine.now(),
    )


def counted(out: Store, shard: Shard) -> Outcome:
    """The counts of a shard's rows.

    Raises:
        OffloadError: they cannot be read.
    """
    counts = Outcome(shard.number)
    for row in documents(out, shard):
        counts = replace(
            counts,
            images=counts.images + 1,
            failed=counts.failed + (row["error"] is not None),
            objects=counts.objects + len(row["detections"]),
        )
    return counts


def documents(out: Store, shard: Shard) -> Iterator[Json]:
    """A shard's rows as JSON types.

    Raises:
        OffloadError: they cannot be read.
    """
    key = layout.rows_key(shard.name)
    data = out.get(key, _MOST_BYTES)
    try:
        for line in packed.lines(data or b""):
            yield typed.loads(line)
    except ValueError as error:
        raise OffloadError(
            f"{out.url}/{key} is damaged: {error}.", hint="To do that shard again, remove it."
        ) from error


def rows(out: Store, shards: Iterable[Shard]) -> Iterator[Row]:
    """The rows of those shards that have theirs, one after the other.

    Raises:
        OffloadError: they cannot be read.
    """
    done = layout.done(out)
    for shard in shards:
        if shard.name in done:
            yield from (Row.from_dict(each) for each in documents(out, shard))
