"""How long a function takes that has to start for its calls."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offload.costmodel import fit
from offload.costmodel.candidates import priors
from offload.costmodel.terms import Candidate, Term, assumed
from offload.domain.measurements import Measurement, StartPhase

_BURST, _BURST_S = 1000, 10.0
"""AWS starts so many environments of a function in so many seconds.

https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
"""


class Environments:
    """What is known of starting those of a function, from the first calls of past jobs."""

    def __init__(self, measurements: Sequence[Measurement], rng: np.random.Generator) -> None:
        self._known = sorted(measurements, key=lambda m: m.taken_at)
        self._rng = rng

    def lane(self, ready: Candidate, state: str) -> Candidate:
        """The lane of a function whose calls start environments: the first call one, before any
        image is sent, and images as many others as go on at a time.
        """
        init = self._init(ready.key)
        startup = replace(
            init,
            draws=ready.startup_s.draws + init.draws,
            origin="measured" if init.samples and ready.startup_s.samples else "assumed",
        )
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

    def _init(self, key: str) -> Term:
        """Seconds of a start, of the function with this key rather than of others."""
        ours = [m for m in self._known if m.condition.key == key] or self._known
        starts_s = [
            s.phases[StartPhase.INIT] for m in ours for s in m.starts if StartPhase.INIT in s.phases
        ]
        draws = fit.medians(starts_s, self._rng)
        if draws is None:
            return assumed(*priors.INIT_S, self._rng, "prior of a function's start")
        return Term(draws, "measured", len(starts_s), ours[-1].taken_at, "first calls")
