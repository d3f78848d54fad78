"""How a batch goes, and what it came to."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offload.domain import typed
from offload.domain.errors import OffloadError
from offload.domain.units import show_s
from offload.render import progress as bars
from offload.render import tables
from offload.render.messages import say_lines, shown
from offload.render.words import count

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from offload.engines.ports import Outcome
    from offload.usecases.batch.layout import Index
    from offload.usecases.batch.run import BatchRun
    from offload.usecases.batch.status import BatchStatus


@contextmanager
def progress(running: "BatchRun", quiet: bool) -> Iterator[Callable[["Outcome"], None]]:
    """A bar of images with throughput and ETA, and how many shards are done; call what is given
    with every outcome. What failed is said at once.
    """

    def failures(outcome: "Outcome") -> None:
        if outcome.error and not quiet:
            say_lines(said(outcome))

    if not bars.is_watched(quiet):
        yield failures
        return
    from rich.progress import BarColumn, MofNCompleteColumn

    columns: list[ProgressColumn] = [BarColumn(), MofNCompleteColumn(), bars.description()]
    shown, began_s = bars.bar(*columns), time.monotonic()

    def advance(outcome: "Outcome") -> None:
        failures(outcome)
        done = running.images - running.kept_images
        rate = done / max(time.monotonic() - began_s, 1e-3)
        shown.update(
            task,
            completed=running.images,
            total=running.ahead.images,
            description=pace(running, rate),
        )

    with shown:
        task = shown.add_task("", total=None)
        yield advance


def pace(running: "BatchRun", images_per_s: float) -> str:
    """`3/70 shards, 38.1 images/s, ETA 5 min`. Shards take minutes: the mean of all is taken."""
    parts = [f"{running.done}/{running.ahead.shards} shards"]
    if images_per_s > 0:
        parts.append(f"{images_per_s:.1f} images/s")
        if running.ahead.is_whole:
            left_s = (running.ahead.images - running.images) / images_per_s
            parts.append(f"ETA {show_s(round(left_s))}")
    return ", ".join(parts)


def said(outcome: "Outcome") -> str:
    """A line for what became of a shard."""
    if outcome.error:
        at = f" at {outcome.host}" if outcome.host else ""
        return f"shard {outcome.shard} failed{at}: {outcome.error}"
    failed = f", {outcome.failed} failed" if outcome.failed else ""
    there = "" if outcome.wrote else "; its rows were there already"
    images = count(outcome.images, "image")
    return f"shard {outcome.shard}: {images}{failed}, {show_s(outcome.took_s)}{there}"


def summary(running: "BatchRun", ended: "Index | None") -> list[str]:
    """What it came to, in sentences."""
    if ended is None:
        return [f"{count(running.images, 'image')} done. To go on: the same command again"]
    failed = f", {ended.failed} failed" if ended.failed else ""
    found = f"{count(ended.images, 'image')}{failed}, {count(ended.objects, 'object')}"
    return [f"{found}, {count(ended.shards, 'shard')}: {running.out.url}"]


def index(ended: "Index") -> None:
    """The same as JSON."""
    tables.write_json({"kind": "batch", **typed.builtins(ended)})


def status(found: "BatchStatus", *, as_json: bool) -> None:
    """How a batch is."""
    if as_json:
        return tables.write_json({"kind": "batch-status", **typed.builtins(found)})
    of = "listing" if found.shards_of is None else f"of {found.shards_of}"
    rows = [("batch", found.name), ("rows", found.out), ("engine", found.engine or "")]
    rows.append(("shards", f"{found.shards} {of}"))
    if found.images is not None:
        rows.append(("images", f"{found.images} of {found.images_of}"))
    rows += [("cancelled", "yes")] * found.cancelled
    rows += [("failed", f"{name}: {why}") for name, why in found.failed_shards.items()]
    rows += [("job", line) for line in found.jobs]
    tables.print_table(("", ""), [(a, shown(b)) for a, b in rows], folded=("", ""), header=False)
    return None


def lines(found: Iterable[str]) -> None:
    """Lines on standard output."""
    for line in found:
        tables.print_lines([shown(line)])


def incomplete(running: "BatchRun", ended: "Index | None") -> OffloadError:
    """What to raise of a batch that lacks rows."""
    missing = len(ended.missing) if ended else running.ahead.shards - running.done
    hint = f"To see why: offload batch logs {running.plan.name}; to go on: the same command again"
    return OffloadError(f"There are no rows of {count(missing, 'shard')}.", hint=hint)
