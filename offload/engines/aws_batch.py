"""Shards worked on by AWS Batch: array jobs, whose children each do one, on machines of EC2.

The jobs go on without this process. What became of a shard is read from the object with its rows,
and from the state of its child; the same command goes on where jobs still run.
"""

import hashlib
import json
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.drivers.aws.batch import waiting
from offload.drivers.aws.batch.jobs import MOST_CHILDREN, BatchJobs, SentJob
from offload.drivers.aws.batch.spec import called, log_group
from offload.drivers.aws.batch.spending import Spending
from offload.drivers.objects.store import Store, opened
from offload.engines.ports import EngineConfig, EngineTraits, Job, Outcome, Shard

TRAITS = EngineTraits(
    name="aws-batch",
    summary="array jobs of AWS Batch",
    survives=True,
    options=frozenset({"most", "is_spot", "region", "profile"}),
)
_LOOK_S, _SELDOM_S, _TICK_S = 1.0, 15.0, 0.25
"""How long it is from one look to the next, at first and at most; who stops is heard in between."""
_BOOT_S = 300.0
"""So long the first machine may take to come, fetch the image and begin."""
_TODO_BYTES = 1_000_000


class BatchEngine:
    """The queue that was brought up for a batch. `boot_s` is how long the first machine may take to
    begin, `look_s` how long it is from the first look to the next.
    """

    name = TRAITS.name

    def __init__(
        self, config: EngineConfig,
        boot_s: float = _BOOT_S, look_s: float = _LOOK_S,
    ) -> None:  # fmt: skip
        self.workers = config.most or 1
        self._config = config
        self._clients = config.clouds(config.region, config.profile).clients
        self._boot_s = boot_s
        self._look_s = look_s
        self._spending: Spending | None = None
        self._wanted: dict[int, Shard] = {}

    @contextmanager
    def open(self) -> Iterator["BatchEngine"]:
        """What was brought up before stays, and costs nothing while no job is there."""
        yield self

    def run(self, job: Job, shards: Iterable[Shard], stop: Stop) -> Generator[Outcome]:
        """What became of each shard. They are sent as they come, in jobs of growing size, but for
        those that jobs of an earlier run still work on.
        """
        jobs, store, wanted = self._jobs(job.name), opened(job.out), self._wanted
        _check(jobs)
        self._spending = Spending(self._clients, job.name, self._config.usd_per_h)
        doing = _doing(jobs, store)
        coming = (number for number in _noted(shards, wanted) if number not in doing)
        for numbers in _growing(coming, 2 * self.workers):
            if stop:
                return
            doing |= _children(_send(jobs, store, job, numbers), numbers)
        if wanted:
            yield from self._follow(jobs, store, doing, stop)

    def spent_usd(self) -> float:
        """What its machines cost since this run began, with those that may still come for its jobs
        and the minutes that they stay afterwards.
        """
        if self._spending is None:
            return 0.0
        return self._spending.usd(coming=min(self.workers, len(self._wanted)))

    def status(self, name: str) -> Iterator[str]:
        """A line for each job that has not ended, and why it waits."""
        jobs = self._jobs(name)
        for each in jobs.living():
            counts = ", ".join(f"{n} {state.lower()}" for state, n in each.counts.items() if n)
            yield f"job {each.id}: {counts}"
            if not each.has_begun:
                since = datetime.fromtimestamp(each.created_at_s, UTC)
                for error, _ in waiting.troubles(self._clients, jobs, each, since):
                    yield f"{error} {error.hint}"

    def logs(self, name: str) -> Iterator[str]:
        """Every line that the containers of a batch logged."""
        for at_ms, stream, text in self._jobs(name).log():
            at = datetime.fromtimestamp(at_ms / 1000, UTC)
            yield f"{at:%Y-%m-%dT%H:%M:%SZ} {stream.rpartition('/')[2][:8]} {text}"

    def cancel(self, name: str) -> int:
        """End all jobs of a batch; how many there were."""
        jobs = self._jobs(name)
        living = jobs.living()
        for each in living:
            jobs.end(each, "offload batch cancel")
        return len(living)

    def _jobs(self, name: str) -> BatchJobs:
        title = called(name)
        return BatchJobs(self._clients, title, log_group(title))

    def _follow(
        self, jobs: BatchJobs, store: Store, doing: Mapping[int, str], stop: Stop
    ) -> Generator[Outcome]:
        """The outcomes, until every shard has one or somebody stops."""
        told, wanted = set[str](), self._wanted
        sent = sorted({id_.partition(":")[0] for id_ in doing.values()})
        began_s, look_s = time.monotonic(), self._look_s
        while True:
            now = jobs.described(sent)
            failed = _failures(jobs, now, doing)
            written = list(_written(store, wanted))
            took_s = jobs.took_s([doing[shard.number] for shard in written])
            for shard in written:
                yield _done(wanted.pop(shard.number), took_s.get(doing[shard.number], 0.0))
            if all(job.is_over for job in now):
                failed |= dict.fromkeys(wanted.keys() - failed.keys(), "it ended without rows")
            for number, why in failed.items():
                if number in wanted:
                    yield _failed(wanted.pop(number), why)
            if not wanted or stop:
                return
            if time.monotonic() - began_s > self._boot_s:
                self._explain(jobs, now, told)
            self._wait(look_s, stop)
            look_s = min(look_s * 1.5, _SELDOM_S)

    def _wait(self, seconds: float, stop: Stop) -> None:
        until_s = time.monotonic() + seconds
        while not stop and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _TICK_S))

    def _explain(self, jobs: BatchJobs, now: Sequence[SentJob], told: set[str]) -> None:
        """Say once why nothing starts.

        Raises:
            PlaceUnavailable: that does not pass by itself.
        """
        if any(job.has_begun for job in now):
            return
        since = datetime.fromtimestamp(min(job.created_at_s for job in now), UTC)
        for error, final in waiting.troubles(self._clients, jobs, now[0], since):
            if final:
                raise error
            if str(error) not in told:
                told.add(str(error))
                self._config.reporter.warn(f"{error} {error.hint}")


