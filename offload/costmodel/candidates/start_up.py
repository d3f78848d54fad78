"""How long a place takes that has to start: a rented machine as bring-ups were measured, a function
as first calls were; else by priors.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist, median

import numpy as np

from offload.costmodel import fit
from offload.costmodel.candidates import priors
from offload.costmodel.terms import DRAWS, Candidate, Draws, Term, assumed
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement, StartPhase
from offload.domain.places import StartState
from offload.domain.units import show_s

_SPREAD = 0.25
"""Standard deviation of the logarithm of one bring-up over the next, until bring-ups tell."""
_SPREAD_WEIGHT = 5
"""Bring-ups that this spread counts for."""
_UNLIKE = 0.3
"""The same between machines of two kinds, or ways to bring them up."""
_ENOUGH = 3
"""Bring-ups of one kind beside which the prior says nothing more."""
_MOST = 5
"""As many of the newest are looked at: older ones say little of today."""
_LEAST_S = 0.001
_BURST, _BURST_S = 1000, 10.0
"""AWS starts so many environments of a function in so many seconds.

https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
"""

_MACHINE, _IMAGE, _CONTAINER = "machine", StartPhase.IMAGE, StartPhase.CONTAINER
_PARTS: Mapping[str, tuple[str, ...]] = {
    StartState.COLD: (_CONTAINER,),
    StartState.STOPPED: (_MACHINE, _CONTAINER),
    StartState.ABSENT: (_MACHINE, _IMAGE, _CONTAINER),
}
"""What has to be done from each start state. Only a new machine lacks our image."""
_UNTIL_ENGINE = {
    StartPhase.API, StartPhase.PENDING, StartPhase.START, StartPhase.BOOT, StartPhase.ENGINE,
}  # fmt: skip
"""The phases until a machine's engine answers."""


@dataclass(frozen=True, slots=True)
class BringUp:
    """How long each part took, `machine`, `image` and `container`, when a machine of this
    `kind` was brought up from the start state `state`; `way` is how its image got there.
    """

    taken_at: str
    kind: Kind | None
    state: str
    way: str
    parts_s: Mapping[str, float]


def bring_ups(measurements: Sequence[Measurement]) -> Iterator[BringUp]:
    """Those among measurements, newest first; what is in no phase belongs to the container."""
    for m in sorted(measurements, key=lambda m: m.taken_at, reverse=True):
        for start in m.starts if m.is_bring_up else ():
            machine_s = sum(s for name, s in start.phases.items() if name in _UNTIL_ENGINE)
            image_s = start.phases.get(StartPhase.IMAGE, 0.0)
            build_s = start.phases.get(StartPhase.BUILD, 0.0)
            # Without building an image here, which happens once.
            container_s = start.startup_s - build_s - machine_s - image_s
            parts_s = {_MACHINE: machine_s, _IMAGE: image_s, _CONTAINER: container_s}
            state, way = str(m.facts.get("from")), str(m.facts.get("image"))
            yield BringUp(m.taken_at, m.condition.machine, state, way, parts_s)


class Starts:
    """What is known of bringing up a machine of this `kind`, in each start state.

    `container_s` is what a container takes to start on this machine, if that was measured.
    """

    def __init__(
        self,
        measurements: Sequence[Measurement],
        kind: Kind | None,
        container_s: float | None,
        rng: np.random.Generator,
    ) -> None:
        self._known = sorted(bring_ups(measurements), key=lambda known: known.kind != kind)
        ways = (known.way for known in self._known if known.state == StartState.ABSENT)
        self._way = next(ways, "")
        self._kind = kind
        self._container_s = container_s
        self._rng = rng

    def lane(self, ready: Candidate, state: str) -> Candidate:
        """The lane of a machine that is ready, in the start state `cold`, `stopped` or `new`."""
        parts = {name: self._part(name, state) for name in _PARTS[state]}
        terms = list(parts.values())
        draws = np.sum([ready.startup_s.draws, *(term.draws for term in terms)], axis=0)
        known = all(term.origin == "measured" for term in (ready.startup_s, *terms))
        startup = Term(
            draws,
            "measured" if known else "assumed",
            min(term.samples for term in terms),
            max((term.taken_at for term in terms if term.taken_at), default=None),
            self._how(parts, state),
        )
        name = f"{ready.name}, {priors.STATES[state]}"
        return replace(ready, startup_s=startup, state=state, name=name)

    def _how(self, parts: Mapping[str, Term], state: str) -> str:
        if any(term.samples for term in parts.values()):
            told = (
                f"{name} {term.how if term.samples else f'{show_s(term.median)} (assumed)'}"
                for name, term in parts.items()
            )
            return f"starts: {', '.join(told)}"
        if state == "cold":
            return parts[_CONTAINER].how
        return f"prior of a machine that is {priors.STATES[state]}"

    def _part(self, name: str, state: str) -> Term:
        prior = self._prior(name, state)
        used, alike = self._like(name, state)
        if not used:
            return prior
        seconds = [known.parts_s[name] for known in used]
        draws = _learned(prior.draws, seconds, alike=alike)
        way = f", {used[0].way}" if name == _IMAGE else ""
        how = f"{show_s(median(seconds))} ({'' if alike else 'unlike '}{len(used)}{way})"
        taken_at = max(known.taken_at for known in used)
        return Term(draws, "measured" if alike else "assumed", len(used), taken_at, how)

    def _prior(self, name: str, state: str) -> Term:
        if name == _CONTAINER:
            return priors.cold(self._container_s, self._rng)
        machine_s = priors.BOOT_S if state == StartState.ABSENT else priors.STOPPED_S
        return assumed(*(priors.INSTALL_S if name == _IMAGE else machine_s), self._rng, "")

    def _like(self, name: str, state: str) -> tuple[Sequence[BringUp], bool]:
        """The newest bring-ups that tell of a part; whether they are of our kind and did that."""
        same = similar = self._known
        if name == _MACHINE:
            same = [known for known in self._known if known.state == state]
            similar = [known for known in self._known if known.state != "cold"]
        elif name == _IMAGE:
            same = [known for known in self._known if known.way == self._way]
            similar = [known for known in self._known if known.way != "present"]
        ours = [known for known in same if known.kind == self._kind]
        return (ours or same or similar)[:_MOST], bool(ours)


