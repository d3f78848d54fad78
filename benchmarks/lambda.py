"""What calls of a function take: cold and warm by memory, images/s over calls at a time, how far
predictions are off, and dollars beside those of a rented machine.

    python benchmarks/lambda.py [--containers] [--images 200] [--memory 1769,3538] [--jobs 5]

Against the tests' own Lambda: AWS' runtime client with our handler under the documented Runtime
API. Environments are processes of this machine, whatever their memory; with `--containers`, of our
real image, with the share of the cores that their memory is worth (needs a Docker engine, and the
image that `offload provision lambda` builds). Medians with range. Every makespan of warm calls is
put beside the pipeline formula of `offload.costmodel.makespan` with what was measured here.
Predictions are those that `offload detect` records beside each run, after one `offload profile`.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import offload
from offload.api.rows import Row
from tests.functions.aws import Account, account, as_process

PICTURES = Path(__file__).parents[1] / "examples" / "images"
STARTS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cold and warm calls of a function.")
    parser.add_argument("--containers", action="store_true")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--memory", default="1769")
    parser.add_argument("--jobs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = list(_photos(Path(folder), asked.images))
        for memory_mb in map(int, asked.memory.split(",")):
            with _account(containers=asked.containers) as one:
                one.function("offload", MemorySize=memory_mb, **_entry(asked.containers))
                os.environ |= {**one.settings, "OFFLOAD_OFFLINE": "true"}
                print(f"{memory_mb} MB")
                _starts(one)
                _concurrencies(photos)
                with tempfile.TemporaryDirectory() as data:
                    os.environ["OFFLOAD_DATA"] = data
                    _predictions(one, photos, asked.jobs)
                    _dollars()
                one.client("lambda").delete_function(FunctionName="offload")


@contextmanager
def _account(*, containers: bool) -> Iterator[Account]:
    starting: Callable[[Any], Any] = as_process
    if containers:
        import docker

        from tests.functions.containers import as_container

        starting = as_container(docker.from_env(), "offload:aws")
    with account(64, starting) as one:
        yield one


def _entry(containers: bool) -> dict[str, Any]:
    if not containers:
        return {}
    from offload.drivers.aws.function.calling import ENTRY

    return {"ImageConfig": ENTRY}


def _photos(folder: Path, number: int) -> Iterator[str]:
    found = sorted(PICTURES.glob("*.jpg"))
    for each in range(number):
        path = folder / f"{each:04}.jpg"
        path.symlink_to(found[each % len(found)])
        yield str(path)


def _starts(one: Account) -> None:
    client = one.client("lambda")
    cold_s: list[float] = []
    init_s: list[float] = []
    warm_s: list[float] = []
    for _ in range(STARTS):
        one.service.rest()
        for times_s in (cold_s, warm_s):
            began_s = time.perf_counter()
            answer = client.invoke(FunctionName="offload", Payload=b"{}")["Payload"].read()
            times_s.append(time.perf_counter() - began_s)
            if times_s is cold_s:
                init_s.append(_init_s(answer))
    for name, times_s in {"cold call": cold_s, "its init": init_s, "warm call": warm_s}.items():
        print(f"   {name:<10} {_shown(times_s)}")


def _init_s(answer: bytes) -> float:
    return float(json.loads(answer)["init_s"])


def _concurrencies(photos: list[str]) -> None:
    for calls in (1, 2, 4):
        _run(photos[: 4 * calls], calls)  # so that all environments are warm
        rows, took_s = _run(photos, calls)
        each_s = statistics.fmean(row.durations.there_s for row in rows)
        way_s = statistics.fmean(row.durations.total_s for row in rows)
        cores = os.cpu_count() or 1
        closed_s = way_s + max(math.ceil(len(rows) / calls) - 1, 0) * way_s
        least_s = way_s + (len(rows) - 1) * each_s / min(calls, cores)
        print(
            f"   {calls} at a time: {len(rows) / took_s:6.1f} images/s, makespan {took_s:.2f} s, "
            f"{took_s / max(closed_s, least_s):.2f} of the closed form"
        )


def _predictions(one: Account, photos: list[str], jobs: int) -> None:
    """Each job is a run of the command, warm after another or with no environment left."""
    where = ("--where", "lambda", "-m", "builtin", "--concurrency", "2", "--yes")
    _offload("profile", *photos, *where, "--budget", "10s")
    for _ in range(jobs):
        _offload("detect", *photos, *where)
        one.service.rest()
        _offload("detect", *photos, *where)
    ratios: dict[str, list[float]] = {}
    for run in json.loads(_offload("accuracy", "--json", "--last", str(2 * jobs)))["runs"]:
        ratios.setdefault(run["place"], []).append(run["predicted_s"] / run["actual_s"])
    for state, found in sorted(ratios.items()):
        off = statistics.median(abs(ratio - 1) for ratio in found)
        shown = f"{statistics.median(found):.2f} ({min(found):.2f}..{max(found):.2f})"
        print(f"   {state}: predicted over taken {shown} in {len(found)} jobs, off by {off:.0%}")


def _dollars() -> None:
    """Of 1,000 images, as `advise` has them."""
    asked = ("-n", "1000", "-m", "builtin", "--instance-type", "c7i.large", "--json", "--offline")
    for option in json.loads(_offload("advise", *asked))["options"]:
        if option["usd"] and option["state"] in {"warm", "cold", "new"}:
            print(f"   {option['name']}: ${option['usd_per_1000_images']:.4f} for 1,000 images")


def _offload(*words: str) -> str:
    command = [sys.executable, "-m", "offload", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _run(photos: list[str], calls: int) -> tuple[list[Row], float]:
    """The rows, and the seconds from the first image to the last."""
    began_s: float | None = None
    rows = []
    for row in offload.detect(photos, where="lambda", model="builtin", concurrency=calls):
        began_s = time.perf_counter() if began_s is None else began_s
        rows.append(row)
    assert began_s is not None
    assert not any(row.error for row in rows)
    return rows[1:], time.perf_counter() - began_s


def _shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f}..{max(seconds):.3f})"


if __name__ == "__main__":
    main()
