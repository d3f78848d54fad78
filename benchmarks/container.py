"""What a container costs: the image's size, and its cold start by phase.

    python benchmarks/container.py [--starts 7]

Needs a Docker engine. Each start is a run of `offload detect --where container` over one picture
with the embedded detector, in a container of its own that is gone afterwards; medians with range.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "examples" / "images" / "woman-close-up.jpg"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Size and cold start of our container.")
    parser.add_argument("--starts", type=int, default=7)
    starts = parser.parse_args().starts
    phases: dict[str, list[float]] = defaultdict(list)
    _start()  # builds the image, if need be
    for _ in range(starts):
        for name, seconds in _start().items():
            phases[name].append(seconds)
    print(f"image {_size_bytes('offload') / 1e6:.0f} MB, base {_size_bytes(_BASE) / 1e6:.0f} MB")
    for name, seconds_each in phases.items():
        print(
            f"   {name:<9} {statistics.median(seconds_each):.3f} s "
            f"({min(seconds_each):.3f}..{max(seconds_each):.3f})"
        )


_BASE = "python:3.11-slim"


def _start() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "offload", "detect", str(PICTURE), "-m", "builtin"]
        subprocess.run([*command, "--where", "container", "-q", "-o", out], check=True)
        totals = json.loads((Path(out) / "run.json").read_text())["totals"]
    return {**totals["phases"], "all": sum(totals["phases"].values())}


def _size_bytes(image: str) -> int:
    command = ["docker", "image", "inspect", "-f", "{{.Size}}", image]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
