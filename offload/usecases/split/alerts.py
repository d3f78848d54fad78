"""What is worth telling: changes that are large, and last."""

from dataclasses import dataclass

from offload.usecases.split.events import DeadlineChanged
from offload.usecases.split.forecast import View
from offload.usecases.split.work_queue import LEAST, WorkerStatus

MOMENT_S = 1.0
"""How long what is said must hold at least."""
_PAUSE_S = 5.0
"""How long nothing more is said of a place's rate."""
_CHANGED, _STEADY = 1.8, 1.5
"""A rate has changed if it differs by the first factor, and not if by less than the second."""
_CLOSE = 0.03
"""The share of the deadline that the end is to be beyond it, or before it after all."""


@dataclass(slots=True)
class RateTrack:
    """What was said of a place's rate, and since when, and after how many images, it is another."""

    said_per_s: float | None
    odd: tuple[float, int] | None = None
    silent_until_s: float = 0.0

    def changed_from(self, place: WorkerStatus, now_s: float) -> float | None:
        """The rate that was said, if for a window of images it has been half or double that."""
        rate_per_s, said_per_s = place.images_per_s, self.said_per_s
        window = max(LEAST, 2 * place.in_progress)
        if not rate_per_s or not said_per_s:
            self._settle(rate_per_s if place.done >= window else None, now_s)
            return None
        factor = max(rate_per_s / said_per_s, said_per_s / rate_per_s)
        if factor < _STEADY or not place.is_known:
            self.odd = None
        elif factor >= _CHANGED:
            self.odd = since_s, done = self.odd or (now_s, place.done)
            held_s = now_s - since_s
            seen = place.done - done >= window or held_s >= 2 * window / said_per_s
            if seen and held_s >= MOMENT_S and now_s >= self.silent_until_s:
                self.said_per_s, self.odd = rate_per_s, None
                self.silent_until_s = now_s + _PAUSE_S
                return said_per_s
        return None

    def _settle(self, rate_per_s: float | None, now_s: float) -> None:
        """What is true of a place's beginning is not to be said of it."""
        if rate_per_s is None:
            self.said_per_s = self.odd = None
        elif self.odd is None:
            self.odd = now_s, 0
        elif now_s - self.odd[0] >= MOMENT_S:
            self.said_per_s, self.odd = rate_per_s, None


@dataclass(slots=True)
class DeadlineAlert:
    """Whether the deadline is declared broken, and since when it has looked otherwise."""

    broken: bool = False
    since_s: float | None = None

    def declared(self, view: View) -> DeadlineChanged | None:
        """The deadline, if it looked otherwise than told for long enough, or has just passed."""
        deadline_s, left_s = view.limits.deadline_s, view.left_s or 0.0
        if deadline_s is None or not view.undone:
            return None
        beyond = (view.spent_s + left_s) / deadline_s - 1
        if view.spent_s <= deadline_s or self.broken:
            if (-beyond if self.broken else beyond) <= _CLOSE:
                self.since_s = None
                return None
            self.since_s = view.spent_s if self.since_s is None else self.since_s
            busy = [place for place in view.places if place.is_open and place.in_progress]
            known = all(place.is_known and place.done >= 2 * place.in_progress for place in busy)
            hold_s = max(MOMENT_S, 0.015 * left_s / max(abs(beyond), _CLOSE)) * (1 if known else 3)
            if view.spent_s - self.since_s < hold_s:
                return None
        self.broken, self.since_s = not self.broken, None
        return DeadlineChanged(deadline_s, view.spent_s, view.left_s)
