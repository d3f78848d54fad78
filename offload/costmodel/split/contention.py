"""How much two places at once hold each other up, as measured, else by priors."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offload.costmodel import fit
from offload.costmodel.fit import Pool
from offload.costmodel.makespan import per_image_s
from offload.costmodel.split.throughput import Contention
from offload.costmodel.terms import Candidate, Draws, Term, assumed
from offload.domain.measurements import Measurement

_CLIENT_CORES = (0.02, 0.35)
"""Of a core, what reading, preparing and sending images takes away from inference."""
_STARVED = (0.005, 0.1)
"""What images take longer remotely where preparing and sending them waits for a core."""
_SEED = 30_000


def contention(
    measurements: Sequence[Measurement], local: Candidate, remote: Candidate
) -> Contention:
    """Seconds per image beside the other place over those alone, less one; as jobs that were split
    before had it, else assumed.
    """
    rng = np.random.default_rng(_SEED)
    low, high = (cores / local.slots for cores in _CLIENT_CORES)
    here = assumed(low, high, rng, f"sending takes 2 to 35 % of a core; local uses {local.slots}")
    there = assumed(*_STARVED, rng, "prior of sending beside inference")
    return Contention(
        _measured(measurements, local, remote.place, rng) or here,
        _measured(measurements, remote, local.place, rng) or there,
    )


def _measured(
    measurements: Sequence[Measurement], lane: Candidate, beside: str, rng: np.random.Generator
) -> Term | None:
    group = [m for m in measurements if _is_beside(m, lane, beside)]

    def values(m: Measurement) -> Draws | None:
        steady = fit.steady(m, rng, in_process=lane.traits.in_process)
        if steady is None or steady.gap_s is None:
            return None
        alone_s = per_image_s(lane, float(np.median(steady.sent_bytes))) / lane.noise
        longer: Draws = steady.gap_s / alone_s - 1
        return longer

    found = Pool.of(group, rng).term(values, lambda m: len(m.images))
    return None if found is None else replace(found, draws=np.maximum(found.draws, 0.0))


def _is_beside(m: Measurement, lane: Candidate, beside: str) -> bool:
    """Whether it is of the lane's condition, but for what worked meanwhile."""
    condition = m.condition
    return condition.beside == beside and replace(condition, beside=None).key == lane.key
