"""Batches beside what they are made of: images/s of one over images/s of the other.

    python benchmarks/batch.py --photos DIR [--images 2000] [--pairs 3] [--engines dask,ray]

Each pair is run one after the other in fresh processes, and the median of the pairs' ratios is
printed with its range. The seconds of a command are those beyond what it takes for two images,
which is its start.

local/detect: `offload batch` with shards of a tenth of the images over plain `offload detect`.
store/disk: the same batch from and to a store on this machine over its folder.
ENGINE/local: one node of an engine over `--engine local`.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

OFFLOAD = (sys.executable, "-m", "offload")
_SHARDS = 10

Run = Callable[[Path], float]
"""Does it with a scratch folder; seconds."""


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description="Batches over what they are made of.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--engines", default="", help="such as dask,ray")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        many, few = Path(scratch, "many"), Path(scratch, "few")
        _fill(many, Path(asked.photos), asked.images)
        _fill(few, Path(asked.photos), 2)
        size = -(-asked.images // _SHARDS)

        def batch(engine: str, source: object, prefix: str = "") -> Run:
            return lambda to: _batch(source, prefix or str(to / "out"), engine, size)

        def net(run: Callable[[Path], Run]) -> Run:
            """Seconds beyond those of two images: starts differ."""
            return lambda to: run(many)(to / "many") - run(few)(to / "few")

        plain = net(lambda photos: lambda to: _detect(photos, to / "out"))
        local = net(lambda photos: batch("local", photos))
        _print("local/detect", asked.pairs, local, plain, Path(scratch))
        for engine in filter(None, asked.engines.split(",")):
            there = net(lambda photos, engine=engine: batch(engine, photos))  # type: ignore[misc]
            _print(f"{engine}/local", asked.pairs, there, local, Path(scratch))
        with _store(many, few) as stored:
            far = net(lambda photos: lambda to: _far(stored, photos, to, size))
            _print("store/disk", asked.pairs, far, local, Path(scratch))


def _fill(folder: Path, photos: Path, images: int) -> None:
    every = sorted(photos.glob("*.jpg"))
    folder.mkdir()
    for number in range(images):
        shutil.copyfile(every[number % len(every)], folder / f"{number:06}.jpg")


def _print(name: str, pairs: int, ours: Run, other: Run, scratch: Path) -> None:
    ratios = []
    for number in range(pairs):
        order = (ours, other) if number % 2 else (other, ours)
        took = {run: _timed(run, scratch) for run in order}
        ratios.append(took[other] / took[ours])
    middle = statistics.median(ratios)
    print(f"{name:14} {middle:.3f} ({min(ratios):.3f}..{max(ratios):.3f})", flush=True)


def _timed(run: Run, scratch: Path) -> float:
    with tempfile.TemporaryDirectory(dir=scratch) as to:
        for name in ("many", "few"):
            Path(to, name).mkdir()
        return run(Path(to))


def _detect(photos: Path, out: Path) -> float:
    return _command(("detect", str(photos), "--out", str(out)))


def _batch(source: object, out: str, engine: str, size: int) -> float:
    shards = ("--shard-images", str(size), "--yes")
    return _command(("batch", str(source), "--out", out, "--engine", engine, *shards))


def _far(stored: Mapping[Path, str], photos: Path, to: Path, size: int) -> float:
    return _batch(stored[photos], f"s3://rows/{to.parent.name}-{to.name}", "local", size)


def _command(arguments: tuple[str, ...]) -> float:
    environment = os.environ | {"OFFLOAD_HISTORY": "true"}
    began_s = time.perf_counter()
    done = subprocess.run(
        (*OFFLOAD, *arguments, "-q"), check=False, env=environment, capture_output=True, text=True
    )
    took_s = time.perf_counter() - began_s
    if done.returncode:
        raise SystemExit(f"offload {' '.join(arguments)}: {done.stderr[-2000:]}")
    return took_s


@contextmanager
def _store(*folders: Path) -> Iterator[Mapping[Path, str]]:
    """Those folders in a store on this machine."""
    from tests.stores.s3 import Bucket, Server

    with Server().running() as server:
        server.buckets["rows"] = Bucket()
        for folder in folders:
            held = {each.name: each.read_bytes() for each in folder.iterdir()}
            server.buckets[folder.name] = Bucket(held)
        os.environ |= {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "eu-north-1",
            "AWS_ACCESS_KEY_ID": "of-a-benchmark",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        yield {folder: f"s3://{folder.name}/" for folder in folders}


if __name__ == "__main__":
    main()
