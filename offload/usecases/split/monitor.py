"""A split watched on its way: what changes is seen to, and said."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from offload.domain.errors import PlaceUnavailable
from offload.domain.timing import Clock
from offload.domain.units import show_usd
from offload.usecases.split.alerts import MOMENT_S, DeadlineAlert, RateTrack, about, instead, rate
from offload.usecases.split.forecast import Forecast, Limits, MachineBill, View, forecast
from offload.usecases.split.workers import WorkerStatus

EVERY_S = 0.25
"""How often the places are looked at."""
_MARGIN = 1.25
"""By how much longer a place may take for what it has in hand than it takes of late."""


class WatchedSplit(Protocol):
    """What is watched."""

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        """How many images nobody has taken, how many of those only the place here may take, and how
        the places stand.
        """

    def drain(self, name: str) -> None:
        """Have a place take nothing more."""

    def abandon(self, name: str) -> None:
        """Have the others do what it has in hand, too."""


@dataclass(slots=True)
class SplitMonitor:
    """Watches a split: `watch` is for `Split.rows`, `lost` for `Split`, and each change of plan is
    a line that is told to `say`. A place costs nothing unless it has a bill. `began_s` is when the
    command began. Any thread may call any method.
    """

    split: WatchedSplit
    clock: Clock
    began_s: float
    say: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    _bills: dict[str, MachineBill] = field(default_factory=dict, init=False)
    _ended_s: dict[str, float] = field(default_factory=dict, init=False)
    _came: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)
    _tracks: dict[str, RateTrack] = field(default_factory=dict, init=False)
    _lost: set[str] = field(default_factory=set, init=False)
    _drained: dict[str, str] = field(default_factory=dict, init=False)
    _news: deque[tuple[str, str]] = field(default_factory=deque, init=False)
    _promise: DeadlineAlert = field(default_factory=DeadlineAlert, init=False)
    _last: View | None = field(default=None, init=False)
    _closed_s: float | None = field(default=None, init=False)
    _turn: threading.RLock = field(default_factory=threading.RLock, init=False)

    def bill(self, name: str, bill: MachineBill) -> None:
        """What a place costs, told when it begins to."""
        self._bills[name] = bill

    def released(self, name: str) -> None:
        """A place costs no more but its tail. Unless told, that is when it has no images any more,
        and takes none.
        """
        self._ended_s[name] = self.clock()

    def affords(self, bill: MachineBill, seconds: float) -> bool:
        """Whether a place that is billed so may be used for so long from now on."""
        until_s = self.clock() + seconds
        usd = bill.usd(until_s) + sum(self._usd(name, until_s) for name in list(self._bills))
        return self.limits.max_usd is None or usd <= self.limits.max_usd

    def lost(self, name: str, why: str) -> None:
        """A place gives no answer any more."""
        self._lost.add(name)
        self._news.append((name, f"{name} gives no answer any more ({why.rstrip('.')})"))

    def warned(self, name: str, why: str) -> None:
        """A place will end soon: it is drained."""
        self._drain(name, why, f"{name} will end soon ({why.rstrip('.')}) and takes no more images")

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
        """The last row is there: what is spent from now on is no part of the job, but for a place
        of which it will be told when it is `released`.
        """
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
            if not place.is_open and not place.in_hand:
                self._ended_s.setdefault(place.name, view.now_s)
        self._join(view)
        self._release(view)
        self._spend(view)
        self._tell()
        self._compare(view)
        if (declared := self._promise.declared(view)) is not None:
            self.say(declared)
        self._last = view
        if self._drained and view.left and not any(p.is_open or p.in_hand for p in view.places):
            whys = "; ".join(f"{name}: {why}" for name, why in self._drained.items())
            raise PlaceUnavailable(
                f"Nothing may take the {view.left} images that are left ({whys}).",
                hint="To have all done here: --where local",
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
                effects = self._effects(view, self._before(view), place)
                self._line(f"{place.name} takes part {'again' if is_back else 'now'}", effects)

    def _release(self, view: View) -> None:
        """Drain what has nothing to do any more, as all that is left is for the place here."""
        if not view.left or view.free:
            return
        for place in view.places:
            if not place.is_here and place.is_open and not place.in_hand:
                self._drained[place.name] = "what is left is to stay here"
                self.split.drain(place.name)
                self.say(f"{place.name} is not needed any more: what is left is to stay here")

    def _spend(self, view: View) -> None:
        """Drain what costs before the images that it has in hand would cost more than is left."""
        for place in view.places:
            if place.is_open and self._lasts_s(place, view.now_s, view.places) <= 0:
                limit = f"--max-cost {show_usd(self.limits.max_usd or 0.0)}"
                head = f"{place.name} takes no more images so as to cost no more than {limit}"
                self._drain(place.name, f"{limit} is spent", head)
            if place.in_hand and not place.is_open and self._is_spent(place.name, view.now_s):
                self.split.abandon(place.name)

    def _is_spent(self, name: str, now_s: float) -> bool:
        """Whether a place would have cost too much by the next look."""
        spent_usd = sum(self._usd(each, now_s + 2 * EVERY_S) for each in list(self._bills))
        return name in self._bills and spent_usd > (self.limits.max_usd or inf)

    def _compare(self, view: View) -> None:
        """See whether rates are what was said, but for the last images."""
        tail = view.left <= sum(place.in_hand for place in view.places)
        for place in view.places:
            track = self._tracks[place.name]
            if tail or not place.in_hand or not place.is_open:
                track.odd = None
            elif (said_per_s := track.changed_from(place, view.now_s)) is not None:
                old = replace(place, images_per_s=said_per_s)
                places = [old if each is place else each for each in view.places]
                before = self._forecast(view.now_s, view.left, view.free, places)
                head = f"{place.name} {self._does(place, said_per_s, view.now_s)}"
                self._line(head, self._effects(view, before, place))

    def _does(self, place: WorkerStatus, said_per_s: float, now_s: float) -> str:
        quiet_s = now_s - self._came[place.name][1]
        if quiet_s > max(
            MOMENT_S, 2 * (place.latency_s or 0.0), _MARGIN * place.in_hand / said_per_s
        ):
            return f"has not answered for {about(quiet_s)}"
        return f"does {rate(place.images_per_s or 0.0)} images/s instead of {rate(said_per_s)}"

    def _tell(self) -> None:
        """Say which places end, and what follows from that."""
        while self._news:
            name, head = self._news.popleft()
            view = self.view()
            effects = self._effects(view, self._before(view))
            others = [place for place in view.places if place.is_open and place.name != name]
            if others and view.undone:
                what = "the rest is" if name in self._drained else "its images are"
                where = "here" if any(each.is_here for each in others) else "elsewhere"
                effects.insert(0, f"{what} done {where}")
            self._line(head, effects)

    def _effects(
        self, view: View, before: Forecast | None, place: WorkerStatus | None = None
    ) -> list[str]:
        """What follows for the share of `place`, and for the end."""
        ahead, effects = view.ahead, []
        if not ahead or not view.undone or (place and not place.images_per_s):
            return []
        if place and place.name in ahead.images and len(ahead.images) > 1:
            images = round(ahead.images[place.name])
            then = round(before.images.get(place.name, images)) if before else images
            where = "stay here" if place.is_here else "go there"
            share = f"about {images} of the {view.undone} images left {where}"
            effects.append(instead(share, str(images), str(then)))
        end = about(ahead.seconds)
        then_s = about(before.seconds) if before else end
        return [*effects, instead(f"the end is in {end}", end, then_s)]

    def _line(self, head: str, effects: Sequence[str]) -> None:
        self.say(f"{head}: {', '.join(effects)}" if effects else head)

    def _before(self, view: View) -> Forecast | None:
        """What was ahead at the last look."""
        last = self._last
        if not last or not last.ahead:
            return None
        return replace(last.ahead, seconds=last.ahead.seconds - (view.now_s - last.now_s))

    def _drain(self, name: str, why: str, head: str) -> None:
        with self._turn:
            if name not in self._drained:
                self._drained[name] = why.rstrip(".")
                self.split.drain(name)
                self._news.append((name, head))

    def _usd(self, name: str, until_s: float) -> float:
        return self._bills[name].usd(min(until_s, self._ended_s.get(name, inf)))

    def _of_late(self, place: WorkerStatus, now_s: float) -> WorkerStatus:
        """A place that is overdue by an image's whole way does no more than one in that time, and
        one that nothing came from, no more than what it has in hand.
        """
        done, since_s = self._came.get(place.name, (-1, now_s))
        quiet_s = now_s - since_s
        if place.done != done or not place.in_hand:
            self._came[place.name] = (place.done, now_s)
        elif place.images_per_s and quiet_s > 2 * (place.latency_s or 0.0):
            most = place.in_hand if place.latency_s is None else 1
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
        """How long a place may go on taking images, if those that it then has in hand are to be
        paid for too.
        """
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
        """How long a place may take for what it has in hand."""
        _, since_s = self._came.get(place.name, (0, now_s))
        latency_s = now_s - since_s if place.latency_s is None else place.latency_s
        alone_s = place.in_hand / place.images_per_s if place.images_per_s else 0.0
        return _MARGIN * max(latency_s, alone_s) + MOMENT_S
