"""What more replicas and more requests in flight bring."""

from dataclasses import dataclass
from statistics import median

from offload.findings.estimates import Estimate, draws, of_draws
from offload.findings.study import Group, Study, Variant

_KNEE = 0.95
"""A place is saturated from the first concurrency on that reaches this share of its best rate."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One place, all runs with as many images: its groups by replicas, then by requests in flight,
    0 where their number was left to the place.
    """

    lane: Variant
    images: int
    groups: dict[int, dict[int, Group]]

    @property
    def replicas(self) -> list[int]:
        """The numbers of replicas, rising."""
        return sorted(self.groups)

    @property
    def concurrencies(self) -> list[int]:
        """The numbers of requests in flight, rising."""
        return sorted({level for row in self.groups.values() for level in row})

    def saturated_from(self, replicas: int) -> int | None:
        """The fewest requests in flight that reach the best rate but for one part in twenty."""
        row = sorted(self.groups[replicas].items())
        rates = {c: r for c, each in row if (r := each.median("images_per_s")) is not None}
        if len(rates) < 2:  # noqa: PLR2004 - nothing to compare
            return None
        return next(c for c, rate in rates.items() if rate >= _KNEE * max(rates.values()))

    def speed_up(self, concurrency: int) -> Estimate | None:
        """How many times as many images a second most replicas do as fewest."""
        groups = [self.groups[number].get(concurrency) for number in self.replicas]
        few, many = (g.values("images_per_s") if g else [] for g in (groups[0], groups[-1]))
        if not (few and many and median(few)):
            return None
        drawn = draws(many) / draws(few)
        return of_draws(median(many) / median(few), drawn, min(len(few), len(many)))


def sweeps(study: Study) -> list[Sweep]:
    """Each place that was run with several numbers of replicas or of requests in flight, with the
    number of images that most of these were run with.
    """
    found: dict[tuple[Variant, int], dict[int, dict[int, Group]]] = {}
    for (lane, images), group in study.groups.items():
        rest = lane.but(concurrency=None, replicas=None)
        rows = found.setdefault((rest, images), {})
        rows.setdefault(lane.replicas or 1, {})[lane.concurrency or 0] = group
    best: dict[Variant, Sweep] = {}
    for (lane, images), groups in found.items():
        size = sum(map(len, groups.values()))
        known = best.get(lane)
        if known is None or (size, images) >= (sum(map(len, known.groups.values())), known.images):
            best[lane] = Sweep(lane, images, groups)
    return [s for s in best.values() if len(s.replicas) > 1 or len(s.concurrencies) > 1]
