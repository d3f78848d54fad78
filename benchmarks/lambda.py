"""What calls of a function take: cold and warm by memory, and images/s over calls at a time.

    python benchmarks/lambda.py [--containers] [--images 200] [--memory 1769,3538]

Against the tests' own Lambda: AWS' runtime client with our handler under the documented Runtime
API. Environments are processes of this machine, whatever their memory; with `--containers`, of our
real image, with the share of the cores that their memory is worth (needs a Docker engine, and the
image that `offload provision lambda` builds). Medians with range. Every makespan of warm calls is
put beside the pipeline formula of `offload.costmodel.makespan` with what was measured here.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import offload
from offload.api.rows import Row
from offload.domain.prices import CALL_USD, CALL_USD_PER_GB_S
from tests.functions.aws import Account, account, as_process

PICTURES = Path(__file__).parents[1] / "examples" / "images"
STARTS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cold and warm calls of a function.")
    parser.add_argument("--containers", action="store_true")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--memory", default="1769")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = list(_photos(Path(folder), asked.images))
        for memory_mb in map(int, asked.memory.split(",")):
            with _account(containers=asked.containers) as one:
                one.function("offload", MemorySize=memory_mb, **_entry(asked.containers))
                os.environ |= one.settings
                print(f"{memory_mb} MB")
                _starts(one)
                _concurrencies(photos, memory_mb)


@contextmanager
def _account(*, containers: bool) -> Iterator[Account]:
    starting: Callable[[Any], Any] = as_process
    if containers:
        import docker

        from tests.functions.containers import as_container

        starting = as_container(docker.from_env(), "offload:lambda")
    with account(64, starting) as one:
        yield one


def _entry(containers: bool) -> dict[str, Any]:
    if not containers:
        return {}
    from offload.drivers.aws.functions import ENTRY

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
    import json

    return float(json.loads(answer)["init_s"])


def _concurrencies(photos: list[str], memory_mb: int) -> None:
    for calls in (1, 2, 4):
        _run(photos[: 4 * calls], calls)  # so that all environments are warm
        rows, took_s = _run(photos, calls)
        each_s = statistics.fmean(row.durations.there_s for row in rows)
        way_s = statistics.fmean(row.durations.total_s for row in rows)
        cores = os.cpu_count() or 1
        closed_s = way_s + max(math.ceil(len(rows) / calls) - 1, 0) * way_s
        least_s = way_s + (len(rows) - 1) * each_s / min(calls, cores)
        usd = 1000 * (CALL_USD + each_s * memory_mb / 1024 * CALL_USD_PER_GB_S["x86_64"])
        print(
            f"   {calls} at a time: {len(rows) / took_s:6.1f} images/s, makespan {took_s:.2f} s, "
            f"{took_s / max(closed_s, least_s):.2f} of the closed form; ${usd:.4f} per 1,000 images"
        )


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
