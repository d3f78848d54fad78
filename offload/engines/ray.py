"""Shards worked on by a Ray cluster that listens somewhere, or is started on this machine."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from offload.domain.errors import PlaceUnavailable, UsageError
from offload.drivers.host import machine
from offload.engines import futures
from offload.engines.futures import FuturesEngine, Versions
from offload.engines.ports import Engine, EngineConfig, EngineTraits, Outcome, Shard, Work

TRAITS = EngineTraits(
    name="ray",
    summary="workers of a Ray cluster",
    bills=False,
    options=frozenset({"address", "workers", "cpus", "gpus"}),
)

_RETRIES = 3
_ANSWERS_S = 120.0


class RayCluster:
    """The cluster that this process is connected to. A task takes one CPU, if nothing else is
    asked for.
    """

    def __init__(self, ray: Any, where: str, config: EngineConfig) -> None:
        self.where = where
        self._ray = ray
        self._cpus, self._gpus = config.cpus or 1, config.gpus or 0
        self.cores: Callable[[], int | None] = partial(int, self._cpus)

    def slots(self) -> int:
        """How many tasks fit on the nodes that are up."""
        return sum(self._fits(each["Resources"]) for each in self._nodes())

    def check(self) -> None:
        """See that GPUs are there, and compare the versions of nodes with ours; Ray itself has
        compared those of its own and of Python.
        """
        nodes = self._nodes()
        if self._gpus and nodes and not self.slots():
            raise UsageError(
                f"No node of {self.where} has {self._gpus} GPU.",
                hint=f"To start one that does: ray start --num-gpus={self._gpus}",
            )
        here = futures.versions_here(self._ray.__version__)
        found = [self._version(each["NodeID"]) for each in nodes]
        try:
            versions = self._ray.get(found, timeout=_ANSWERS_S)
        except self._ray.exceptions.RayError as error:
            raise futures.gone(self.where) from error
        theirs = {
            f"The Ray node {node['NodeManagerAddress']}": Versions(here.python, here.engine, each)
            for node, each in zip(nodes, versions, strict=True)
        }
        futures.check(here, theirs, "ray", "ray")

    def submit(self, task: Work, shard: Shard) -> "Future[Outcome]":
        """A task of its own: what its worker dies of is tried again, what it raises is not."""
        remote = self._ray.remote(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_retries=_RETRIES,
            scheduling_strategy="SPREAD",
        )(_called)
        made: Future[Outcome] = Future()
        remote.remote(task, shard).future().add_done_callback(partial(_told, made))
        return made

    def given_up(self, error: BaseException) -> str | None:
        """Whether its workers died, more often than it is tried."""
        known = self._ray.exceptions
        died = (known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError)
        return (
            f"{_RETRIES + 1} workers died while it was theirs" if isinstance(error, died) else None
        )

    def _nodes(self) -> list[dict[str, Any]]:
        try:
            return [each for each in self._ray.nodes() if each["Alive"]]
        except (ConnectionError, self._ray.exceptions.RayError) as error:
            raise futures.gone(self.where) from error

    def _fits(self, has: dict[str, float]) -> int:
        cpus = int(has.get("CPU", 0) // self._cpus)
        return min(cpus, int(has.get("GPU", 0) // self._gpus)) if self._gpus else cpus

    def _version(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return self._ray.remote(num_cpus=0, scheduling_strategy=there)(_asking()).remote()


def make(config: EngineConfig) -> Engine:
    """The engine.

    Raises:
        UsageError: Ray is not installed.
    """
    try:
        import ray  # noqa: F401 - better now than after a look at a million images
    except ImportError as error:
        raise UsageError(
            "The engine ray needs the package ray.",
            hint='To install it: pip install "offload[ray]"',
        ) from error
    return FuturesEngine(TRAITS.name, config, partial(_connected, config))


@contextmanager
def _connected(config: EngineConfig) -> Iterator[RayCluster]:
    """The cluster at the address, or one of this machine that goes with the context."""
    # No reports to Ray's makers about what is done here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    where = f"the Ray cluster at {config.address}" if config.address else "Ray on this machine"
    _begin(ray, config)
    try:
        yield RayCluster(ray, where, config)
    finally:
        ray.shutdown()


def _begin(ray: Any, config: EngineConfig) -> None:
    given: dict[str, Any] = {"address": config.address}
    if config.address is None:
        workers, cpus = config.workers, config.cpus or 1
        cores = workers * cpus if workers else max(cpus, machine.usable_cores())
        gpus = (workers or 1) * config.gpus if config.gpus else None
        given = {
            "address": "local",
            "num_cpus": cores,
            "num_gpus": gpus,
            "include_dashboard": False,
        }
    try:
        ray.init(**given, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        if "ersion" in str(error):
            raise UsageError(
                f"The Ray cluster at {config.address} has another version of Ray or Python.",
                hint=f'To install ours there: pip install "ray=={ray.__version__}"',
            ) from error
        raise PlaceUnavailable(
            f"No Ray cluster answers at {config.address or 'this machine'}.",
            hint="To start one there: ray start --head --ray-client-server-port=10001",
        ) from error


def _called(task: Work, shard: Shard) -> Outcome:
    return task(shard)


def _told(made: "Future[Outcome]", theirs: "Future[Outcome]") -> None:
    """What became of a task, without what Ray wraps errors in."""
    if not made.set_running_or_notify_cancel():
        return
    if theirs.cancelled():
        made.set_exception(ConnectionError("Ray gave it up"))
    elif error := theirs.exception():
        made.set_exception(getattr(error, "cause", None) or error)
    else:
        made.set_result(theirs.result())


def _asking() -> Callable[[], str | None]:
    """A function that travels as its code: where there is no offload, it says so."""

    def version() -> str | None:
        from importlib import import_module

        try:
            return str(import_module("offload.version").__version__)
        except ImportError:
            return None

    return version
