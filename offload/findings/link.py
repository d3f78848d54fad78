"""What the link does to a job: seconds per byte, and the rate at which the answer flips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from offload.costmodel.statistics import theil_sen
from offload.findings import phases
from offload.findings.study import TOTAL, Group, Study, TransferPoint, Variant

_MBIT = 1e6 / 8
_FASTER = 1.1
"""A job may seem to send this much faster than its link, which is never quite the same."""
_PAIRED = 400
"""Images of which all pairs are looked at; as many more would hardly change the median slope."""


@dataclass(frozen=True, slots=True)
class LinkFit:
    """Transfer time over size: seconds per byte, what an empty image would take, the number of
    images that it is drawn through, and the median of what these took.

    `tells` is whether size makes a difference: over the middle eight tenths of the sizes, one that
    is larger than what half of the images miss the line by.
    """

    per_byte_s: float
    start_s: float
    images: int
    median_s: float
    tells: bool

    @property
    def bytes_per_s(self) -> float | None:
        """The rate that the slope stands for; None where size makes no difference."""
        return 1 / self.per_byte_s if self.tells else None


def line(photos: Sequence[TransferPoint]) -> LinkFit | None:
    """The Theil-Sen line through the transfers; None where all images are of one size."""
    sent = [photo for photo in photos if photo.sent_bytes > 0]
    if len({photo.sent_bytes for photo in sent}) < 2:  # noqa: PLR2004 - a line needs two sizes
        return None
    some = np.linspace(0, len(sent) - 1, min(len(sent), _PAIRED)).astype(int)
    sizes = np.array([sent[i].sent_bytes for i in some], float)
    took_s = np.array([sent[i].transfer_s for i in some])
    slope, start = theil_sen(sizes.tolist(), took_s.tolist())
    low, high = np.quantile(sizes, (0.1, 0.9))
    missed_s = float(np.median(np.abs(took_s - start - slope * sizes)))
    tells = slope * (high - low) > missed_s
    return LinkFit(slope, start, len(sent), float(np.median(took_s)), bool(tells))


@dataclass(frozen=True, slots=True)
class Needed:
    """The uplink in bytes per second at which a remote job of `images` images takes as long as one
    here, `base_s`. None where no link is fast enough: `rest_s` would be left of the job even
    without any transfer. `swept` tells that links on both sides of it were measured.
    """

    images: int
    base_s: float
    bytes_per_s: float | None
    rest_s: float
    measured_bytes_per_s: float
    swept: bool


def needed(
    study: Study, lane: Variant, base: Group, goodput: float | None, cores: float | None = None
) -> Needed | None:
    """What the link would have to be for `lane` to equal `base`; None where it cannot be told.

    Between two links that were measured, makespan is a straight line in seconds per byte. With one
    link, the job is what it sends at its goodput and a rest that stays, and no less than its
    decoding and inference spread over the `cores` that are there; that holds while the link is the
    bottleneck.
    """
    base_s = base.median("makespan_s")
    group = study.series(lane).get(base.images)
    if base_s is None or group is None:
        return None
    return _swept(study, lane, base) or _by_rest(group, base_s, goodput, cores)


def _swept(study: Study, lane: Variant, base: Group) -> Needed | None:
    groups = {
        other.link_mbit * _MBIT: group
        for other in study.lanes
        if other.link_mbit and other.but(link_mbit=lane.link_mbit) == lane
        if (group := study.series(other).get(base.images))
    }
    rates = sorted(groups)
    if not (groups and base.is_faster(groups[rates[0]]) and groups[rates[-1]].is_faster(base)):
        return None
    base_s = base.median(TOTAL) or 0.0
    points = [(rate, groups[rate].median(TOTAL) or 0.0) for rate in rates]
    for (slow, slow_s), (fast, fast_s) in pairwise(points):
        if slow_s > base_s >= fast_s:
            share = (slow_s - base_s) / (slow_s - fast_s)
            per_byte_s = 1 / slow + share * (1 / fast - 1 / slow)
            return Needed(base.images, base_s, 1 / per_byte_s, 0.0, slow, swept=True)
    return None


def _by_rest(
    group: Group, base_s: float, goodput: float | None, cores: float | None
) -> Needed | None:
    sent, seconds = group.median("sent_bytes"), group.median(TOTAL)
    slowest = phases.bottleneck(group)
    if not goodput or not sent or seconds is None or slowest is None or slowest[0] != "link":
        return None
    if sent / goodput > _FASTER * seconds:  # the link was not what it was when it was measured
        return None
    spent = phases.of(group)
    work_s = group.images * (spent.get("decoding", 0.0) + spent.get("inference", 0.0))
    rest_s = max(0.0, seconds - sent / goodput)
    least_s = max(rest_s, min(seconds, work_s / cores) if cores else 0.0)
    rate = sent / (base_s - rest_s) if base_s > least_s else None
    return Needed(group.images, base_s, rate, least_s, goodput, swept=False)
