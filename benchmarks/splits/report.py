"""What the runs say, beside what was to be expected of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from splits.cells import DROPS, FAULTS, GONE, KILLED, LATE, LOCAL, REMOTE, SPLIT, STATIC, Cell
from splits.outlook import Outlook, Outlooks
from splits.places import DROPPED
from splits.runs import Row

CLOSED, BETTER, TWICE, RATES = 1.06, 1.03, 0.75, 2.0
"""Aims: a split over the closed form, over the better single place, and over that where the faster
place is at most this many times as fast.
"""


@dataclass(frozen=True)
class Seen:
    """All runs, those of each way in each cell together."""

    rows: Sequence[Row]
    outlooks: Outlooks

    def of(self, cell: Cell, way: str) -> list[Row]:
        """The runs of a way in a cell."""
        return [row for row in self.rows if row.cell == cell and row.way == way]

    def actual_s(self, cell: Cell, way: str) -> float:
        """Their median, not a number without any."""
        return _median(row.actual_s for row in self.of(cell, way))

    def better_s(self, cell: Cell) -> float:
        """Of the better single place."""
        known = (self.actual_s(cell, place) for place in (LOCAL, REMOTE))
        return min((seconds for seconds in known if seconds > 0), default=math.nan)


def show(seen: Seen) -> None:
    """Print everything."""
    cells = sorted({row.cell for row in seen.rows if row.way == SPLIT})
    _splits(seen, cells)
    _static(seen, cells)
    for way in (*FAULTS, GONE):
        _fault(seen, way)


def _splits(seen: Seen, cells: Sequence[Cell]) -> None:
    print(
        f"{'cell':<22}{'rates':>6}{'local':>8}{'remote':>8}{'split':>8}{'there':>7}{'slowed':>9}"
        f"{'/ closed':>10}{'/ advised':>10}{'/ better':>10}"
    )
    over: dict[str, list[float]] = {"closed": [], "advised": [], "better": [], "within 2 x": []}
    for cell in cells:
        outlook = seen.outlooks.of(cell)
        split_s, better_s = seen.actual_s(cell, SPLIT), seen.better_s(cell)
        closed = split_s / outlook.closed_s(outlook.images)
        better, advised = split_s / better_s, split_s / outlook.advised_s
        is_near = outlook.rates <= RATES
        over["closed"].append(closed)
        over["advised"].append(advised)
        over["better"].append(better)
        over["within 2 x"] += [better] if is_near else []
        there = _median(row.there for row in seen.of(cell, SPLIT))
        print(
            f"{cell.name:<22}{outlook.rates:>6.1f}{_seconds(seen.actual_s(cell, LOCAL))}"
            f"{_seconds(seen.actual_s(cell, REMOTE))}{_seconds(split_s)}{there:>7.0f}"
            f"{_contention(outlook):>9}"
            f"{_judged(closed, CLOSED)}{advised:>9.3f} "
            f"{_judged(better, TWICE if is_near else BETTER)}"
        )
    aims = {"closed": CLOSED, "better": BETTER, "within 2 x": TWICE}
    for name, ratios in over.items():
        if ratios:
            aim = aims.get(name, math.inf)
            kept = sum(ratio <= aim for ratio in ratios)
            print(
                f"split over {name}: median {median(ratios):.3f}, most {max(ratios):.3f}"
                + (f"; at most {aim} in {kept} of {len(ratios)}" if name in aims else "")
            )


def _static(seen: Seen, cells: Sequence[Cell]) -> None:
    for cell in cells:
        swept = {row.there: row.actual_s for row in seen.rows if _is_static(row, cell)}
        if swept:
            there = min(swept, key=lambda images: swept[images])
            split_s = seen.actual_s(cell, SPLIT)
            tried = ", ".join(f"{n}: {swept[n]:.2f}" for n in sorted(swept))
            print(
                f"{cell.name}: split {split_s:.2f} s, over the best static one with {there} "
                f"images there {split_s / swept[there]:.3f} ({tried})"
            )


def _is_static(row: Row, cell: Cell) -> bool:
    return row.cell == cell and row.way.startswith(STATIC)


def _fault(seen: Seen, way: str) -> None:
    for cell in sorted({row.cell for row in seen.rows if row.way == way}):
        rows = seen.of(cell, way)
        outlook = seen.outlooks.of(cell)
        closed = _median(row.actual_s / _expected_s(row, outlook) for row in rows)
        actual_s = _median(row.actual_s for row in rows)
        local = actual_s / seen.actual_s(cell, LOCAL)
        print(
            f"{way}, {cell.name}: {actual_s:.2f} s (ended after "
            f"{_median(row.wall_s for row in rows):.2f}), undisturbed "
            f"{seen.actual_s(cell, SPLIT):.2f}; over the closed form{_judged(closed, CLOSED)}, "
            f"over local{_judged(local, BETTER)}"
        )


def _expected_s(row: Row, outlook: Outlook) -> float:
    """Seconds of a split by the closed form, if it is known beforehand what happens."""
    if row.way == LATE:
        return outlook.closed_s(outlook.images, row.event_s)
    before_s = outlook.closed_s(outlook.images - row.event_left)
    uplink = {DROPS: DROPPED, KILLED: 0.0, GONE: 0.0}[row.way]
    return before_s + outlook.after_s(row.event_left, uplink)


def _contention(outlook: Outlook) -> str:
    """How much longer images took here and there than alone."""
    found = outlook.closed.contention
    return f"{found.local.median:.0%}, {found.remote.median:.0%}"


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return median(found) if found else math.nan


def _seconds(seconds: float) -> str:
    return f"{'-' if math.isnan(seconds) else f'{seconds:.2f}':>8}"


def _judged(ratio: float, aim: float) -> str:
    """The ratio, marked where it misses its aim."""
    return f"{ratio:>9.3f}{'!' if ratio > aim else ' '}"
