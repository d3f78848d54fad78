"""A simulation of a job, event by event, to hold the closed form against."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol

from offload.domain.measurements import ImageSample
from offload.domain.timing import Durations

Action = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What one image takes at each stage, and how many fit there: `clients` prepare, the uplink
    sends, `slots` detect; at most `in_flight` are under way.
    """

    prepare_s: float
    sent_bytes: float
    bytes_per_s: float
    rtt_s: float
    service_s: float
    download_s: float
    clients: int
    slots: int
    in_flight: int

    @property
    def latency_s(self) -> float:
        """One image's way, unhindered."""
        upload_s = self.sent_bytes / self.bytes_per_s
        return self.prepare_s + upload_s + self.rtt_s + self.service_s + self.download_s

    @property
    def each_s(self) -> float:
        """From one image to the next."""
        return max(
            self.prepare_s / self.clients, self.sent_bytes / self.bytes_per_s,
            self.service_s / self.slots, self.download_s, self.latency_s / self.in_flight,
        )  # fmt: skip

    @property
    def loaded_s(self) -> float:
        """One image's way among as many as are in flight."""
        return max(self.latency_s, self.in_flight * self.each_s)


class _Clock:
    """Runs what is due, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._number = count()

    def after(self, seconds: float, action: Action) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._number), action))

    def run(self) -> None:
        while self._due:
            self.now, _, action = heapq.heappop(self._due)
            action()


class _Stage(Protocol):
    def serve(self, seconds: float, then: Action) -> None: ...


class _Queue:
    """Serves `servers` at a time, in order of arrival."""

    def __init__(self, clock: _Clock, servers: int) -> None:
        self._clock, self._free = clock, servers
        self._waiting: deque[tuple[float, Action]] = deque()

    def serve(self, seconds: float, then: Action) -> None:
        self._waiting.append((seconds, then))
        self._next()

    def _next(self) -> None:
        if self._free and self._waiting:
            self._free -= 1
            seconds, then = self._waiting.popleft()
            self._clock.after(seconds, partial(self._done, then))

    def _done(self, then: Action) -> None:
        self._free += 1
        self._next()
        then()


class _Shared:
    """Serves everyone at once, each with an equal part."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._each_had_s = self._since_s = 0.0
        self._ends: list[tuple[float, int, Action]] = []
        self._number = count()
        self._latest = 0

    def serve(self, seconds: float, then: Action) -> None:
        self._advance()
        heapq.heappush(self._ends, (self._each_had_s + seconds, next(self._number), then))
        self._expect()

    def _advance(self) -> None:
        if self._ends:
            self._each_had_s += (self._clock.now - self._since_s) / len(self._ends)
        self._since_s = self._clock.now

    def _expect(self) -> None:
        self._latest += 1
        if self._ends:
            left_s = max(0.0, self._ends[0][0] - self._each_had_s)
            self._clock.after(left_s * len(self._ends), partial(self._end, self._latest))

    def _end(self, expected: int) -> None:
        if expected != self._latest:  # somebody came or left meanwhile
            return
        self._advance()
        _, _, then = heapq.heappop(self._ends)
        self._expect()
        then()


def simulate(
    pipeline: Pipeline, images: int, cv: float = 0.0, seed: int = 0, *, shared: bool = False
) -> list[ImageSample]:
    """The images of a job in the order in which they are done; what each takes at a stage differs
    from the next by `cv` (log-normal). Uploads go one at a time, or `shared`, all at once.
    """
    clock, luck, done = _Clock(), random.Random(seed), list[ImageSample]()
    numbers = iter(range(images))
    _begin(pipeline, clock, numbers, done, partial(_differing, cv, luck), shared=shared)
    clock.run()
    return done


def simulate_split(
    pipelines: Sequence[Pipeline],
    starts_s: Sequence[float],
    images: int,
    cv: float = 0.0,
    seed: int = 0,
) -> float:
    """When the last image of a job is done that several places pull from, each from its start on.
    A place takes no more once another would have done all that is left before it had done one.
    """
    clock, luck = _Clock(), random.Random(seed)
    done: list[list[ImageSample]] = [[] for _ in pipelines]
    taken = [0 for _ in pipelines]

    def pays(place: int) -> bool:
        left = images - sum(taken)
        others_s = [
            max(pipeline.loaded_s, (left + taken[other] - len(done[other])) * pipeline.each_s)
            for other, pipeline in enumerate(pipelines)
            if other != place and clock.now >= starts_s[other]
        ]
        return left > 0 and all(pipelines[place].loaded_s <= other_s for other_s in others_s)

    def numbers(place: int) -> Iterator[int]:
        while pays(place):
            taken[place] += 1
            yield taken[place]

    for place, (pipeline, start_s) in enumerate(zip(pipelines, starts_s, strict=True)):
        how = partial(_differing, cv, luck)
        clock.after(start_s, partial(_begin, pipeline, clock, numbers(place), done[place], how))
    clock.run()
    return max(samples[-1].finished_s for samples in done if samples)


def _begin(
    pipeline: Pipeline,
    clock: _Clock,
    numbers: Iterator[int],
    done: list[ImageSample],
    differing: Callable[[], float],
    *,
    shared: bool = False,
) -> None:
    """Have a pipeline work from now on, on as many images as there are numbers."""
    clients, slots = _Queue(clock, pipeline.clients), _Queue(clock, pipeline.slots)
    uplink: _Stage = _Shared(clock) if shared else _Queue(clock, 1)
    downlink, distance = _Queue(clock, 1), _Queue(clock, pipeline.in_flight)

    def thread() -> Iterator[tuple[_Stage, float]]:
        for _ in numbers:
            prepare_s = pipeline.prepare_s * differing()
            sent_bytes = round(pipeline.sent_bytes * differing())
            service_s = pipeline.service_s * differing()
            upload_s = sent_bytes / pipeline.bytes_per_s
            yield clients, prepare_s
            asked_s = clock.now
            yield uplink, upload_s
            upload_wait_s = clock.now - asked_s - upload_s
            yield distance, pipeline.rtt_s / 2
            yield slots, service_s
            yield distance, pipeline.rtt_s / 2
            yield downlink, pipeline.download_s
            durations = Durations(
                prepare_s=prepare_s, upload_wait_s=upload_wait_s, upload_s=upload_s,
                infer_s=service_s,
                download_s=pipeline.download_s,
            )  # fmt: skip
            done.append(ImageSample(len(done) + 1, clock.now, sent_bytes, sent_bytes, durations))

    for _ in range(pipeline.in_flight):
        _go_on(thread())


def _go_on(thread: Iterator[tuple[_Stage, float]]) -> None:
    for stage, seconds in thread:
        stage.serve(seconds, partial(_go_on, thread))
        return


def _differing(cv: float, luck: random.Random) -> float:
    """A factor of mean 1."""
    variance = math.log1p(cv * cv)
    return luck.lognormvariate(-variance / 2, math.sqrt(variance))
