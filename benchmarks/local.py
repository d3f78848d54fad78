"""How much of the machine the local lane uses: our images/s over a bound measured beside it.

    python benchmarks/local.py --photos DIR --model FILE [--saved-model DIR] [--long 10000]

The bound is a raw interpreter and Pillow in one thread per core and nothing else: no rows, no
results, no options. Each pair of runs is bound first, ours second, in fresh processes; shares are
of the pair and the median is printed with its range, because machines differ and drift.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
OFFLOAD = (sys.executable, "-m", "offload")


@dataclass(frozen=True)
class Measured:
    """One process: images per second of its steady part, whole wall time, memory high-water."""

    images_per_s: float
    wall_s: float
    peak_bytes: int
    early_bytes: int


def main() -> None:
    """Run what was asked for and print it."""
    options = _options()
    photos = sorted(Path(options.photos).glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        if options.model:
            _file(options, photos, Path(scratch))
        if options.saved_model:
            _saved_model(options, photos, Path(scratch))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Our images/s over the machine's, side by side.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", help=".tflite or .onnx file")
    parser.add_argument("--saved-model", help="SavedModel folder")
    parser.add_argument("--long", type=int, default=10_000, help="images of the long run; 0: none")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of short runs")
    return parser.parse_args()


def _file(options: argparse.Namespace, photos: Sequence[Path], scratch: Path) -> None:
    print(f"== {Path(options.model).name} on {len(photos)} photos, {os.cpu_count()} cores")
    _start_up(options.model, photos[0], scratch)
    short = _folder(photos, len(photos), scratch / "short")
    middle = _folder(photos, 10 * len(photos), scratch / "middle")
    bound = _best_bound(Path(options.model).suffix[1:], options.model, middle)
    _pairs(options.pairs, short, bound, options.model, scratch)
    _pairs(options.pairs, middle, bound, options.model, scratch)
    if options.long:
        long = _folder(photos, options.long, scratch / "long")
        _pairs(1, long, bound, options.model, scratch)


def _saved_model(options: argparse.Namespace, photos: Sequence[Path], scratch: Path) -> None:
    print(f"== SavedModel {options.saved_model} on {len(photos)} photos, 10 times")
    folder = _folder(photos, 10 * len(photos), scratch / "saved")
    bound = _best_bound("savedmodel", options.saved_model, folder)
    _pairs(options.pairs, folder, bound, options.saved_model, scratch)


def _best_bound(kind: str, model: str, folder: Path) -> Callable[[Path], float]:
    """The raw loop with the setting that is fastest here, found by trying."""
    cores = os.cpu_count() or 1
    settings = [(1, cores), (cores, 1), (cores, cores), (cores + 1, 1)]
    speeds = {}
    for callers, threads in settings:
        speeds[callers, threads] = _bound(kind, folder, model, callers, threads)
        speed = speeds[callers, threads]
        print(f"   raw loop, {callers} callers x {threads} threads: {speed:.1f} images/s")
    best = max(speeds, key=lambda setting: speeds[setting])
    return lambda where: _bound(kind, where, model, *best)


def _pairs(
    pairs: int, folder: Path, bound: Callable[[Path], float], model: str, scratch: Path
) -> None:
    """Bound and ours in turn over one folder; steady and whole-process shares of the bound."""
    images = len(list(folder.iterdir()))
    steady, whole, runs, bounds = [], [], [], []
    for _ in range(pairs):
        bounds.append(bound(folder))
        run = _ours(folder, model, scratch)
        runs.append(run)
        steady.append(run.images_per_s / bounds[-1])
        whole.append(images / run.wall_s / bounds[-1])
    peak = max(run.peak_bytes for run in runs) / 2**20
    early = max(run.early_bytes for run in runs) / 2**20
    print(f"{images} images, {pairs} pairs")
    print(f"   bound {_median(bounds)} images/s, ours {_median([r.images_per_s for r in runs])}")
    print(f"   steady state over bound   {_median(steady)}")
    print(f"   whole process over bound  {_median(whole)}")
    print(f"   resident, peak {peak:.0f} MiB; peak of the first quarter {early:.0f} MiB")


def _start_up(model: str, photo: Path, scratch: Path) -> None:
    commands: dict[str, Sequence[str]] = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "offload --help": (*OFFLOAD, "--help"),
        "import offload.usecases.detect.run": (
            sys.executable, "-c", "import offload.usecases.detect.run",
        ),
        "first detection of a fresh process": (*OFFLOAD, "detect", str(photo), "-q", "-m", model),
    }  # fmt: skip
    for name, command in commands.items():
        walls = []
        for _ in range(7):
            started_s = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=scratch)
            walls.append(time.perf_counter() - started_s)
        print(f"   {name:<36} {_median(walls)} s")


def _ours(folder: Path, model: str, scratch: Path) -> Measured:
    """`offload detect` with a results folder, as a user would run it."""
    out = scratch / "out"
    command = [*OFFLOAD, "detect", str(folder), "-m", model, "--out", str(out), "--overwrite"]
    started_s = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    resident: list[int] = []
    while process.poll() is None:
        try:
            resident.append(watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    process.wait()
    wall_s = time.perf_counter() - started_s
    totals = json.loads((out / "run.json").read_text())["totals"]
    quarter = resident[: max(1, len(resident) // 4)]
    return Measured(totals["images_per_s"], wall_s, max(resident), max(quarter))


def _bound(kind: str, folder: Path, model: str, callers: int, threads: int) -> float:
    command = [sys.executable, str(HERE / "bound.py"), kind, str(folder), model]
    return _images_per_s([*command, str(callers), str(threads)])


def _images_per_s(command: Sequence[str]) -> float:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"([\d.]+) images/s", done.stdout)
    assert found, done.stdout
    return float(found[1])


def _folder(photos: Sequence[Path], count: int, where: Path) -> Path:
    """`count` links to the photos in turn."""
    where.mkdir()
    for number in range(count):
        (where / f"{number:06}.jpg").symlink_to(photos[number % len(photos)].resolve())
    return where


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f}..{max(values):.3f})"


if __name__ == "__main__":
    main()
