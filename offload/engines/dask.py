"""Shards worked on by a Dask cluster that listens somewhere, or is started on this machine."""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

from offload.domain.errors import PlaceUnavailable, UsageError
from offload.drivers.host import machine
from offload.engines import futures
from offload.engines.futures import FuturesEngine, Versions
from offload.engines.ports import Engine, EngineConfig, EngineTraits, Outcome, Shard, Work

if TYPE_CHECKING:
    from concurrent.futures import Future

TRAITS = EngineTraits(
    name="dask",
    summary="workers of a Dask cluster",
    bills=False,
    options=frozenset({"address", "workers", "cpus", "gpus"}),
)

_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")


class DaskCluster:
    """A scheduler that `client` is connected to, and its workers."""

    def __init__(self, client: Any, where: str, config: EngineConfig) -> None:
        self.where = where
        self.cores: Callable[[], int | None] = partial(_cores, config.cpus)
        self._client = client
        self._gpus = config.gpus
        resources = {"GPU": self._gpus} if self._gpus else None
        self._tasks = client.get_executor(pure=False, resources=resources)

    def slots(self) -> int:
        """Workers, each of which does one task at a time."""
        return len(self._usable())

    def check(self) -> None:
        """Compare versions of scheduler and workers with ours; see that GPUs are there."""
        found = self._client.get_versions(packages=["offload"])
        here = futures.versions_here(metadata.version("distributed"))
        theirs = {
            "The Dask scheduler": _versions(found["scheduler"], here.offload),
            **{
                f"The Dask worker {address}": _versions(each, here.offload)
                for address, each in found["workers"].items()
            },
        }
        futures.check(here, theirs, "dask", "distributed")
        if self._gpus and theirs.keys() - {"The Dask scheduler"} and not self.slots():
            raise UsageError(
                f"No worker of {self.where} offers {self._gpus} GPU.",
                hint=f"To start one that does: dask worker ADDRESS --resources GPU={self._gpus}",
            )

    def submit(self, task: Work, shard: Shard) -> "Future[Outcome]":
        """A task of its own, which a worker that dies does not take along."""
        return cast("Future[Outcome]", self._tasks.submit(task, shard))

    def given_up(self, error: BaseException) -> str | None:
        """Whether its workers died, more often than the scheduler allows."""
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return None
        times, last = error.allowed_failures + 1, error.last_worker.address
        return f"{times} workers died while it was theirs, the last one at {last}"

    def _usable(self) -> dict[str, Any]:
        if self._client.status != "running":
            raise futures.gone(self.where)
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        needed = self._gpus or 0
        return {at: each for at, each in workers.items() if _gpus(each) >= needed}


def make(config: EngineConfig) -> Engine:
    """The engine.

    Raises:
        UsageError: the address cannot be meant, or Dask is not installed.
    """
    try:
        import distributed  # noqa: F401 - better now than after a look at a million images
    except ImportError as error:
        raise UsageError(
            "The engine dask needs the package distributed.",
            hint='To install it: pip install "offload[dask]"',
        ) from error
    if config.address is not None and not _is_file(config.address):
        scheme, separator, rest = config.address.rpartition("://")
        if (separator and scheme not in _SCHEMES) or ":" not in rest:
            raise UsageError(
                f"{config.address!r} is no address of a Dask scheduler, nor a scheduler file.",
                hint="For instance: offload batch … --engine dask --address tcp://HOST:8786",
            )
    return FuturesEngine(TRAITS.name, config, partial(_connected, config))


@contextmanager
def _connected(config: EngineConfig) -> Iterator[DaskCluster]:
    """The cluster at the address, or one of this machine that goes with the context."""
    import distributed

    _silence()
    with ExitStack() as held:
        target, where = config.address, f"the Dask cluster at {config.address}"
        if target is None:
            target, where = held.enter_context(_started(config)), "the Dask cluster of this machine"
        client = held.enter_context(_client(distributed, target))
        yield DaskCluster(client, where, config)


@contextmanager
def _started(config: EngineConfig) -> Iterator[Any]:
    """A cluster of this machine's cores: processes that do one shard at a time."""
    from distributed import LocalCluster

    workers = config.workers or max(1, machine.usable_cores() // (config.cpus or 1))
    before = dict(os.environ)
    # Its threads and their children inherit this: what a terminal sends to everybody is for us.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            # What a worker may hold is what its process can have, as without Dask.
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            resources={"GPU": config.gpus} if config.gpus else None,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        with cluster:
            yield cluster
    finally:  # Dask sets variables of this process, for its children
        os.environ.clear()
        os.environ.update(before)


def _client(distributed: Any, target: Any) -> Any:
    """A client; how long it tries is what Dask's own settings say."""
    is_file = isinstance(target, str) and _is_file(target)
    given = {"scheduler_file": target} if is_file else {"address": target}
    try:
        with warnings.catch_warnings():
            # That of versions is said in our words.
            warnings.simplefilter("ignore")
            return distributed.Client(**given, set_as_default=False)
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        raise PlaceUnavailable(
            f"No Dask scheduler answers at {target}.", hint="To start one there: dask scheduler"
        ) from error


def _is_file(address: str) -> bool:
    return "://" not in address and os.path.isfile(address)


def _versions(found: dict[str, Any], offload: str | None) -> Versions:
    """What a process told; the scheduler needs no offload, and one that runs from a working tree
    has none that is installed: tasks compare those again.
    """
    packages = found["packages"]
    python = ".".join(packages["python"].split(".")[:2])
    return Versions(python, packages["distributed"], packages.get("offload") or offload)


def _gpus(worker: dict[str, Any]) -> float:
    return float(worker.get("resources", {}).get("GPU", 0))


def _cores(cpus: int | None) -> int | None:
    """The threads of the worker that this process is: that many cores are its share."""
    from distributed import get_worker

    return cpus or int(get_worker().state.nthreads)


def _silence() -> None:
    """What goes wrong is said in our words."""
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
