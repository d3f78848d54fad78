"""The link to a place, measured without the model."""

import random
from collections.abc import Callable, Iterable, Sequence

from offload.costmodel.statistics import theil_sen
from offload.domain.errors import PlaceUnavailable, Unanswered
from offload.domain.events import Stop
from offload.domain.measurements import Probe, ProbeKind
from offload.domain.ports import Session
from offload.domain.timing import Clock

_ROUND_TRIPS = 5
_UP_BYTES = tuple(kib * 2**10 for kib in (16, 64, 128, 256, 1024))
_LARGE_BYTES, _SOON_S = 4 * 2**20, 0.5
"""Where so much is over so soon, TCP's slow start is most of what smaller payloads tell."""
_DOWN_BYTES = tuple(kib * 2**10 for kib in (16, 128, 512))
_TIMES_EACH = 2
_UP_SHARE, _ALL_SHARE = 0.25, 0.3
"""Of the budget: for the way there, and for all probes together; answers are small."""
_FEWEST, _ALIKE = 6, 0.05
"""So many payloads are enough if every other one tells the same seconds per byte as all do."""


class Budget:
    """`whole_s` seconds from now on."""

    def __init__(self, whole_s: float, clock: Clock) -> None:
        self.whole_s = whole_s
        self.clock = clock
        self._began_s = clock()

    @property
    def spent_s(self) -> float:
        """What has gone."""
        return self.clock() - self._began_s

    @property
    def left_s(self) -> float:
        """What is left; negative when it is overdrawn."""
        return self.whole_s - self.spent_s

    def forgive(self, seconds: float) -> None:
        """Take so many of the spent seconds for unspent."""
        self._began_s += seconds


def link(session: Session, budget: Budget, rng: random.Random, stop: Stop) -> list[Probe]:
    """Round trips, then payloads there and back; none where nothing is moved.

    Raises:
        PlaceUnavailable: the place does not answer.
    """
    began_s = budget.spent_s

    def crossings(
        kind: ProbeKind, sizes: Sequence[int], ask: Callable[[int], float], share: float
    ) -> list[Probe]:
        """Each size twice, the smallest first, the others in random order; those put off that by
        what is known would take too long.
        """
        done: list[Probe] = []
        smallest, *others = sorted([*sizes] * _TIMES_EACH)
        pending = [smallest, *rng.sample(others, len(others))]
        while pending and not stop and not _enough(done, kind):
            left_s = share * budget.whole_s - (budget.spent_s - began_s)
            known = [*trips, *done]
            size = next((size for size in pending if expected_s(known, kind, size) <= left_s), None)
            if size is None:
                break
            pending.remove(size)
            try:
                done.append(Probe(kind, size, ask(size)))
            except Unanswered:  # a server may refuse large bodies
                pending = [other for other in pending if other < size]
        return done

    try:
        trips = [Probe("rtt", 0, session.probe(b"")) for _ in range(_ROUND_TRIPS)]
    except Unanswered as error:
        raise PlaceUnavailable(f"The server has stopped answering: {error}.") from error
    if not any(trip.seconds for trip in trips):
        return []

    def send(size: int) -> float:
        return session.probe(rng.randbytes(size))

    up = crossings("up", _UP_BYTES, send, _UP_SHARE)
    if up and expected_s([*trips, *up], "up", _LARGE_BYTES) < _SOON_S:
        up += crossings("up", (_UP_BYTES[-1], _LARGE_BYTES), send, _UP_SHARE)
    down = crossings("down", _DOWN_BYTES, session.probe_down, _ALL_SHARE)
    return trips + up + down


def seconds_per_byte(probes: Sequence[Probe], kind: ProbeKind) -> float:
    """What one more byte takes; 0 where it cannot be told."""
    return max(0.0, _line(probe for probe in probes if probe.kind == kind)[0])


def expected_s(probes: Sequence[Probe], kind: ProbeKind, size_bytes: float) -> float:
    """What so many bytes will take, round trip included, as far as probes tell."""
    slope, intercept = _line(probe for probe in probes if probe.kind in {kind, "rtt"})
    return intercept + slope * size_bytes


def _line(probes: Iterable[Probe]) -> tuple[float, float]:
    points = [(probe.bytes, probe.seconds) for probe in probes]
    return theil_sen([size for size, _ in points], [seconds for _, seconds in points])


def _enough(done: Sequence[Probe], kind: ProbeKind) -> bool:
    whole = seconds_per_byte(done, kind)
    if len(done) < _FEWEST or not whole:
        return False
    half = seconds_per_byte(done[::2], kind)
    return abs(half / whole - 1) < _ALIKE
