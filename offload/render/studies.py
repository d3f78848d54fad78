"""Studies: the plan, how far one is, what came of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from offload.domain.studies import Cell, CellRun, Prediction, StudyStatus, lane
from offload.domain.units import show_s, show_usd
from offload.render import progress as live
from offload.render import tables
from offload.render.words import count, took
from offload.usecases.experiment.study import StudyPlan


def plan(plan: StudyPlan) -> None:
    """A line for each combination of the grid, and what they take and cost, on standard output."""
    times: dict[tuple[str, int], list[Prediction]] = {}
    for cell, predicted in sorted(plan.cells, key=lambda each: each[0].number):
        times.setdefault((lane(cell.place, cell.varied), cell.images), []).append(predicted)
    rows = [
        (name, str(images), str(len(same)), _takes(same[0]), show_usd(same[0].usd))
        for (name, images), same in times.items()
    ]
    columns = ("place", "images", "runs", "total time (90 %)", "cost")
    shown = len(columns) - (not plan.usd_per_h)
    if rows:
        cells = (row[:shown] for row in rows)
        tables.print_table(columns[:shown], cells, right=columns[1:], folded=columns)
    tables.print_lines(plan_lines(plan))


def plan_lines(plan: StudyPlan) -> list[str]:
    """What all of it comes to."""
    if not plan.cells:
        return ["All cells are done."]
    lines = [f"{count(len(plan.cells), 'cell')}, about {show_s(plan.busy_s)} with warm-ups"]
    if plan.usd_per_h:
        lines[0] += f"; the machine costs {show_usd(plan.usd)} for so long"
    if plan.assumed:
        places = ",".join(plan.assumed)
        lines.append(
            "Part of this is assumed, not measured. To measure it, with the options of those "
            f"places: offload profile PHOTOS --where {places}"
        )
    return lines


def _takes(predicted: Prediction) -> str:
    return took(predicted.seconds, (predicted.low_s, predicted.high_s))


@contextmanager
def progress(
    done: int, plan: StudyPlan, standing: StudyStatus, total: int, quiet: bool
) -> Iterator[Callable[[CellRun], None]]:
    """A bar of cells: the one in progress, the ETA, the best place so far. Call what is given with
    every run.
    """
    finished: set[str] = set()
    began_s = perf_counter()

    def describe(_speed: float | None) -> str:
        left_s = plan.left_s(finished, perf_counter() - began_s)
        now = plan.cells[len(finished) : len(finished) + 1]
        begun = [cell_name(cell, done + len(finished) + 1, total) for cell, _ in now]
        return ", ".join(filter(None, [*begun, f"ETA {show_s(left_s)}", best(standing)]))

    # To refresh by itself would take its share of what is measured.
    with live.counted(total, quiet, describe, done=done, auto_refresh=False) as advance:

        def told(run: CellRun) -> None:
            finished.add(run.cell.number)
            advance(run)

        yield told


def best(standing: StudyStatus) -> str:
    """`best with 5 images: local, 0.2 s`; empty as long as nothing can be compared."""
    found = standing.best()
    if found is None:
        return ""
    name, images, seconds = found
    return f"best with {count(images, 'image')}: {name}, {show_s(seconds)}"


def cell_name(cell: Cell, number: int, total: int) -> str:
    """`[3/20] container, 5 images`."""
    return f"[{number}/{total}] {lane(cell.place, cell.varied)}, {count(cell.images, 'image')}"


def cell_line(run: CellRun, number: int, total: int) -> str:
    """What one run came to, the how manyth of all it was."""
    what = cell_name(run.cell, number, total)
    if run.makespan_s is None:
        return f"{what}: failed: {run.error}"
    expected = f", predicted {_takes(run.predicted)}" if run.predicted else ""
    return f"{what}: {show_s(run.makespan_s)}{expected}"


def summary_lines(
    runs: Sequence[CellRun], total: int, done: int, standing: StudyStatus, out: str
) -> list[str]:
    """What this command came to."""
    failed = sum(bool(run.error) for run in runs)
    so_far = done + len(runs) - failed
    lines = [f"{so_far} of {count(total, 'cell')} done" + (f", {failed} failed" if failed else "")]
    lines += [best(standing), "The same command continues it." * (so_far < total)]
    lines.append(f"study in {out}; for a report: offload report {out}")
    return [line for line in lines if line]
