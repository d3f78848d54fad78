"""What the sections of a report tell of: the study's comparisons, each made once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TypeVar

from offload.domain.places import PlaceTraits
from offload.findings import crossing, environment, headline, money, scaling
from offload.findings.crossing import Crossing
from offload.findings.estimates import Estimate, estimate, surely_less
from offload.findings.money import CellCost
from offload.findings.scaling import Sweep
from offload.findings.study import COLD, TOTAL, Group, Study, Variant
from offload.render.report.sentences import Names, Sentences
from offload.render.report.templating import Templates, ours

_MOST_VARIANTS = 5
"""Lines that a figure, and columns that a table, can hold and still be read."""

T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """A variant beside the one it is compared with, both with the most images that they share, by a
    column of seconds.
    """

    candidate: Group
    base: Group
    column: str = TOTAL

    @property
    def values(self) -> tuple[list[float], list[float]]:
        """Seconds of each run of either."""
        return self.candidate.values(self.column), self.base.values(self.column)

    @property
    def seconds(self) -> tuple[Estimate, Estimate]:
        """What either takes."""
        variant, base = (group.estimate(self.column) for group in (self.candidate, self.base))
        assert variant is not None  # or there would be no pair
        assert base is not None
        return variant, base

    @property
    def ratio(self) -> float:
        """Seconds of the variant over those of the base."""
        variant, base = self.seconds
        return variant.value / base.value

    @property
    def clear(self) -> bool:
        """Whether the one that is faster is so beyond what chance does."""
        return surely_less(*self.values) or surely_less(*self.values[::-1])


@dataclass(frozen=True)
class Comparisons:
    """A study, and all that is said of it more than once, in the words of some templates."""

    study: Study
    templates: Templates = field(default_factory=ours)

    @cached_property
    def variants(self) -> Sequence[Variant]:
        """Those that are shown: of too many, full-size images and those here go first."""

        def rank(variant: Variant) -> tuple[bool, bool]:
            away = self.traits(variant).leaves_machine
            return variant.upload_max_side_px is not None, away

        found = headline.lanes(self.study)
        shown: list[Variant] = []
        for _, alike in groupby(sorted(found, key=rank), rank):
            shown += thinned(list(alike), _MOST_VARIANTS - len(shown))
        return [variant for variant in found if variant in shown]

    @cached_property
    def names(self) -> Names:
        """What they are called."""
        return self.named(self.variants)

    def named(self, variants: Iterable[Variant] = ()) -> Names:
        """Names that tell some variants apart."""
        return Names(self.study.places, [*variants])

    @cached_property
    def say(self) -> Callable[..., str]:
        """Gives a sentence by its name, with what it is filled in with."""
        return Sentences(self.names, self.templates).say

    def traits(self, variant: Variant) -> PlaceTraits:
        """What the place of a variant is."""
        return self.study.places[variant.place]

    def link_rates(self, variants: Iterable[Variant]) -> list[float]:
        """The rates of the links to these, in bytes a second, rising."""
        return sorted({rate for variant in variants if (rate := self.goodput(variant))})

    def goodput(self, variant: Variant) -> float | None:
        """The rate of the link to a variant, in bytes a second; None where it is not known."""
        return environment.site(self.study, variant).number("goodput_bytes_per_s")

    @cached_property
    def images(self) -> int | None:
        """The largest job that most of them did."""
        numbers = [images for variant in self.variants for images in self.study.series(variant)]
        return max(numbers, key=lambda n: (numbers.count(n), n), default=None)

    @cached_property
    def groups(self) -> Sequence[Group]:
        """That job at each variant that did it."""
        found = (self.study.series(variant).get(self.images or 0) for variant in self.variants)
        return [group for group in found if group]

    @cached_property
    def pairs(self) -> Sequence[Pair]:
        """Each variant that has a base; those elsewhere first, the best before others."""
        return self._paired(self.variants, TOTAL)

    @cached_property
    def starts_apart(self) -> bool:
        """Whether start-up is known that is no part of the total time, as the place was up."""
        return not self.study.cold and any(self.startup(variant) for variant in self.variants)

    @cached_property
    def cold_pairs(self) -> Sequence[Pair]:
        """The same with start-up, where it is known and no part of the total time already."""
        known = [variant for variant in self.variants if self.startup(variant)]
        return [] if self.study.cold else self._paired(known, COLD)

    def _paired(self, variants: Sequence[Variant], column: str) -> Sequence[Pair]:
        found = []
        for variant in variants:
            base = headline.base(self.study, variant, variants, column)
            if base is not None:
                one, other = self.study.series(variant), self.study.series(base)
                most = max(set(one) & set(other))
                found.append(Pair(one[most], other[most], column))
        timed = [pair for pair in found if all(pair.values)]
        return sorted(timed, key=lambda pair: (not self.is_away(pair), pair.ratio))

    def startup(self, variant: Variant) -> Estimate | None:
        """Seconds until the variant was ready, over all of its runs; None where nobody knows."""
        groups = self.study.series(variant).values()
        return estimate([s for group in groups for s in group.values("startup_s") if s])

    def when(self, column: str) -> str:
        """Which seconds are meant, where there are two kinds."""
        said = ", start-up included" if column == COLD else ", when warm"
        return said if self.cold_pairs else ""

    @cached_property
    def looks(self) -> Mapping[Variant, int]:
        """A colour and marks for each: its place's for the first there, free ones for others."""
        found: dict[Variant, int] = {}
        places = self.study.known_names()
        for variant in self.variants:
            own, used = places.index(variant.place), found.values()
            found[variant] = own if own not in used else max(len(places), *(n + 1 for n in used))
        return found

    @property
    def away(self) -> Sequence[Pair]:
        """Those pairs that are about offloading."""
        return [pair for pair in self.pairs if self.is_away(pair)]

    def is_away(self, pair: Pair) -> bool:
        """Whether a pair is about offloading."""
        return self.traits(pair.candidate.lane).leaves_machine

    @cached_property
    def crossings(self) -> Sequence[Crossing]:
        """Where pairs change places, as far as they share two numbers of images; then the same with
        start-up.
        """
        pairs = [*self.pairs, *self.cold_pairs]
        lanes = ((pair.candidate.lane, pair.base.lane, pair.column) for pair in pairs)
        return [each for lane in lanes if (each := crossing.between(self.study, *lane))]

    @cached_property
    def warm_crossings(self) -> Sequence[Crossing]:
        """Those of the total time as it was asked for."""
        return [each for each in self.crossings if each.column == TOTAL]

    @cached_property
    def numbers(self) -> Sequence[int]:
        """The numbers of images that were run, whatever came of it."""
        return sorted({run.images for run in self.study.runs})

    @cached_property
    def measured(self) -> Sequence[int]:
        """Those with which a run finished."""
        return sorted({run.images for run in self.study.done})

    @cached_property
    def sweeps(self) -> Sequence[Sweep]:
        """Where replicas and requests in flight were varied."""
        return scaling.sweeps(self.study)

    @cached_property
    def bills(self) -> Sequence[CellCost]:
        """What the largest job cost."""
        return money.bills(self.study, self.variants, self.images) if self.images else []


def thinned(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, the first and the last among them, evenly."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, most - 1))] for i in range(most)]
