"""The machines of a job: as many as it is worth, and what to think if none answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from offload.costmodel import fleet as costs
from offload.costmodel.fleet import Bounds, Pace
from offload.domain.errors import OffloadError, PlaceUnavailable, Unanswered
from offload.domain.events import MachinesAtWork, MachinesWanted, Reporter
from offload.domain.machines import FleetInfo, Size
from offload.domain.timing import Clock
from offload.domain.units import show_s, show_usd
from offload.drivers.host.capture import Captured
from offload.service.queued.asking import Asker, Heard
from offload.service.queued.ports import MachineGroup

LOOK_S = 3.0
"""How often it is looked whether the plan still holds."""
_COMING_S = 600.0
"""How long a machine may take to come."""
_ENDED_S = 180.0
"""Beyond the time-out: three workers, each silent for the 60 s that a message is hidden, may have
ended on the one image that is left.
"""
_EXPLAIN_S = 15.0
"""How often the group is asked why a machine does not come."""
_RECENT_S = 60.0
"""A worker that was heard of so lately is at work."""
_FEWEST = 20
"""Answers that tell a rate."""


@dataclass(slots=True)
class Crew:
    """Has the `group` of a fleet grow to what `images` are worth within `limits`, and tells.

    `limits` count from its begin, which is `since`. `pace` is what is known of one machine; rates
    measured on the way take its place. `timeout_s` is how long machines may answer nothing.
    """

    info: FleetInfo
    group: MachineGroup
    asker: Asker
    images: int
    pace: Pace
    limits: Bounds
    timeout_s: float
    clock: Clock
    reporter: Reporter
    since: datetime
    _began_s: float = field(init=False)
    _looked_s: float = field(init=False)
    _absent_s: float | None = field(init=False, default=None)
    _alive_s: float = field(init=False)
    _explained_s: float = field(init=False, default=float("-inf"))
    _asked_s: list[float] = field(init=False, default_factory=list)
    _before: tuple[int, float] = field(init=False, default=(0, 0.0))
    _machine_s: float = field(init=False, default=0.0)
    _is_cold: bool = field(init=False, default=False)
    _at_work: int = field(init=False, default=0)
    _window: tuple[float, int, int] | None = field(init=False, default=None)
    _counted: int = field(init=False, default=0)
    _counted_s: float = field(init=False, default=0.0)
    _over: threading.Event = field(init=False, default_factory=threading.Event)

    def begin(self) -> None:
        """Ask for the first machines.

        Raises:
            PlaceUnavailable: there is no such group, or one machine is more than may be spent.
        """
        self._began_s = self._looked_s = self._alive_s = self.clock()
        size = self.group.size()
        # Those that run are taken to be at work: another job's, or this one's soon.
        self._asked_s = [-costs.START_S] * size.running + [self._began_s] * size.pending
        self._absent_s = None if size.running else self._began_s
        self._is_cold = not size.running
        if self.images and not self._plan(size):
            raise self._too_dear()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Meanwhile it is looked every few seconds whether the plan still holds."""
        thread = threading.Thread(target=self._look_on, name="machines", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()

    @property
    def came_s(self) -> float | None:
        """Seconds until the first machine answered, if none was there before."""
        first_s = min((each.first_s for each in self.asker.workers.values()), default=None)
        return first_s - self._began_s if first_s is not None and self._is_cold else None

    @property
    def slots(self) -> int:
        """Images that are worked on at a time, as far as workers were heard of; else as planned."""
        heard = sum(worker.slots for worker in self._heard())
        return heard or self.info.vcpus * max(1, len(self._asked_s))

    @property
    def planned(self) -> int:
        """The same once all machines that were asked for are at work."""
        return max(self.slots, self.info.vcpus * len(self._asked_s))

    def _heard(self) -> list[Heard]:
        now_s = self.clock()
        workers = list(self.asker.workers.values())
        return [worker for worker in workers if now_s - worker.last_s < _RECENT_S]

    def _look_on(self) -> None:
        with Captured() as caught:
            while not self._over.wait(LOOK_S):
                with suppress(OffloadError):  # it is looked again
                    self.look()
        if caught.error is not None:
            self.asker.fail(caught.error)

    def look(self) -> None:
        """Look once: for machines, for rows whose answer was lost, and whether any will come.

        Raises:
            OffloadError: the group cannot be asked.
        """
        self.asker.look()
        if self._over.is_set() or not self.asker.waiting:  # what comes next is another job
            self._alive_s = self._looked_s = self.clock()
            self._before = self.asker.answered, self._machine_s
            self._absent_s = None
            return
        now_s, size = self.clock(), self.group.size()
        self._count(now_s, size)
        self._measure(now_s)
        if not self._plan(size):
            self.asker.fail(self._too_dear())
        self._spend()
        if size.running < size.desired and now_s >= self._explained_s + _EXPLAIN_S:
            self._explained_s = now_s
            if trouble := self.group.trouble(self.since):
                self.reporter.warn(f"No machine comes: {trouble} {trouble.hint}".rstrip())
        if why := self._hopeless(now_s, size):
            self.asker.give_up(Unanswered(why))

    def _count(self, now_s: float, size: Size) -> None:
        """Who is at work, who was asked for when, and what that came to since the last look."""
        self._machine_s += size.desired * (now_s - self._looked_s)
        self._looked_s = now_s
        asked_s, desired = self._asked_s, size.desired
        # Those that leave were there first; those that others asked for are the last.
        self._asked_s = asked_s[-desired:] if desired else []
        self._asked_s += [now_s] * (desired - len(self._asked_s))
        at_work = len(self._heard())
        if at_work > self._at_work:
            if not self._at_work and (came_s := self.came_s) is not None:
                # The first of several is sooner than most: it only tells that starts are longer.
                self.pace = replace(self.pace, start_s=max(self.pace.start_s, came_s))
            told = MachinesAtWork(self.info.name, at_work, max(at_work, desired))
            self.reporter.emit(told)
        self._at_work = at_work
        if size.running or at_work:
            self._alive_s = now_s if self._absent_s is not None else self._alive_s
            self._absent_s = None
        elif self._absent_s is None:
            self._absent_s = now_s

    def _measure(self, now_s: float) -> None:
        """What one machine does a second, where there was more to do than they could all along.

        Images of other jobs take their share, so that more machines are asked for, as is right.
        """
        busy = self.asker.waiting > self.slots and self._at_work
        if busy and (began := self._window) is not None and began[2] == self._at_work:
            # Of all looks together: of each alone, chance would add machines, and none ever goes.
            self._counted += self.asker.answered - began[1]
            self._counted_s += self._at_work * (now_s - began[0])
            if self._counted >= _FEWEST:
                self.pace = replace(self.pace, images_per_s=self._counted / self._counted_s)
        self._window = (now_s, self.asker.answered, self._at_work) if busy else None

    def _plan(self, size: Size) -> int:
        """Ask for more machines where that is right; how many there are to be."""
        left = max(self.images - self.asker.answered, self.asker.waiting, 1)
        ready_s, limits = self._ready_s(), self._left()
        done, spent_s = self.asker.answered - self._before[0], self._machine_s - self._before[1]
        wanted = costs.wanted(left, ready_s, size.most, self.pace, limits, done, spent_s)
        if wanted <= len(ready_s):
            return wanted
        self.group.grow(wanted)
        self._asked_s += [self.clock()] * (wanted - len(self._asked_s))
        planned_s, work_s = self._ready_s(), left / self.pace.images_per_s
        usd = self.pace.usd(self._machine_s + costs.machine_s(work_s, planned_s, self.pace))
        took_s = costs.seconds(work_s, planned_s)
        self.reporter.emit(MachinesWanted(self.info.name, wanted, took_s, usd))
        return wanted

    def _ready_s(self) -> list[float]:
        """Until when each machine is at work, from now; those that were asked for first are."""
        now_s, at_work = self.clock(), self._at_work
        coming = self._asked_s[at_work:]
        later = [costs.ready_in_s(now_s - each, self.pace) if each >= self._began_s else 0.0
                 for each in coming]  # fmt: skip
        return [0.0] * at_work + later

    def _left(self) -> Bounds:
        within_s, most_usd = self.limits.seconds, self.limits.usd
        if within_s is not None:
            within_s -= self.clock() - self._began_s
        if most_usd is not None:
            most_usd -= self.pace.usd(self._machine_s)
        return Bounds(within_s, most_usd)

    def _too_dear(self) -> OffloadError:
        pace, left = self.pace, max(1, self.images - self.asker.answered)
        least_s = costs.machine_s(left / pace.images_per_s, [pace.start_s], pace)
        return PlaceUnavailable(
            f"One machine of the fleet {self.info.name} costs about {show_usd(pace.usd(least_s))} "
            f"for these images, and --max-cost is {show_usd(self.limits.usd or 0.0)}.",
            hint="To allow more: --max-cost USD",
        )

    def _spend(self) -> None:
        """See that no more is spent than may be, what machines cost until they leave included."""
        most_usd = self.limits.usd
        tail_s = len(self._asked_s) * self.pace.idle_s
        if most_usd is not None and self.pace.usd(self._machine_s + tail_s) > most_usd:
            self.asker.fail(PlaceUnavailable(
                f"The fleet {self.info.name} has cost {show_usd(most_usd)}, which is --max-cost.",
                hint="To go on with what is left: the same command with --out and more --max-cost",
            ))  # fmt: skip

    def _hopeless(self, now_s: float, size: Size) -> str:
        """Why no answer will come; nothing where one may."""
        if self._absent_s is not None and now_s - self._absent_s > _COMING_S:
            return f"no machine of the fleet came up in {show_s(_COMING_S)}"
        quiet_s = now_s - max(self.asker.heard_s, self._alive_s)
        if size.running and quiet_s > self.timeout_s + _ENDED_S:
            return f"no machine of the fleet answered for {show_s(quiet_s)}"
        return ""
