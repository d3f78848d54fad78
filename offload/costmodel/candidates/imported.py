"""The lane of a table of runs that somebody took by hand."""

from collections.abc import Sequence

import numpy as np

from offload.costmodel.candidates import priors
from offload.costmodel.runs_table import fit
from offload.costmodel.terms import DRAWS, Candidate, Draws, Term, given
from offload.domain.measurements import Measurement
from offload.domain.places import PlaceTraits


def lane(
    measurements: Sequence[Measurement], traits: PlaceTraits, luck: Draws, sigma: float
) -> Candidate:
    """Start-up, per-image and per-byte terms as the line has them.

    In such runs transfer and execution follow each other. What one run differs by is what the line
    through the others misses it by, and no less than `sigma`, the usual spread.
    """
    newest = max(measurements, key=lambda m: m.taken_at)
    jobs = [job for m in measurements for job in m.totals]
    fitted = fit(jobs)
    weights = [job.bytes / job.images for job in jobs if job.bytes]
    errors = np.log1p(np.clip(fitted.errors, -0.9, None)) if fitted.errors else np.zeros(1)
    noise = np.exp(max(sigma, float(np.sqrt(np.mean(errors**2)))) * luck)

    def term(value: float) -> Term:
        return Term(np.full(DRAWS, value), "measured", len(jobs), newest.taken_at, "table of runs")

    rng = np.random.default_rng(0)
    goodput = priors.no_link()
    if fitted.per_byte_s:
        goodput = term(1 / fitted.per_byte_s)
    elif traits.uses_link:
        goodput = priors.term("uplink", priors.UPLINK_BYTES_PER_S, rng)
    nothing = given(0.0, "not told apart")
    condition = newest.condition
    return Candidate(
        name=condition.place,
        traits=traits,
        state=priors.state_in_use(traits),
        slots=1,
        clients=1,
        in_flight=1,
        startup_s=term(fitted.startup_s),
        first_s=nothing,
        prepare_s=nothing,
        sent_bytes=term(float(np.mean(weights)))
        if weights
        else priors.term("bytes", priors.IMAGE_BYTES, rng),
        goodput=goodput,
        rtt_s=nothing,
        service_s=term(fitted.per_image_s),
        download_s=nothing,
        efficiency=given(1.0, "in the line"),
        noise=noise,
        serial=True,
        machine=condition.host,
        key=condition.key,
    )
