"""Works that an engine can have done without a model: a shard is a file in a folder."""

import os
import platform
import signal
import time
import uuid
from functools import partial
from pathlib import Path

from offload.domain.errors import ModelError
from offload.engines.ports import Job, Outcome, Shard, Work


def shards(number: int, images: int = 10) -> list[Shard]:
    return [Shard(each, f"{each:05}-toy", images, images) for each in range(number)]


def job(work: Work) -> Job:
    return Job("toy", "nowhere", work)


def begun(folder: Path, shard: int) -> int:
    """How often somebody began it."""
    return len(list((folder / "begun").glob(f"{shard:05}-*")))


def done(folder: Path) -> list[int]:
    return sorted(int(each.name) for each in (folder / "done").iterdir())


def writing(folder: Path, takes_s: float = 0.0) -> Work:
    """Says that it began, takes its time, and writes what nobody wrote before."""
    for each in ("begun", "done"):
        (folder / each).mkdir(exist_ok=True)
    return partial(_write, str(folder), takes_s)


def _write(folder: str, takes_s: float, shard: Shard) -> Outcome:
    Path(folder, "begun", f"{shard.number:05}-{uuid.uuid4().hex}").touch()
    time.sleep(takes_s)
    try:
        os.close(os.open(Path(folder, "done", str(shard.number)), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return Outcome(shard.number, host=platform.node(), wrote=False)
    return Outcome(shard.number, shard.images, host=platform.node(), took_s=takes_s)


def deadly(shard: Shard) -> Outcome:
    """Whoever does the third dies of it."""
    if shard.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(shard.number, shard.images)


def raising(shard: Shard) -> Outcome:
    """Fails at the third, as nobody foresaw."""
    if shard.number == 2:
        raise ZeroDivisionError("by nought")
    return Outcome(shard.number, shard.images)


def explained(_shard: Shard) -> Outcome:
    raise ModelError("The model is gone.", hint="To fetch it: offload models fetch NAME")


def cores(shard: Shard) -> Outcome:
    """Tells how many cores its process may use."""
    from offload.drivers.host import machine

    return Outcome(shard.number, images=machine.usable_cores())
