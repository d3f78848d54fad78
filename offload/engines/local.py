"""Shards worked on by processes of this machine."""

import multiprocessing
import os
import platform
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from offload.domain.events import Stop
from offload.drivers.host.capture import Captured
from offload.engines.ports import Engine, EngineConfig, EngineTraits, Job, Outcome, Shard, Work

TRAITS = EngineTraits(
    name="local",
    summary="processes of this machine",
    leaves_machine=False,
    bills=False,
    options=frozenset({"workers", "cpus"}),
)
_TRIES = 3
_SPAWN = multiprocessing.get_context("spawn")
_TERMINAL = {signal.SIGINT, signal.SIGHUP}
"""What a terminal sends to everybody: it is for us, and they go on."""


class LocalEngine:
    """Processes that each do one shard after the other and end with this one."""

    name = TRAITS.name

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def open(self) -> Iterator["LocalEngine"]:
        """Processes are started when there are shards."""
        yield self

    def run(self, job: Job, shards: Iterable[Shard], stop: Stop) -> Generator[Outcome]:
        """What became of each shard. One whose process dies is done by another, some times."""
        handed = _Handed(shards, stop)
        children: list[_Child] = []
        try:
            while True:
                while len(children) < self.workers and (more := handed.next()):
                    children.append(_Child(job.work, *more))
                if not children:
                    return
                for child in _ready(children):
                    outcome = child.outcome() or _gone(child, handed)
                    if not (child.process.is_alive() and child.goes_on(handed.next())):
                        children.remove(child)
                        child.end()
                    if outcome is not None:
                        yield outcome
        finally:
            for child in children:
                child.end()


class _Handed:
    """Shards to be handed out: those that come, after those whose process died."""

    def __init__(self, shards: Iterable[Shard], stop: Stop) -> None:
        self._coming = iter(shards)
        self._again: deque[tuple[Shard, int]] = deque()
        self._stop = stop

    def next(self) -> tuple[Shard, int] | None:
        """One, and how often it was tried; None where there is none, or none is to be begun."""
        if self._stop:
            return None
        if self._again:
            return self._again.popleft()
        shard = next(self._coming, None)
        return None if shard is None or self._stop else (shard, 0)

    def again(self, shard: Shard, tries: int) -> None:
        """It was tried so often, in vain."""
        self._again.append((shard, tries))


@dataclass(slots=True, init=False)
class _Child:
    """A process and the shard that it works on."""

    shard: Shard
    tries: int
    process: BaseProcess
    pipe: Connection

    def __init__(self, work: Work, shard: Shard, tries: int) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, work), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINAL)  # which it inherits
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.goes_on((shard, tries))

    def goes_on(self, more: tuple[Shard, int] | None) -> bool:
        """Have it do another, if there is one."""
        if more is None:
            return False
        self.shard, self.tries = more[0], more[1] + 1
        with suppress(OSError):  # if it is gone, reading says so
            self.pipe.send(self.shard)
        return True

    def outcome(self) -> Outcome | None:
        """What became of its shard; None if the process is gone."""
        try:
            outcome, error = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if error is not None:
            raise error
        assert isinstance(outcome, Outcome)
        return outcome

    def died(self) -> Outcome:
        """What is said of a shard that its processes died of."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        times = f", {self.tries} times" if self.tries > 1 else ""
        return Outcome(
            self.shard.number, error=f"its process was {how}{times}", host=platform.node()
        )

    def end(self) -> None:
        """Let nothing be left of it."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _gone(child: _Child, handed: _Handed) -> Outcome | None:
    """What became of the shard of a process that is gone; None if it is tried again."""
    died = child.died()
    if child.tries >= _TRIES:
        return died
    handed.again(child.shard, child.tries)
    return None


def _ready(children: list[_Child]) -> list[_Child]:
    """Those that have an outcome, or are gone; waits for one."""
    there = wait([child.pipe for child in children])
    return [child for child in children if child.pipe in there]


def _serve(pipe: Connection, work: Work) -> None:
    """Do what comes, until that ends, or who sent it does."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            shard = pipe.recv()
        except EOFError:
            return
        outcome = None
        with Captured() as caught:
            outcome = work(shard)
        pipe.send((outcome, caught.error))


def _end_with(parent: int) -> None:
    wait([parent])
    os._exit(1)


def make(config: EngineConfig) -> Engine:
    """The engine; one process uses all cores unless more are asked for."""
    return LocalEngine(config.workers or 1)
