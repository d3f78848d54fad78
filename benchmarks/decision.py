"""How good predictions and decisions are: advice for a grid of jobs beside what they really take.

    eval "$(sudo tests/testbed/up)"
    python benchmarks/decision.py --photos DIR --model FILE.tflite --labels FILE --out cells.csv

The grid: a fast detector (the one given) and a slow one (made here, about 0.2 s of a core for an
image); small photos (those given) and large ones (made of them: 10 megapixels, 2 to 4 MB); uplinks
of 2 to 300 Mbit/s with a round trip of 20 ms; 1 to 200 images; at six places:

    local          this machine's core 0
    local slowed   half of it; a machine so slow has no container
    container      one core, its client on core 0
    remote         a server on a rented host of the test bed, one core, its client on core 0
    remote copies  the same, sent smaller copies: 320 px of small photos, 640 px of large ones
    remote cold    the same server, stopped; the seconds from `docker start`, given over SSH, until
                   it answers are measured before each job and added to the warm run's. Its
                   prediction is the one of "remote, running but cold"

Each place is profiled once as a user would (`offload profile --budget 10s`), remote ones once per
uplink and with the copies asked for. A history of its own for each keeps uplinks apart: one person
has one link. All cells of the grid are predicted as `offload advise` does. Those that would last
over two minutes are left out. Of the others a third is drawn, whole jobs at a time, and run in
random order: `offload detect` in a process of its own, seconds from its first line to its last
result. Some are run again for the noise floor.

A decision is the product's choice of a menu of places (`decisions/grid.py`) for a job; the oracle
takes the fastest of those that were run. Errors are predicted over actual seconds, less one.

Every cell is added to --out when it is done; the same command goes on where it was stopped, as long
as the folder beside it, with photos and profiles, is there. It needs about 8 minutes to profile and
--minutes to run cells. With --learn runs add to the histories; as a host rented anew has another
address, remote places then know nothing of runs before a stop.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from decisions import bed as beds
from decisions import grid, materials, report, table
from decisions.grid import Grid, Job
from decisions.materials import Model
from decisions.predictions import Knowledge
from decisions.runs import Runner

LONGEST_S = 120
AGAIN = 10
"""How many cells are run three times, none of them long."""


def main() -> None:
    """Measure, as far as it was not done before, and print."""
    options = _options()
    out = Path(options.out)
    if not options.report:
        _measure(options, out)
    report.show(table.read(out, table.Row), table.read(_choices(out), table.Choice))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Predictions and decisions beside real runs.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", help=".tflite file; without it the embedded detector")
    parser.add_argument("--labels", help="its class names")
    parser.add_argument("--out", default="decision.csv", help="CSV file of all cells")
    parser.add_argument("--cells", type=int, default=90, help="how many to run at most")
    parser.add_argument("--minutes", type=float, default=20, help="of running them, at most")
    parser.add_argument("--budget", default="10s", help="of each profile")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learn", action="store_true", help="let predictions learn from runs")
    parser.add_argument("--quick", action="store_true", help="a corner of the grid, to try it")
    parser.add_argument("--report", action="store_true", help="print what --out holds already")
    return parser.parse_args()


def _choices(out: Path) -> Path:
    return out.with_suffix(".choices.csv")


def _measure(options: argparse.Namespace, out: Path) -> None:
    work = out.with_suffix(".work").resolve()
    photos = materials.folders(Path(options.photos), work, options.seed)
    slow = Model(materials.slow_detector(work / "slow.tflite"))
    labels = Path(options.labels) if options.labels else None
    fast = Model(Path(options.model), labels) if options.model else Model(None)
    asked = grid.quick() if options.quick else grid.full()
    knowledge = Knowledge(work, photos, options.budget)
    with beds.opened({"fast": fast, "slow": slow}) as bed:
        for condition in asked.conditions:
            knowledge.measure(condition, bed, _say)
        runner = Runner(bed, knowledge, photos, out, _choices(out), _say, learn=options.learn)
        jobs = _drawn(asked, runner, options)
        until_s = time.perf_counter() + 60 * options.minutes
        for number, job in enumerate(jobs):
            if time.perf_counter() > until_s:
                _say(f"{len(jobs) - number} jobs are left for want of time")
                break
            runner.run(job, LONGEST_S)
        runner.again(2 if options.quick else AGAIN)


def _drawn(asked: Grid, runner: Runner, options: argparse.Namespace) -> Sequence[Job]:
    predicted_s = runner.predicted_s(asked)
    long = sum(seconds > LONGEST_S for seconds in predicted_s.values())
    jobs = grid.draw(asked, predicted_s, LONGEST_S, options.cells, options.seed)
    cells = {cell for job in jobs for cell in grid.cells(job)}
    run = {cell for cell in cells if predicted_s.get(cell, LONGEST_S + 1) <= LONGEST_S}
    _say(
        f"{len(asked.cells())} cells, {len(asked.cells()) - len(predicted_s)} of them not to be "
        f"predicted, {long} over {LONGEST_S} s; drawn {len(run)} in {len(jobs)} jobs, "
        f"{sum(predicted_s[cell] for cell in run) / 60:.0f} min by prediction"
    )
    return jobs


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    main()
