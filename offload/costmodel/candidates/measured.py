"""The lane of a condition that was measured, or of a table of jobs that somebody took by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offload.costmodel import fit
from offload.costmodel.candidates import priors
from offload.costmodel.fit import SUBSTANTIAL, Pool, Samples, Steady, Values
from offload.costmodel.makespan import per_image_s, way_s
from offload.costmodel.statistics import line_through
from offload.costmodel.terms import DRAWS, Candidate, Draws, Term, given
from offload.domain.measurements import Condition, Measurement, StartPhase, f1
from offload.domain.places import PlaceTraits

_EFFICIENCY = (0.25, 4.0)
"""What lies beyond is no property of a pipeline but a disturbed measurement."""
_FEWEST = 3
_EXTRA = (StartPhase.BUILD, StartPhase.INIT)


class Fitted:
    """Measurements of one condition, and what they say of each term. What it lacks its kin has: the
    same model at the same place, where something else was sent.
    """

    def __init__(
        self,
        group: Sequence[Measurement],
        traits: PlaceTraits,
        everything: Sequence[Measurement],
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self._group = group
        self._pool = Pool.of(group, rng)
        seen = self._pool.measurements
        self._newest = next((m for m in seen if len(m.images) >= SUBSTANTIAL), seen[0])
        self._condition = self._newest.condition
        self._traits = traits
        whole = replace(self._condition, upload_max_side_px=None).key
        others = (m for m in everything if m not in group)
        kin = [m for m in others if replace(m.condition, upload_max_side_px=None).key == whole]
        self._wider = Pool.of([*group, *kin], rng)
        members = {id(m): m for m in (*self._pool.measurements, *self._wider.measurements)}
        self._steady = {
            key: fit.steady(m, rng, in_process=traits.in_process) for key, m in members.items()
        }

    def lane(self, noise: Draws) -> Candidate:
        """All terms put together."""
        condition, newest = self._condition, self._newest
        side = condition.upload_max_side_px
        in_flight = condition.slots if self._traits.in_process else max(1, newest.in_flight)
        cores = int(condition.client.get("usable_cores") or 1)
        goodput, rtt = self._goodput(), self._rtt()
        lane = Candidate(
            name=condition.place if side is None else f"{condition.place}, {side} px",
            traits=self._traits,
            state=priors.state_in_use(self._traits),
            slots=condition.slots,
            clients=max(1, min(in_flight, cores)),
            in_flight=in_flight,
            startup_s=self._startup(),
            first_s=given(0.0, ""),
            prepare_s=self._mean("prepare_s", "preparing", priors.PREPARE_S),
            sent_bytes=self._sent_bytes(),
            goodput=goodput,
            rtt_s=rtt,
            service_s=self._mean("service_s", "inference", priors.SERVICE_S),
            download_s=self._mean("download_s", "answer", priors.DOWNLINK_S),
            efficiency=given(1.0, ""),
            noise=noise,
            service_cv=self._cv("service_cv"),
            bytes_cv=self._cv("bytes_cv"),
            upload_max_side_px=side,
            agreement=f1([a for m in self._group for a in m.agreements]),
            key=condition.key,
            phases=self._phases(),
            replicas=_replicas(condition) if self._traits.has_replicas else None,
            usd_per_h=_replicas(condition) * float(condition.host.get("usd_per_h") or 0.0),
        )
        return lane.with_terms(first_s=self._first(lane), efficiency=self._efficiency(lane))

    def _mean(self, name: str, what: str, prior: tuple[float, float]) -> Term:
        return self._known(lambda m: getattr(self._steady[id(m)], name, None), what, prior)

    def _known(
        self,
        values: Values,
        what: str,
        prior: tuple[float, float],
        samples: Samples = lambda m: len(m.images),
        pools: Sequence[Pool] = (),
    ) -> Term:
        """What `pools` say, which are the condition, then its kin; else the prior."""
        found = (pool.term(values, samples) for pool in pools or (self._pool, self._wider))
        return next(filter(None, found), None) or priors.term(what, prior, self._rng)

    def _cv(self, name: str) -> float:
        steady = [s for m in self._pool.measurements if (s := self._steady[id(m)])]
        return max((getattr(s, name) for s in steady), default=0.0)

    def _goodput(self) -> Term:
        if not self._traits.uses_link:
            return priors.NO_LINK

        def values(m: Measurement) -> Draws | None:
            probed, steady = fit.goodput(m, self._rng), self._steady[id(m)]
            if probed is not None or steady is None or steady.gap_s is None:
                return probed
            # What the job itself sent, if its images mostly waited for the uplink.
            waited_s = sum(image.durations.upload_wait_s for image in m.images)
            sent_s = sum(image.durations.upload_s for image in m.images)
            return steady.sent_bytes / steady.gap_s if 0 < sent_s <= waited_s else None

        def samples(m: Measurement) -> int:
            return sum(p.kind == "up" for p in m.probes) or len(m.images)

        return self._known(values, "uplink", priors.UPLINK_BYTES_PER_S, samples)

    def _rtt(self) -> Term:
        if not self._traits.uses_link:
            return given(0.0, "no link is used")

        def values(m: Measurement) -> Draws | None:
            return fit.medians([p.seconds for p in m.probes if p.kind == "rtt"], self._rng)

        def samples(m: Measurement) -> int:
            return sum(p.kind == "rtt" for p in m.probes)

        return self._known(values, "round trip", priors.RTT_S, samples)

    def _sent_bytes(self) -> Term:
        """What an image weighs on the wire: the folder's own mean, if files are sent."""
        newest = self._newest
        if newest.folder_images and self._condition.upload_max_side_px is None:
            draws = np.full(DRAWS, newest.folder_bytes / newest.folder_images)
            return Term(draws, "measured", newest.folder_images, newest.taken_at)
        return self._mean("sent_bytes", "bytes", priors.IMAGE_BYTES)

    def _of_starts(self, values: Values, what: str, prior: tuple[float, float]) -> Term:
        """The same of starts, which copies share with whole images: each is looked at once."""
        distinct = {
            tuple((s.startup_s, s.first_s) for s in m.starts): m
            for m in reversed(self._wider.measurements)
        }
        pool = replace(self._wider, measurements=tuple(reversed(distinct.values())))
        return self._known(values, what, prior, lambda m: len(m.starts), [pool])

    def _startup(self) -> Term:
        def values(m: Measurement) -> Draws | None:
            # Without building an image, which happens once, nor what only cold functions wait for.
            extra_s = (sum(s.phases.get(each, 0.0) for each in _EXTRA) for s in m.starts)
            usual_s = [s.startup_s - extra for s, extra in zip(m.starts, extra_s, strict=True)]
            return fit.medians(usual_s, self._rng)

        return self._of_starts(values, "start-up", priors.CLIENT_STARTUP_S)

    def _first(self, lane: Candidate) -> Term:
        link_s = lane.rtt_s.median + lane.download_s.median
        rest_s = lane.prepare_s.median + lane.service_s.median + link_s

        def values(m: Measurement) -> Draws | None:
            bytes_per_s = lane.goodput.median
            # The first image of a fleet that had no machine says how long one took to come.
            beyond_s = [
                s.first_s - (rest_s + s.sent_bytes / bytes_per_s)
                for s in m.starts
                if StartPhase.MACHINES not in s.phases
            ]
            return np.full(DRAWS, max(0.0, float(np.median(beyond_s)))) if beyond_s else None

        return self._of_starts(values, "first image", priors.FIRST_S)

    def _efficiency(self, lane: Candidate) -> Term:
        def values(m: Measurement) -> Draws | None:
            steady = self._steady[id(m)]
            if steady is None:
                return None
            rate = fit.goodput(m, self._rng) if self._traits.uses_link else None
            found = _efficiency(lane, steady, lane.goodput.draws if rate is None else rate)
            return None if found is None else np.clip(found, *_EFFICIENCY)

        return self._known(values, "efficiency", priors.EFFICIENCY, pools=[self._pool])

    def _phases(self) -> dict[str, float]:
        """Seconds of each phase of the latest start that has any."""
        starts = (s.phases for m in self._wider.measurements for s in m.starts if s.phases)
        return {name: s for name, s in next(starts, {}).items() if name not in _EXTRA}