def make(config: EngineConfig) -> BatchEngine:
    """The engine.

    Raises:
        PlaceUnavailable: no credentials, or no region.
    """
    return BatchEngine(config)


def _check(jobs: BatchJobs) -> None:
    """See that jobs can be sent."""
    queue = jobs.queue()
    if queue is None:
        raise PlaceUnavailable(
            f"There is no job queue {jobs.title}.",
            hint="To see what would be made: offload batch … --engine aws-batch --plan",
        )
    if queue["state"] != "ENABLED":
        raise PlaceUnavailable(
            f"The job queue {jobs.title} is disabled and takes no jobs.",
            hint="To enable it: aws batch update-job-queue --state ENABLED --job-queue "
            f"{jobs.title}",
        )


def _noted(shards: Iterable[Shard], wanted: dict[int, Shard]) -> Iterator[int]:
    """The numbers of the shards, all of which are wanted."""
    for shard in shards:
        wanted[shard.number] = shard
        yield shard.number


def _growing(numbers: Iterator[int], first: int) -> Iterator[list[int]]:
    """First so many, then twice as many each time, up to what an array may have: machines come
    while the rest is listed, and jobs stay few.
    """
    size = first
    while some := list(islice(numbers, min(size, MOST_CHILDREN))):
        yield some
        size *= 2


def _send(jobs: BatchJobs, store: Store, job: Job, numbers: Sequence[int]) -> str:
    """The id of the job that was sent for these shards."""
    data = json.dumps(numbers).encode()
    todo = f"todo/{hashlib.sha256(data).hexdigest()[:16]}.json"
    store.put(todo, data)
    return jobs.send(job.command, todo, len(numbers))


def _children(id_: str, todo: Sequence[int]) -> dict[int, str]:
    """The shards of a job, each with the id of the child that does it."""
    return {n: f"{id_}:{index}" if len(todo) > 1 else id_ for index, n in enumerate(todo)}


def _doing(jobs: BatchJobs, store: Store) -> dict[int, str]:
    """The shards that jobs of an earlier run work on, or are to, each with the id of its child."""
    doing: dict[int, str] = {}
    for job in jobs.living():
        failed = {id_ for id_, _ in jobs.failed(job)}
        children = _children(job.id, _listed(store, job))
        doing |= {n: id_ for n, id_ in children.items() if id_ not in failed}
    return doing


def _listed(store: Store, job: SentJob) -> list[int]:
    """The shards that a job was sent for."""
    found = store.get(job.todo, _TODO_BYTES)
    if found is None:
        raise OffloadError(
            f"{store.url}/{job.todo} is gone, which says what the job {job.id} works on.",
            hint=f"To end that: aws batch terminate-job --reason gone --job-id {job.id}",
        )
    numbers: list[int] = json.loads(found)
    return numbers


def _failures(jobs: BatchJobs, now: Sequence[SentJob], doing: Mapping[int, str]) -> dict[int, str]:
    """Why children failed, by the shards that they were to do; a child that failed before this run
    does none.
    """
    numbers = {id_: number for number, id_ in doing.items()}
    found = {id_: why for job in now for id_, why in jobs.failed(job)}
    return {numbers[id_]: waiting.explained(why) for id_, why in found.items() if id_ in numbers}


def _written(store: Store, wanted: Mapping[int, Shard]) -> Iterator[Shard]:
    """Those whose rows are there."""
    names = {f"rows/{shard.name}.jsonl.zst": shard for shard in wanted.values()}
    for entry in store.list("rows"):
        if (shard := names.get(entry.key)) is not None:
            yield shard


def _done(shard: Shard, took_s: float) -> Outcome:
    """Rows that this process has not seen: who wants to know more of them reads them."""
    return Outcome(shard.number, images=shard.images, took_s=took_s, wrote=False)


def _failed(shard: Shard, why: str) -> Outcome:
    return Outcome(shard.number, error=why or "it failed, and AWS gives no reason", wrote=False)
