"""How good predictions and decisions were, as text."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from decisions import breakevens, verdicts
from decisions.grid import PLACES, RUN
from decisions.table import Choice, Row

_MANY = 10
"""Images from which on a job is no small one."""


def show(rows: Sequence[Row], choices: Sequence[Choice]) -> None:
    """Print everything."""
    first = [row for row in rows if not row.repeat]
    done = [row for row in first if row.was_run]
    print(f"== {len(done)} cells run, {len(first) - len(done)} of their jobs' left out as too long")
    _predictions(done)
    _noise(rows)
    verdicts.show(first, choices)
    breakevens.show(first, choices)


def _predictions(done: Sequence[Row]) -> None:
    print(
        f"{'place':<22}{'cells':>6}{'median error':>14}{'p90':>8}{'bias':>8}"
        f"{'in interval':>13}{'naive median':>14}"
    )
    for place, many in itertools.product(PLACES, (True, False)):
        rows = [r for r in done if r.place == place and (r.images >= _MANY) == many]
        if not rows:
            continue
        errors = [row.predicted_s / row.actual_s - 1 for row in rows]
        naive = [abs(row.naive_s / row.actual_s - 1) for row in rows]
        covered = statistics.fmean(row.low_s <= row.actual_s <= row.high_s for row in rows)
        print(
            f"{place + (', N >= 10' if many else ', N < 10'):<22}{len(rows):>6}"
            f"{np.quantile(np.abs(errors), 0.5):>14.1%}{np.quantile(np.abs(errors), 0.9):>8.1%}"
            f"{np.quantile(errors, 0.5):>+8.1%}{covered:>13.0%}{np.quantile(naive, 0.5):>14.1%}"
        )


def _noise(rows: Sequence[Row]) -> None:
    """Of cells that were run several times, half their range over their median."""
    runs = defaultdict(list)
    for row in rows:
        if row.was_run and row.place in RUN:
            runs[row.cell].append(row.actual_s)
    spreads = [
        (max(times) - min(times)) / 2 / statistics.median(times)
        for times in runs.values()
        if len(times) > 1
    ]
    if spreads:
        print(
            f"noise floor: {len(spreads)} cells run again differ by ± "
            f"{statistics.median(spreads):.1%} (median), {max(spreads):.1%} (most)"
        )