def _replicas(condition: Condition) -> int:
    """How many servers share the slots: each has one for each core that it may use."""
    return max(1, condition.slots // int(condition.host.get("usable_cores") or condition.slots))


def _efficiency(lane: Candidate, steady: Steady, goodput: Draws) -> Draws | None:
    """Measured time per image over that of the slowest stage, for the images that completed; None
    of too few. Of a job too short to fill the pipeline, all that came after one image's way.
    """
    means = {name: Term(getattr(steady, name), "measured") for name in fit.MEANS}
    rtt_s = given(lane.rtt_s.median, "")
    seen = lane.with_terms(**means, goodput=Term(goodput, "measured"), rtt_s=rtt_s)
    slowest_s = per_image_s(replace(seen, noise=np.ones(DRAWS)))
    if steady.gap_s is not None:
        return steady.gap_s / slowest_s
    if steady.images < max(_FEWEST, lane.in_flight + 1):
        return None
    beyond_s = steady.span_s - way_s(seen, seen.sent_bytes.draws)
    return beyond_s / ((steady.images - 1) * slowest_s)


def of_jobs(
    measurements: Sequence[Measurement], traits: PlaceTraits, luck: Draws, sigma: float
) -> Candidate:
    """The lane of a table, as the line through it has it; transfer and execution follow each other.
    What a job differs by is what the line through the others misses it by, and no less than
    `sigma`, the usual spread.
    """
    newest = max(measurements, key=lambda m: m.taken_at)
    jobs = [job for m in measurements for job in m.totals]
    fitted = line_through(jobs)
    weights = [job.bytes / job.images for job in jobs if job.bytes]
    errors = np.log1p(np.clip(fitted.errors, -0.9, None)) if fitted.errors else np.zeros(1)
    noise = np.exp(max(sigma, float(np.sqrt(np.mean(errors**2)))) * luck)

    def term(value: float) -> Term:
        return Term(np.full(DRAWS, value), "measured", len(jobs), newest.taken_at, "table of runs")

    rng = np.random.default_rng(0)
    goodput = priors.NO_LINK
    if fitted.per_byte_s:
        goodput = term(1 / fitted.per_byte_s)
    elif traits.uses_link:
        goodput = priors.term("uplink", priors.UPLINK_BYTES_PER_S, rng)
    if weights:
        sent_bytes = term(float(np.mean(weights)))
    else:
        sent_bytes = priors.term("bytes", priors.IMAGE_BYTES, rng)
    nothing, condition = given(0.0, "part of the total"), newest.condition
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
        sent_bytes=sent_bytes,
        goodput=goodput,
        rtt_s=nothing,
        service_s=term(fitted.per_image_s),
        download_s=nothing,
        efficiency=given(1.0, "fitted with the total"),
        noise=noise,
        serial=True,
        key=condition.key,
    )
