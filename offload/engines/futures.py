"""Shards as tasks of a cluster, whose own scheduler spreads them and tries them again.

What is common to Dask and Ray: how many tasks are under way, which versions may work together, and
what becomes of a task. An engine adds a `Cluster`.
"""

import platform
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from queue import Empty, Queue
from typing import Protocol

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import Stop
from offload.drivers.host import machine
from offload.drivers.host.capture import Captured
from offload.engines.ports import EngineConfig, Job, Outcome, Shard, Work
from offload.version import __version__

_LOOK_S = 0.5
_COUNT_EVERY_S = 5.0
_PATIENCE_S = 900.0
"""How long a cluster may be without workers: spare machines come back within minutes."""
_AHEAD = 2
GO_ON = "To go on where it ended: the same command again"


@dataclass(frozen=True, slots=True)
class Versions:
    """What has to be the same on both sides; None where it is missing. Of Python that is major and
    minor, on which pickles depend.
    """

    python: str | None
    engine: str | None
    offload: str | None = __version__


def versions_here(engine: str) -> Versions:
    """Those of this process."""
    return Versions(f"{sys.version_info.major}.{sys.version_info.minor}", engine)


def check(ours: Versions, theirs: Mapping[str, Versions], extra: str, package: str) -> None:
    """Compare with those of others, by what they are called.

    Raises:
        UsageError: one of them differs.
    """
    names = {"python": "Python", "engine": package, "offload": "offload"}
    for who, has in theirs.items():
        for what, wanted in asdict(ours).items():
            found = getattr(has, what)
            if found != wanted:
                its = f"{names[what]} {found}" if found else f"no {names[what]}"
                raise UsageError(
                    f"{who} has {its}; this computer has {names[what]} {wanted}.",
                    hint=_install(ours, extra, package),
                )


def _install(ours: Versions, extra: str, package: str) -> str:
    return (
        f"To install it there, with Python {ours.python}: "
        f'pip install "offload[{extra}]=={ours.offload}" "{package}=={ours.engine}"'
    )


class Cluster(Protocol):
    """A cluster that answers."""

    where: str
    """How it is called within a sentence."""
    cores: Callable[[], int | None]
    """Asked in a worker's process: how many cores are its share. It can be pickled."""

    def slots(self) -> int:
        """How many tasks its workers can do at a time, now.

        Raises:
            PlaceUnavailable: it does not answer any more.
        """

    def check(self) -> None:
        """Compare versions.

        Raises:
            UsageError: one differs, or no worker can do what is asked for.
        """

    def submit(self, task: Work, shard: Shard) -> "Future[Outcome]":
        """Have the task done; cancelled, where the cluster is lost."""

    def given_up(self, error: BaseException) -> str | None:
        """Why the cluster does not try a task again; None if the task itself raised that."""


@dataclass(slots=True)
class FuturesEngine:
    """The engine called `name`; `connected` gives its cluster."""

    name: str
    config: EngineConfig
    connected: Callable[[], AbstractContextManager[Cluster]]
    patience_s: float = _PATIENCE_S

    @contextmanager
    def open(self) -> Iterator["FuturesSession"]:
        """Connect, or start a cluster on this machine, and compare versions."""
        with self.connected() as cluster:
            cluster.check()
            yield FuturesSession(cluster, self.config, self.patience_s)


class FuturesSession:
    """Tasks at a cluster: as many under way as it has workers, or as are asked for."""

    def __init__(self, cluster: Cluster, config: EngineConfig, patience_s: float) -> None:
        self._cluster = cluster
        self._config = config
        self._patience_s = patience_s
        self._counted_s = self._seen_s = time.monotonic()
        self._slots = cluster.slots()

    @property
    def workers(self) -> int:
        """How many shards are under way at a time."""
        return self._config.workers or max(1, self._slots)

    def run(self, job: Job, shards: Iterable[Shard], stop: Stop) -> Generator[Outcome]:
        """What became of each shard. When `stop` is asked, those that workers have begun may still
        be written; nobody waits for them.
        """
        woken = threading.Event()
        task = partial(work, __version__, self._cluster.cores, job.work)
        coming, doing = _Coming(shards, woken), dict[Future[Outcome], Shard]()
        self._seen_s = time.monotonic()
        try:
            while not stop and (doing or not coming.is_over):
                woken.wait(_LOOK_S)
                woken.clear()
                for future in [each for each in doing if each.done()]:
                    yield self._outcome(future, doing.pop(future))
                self._look()
                while len(doing) < self.workers and (shard := coming.take()):
                    future = self._cluster.submit(task, shard)
                    doing[future] = shard
                    future.add_done_callback(lambda _: woken.set())
        finally:
            coming.close()
            for future in doing:
                future.cancel()

    def _look(self) -> None:
        """Count workers, now and then."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= min(_COUNT_EVERY_S, self._patience_s / 4):
            before, self._slots = self._slots, self._cluster.slots()
            self._counted_s = time.monotonic()
            if before != self._slots:
                self._config.reporter.step(
                    f"{_sentence(self._cluster.where)} has {self._slots} workers now."
                )
        if self._slots:
            self._seen_s = now_s
        elif now_s - self._seen_s > self._patience_s:
            wrong = (
                f"{_sentence(self._cluster.where)} has had no worker for {self._patience_s:.0f} s."
            )
            raise PlaceUnavailable(wrong, hint=GO_ON)

    def _outcome(self, future: "Future[Outcome]", shard: Shard) -> Outcome:
        if future.cancelled():
            raise gone(self._cluster.where)
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, OffloadError):
            raise error
        why = self._cluster.given_up(error) or f"{type(error).__name__}: {error}"
        return Outcome(shard.number, error=why)


def gone(where: str) -> PlaceUnavailable:
    """The error of a cluster that was there."""
    return PlaceUnavailable(f"{_sentence(where)} does not answer any more.", hint=GO_ON)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


_lock = threading.Lock()


def work(version: str, cores: Callable[[], int | None], doing: Work, shard: Shard) -> Outcome:
    """What a worker does: one shard at a time in a process, with its share of the cores.

    Raises:
        UsageError: this process has another version of offload, as workers may that came later.
    """
    if version != __version__:
        raise UsageError(
            f"The worker at {platform.node()} has offload {__version__}; this batch has {version}.",
            hint=f"To install it there: pip install offload=={version}",
        )
    with _lock:
        machine.share_cores(cores())
        return doing(shard)


class _Coming:
    """Shards that another thread waits for, so that outcomes are seen meanwhile."""

    def __init__(self, shards: Iterable[Shard], woken: threading.Event) -> None:
        self.is_over = False
        self._shards = shards
        self._woken = woken
        self._queue: Queue[Shard | Captured] = Queue(_AHEAD)
        self._closed = False
        threading.Thread(target=self._read, name="shards", daemon=True).start()

    def take(self) -> Shard | None:
        """The next, if there is one now. What reading them raised is raised here."""
        try:
            found = self._queue.get_nowait()
        except Empty:
            return None
        if isinstance(found, Shard):
            return found
        self.is_over = True
        found.again()
        return None

    def close(self) -> None:
        """Take no more."""
        self._closed = True
        with suppress(Empty):
            while True:
                self._queue.get_nowait()

    def _read(self) -> None:
        with Captured() as end:
            for shard in self._shards:
                if self._closed:
                    return
                self._queue.put(shard)
                self._woken.set()
        self._queue.put(end)
        self._woken.set()
