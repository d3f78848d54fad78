"""What several places pull from: the images, who has which, and whether taking one still pays.

Pure: the time is handed in, and one thread at a time is here.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from offload.costmodel.split import Speed

LEAST = 8
"""Images that a rate, or a change of it, is seen in at least."""
_LATE_S = 1.0
"""Seconds that it is taken over at least, or the rate of fast places would flicker."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkItem:
    """An image that is to be detected once; one that `stays` never leaves this machine."""

    path: str
    bytes: int = 0
    stays: bool = False


@dataclass(slots=True)
class ThroughputEstimator:
    """A place's recent throughput: over its last images, twice as many as it has in progress, or
    those of the last second; these began at `since_s`.

    Before there are any, it is as `expected`; where none came in twice the time that an image is
    expected to take, no more than one in the time since.
    """

    concurrency: int
    since_s: float
    expected: Speed | None = None
    _done: deque[tuple[float, float]] = field(default_factory=deque)
    _latencies_s: float = 0.0

    def add(self, began_s: float, ended_s: float) -> None:
        """One image more."""
        self._done.append((began_s, ended_s))
        self._latencies_s += ended_s - began_s
        least = max(LEAST, 2 * self.concurrency)
        while len(self._done) > least and self._done[0][1] < ended_s - _LATE_S:
            first_s, self.since_s = self._done.popleft()
            self._latencies_s -= self.since_s - first_s

    def images_per_s(self, now_s: float) -> float | None:
        """The rate; it sinks while nothing comes. None where nothing is known."""
        quiet_s, done, expected = now_s - self.since_s, len(self._done), self.expected
        if done:
            spent_s = max(self._done[-1][1] - self.since_s, 1e-9)
            return done / max(spent_s, quiet_s - spent_s / done)
        if expected is None:
            return None
        late = quiet_s > 2 * expected.latency_s
        return min(expected.images_per_s, 1 / quiet_s) if late else expected.images_per_s

    @property
    def latency_s(self) -> float | None:
        """What an image takes from being taken to its answer; None where nothing is known."""
        if self._done:
            return self._latencies_s / len(self._done)
        return self.expected.latency_s if self.expected else None

    @property
    def is_known(self) -> bool:
        """Whether enough was seen to go by."""
        return len(self._done) >= LEAST


