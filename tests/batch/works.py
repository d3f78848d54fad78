"""Work that a test decides over, by files in a folder: what is done there with shards."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from offload.engines.ports import Job, Outcome, Shard


def shards(number: int) -> list[Shard]:
    """So many of them."""
    return [Shard(each, f"{each:05}", 1, 1) for each in range(number)]


def job(work: Callable[[Path, Shard], Outcome], folder: Path) -> Job:
    """A job of that work, which is told the folder first."""
    return Job("toy", str(folder), partial(work, folder))


def done(folder: Path, shard: Shard) -> Outcome:
    """Done at once; a file a try says by which process."""
    (folder / f"{shard.name}.{os.getpid()}.{time.monotonic_ns()}").touch()
    return Outcome(shard.number, images=1, host=str(os.getpid()))


def deadly(folder: Path, shard: Shard) -> Outcome:
    """Shard 1 ends whoever does it."""
    outcome = done(folder, shard)
    if shard.number == 1:
        os.kill(os.getpid(), 9)
    return outcome


def deadly_once(folder: Path, shard: Shard) -> Outcome:
    """Shard 1 ends whoever does it first."""
    is_first = not list(folder.glob(f"{shard.name}.*"))
    outcome = done(folder, shard)
    if shard.number == 1 and is_first:
        os.kill(os.getpid(), 9)
    return outcome


def waiting(folder: Path, shard: Shard) -> Outcome:
    """Done once there is a file `go`."""
    (folder / f"begun.{shard.number}").write_text(str(os.getpid()))
    while not (folder / "go").exists():
        time.sleep(0.01)
    return done(folder, shard)


def broken(_folder: Path, shard: Shard) -> Outcome:
    """A bug."""
    raise RuntimeError(shard.name)
