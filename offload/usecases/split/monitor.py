"""A split watched on its way: what changes is seen to, and told."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Reporter
from offload.domain.timing import Clock
from offload.domain.units import show_usd
from offload.usecases.split import events
from offload.usecases.split.alerts import MOMENT_S, DeadlineAlert, RateTrack
from offload.usecases.split.forecast import Forecast, Limits, MachineBill, View, forecast
from offload.usecases.split.work_queue import WorkerStatus
from offload.usecases.split.workers import SplitJob

EVERY_S = 0.25
"""How often the places are looked at."""
_MARGIN = 1.25
"""By how much longer a place may take for what it has in progress than it takes of late."""


@dataclass(slots=True)
class SplitMonitor:
    """Watches a split: `watch` is for `SplitJob.rows`, `lost` for `SplitJob`, and each change of
    plan is an event. `began_s` is when the command began. Any thread may call any method.
    """

    split: SplitJob
    clock: Clock
    began_s: float
    reporter: Reporter
    limits: Limits = field(default_factory=Limits)
    _bills: dict[str, MachineBill] = field(default_factory=dict, init=False)
    _ended_s: dict[str, float] = field(default_factory=dict, init=False)
    _came: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)
    _tracks: dict[str, RateTrack] = field(default_factory=dict, init=False)
    _lost: set[str] = field(default_factory=set, init=False)
    _drained: dict[str, str] = field(default_factory=dict, init=False)
    _news: deque[events.PlaceStopped] = field(default_factory=deque, init=False)
    _deadline: DeadlineAlert = field(default_factory=DeadlineAlert, init=False)
    _last: View | None = field(default=None, init=False)
    _closed_s: float | None = field(default=None, init=False)
    _turn: threading.RLock = field(default_factory=threading.RLock, init=False)

    def bill(self, name: str, bill: MachineBill) -> None:
        """A place, which costs nothing else, begins to be billed."""
        self._bills[name] = bill

    def released(self, name: str) -> None:
        """A place costs no more but its tail: from now on, not from when it had nothing to do."""
        self._ended_s[name] = self.clock()

    def affords(self, bill: MachineBill, seconds: float) -> bool:
        """Whether a place that is billed so may be used for so long from now on."""
        until_s, max_usd = self.clock() + seconds, self.limits.max_usd
        return max_usd is None or bill.usd(until_s) + self._all_usd(until_s) <= max_usd

    def admits(self, name: str, bill: MachineBill, seconds: float) -> bool:
        """The same, and told if it may not."""
        if self.affords(bill, seconds):
            return True
        least_usd, max_usd = bill.usd(self.clock() + seconds), self.limits.max_usd or 0.0
        self.reporter.emit(events.TooExpensive(name, least_usd, max_usd))
        return False

    def lost(self, name: str, why: str) -> None:
        """A place gives no answer any more."""
        self._lost.add(name)
        self._news.append(events.PlaceLost(name, why))

    def warned(self, name: str, why: str) -> None:
        """A place will end soon: it is drained."""
        self._drain(events.PlaceEnding(name, why))

    def may_return(self, name: str) -> bool:
        """Whether a place that was lost may take part again: it is free, and was not drained."""
        return name not in self._bills and name not in self._drained

    def view(self) -> View:
        """How things stand."""
        now_s = self.clock()
        left, staying, places = self.split.standing()
        places = [self._of_late(place, now_s) for place in places]
        ahead = self._forecast(now_s, left, left - staying, places)
        usd = {name: self._usd(name, now_s) for name in list(self._bills)}
        spent_s = (self._closed_s or now_s) - self.began_s
        return View(now_s, spent_s, left, left - staying, places, usd, ahead, self.limits)

    def close(self) -> None:
        """The last row is there: no place costs more from now on, unless it is `released` later."""
        with self._turn:
            self._tell()
            self._closed_s = self.clock()
            for name in list(self._bills):
                self._ended_s.setdefault(name, self._closed_s)

    def watch(self) -> None:
        """Look how things stand and see to it; at most every `EVERY_S`, but for news.

        Raises:
            PlaceUnavailable: every place that was left had to be drained.
        """
        with self._turn:
            early = self._last and self.clock() < self._last.now_s + EVERY_S and not self._news
            if self._closed_s is None and not early:
                self._see_to(self.view())

    def _see_to(self, view: View) -> None:
        for place in view.places:
            if not place.is_open and not place.in_progress:
                self._ended_s.setdefault(place.name, view.now_s)
        self._join(view)
        self._release(view)
        self._spend(view)
        self._tell()
        self._compare(view)
        if (declared := self._deadline.declared(view)) is not None:
            self.reporter.emit(declared)
        self._last = view
        if self._drained and view.left and not any(p.is_open or p.in_progress for p in view.places):
            whys = "; ".join(f"{name}: {why}" for name, why in self._drained.items())
            raise PlaceUnavailable(
                f"No place can take the {view.left} images left ({whys}).",
                hint="To do all here: --where local",
            )

    def _join(self, view: View) -> None:
        first = not self._tracks
        for place in view.places:
            is_back = place.is_open and place.name in self._lost
            if place.name in self._tracks and not is_back:
                continue
            expected_per_s = None if place.done else place.images_per_s
            self._tracks[place.name] = RateTrack(expected_per_s)
            if is_back:
                self._lost.remove(place.name)
            if place.name in self._drained:
                self.split.drain(place.name)
            elif not first and place.is_open:
                outlook = self._outlook(view, place)
                self.reporter.emit(events.PlaceJoined(place.name, is_back, outlook=outlook))

    def _release(self, view: View) -> None:
        """Drain what has nothing to do any more, as all that is left is for the place here."""
        if not view.left or view.free:
            return
        for place in view.places:
            if not place.is_here and place.is_open and not place.in_progress:
                self._drained[place.name] = "the images left must stay here"
                self.split.drain(place.name)
                self.reporter.emit(events.PlaceReleased(place.name))

    def _spend(self, view: View) -> None:
        """Drain a place that costs before its images in progress would cost more than is left."""
        for place in view.places:
            if place.is_open and self._lasts_s(place, view.now_s, view.places) <= 0:
                limit = f"--max-cost {show_usd(self.limits.max_usd or 0.0)}"
                self._drain(events.BudgetReached(place.name, limit))
            is_ending = place.in_progress and not place.is_open and place.name in self._bills
            if is_ending and self._all_usd(view.now_s + 2 * EVERY_S) > (self.limits.max_usd or inf):
                self.split.abandon(place.name)

    def _compare(self, view: View) -> None:
        """See whether rates are what was said, but for the last images."""
        tail = view.left <= sum(place.in_progress for place in view.places)
        for place in view.places:
            track = self._tracks[place.name]
            if tail or not place.in_progress or not place.is_open:
                track.odd = None
            elif (said_per_s := track.changed_from(place, view.now_s)) is not None:
                old = replace(place, images_per_s=said_per_s)
                places = [old if each is place else each for each in view.places]
                before = self._forecast(view.now_s, view.left, view.free, places)
                quiet_s = view.now_s - self._came[place.name][1]
                due_s = max(2 * (place.latency_s or 0.0), _MARGIN * place.in_progress / said_per_s)
                self.reporter.emit(
                    events.RateChanged(
                        place.name,
                        place.images_per_s or 0.0,
                        said_per_s,
                        quiet_s if quiet_s > max(MOMENT_S, due_s) else None,
                        outlook=self._outlook(view, place, before),
                    )
                )

    def _tell(self) -> None:
        """Tell which places end, and what follows from that."""
        while self._news:
            news, view = self._news.popleft(), self.view()
            others = [place for place in view.places if place.is_open and place.name != news.place]
            is_here = any(each.is_here for each in others) if others and view.undone else None
            outlook = self._outlook(view)
            self.reporter.emit(replace(news, outlook=outlook, rest_is_here=is_here))

    def _outlook(
        self, view: View, place: WorkerStatus | None = None, before: Forecast | None = None
    ) -> events.Outlook | None:
        """What follows for `place` and for the end; `before` is as the last look had it."""
        ahead, last = view.ahead, self._last
        if not ahead or not view.undone or (place and not place.images_per_s):
            return None
        if before is None and last and last.ahead:
            seconds = last.ahead.seconds - (view.now_s - last.now_s)
            before = replace(last.ahead, seconds=seconds)
        before = before or ahead
        known = events.Outlook(ahead.seconds, before.seconds, view.undone)
        if not place or place.name not in ahead.images or len(ahead.images) == 1:
            return known
        images = ahead.images[place.name]
        then = before.images.get(place.name, images)
        return replace(
            known, images=round(images), images_before=round(then), is_here=place.is_here
        )

    def _drain(self, news: events.PlaceStopped) -> None:
        with self._turn:
            if news.place not in self._drained:
                self._drained[news.place] = news.reason.rstrip(".")
                self.split.drain(news.place)
                self._news.append(news)

    def _usd(self, name: str, until_s: float) -> float:
        return self._bills[name].usd(min(until_s, self._ended_s.get(name, inf)))

    def _all_usd(self, until_s: float) -> float:
        return sum(self._usd(name, until_s) for name in list(self._bills))

    def _of_late(self, place: WorkerStatus, now_s: float) -> WorkerStatus:
        """The place; if overdue by an image's whole way, with the rate that its silence allows."""
        done, since_s = self._came.get(place.name, (-1, now_s))
        quiet_s = now_s - since_s
        if place.done != done or not place.in_progress:
            self._came[place.name] = (place.done, now_s)
        elif place.images_per_s and quiet_s > 2 * (place.latency_s or 0.0):
            most = place.in_progress if place.latency_s is None else 1
            return replace(place, images_per_s=min(place.images_per_s, most / quiet_s))
        return place

    def _forecast(
        self, now_s: float, left: int, free: int, places: Sequence[WorkerStatus]
    ) -> Forecast | None:
        affordable = 0.0
        for place in places:
            if place.is_open and not place.is_here:
                lasts_s = self._lasts_s(place, now_s, places)
                affordable += (place.images_per_s or 0.0) * lasts_s if lasts_s < inf else inf
        return forecast(left, places, max(0.0, min(free, affordable)))

    def _lasts_s(self, place: WorkerStatus, now_s: float, places: Sequence[WorkerStatus]) -> float:
        """How long a place may take images, if those then in progress are paid for too."""
        bill, most_usd = self._bills.get(place.name), self.limits.max_usd
        if bill is None or most_usd is None:
            return inf
        hands_s = {each.name: self._hand_s(each, now_s) for each in places}
        others_usd = sum(
            self._usd(name, now_s + hands_s.get(name, 0.0))
            for name in list(self._bills)
            if name != place.name
        )
        return bill.until_s(most_usd - others_usd) - hands_s[place.name] - now_s

    def _hand_s(self, place: WorkerStatus, now_s: float) -> float:
        """How long a place may take for what it has in progress."""
        _, since_s = self._came.get(place.name, (0, now_s))
        latency_s = now_s - since_s if place.latency_s is None else place.latency_s
        alone_s = place.in_progress / place.images_per_s if place.images_per_s else 0.0
        return _MARGIN * max(latency_s, alone_s) + MOMENT_S
