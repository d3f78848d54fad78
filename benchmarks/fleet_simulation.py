"""How good the size is that is chosen for a fleet: seconds and dollars over the best possible.

    python benchmarks/fleet_simulation.py [--starts FILE] [--images FILE] [--rounds 20]

A discrete-event simulation around the very code that decides (`offload.service.queued.crew`), on a
clock of its own: it looks every few seconds, asks for machines, and learns their pace from answers.
Files have a measured number of seconds a line: of starts, from asking for a machine to its first
image, and of images on one core; each is drawn from. Without them: starts are gamma-distributed
with a mean of 100 s and a deviation of 15 %, images lognormal with a mean of 0.1 s and a deviation
of 50 %. Machines differ by 5 %. What is known of the pace beforehand is off by 15 %, or by a half.

The best possible knows every time beforehand, and divides the images without a rest: of the numbers
of machines with which it is done before the deadline, the one of the least dollars; of those that
cost at most what may be spent, the one of the least seconds. Both wait a minute before they leave.
"""

import argparse
import heapq
import itertools
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

from draws import Draw, gamma, lognormal, measured

from offload.costmodel.fleet import IDLE_S, Bounds, Pace
from offload.domain.events import Reporter
from offload.domain.machines import Size
from offload.service.queued.asking import Heard
from offload.service.queued.crew import LOOK_S, Crew
from tests.fleet.obliging import INFO

if TYPE_CHECKING:
    from offload.service.queued.asking import Asker

SLOTS, USD_PER_H = INFO.vcpus, INFO.usd_per_h
WAY_S = 0.15
"""Of an image to its worker and of its answer back, in which it takes room in flight."""
RUNNING_SHARE = 0.3
"""Of its start, after which the group says that a machine runs."""


@dataclass(frozen=True)
class Job:
    """So many images on at most so many machines, within a deadline or dollars or neither."""

    images: int
    most: int
    deadline_s: float | None = None
    budget_usd: float | None = None
    in_flight: int = 256

    @property
    def name(self) -> str:
        """As it is printed."""
        within = f", within {self.deadline_s:.0f} s" if self.deadline_s else ""
        below = f", below ${self.budget_usd:.2f}" if self.budget_usd else ""
        most = f"{self.most} machines at most, {self.in_flight} in flight"
        return f"{self.images:,} images, {most}{within}{below}"


JOBS = (
    Job(1_000, 19),
    Job(10_000, 19),
    Job(50_000, 19),
    Job(1_000, 19, deadline_s=300),
    Job(10_000, 19, deadline_s=240),
    Job(50_000, 19, deadline_s=600),
    Job(50_000, 19, budget_usd=0.10),
    Job(200_000, 500),
    Job(200_000, 500, in_flight=4000),
    Job(200_000, 500, deadline_s=300, in_flight=4000),
    Job(200_000, 500, deadline_s=200, in_flight=4000),
)


@dataclass(eq=False)
class Machine:
    """One that was asked for at a moment: when it takes its first image, how fast it is, how many
    of its slots rest and since when, when it leaves.
    """

    asked_s: float
    start_s: float
    speed: float
    resting: int = 0
    since_s: float = 0.0
    left_s: float = math.inf


@dataclass
class World:
    """A fleet and its client on a clock of their own: what `Crew` asks of the one and the other.
    `starts` are the seconds and speeds of the machines in the order in which they come, `images`
    the core-seconds of each image.
    """

    starts: Sequence[tuple[float, float]]
    images: Sequence[float]
    most: int
    in_flight: int
    now_s: float = 0.0
    answered: int = 0
    waiting: int = 0
    heard_s: float = 0.0
    workers: dict[str, Heard] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    free: dict[Machine, None] = field(default_factory=dict)
    failure: BaseException | None = None
    taken: int = 0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def clock(self) -> float:
        """Now."""
        return self.now_s

    def size(self) -> Size:
        """The machines that there are."""
        there = [each for each in self.machines if each.left_s > self.now_s]
        up = sum(self.now_s >= e.asked_s + RUNNING_SHARE * e.start_s for e in there)
        return Size(len(there), up, len(there) - up, self.most)

    def grow(self, machines: int) -> None:
        """Start those that are missing."""
        for _ in range(min(machines, self.most) - self.size().desired):
            machine = Machine(self.now_s, *self.starts[len(self.machines)])
            self.machines.append(machine)
            self.at(self.now_s + machine.start_s, partial(self.rest, machine, SLOTS))

    def trouble(self, since: datetime) -> None:
        """All come."""

    def look(self) -> None:
        """No answer is ever lost here."""

    def fail(self, error: BaseException) -> None:
        """The job ends."""
        self.failure = error

    give_up = fail

    def at(self, when_s: float, event: Callable[[], None]) -> None:
        """Have it happen then."""
        heapq.heappush(self.events, (when_s, next(self._numbers), event))

    def rest(self, machine: Machine, slots: int) -> None:
        """So many more of its slots are free, for images or to leave after a minute."""
        machine.resting += slots
        machine.since_s = self.now_s
        self.free[machine] = None
        if machine.resting == SLOTS:
            self.at(self.now_s + IDLE_S, partial(self.leave, machine))

    def leave(self, machine: Machine) -> None:
        """It does if nothing came for a minute."""
        if machine.resting == SLOTS and self.now_s >= machine.since_s + IDLE_S:
            machine.left_s = self.now_s
            self.free.pop(machine, None)

    def done(self, machine: Machine) -> None:
        """An image is; its answer is on the way."""
        self.at(self.now_s + WAY_S, partial(self.hear, machine))
        self.rest(machine, 1)

    def hear(self, machine: Machine) -> None:
        """An answer."""
        name = str(id(machine))
        known = self.workers.get(name)
        self.workers[name] = Heard(SLOTS, known.first_s if known else self.now_s, self.now_s)
        self.answered += 1
        self.waiting -= 1
        self.heard_s = self.now_s

    def send(self, crew: Crew) -> None:
        """As many images as may be in flight; those that are get the slots that are free."""
        if (sent := self.answered + self.waiting) < len(self.images):
            room = min(self.in_flight, max(16, 4 * crew.planned))
            self.waiting += max(0, min(room - self.waiting, len(self.images) - sent))
        while self.taken < self.answered + self.waiting and self.free:
            machine = next(iter(self.free))
            machine.resting -= 1
            if not machine.resting:
                del self.free[machine]
            took_s = self.images[self.taken] / machine.speed
            self.at(self.now_s + took_s, partial(self.done, machine))
            self.taken += 1

    def run(self, pace: Pace, bounds: Bounds) -> None:
        """All of it, until the last machine has left."""
        client = cast("Asker", self)
        images = len(self.images)
        crew = Crew(
            INFO, self, client, images, pace, bounds, 60.0, self.clock, Reporter(),
            datetime.now(UTC),
        )  # fmt: skip
        crew.begin()

        def look() -> None:
            crew.look()
            if self.answered < images and self.failure is None:
                self.at(self.now_s + LOOK_S, look)

        look()
        while self.events and self.failure is None:
            self.send(crew)
            self.now_s, _, event = heapq.heappop(self.events)
            event()

    @property
    def machine_s(self) -> float:
        """Of all machines, from when each was asked for until it left."""
        return sum(each.left_s - each.asked_s for each in self.machines)