def _learned(prior: Draws, seconds: Sequence[float], *, alike: bool) -> Draws:
    """Log-normal about what was measured and, until that was often enough, what was believed, each
    weighed by how sure it is. It spreads as far as that is unsure and bring-ups differ.
    """
    logs, believed = np.log(np.maximum(seconds, _LEAST_S)), np.log(prior)
    count = len(logs)
    squares = _SPREAD_WEIGHT * _SPREAD**2 + float(((logs - logs.mean()) ** 2).sum())
    variance = squares / (_SPREAD_WEIGHT + count - 1)
    of_prior = (max(0.0, 1 - count / _ENOUGH) if alike else 1.0) / believed.var()
    of_seconds = 1 / (variance / count + (0.0 if alike else _UNLIKE**2))
    sure = of_prior + of_seconds
    middle = (of_prior * believed.mean() + of_seconds * logs.mean()) / sure
    draws: Draws = np.exp(middle + math.sqrt(1 / sure + variance) * _luck())
    return draws


@cache
def _luck() -> Draws:
    """Of a bring-up as a whole: on a slow day every part is slow. Standard normal, evenly drawn."""
    quantiles = [NormalDist().inv_cdf((draw + 0.5) / DRAWS) for draw in range(DRAWS)]
    return np.random.default_rng(5).permutation(quantiles)


def called(
    measurements: Sequence[Measurement], rng: np.random.Generator, ready: Candidate, state: str
) -> Candidate:
    """The lane of a function whose calls start environments, as first calls of past jobs did: the
    first call one, before any image is sent, and images as many others as go on at a time. Of a
    fleet, whose machines come meanwhile, all wait for the first.
    """
    init = _init(sorted(measurements, key=lambda m: m.taken_at), ready, rng)
    startup = replace(
        init,
        draws=ready.startup_s.draws + init.draws,
        origin="measured" if init.samples and ready.startup_s.samples else "assumed",
    )
    if ready.traits.on_demand:
        return replace(ready, name=f"{ready.name}, {state}", state=state, startup_s=startup)
    late_s = (ready.slots - 1) // _BURST * _BURST_S
    first_s = ready.first_s.draws + (init.draws + late_s) * (ready.slots > 1)
    return replace(
        ready,
        name=f"{ready.name}, {state}",
        state=state,
        startup_s=startup,
        first_s=replace(ready.first_s, draws=first_s),
        init_s=init.draws,
    )


def _init(known: Sequence[Measurement], ready: Candidate, rng: np.random.Generator) -> Term:
    """Seconds of a start, of the function of this lane rather than of others."""
    phase, prior, what = StartPhase.INIT, priors.INIT_S, "function"
    if ready.traits.on_demand:
        phase, prior, what = StartPhase.MACHINES, priors.MACHINES_S, "fleet"
    else:
        known = [m for m in known if m.condition.key == ready.key] or known
    starts_s = [s.phases[phase] for m in known for s in m.starts if phase in s.phases]
    draws = fit.medians(starts_s, rng)
    if draws is None:
        return assumed(*prior, rng, f"prior of a {what}'s start")
    return Term(draws, "measured", len(starts_s), known[-1].taken_at, f"starts of a {what}")
