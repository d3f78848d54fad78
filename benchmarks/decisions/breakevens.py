"""Numbers of images at which two places take the same time: predicted, and where curves cross."""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

from decisions.grid import Cell, Condition, Job, cell
from decisions.table import Choice, Row


def show(rows: Sequence[Row], choices: Sequence[Choice]) -> None:
    """Print them beside each other."""
    actual = {row.cell: row.actual_s for row in rows if row.was_run}
    curves: dict[tuple[Condition, str], list[Choice]] = defaultdict(list)
    for choice in choices:
        curves[choice.job.condition, choice.menu].append(choice)
    errors, spurious, missed, agreed = [], 0, 0, 0
    for (condition, menu), along in sorted(curves.items()):
        ends = menu.split(" | ")[0], menu.split(" | ")[-1]
        points = _differences(along, condition, ends, actual)
        if len(points) < 2:
            continue
        measured, predicted = _crossing(points), max(along, key=lambda c: c.images).break_even
        within = points[0][0] <= predicted <= points[-1][0]
        if measured is None:
            spurious += within
            agreed += not within
        elif not predicted:
            missed += 1
        else:
            errors.append(abs(math.log(predicted / measured)))
            print(
                f"   {condition.detector}, {condition.photos}, {condition.uplink_mbit} Mbit/s, "
                f"{' or '.join(ends)}: measured {measured:.1f}, predicted {predicted}"
            )
    print(
        f"break-even images: {len(errors)} curves crossed as predicted, "
        + (f"|log ratio| median {statistics.median(errors):.2f}, " if errors else "")
        + f"{missed} crossed unpredicted, {spurious} predicted within what was run and did not, "
        f"{agreed} neither"
    )


def _differences(
    along: Sequence[Choice], condition: Condition, ends: tuple[str, str], actual: dict[Cell, float]
) -> list[tuple[int, float]]:
    """(images, seconds that the second place takes longer than the first), by images."""
    points = []
    for images in sorted({choice.images for choice in along}):
        here, there = (actual.get(cell(Job(condition, images), place)) for place in ends)
        if here is not None and there is not None:
            points.append((images, there - here))
    return points


def _crossing(points: Sequence[tuple[int, float]]) -> float | None:
    """Where the differences first change their sign, by linear interpolation."""
    for (low, before_s), (high, after_s) in itertools.pairwise(points):
        if (before_s > 0) != (after_s > 0):
            return low + (high - low) * before_s / (before_s - after_s)
    return None
