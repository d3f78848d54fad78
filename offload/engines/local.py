"""Shards worked on by processes of this machine."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from offload.domain.events import Stop
from offload.engines.ports import Engine, EngineConfig, EngineTraits, Job, Outcome, Shard

TRAITS = EngineTraits(
    name="local",
    summary="processes of this machine",
    leaves_machine=False,
    bills=False,
    options=frozenset({"workers"}),
)


class LocalEngine:
    """Shards one after the other, in this process."""

    name = TRAITS.name
    workers = 1

    @contextmanager
    def open(self) -> Iterator["LocalEngine"]:
        """Nothing needs to be brought up."""
        yield self

    def run(self, job: Job, shards: Iterable[Shard], stop: Stop) -> Generator[Outcome]:
        """What became of each shard."""
        for shard in shards:
            if stop:
                return
            yield job.work(shard)


def make(_config: EngineConfig) -> Engine:
    """The engine."""
    return LocalEngine()
