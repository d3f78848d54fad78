"""Images cut into shards while they are listed."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from itertools import count, islice
from queue import Empty, Queue

from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import Stop
from offload.drivers.host.capture import Captured
from offload.drivers.images.walk import is_picture
from offload.drivers.objects import packed
from offload.drivers.objects.store import Entry, Store
from offload.engines.ports import Shard
from offload.usecases.batch import layout
from offload.usecases.batch.layout import Manifest, Plan

_BUFFERED = 50_000
_PER_WORKER, _LEAST = 4, 16
"""Shards of a small batch, and how many images one of them is worth."""
_STEPS = 3
_LOOK_S = 0.25


def shards(plan: Plan, source: Store, out: Store) -> Iterator[Shard]:
    """The shards of a batch, each as soon as its list is written, and at last the manifest.

    Where another process wrote the manifest meanwhile, its shards are the ones.

    Raises:
        UsageError: there are no images.
        OffloadError: a store refuses.
    """
    made: list[Shard] = []
    for entries in cut(plan, (each for each in source.list() if is_picture(each.key))):
        made.append(_listed(len(made), entries, out))
        yield made[-1]
    if not made:
        raise UsageError(
            f"There are no images in {source.url}.", hint="To see an example: offload batch --help"
        )
    images, size_bytes = sum(each.images for each in made), sum(each.bytes for each in made)
    manifest = Manifest(plan.name, source.url, plan.settings, images, size_bytes, made)
    if not out.put_new(layout.MANIFEST, layout.as_json(manifest)):
        known = set(made)
        yield from (each for each in manifest_of(out).shards if each not in known)


def manifest_of(out: Store) -> Manifest:
    """The manifest, which is there.

    Raises:
        OffloadError: it is not.
    """
    manifest = layout.read(out, layout.MANIFEST, Manifest)
    if manifest is None:
        raise OffloadError(
            f"{out.url} has no {layout.MANIFEST}.", hint="To write it: the same command again"
        )
    return manifest


def plan_of(out: Store) -> Plan:
    """The plan, which is there.

    Raises:
        OffloadError: it is not.
    """
    plan = layout.read(out, layout.PLAN, Plan)
    if plan is None:
        raise OffloadError(
            f"{out.url} is no output of a batch.", hint="To begin one: offload batch --help"
        )
    return plan


def cut(plan: Plan, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The images of each shard, in their order. What is little is cut evenly among the workers."""
    coming = iter(entries)
    sizes = _sizes(plan)
    first = next(sizes)
    most = min(first * plan.workers, _BUFFERED) if plan.grows else first
    held = _taken(coming, most)
    if plan.grows and len(held) < most:
        parts = min(
            len(held), max(plan.workers, min(_PER_WORKER * plan.workers, len(held) // _LEAST))
        )
        parts = max(parts, -(-len(held) // first))
        yield from _evenly(held, parts)
        return
    while held:
        yield held[:first]
        held = held[first:]
        if len(held) < (first := next(sizes)):
            held += _taken(coming, first - len(held))


def _sizes(plan: Plan) -> Iterator[int]:
    """Images of one shard after the other: as long as nobody knows how many there are, smaller
    ones, of which every worker gets some.
    """
    for number in count():
        step = min(_STEPS, 1 + number // (_PER_WORKER * plan.workers))
        yield plan.images * (step if plan.grows else 1)


def _taken(coming: Iterator[Entry], most: int) -> list[Entry]:
    return list(islice(coming, most))


def _evenly(entries: list[Entry], parts: int) -> Iterator[list[Entry]]:
    for part in range(parts):
        low, high = (len(entries) * each // parts for each in (part, part + 1))
        yield entries[low:high]


def _listed(number: int, entries: list[Entry], out: Store) -> Shard:
    """Write what a shard consists of; its name is made of it."""
    lines = [packed.line_of(list(each)) for each in entries]
    sha256 = hashlib.sha256(b"\n".join(lines)).hexdigest()
    size_bytes = sum(each.size_bytes for each in entries)
    shard = Shard(number, f"{number:05}-{sha256[:16]}", len(entries), size_bytes)
    out.put_new(layout.list_key(shard.name), packed.packed(lines))
    return shard


class Ahead:
    """Shards that another thread cuts, however slowly they are taken; `images` were listed so far,
    of `shards`, and it `is_whole` once that is all.
    """

    def __init__(self, coming: Iterator[Shard], stop: Stop) -> None:
        self.images = self.shards = 0
        self.is_whole = False
        self._coming = coming
        self._stop = stop
        self._queue: Queue[Shard | Captured] = Queue()
        threading.Thread(target=self._cut, name="listing", daemon=True).start()

    def __iter__(self) -> Iterator[Shard]:
        while not self._stop:
            try:
                each = self._queue.get(timeout=_LOOK_S)
            except Empty:
                continue
            if isinstance(each, Captured):
                return each.again()
            yield each
        return None

    def _cut(self) -> None:
        with Captured() as end:
            self._all()
        self._queue.put(end)

    def _all(self) -> None:
        for each in self._coming:
            self.images += each.images
            self.shards += 1
            self._queue.put(each)
            if self._stop:
                return
        self.is_whole = True
