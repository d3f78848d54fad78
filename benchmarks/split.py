"""How good a split is: here and there at once, beside either alone and beside the closed form.

    eval "$(sudo tests/testbed/up)"
    python benchmarks/split.py --photos DIR --model FILE.tflite --labels FILE --out split.csv

The grid: a fast detector (the one given) and a slow one (made here), uplinks of 5, 20 and 100
Mbit/s with a round trip of 20 ms, and 1, 0.5 and 0.25 of this machine's core 0 for the local side.
The remote side, a server on a rented host of the test bed, has core 1. The job is 200 photos, those
given drawn with repetition. It is done

    local, remote            at one place; at the worse one only if that takes up to 1.25 times as
                             long as at the other
    split                    `offload detect --where split --url …`
    static N                 as two commands at once: the N smallest photos there, the others here;
                             in three cells, with five N about the closed form's
    split, link to a tenth   in two cells; of its rate, once half of the photos have their answers
    split, server killed     likewise, with `docker kill`
    split, server late       likewise; `docker start` is given when the command begins
    split, host gone         once and last of all; terminated once half of the photos are done

Makespans are `startup_s + detect_s` of run.json: from the first line of our code to the last
answer. Of two commands it is the later one's.

Places are profiled as a user would, the remote one from each local side. A split is held against
the better single place, in the same cell and minute; what `offload advise` says of it, from these
profiles alone; the closed form, which is the same but knows from the splits of this very cell how
much longer images took than alone; the best static split. Where something happens on the way, the
closed form knows of it from the beginning.

Cells come in random order, in each its ways, --repeats times over; medians are printed. Cells that
need over 30 s for a round are run once, and what is predicted to take over 90 s is left out, which
is said. A line is added to --out after each run; the same command goes on where it was stopped, as
long as the folder beside it, with profiles and histories, is there. It takes --minutes at most, and
asks for a machine that does nothing else.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from decisions import bed as beds
from decisions import materials, table
from decisions.materials import Model
from splits import cells, report
from splits.cells import Grid, Task
from splits.outlook import Outlooks
from splits.places import Places
from splits.report import Seen
from splits.runs import Row

IMAGES = 200
_BESIDES_S = 2.0
"""What a run takes besides the job."""


def main() -> None:
    """Measure, as far as it was not done before, and print."""
    options = _options()
    out = Path(options.out)
    work = out.with_suffix(".work").resolve()
    outlooks = Outlooks(work, _photos(Path(options.photos), work), options.budget)
    if not options.report:
        _measure(options, out, work, outlooks)
    report.show(Seen(table.read(out, Row), Outlooks(work, outlooks.photos, options.budget)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A split beside what it is made of.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", required=True, help=".tflite file")
    parser.add_argument("--labels", required=True, help="its class names")
    parser.add_argument("--out", default="split.csv", help="CSV file of all runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=25, help="all in all, at most")
    parser.add_argument("--budget", default="6s", help="of each profile")
    parser.add_argument("--quick", action="store_true", help="two cells once, to try it")
    parser.add_argument("--report", action="store_true", help="print what --out holds already")
    return parser.parse_args()


def _photos(folder: Path, work: Path) -> Path:
    """A folder with the job's photos: those given, drawn with repetition."""
    drawn = random.Random(1).choices(sorted(folder.glob("*.jpg")), k=IMAGES)  # noqa: S311
    return materials.linked(drawn, IMAGES, work / "photos")


def _measure(options: argparse.Namespace, out: Path, work: Path, outlooks: Outlooks) -> None:
    until_s = time.perf_counter() + 60 * options.minutes
    grid = cells.quick() if options.quick else cells.full()
    models = {
        "fast": Model(Path(options.model), Path(options.labels)),
        "slow": Model(materials.slow_detector(work / "slow.tflite")),
    }
    with beds.opened(models) as bed:
        places = Places(bed, models, outlooks.photos, work / "out")
        outlooks.measure(grid.cells, places, _say)
        tasks = _tasks(grid, outlooks, 1 if options.quick else options.repeats)
        done = {row.task for row in table.read(out, Row)}
        left = [task for task in tasks if task not in done]
        _say(
            f"{len(left)} of {len(tasks)} runs to do, "
            f"{sum(outlooks.predicted_s(task) + _BESIDES_S for task in left) / 60:.0f} min"
        )
        for number, task in enumerate(left):
            if time.perf_counter() + outlooks.predicted_s(task) > until_s:
                _say(f"{len(left) - number} runs are left for want of time")
                break
            row = places.run(task, outlooks.predicted_s(task), outlooks.history(task.cell))
            table.append(out, [row])
            _say(
                f"{task.cell.name}, {task.way}: {row.actual_s:.2f} s, {row.here} here, {row.there} "
                f"there; predicted {row.predicted_s:.2f}; load {os.getloadavg()[0]:.1f}"
            )


def _tasks(grid: Grid, outlooks: Outlooks, repeats: int) -> Sequence[Task]:
    """Those that are not too long."""
    there = {cell: outlooks.of(cell).there for cell in grid.cells}
    singles = {cell: outlooks.of(cell).single_s for cell in grid.cells}
    tasks = cells.tasks(grid, singles, there, repeats)
    long = {task for task in tasks if outlooks.predicted_s(task) > cells.LONGEST_S}
    for cell, way in sorted({(task.cell, task.way) for task in long}):
        _say(f"{cell.name}, {way} is left out: it would take over {cells.LONGEST_S} s")
    return [task for task in tasks if task not in long]


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    main()