def best_s(work_s: float, machines: Sequence[tuple[float, float]]) -> float:
    """When so many core-seconds are done at the earliest by machines of those starts and speeds."""
    capacity = waited = 0.0
    ordered = sorted(machines)
    for number, (start_s, speed) in enumerate(ordered, 1):
        capacity += SLOTS * speed
        waited += SLOTS * speed * start_s
        at_s = (work_s + waited) / capacity
        if number == len(ordered) or at_s <= ordered[number][0]:
            return at_s
    raise AssertionError


@dataclass(frozen=True)
class Outcome:
    """A job: seconds and dollars over the best possible, dollars over the least that the images
    can cost at all, whether its limits were kept, how many machines came.
    """

    seconds: float
    dollars: float
    over_least: float
    kept: bool
    machines: int


def simulated(job: Job, luck: random.Random, image: Draw, start: Draw, off: float) -> Outcome:
    """A job whose pace is taken to be what it is, but for a factor about as far `off`."""
    images = [image(luck) for _ in range(job.images)]
    # More than may be, as those that leave are replaced.
    starts = [(start(luck), luck.lognormvariate(0, 0.05)) for _ in range(3 * job.most)]
    rate = SLOTS / statistics.fmean(image(luck) for _ in range(1000)) * luck.lognormvariate(0, off)
    start_s = statistics.fmean(start(luck) for _ in range(1000))
    world = World(starts, images, job.most, job.in_flight)
    world.run(Pace(rate, start_s, USD_PER_H), Bounds(job.deadline_s, job.budget_usd))
    done_s, spent_s = world.heard_s, world.machine_s

    plans = list(_plans(sum(images), starts[: job.most]))
    least_s = min(billed_s for _, billed_s in plans)
    may_s = 1.25 * least_s if job.deadline_s is None else spent_s
    if job.budget_usd is not None:
        may_s = job.budget_usd * 3600 / USD_PER_H
    earliest_s = min(at_s for at_s, billed_s in plans if billed_s <= max(may_s, least_s))
    within_s = max(job.deadline_s or done_s, min(at_s for at_s, _ in plans))
    cheapest_s = min(billed_s for at_s, billed_s in plans if at_s <= within_s)
    kept = done_s <= (job.deadline_s or done_s) and (job.budget_usd is None or spent_s <= may_s)
    ratios = done_s / earliest_s, spent_s / cheapest_s, spent_s / least_s
    return Outcome(*ratios, kept and world.failure is None, len(world.machines))


def _plans(work_s: float, machines: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Of the first one, two, three: when they are done, and the machine-seconds until all of them
    have waited for a minute.
    """
    for number in range(1, len(machines) + 1):
        done_s = best_s(work_s, machines[:number])
        yield done_s, sum(max(done_s, start_s) + IDLE_S for start_s, _ in machines[:number])


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="Chosen sizes of a fleet over the best possible.")
    parser.add_argument("--starts", type=measured, default=gamma, help="file of seconds")
    parser.add_argument("--images", type=measured, default=lognormal, help="file of seconds")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--off", type=float, default=0.15, help="of the pace that is assumed")
    asked = parser.parse_args()
    print("Over the best possible: median of the rounds (least..most)")
    for job in JOBS:
        luck = random.Random(20)  # noqa: S311 - no secret
        how = asked.images, asked.starts, asked.off
        _print(job, [simulated(job, luck, *how) for _ in range(asked.rounds)])


def _print(job: Job, found: Sequence[Outcome]) -> None:
    kept = [each for each in found if each.kept] if job.budget_usd else found
    print(f"{job.name}")
    print(f"   limits kept in {statistics.fmean(each.kept for each in found):.0%}", end="")
    if kept:
        print(
            f", {statistics.median(each.machines for each in kept):.0f} machines, seconds "
            f"{_shown(each.seconds for each in kept)}, dollars "
            f"{_shown(each.dollars for each in kept)}, over those of the fewest machines "
            f"{_shown(each.over_least for each in kept)}",
            end="",
        )
    print(flush=True)


def _shown(found: Iterable[float]) -> str:
    ratios = list(found)
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f})"


if __name__ == "__main__":
    main()