@dataclass(slots=True, eq=False)
class Worker:
    """A place that pulls. Only one `here` gets images that stay, and only an `open` one any."""

    name: str
    here: bool
    estimator: ThroughputEstimator
    open: bool = True
    failed: bool = False
    done: int = 0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How a place stands; `is_known` once enough was seen of it. What is not known yet is None."""

    name: str
    done: int
    in_progress: int
    images_per_s: float | None
    latency_s: float | None
    is_open: bool
    is_known: bool
    is_here: bool = False


class WorkQueue:
    """Images by size: the largest are done here, where bytes are free, the smallest elsewhere."""

    def __init__(self, items: Iterable[WorkItem]) -> None:
        ordered = sorted(items, key=lambda item: item.bytes)
        self._free = deque(item for item in ordered if not item.stays)
        self._staying = deque(item for item in ordered if item.stays)
        self._held: dict[WorkItem, dict[Worker, float]] = {}
        self.workers: dict[str, Worker] = {}

    @property
    def left(self) -> int:
        """Images that nobody has taken."""
        return len(self._free) + len(self._staying)

    @property
    def is_stuck(self) -> bool:
        """Whether there are images left that nobody will take any more."""
        takers_here = [worker.here for worker in self.workers.values() if worker.open]
        return bool((self._free and not takers_here) or (self._staying and not any(takers_here)))

    @property
    def over(self) -> bool:
        """Whether every image has its answer."""
        return not self.left and not self._held

    @property
    def is_idle(self) -> bool:
        """Whether nobody has an image in progress."""
        return not self._held

    def add(
        self, name: str, threads: int, now_s: float, *, here: bool, expected: Speed | None = None
    ) -> Worker:
        """A place more, or one that left and is here again: it goes on counting."""
        done = self.workers[name].done if name in self.workers else 0
        estimator = ThroughputEstimator(threads, now_s, expected)
        worker = self.workers[name] = Worker(name, here, estimator, done=done)
        return worker

    def standing(self, now_s: float) -> tuple[int, int, list[WorkerStatus]]:
        """How many images nobody has taken, how many of those must stay here, and the places."""
        places = [
            WorkerStatus(
                name=worker.name,
                done=worker.done,
                in_progress=self.held_by(worker),
                images_per_s=worker.estimator.images_per_s(now_s),
                latency_s=worker.estimator.latency_s,
                is_open=worker.open,
                is_known=worker.estimator.is_known,
                is_here=worker.here,
            )
            for worker in self.workers.values()
        ]
        return self.left, len(self._staying), places

    def held_by(self, worker: Worker) -> int:
        """How many images it has in progress."""
        return sum(worker in holders for holders in self._held.values())

    def take(self, worker: Worker, now_s: float) -> WorkItem | None:
        """An image for it; None if there is none now, or another will be done sooner."""
        if not worker.open:
            return None
        item = self._fresh(worker, now_s) or self._doubled(worker, now_s)
        if item is not None:
            self._held.setdefault(item, {})[worker] = now_s
        return item

    def answered(self, worker: Worker, item: WorkItem, now_s: float) -> list[Worker] | None:
        """An answer came: who else has the image in progress; None if an answer came before."""
        holders = self._held.get(item)
        if holders is None or worker not in holders:
            return None
        worker.estimator.add(holders.pop(worker), now_s)
        worker.done += 1
        del self._held[item]
        return list(holders)

    def give_back(self, worker: Worker, item: WorkItem, *, stays: bool = False) -> None:
        """No answer came: the image is anybody's again, but only for a place here if it `stays`."""
        holders = self._held.get(item, {})
        if holders.pop(worker, None) is None or holders:
            return
        del self._held[item]
        item = replace(item, stays=item.stays or stays)
        (self._staying if item.stays else self._free).append(item)

    def taken_from(self, worker: Worker) -> list[WorkItem]:
        """Everything that `worker` has in progress, given back."""
        held = [item for item, holders in self._held.items() if worker in holders]
        for item in held:
            self.give_back(worker, item)
        return held

    def _fresh(self, worker: Worker, now_s: float) -> WorkItem | None:
        if worker.here and self._staying:
            return self._staying.pop()
        if not self._free or not self._pays(worker, now_s):
            return None
        return self._free.pop() if worker.here else self._free.popleft()

    def _pays(self, worker: Worker, now_s: float) -> bool:
        """Whether `worker` would have an image done before the others had done all that is left."""
        others = [each for each in self.workers.values() if each.open and each is not worker]
        rate_per_s = sum(other.estimator.images_per_s(now_s) or 0.0 for other in others)
        theirs = self.left + sum(self.held_by(other) for other in others)
        latency_s = worker.estimator.latency_s
        if latency_s is None:  # it may be slow: no more than a fair share until that is known
            return self.held_by(worker) * len(others) < theirs
        if not rate_per_s:
            return True
        # No image is done sooner than one takes there; else each might leave the last to the other.
        least_s = min(other.estimator.latency_s or 0.0 for other in others)
        return latency_s <= max(theirs / rate_per_s, least_s)

    def _doubled(self, worker: Worker, now_s: float) -> WorkItem | None:
        """The image in another's hand that will take longest, if `worker` would be done before."""
        longest_s, found = worker.estimator.latency_s, None
        if longest_s is None or self._free:
            return None
        for item, holders in self._held.items():
            if len(holders) > 1 or worker in holders or (item.stays and not worker.here):
                continue
            [(holder, since_s)] = holders.items()
            # The rest of what one takes there; if it is late, as much again as it is late by.
            expected_s = abs((holder.estimator.latency_s or 0.0) - (now_s - since_s))
            if expected_s > longest_s:
                longest_s, found = expected_s, item
        return found
