"""Decisions beside the oracle's, and beside those of simpler minds."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from decisions.grid import LOCAL, SLOWED, cell, part
from decisions.table import Choice, Row

_CONTESTED = 1.5
_NEAR = 0.1
_LONG = 100


@dataclass(frozen=True)
class Decided:
    """A job with a menu of places of which two at least were run.

    A place that was left out for lasting too long counts with what was predicted.
    """

    choice: Choice
    rows: dict[str, Row]

    def seconds(self, place: str) -> float:
        """What the job took there."""
        row = self.rows[place]
        return row.actual_s if row.was_run else row.predicted_s

    @property
    def best_two(self) -> list[float]:
        """The two shortest times."""
        return sorted(row.actual_s for row in self.rows.values() if row.was_run)[:2]

    @property
    def contested(self) -> bool:
        """Whether two places are about as good."""
        best, second = self.best_two
        return second <= _CONTESTED * best

    def regret(self, place: str) -> float:
        """What a place loses on the fastest one, as a share of its time."""
        return self.seconds(place) / self.best_two[0] - 1

    @property
    def profile_s(self) -> float:
        """What measuring its places took; a server cold, warm and with copies is measured once."""
        return sum({_part_of(row): row.profile_s for row in self.rows.values()}.values())


def show(rows: Sequence[Row], choices: Sequence[Choice]) -> None:
    """Print how often each way to decide was right, and what it lost."""
    decided = list(_decided(rows, choices))
    for local in (LOCAL, SLOWED):
        jobs = [each for each in decided if local in each.rows]
        if jobs:
            print(
                f"== {len(jobs)} decisions with {local}, {sum(d.contested for d in jobs)} contested"
            )
            for name, pick in _POLICIES.items():
                _policy(name, jobs, pick)
    _profiling(decided)


def _decided(rows: Iterable[Row], choices: Iterable[Choice]) -> Iterator[Decided]:
    known = {row.cell: row for row in rows}
    for choice in choices:
        job = choice.job
        found = {place: known.get(cell(job, place)) for place in choice.menu.split(" | ")}
        present = {place: row for place, row in found.items() if row is not None}
        if len(present) == len(found) and sum(row.was_run for row in present.values()) > 1:
            yield Decided(choice, present)


def _ours(job: Decided) -> str:
    return job.choice.chosen


def _always_local(job: Decided) -> str:
    return next(iter(job.rows))


def _always_remote(job: Decided) -> str:
    return next(place for place in job.rows if place.startswith("remote"))


def _naive(job: Decided) -> str:
    return min(job.rows, key=lambda place: job.rows[place].naive_s)


Policy = Callable[[Decided], str]
_POLICIES: dict[str, Policy] = {
    "ours": _ours,
    "always local": _always_local,
    "always remote": _always_remote,
    "naive": _naive,
}


def _policy(name: str, decided: Sequence[Decided], pick: Policy) -> None:
    regrets = [job.regret(pick(job)) for job in decided]
    contested = [r for r, job in zip(regrets, decided, strict=True) if job.contested]
    worst, where = max(zip(regrets, decided, strict=True), key=lambda pair: pair[0])
    of = where.choice
    print(
        f"{name:<14} right {_share(regrets, 0)}, within {_NEAR:.0%} of the best "
        f"{_share(regrets, _NEAR)}; contested {_share(contested, 0)}, "
        f"{_share(contested, _NEAR)}; regret mean {statistics.fmean(regrets):.1%}, worst "
        f"{worst:.0%} ({of.detector}, {of.photos}, {of.uplink_mbit} Mbit/s, {of.images} images, "
        f"{pick(where)} of {of.menu})"
    )


def _share(regrets: Sequence[float], most: float) -> str:
    return f"{statistics.fmean(r <= most for r in regrets):.0%}" if regrets else "-"


def _profiling(decided: Sequence[Decided]) -> None:
    took_s = {_part_of(row): row.profile_s for job in decided for row in job.rows.values()}
    if took_s:
        print(
            f"{len(took_s)} profiles took {statistics.median(took_s.values()):.1f} s (median), "
            f"{max(took_s.values()):.1f} s (most)"
        )
    for name, jobs in (
        ("all", decided),
        (f"N >= {_LONG}", [d for d in decided if d.choice.images >= _LONG]),
    ):
        if jobs:
            shares = [job.profile_s / job.seconds(job.choice.chosen) for job in jobs]
            print(f"profiling over job time, {name}: median {statistics.median(shares):.2f}")


def _part_of(row: Row) -> str:
    return part(row.condition, row.place).name
