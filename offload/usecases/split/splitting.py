"""A split put together: the place here works at once, the other joins when it is up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from offload.detectors.source import Hub
from offload.domain.places import SPLIT
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.domain.timing import Clock
from offload.drivers.host import machine
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.drivers.settings import Settings
from offload.providers import Endpoint
from offload.providers.ec2 import registry
from offload.usecases.detect import endpoints
from offload.usecases.detect.pipeline import Stop
from offload.usecases.detect.privacy import KeepLocalRules, patterns
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.rows import Job, problems
from offload.usecases.split.forecast import Limits
from offload.usecases.split.members import RemoteMember
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import NAME, HiredMachine
from offload.usecases.split.work_queue import WorkItem
from offload.usecases.split.workers import SplitJob


def items(request: Request, configured: Settings, todo: ImageList) -> list[WorkItem]:
    """The images with their sizes, and whether they stay."""
    among = patterns(request, configured) if request.where == SPLIT else ()
    staying = KeepLocalRules(todo.root, among)
    root = todo.root
    return [
        WorkItem(path, image_files.size_bytes(root, path), path in staying) for path in todo.paths
    ]


@dataclass(frozen=True, slots=True)
class LocalMember:
    """The place on this machine that works from the first image on, by its name; and what a split
    is made with: the hub, the clock, when the command began, who is told what changes.
    """

    name: str
    session: Session
    hub: Hub
    clock: Clock
    began_s: float
    note: Callable[[str], None]


@dataclass(slots=True)
class SplitRun:
    """A split that is ready to go, what watches it, and the place that may join it."""

    job: Job
    here: LocalMember
    work: SplitJob
    monitor: SplitMonitor
    other: RemoteMember | None = None

    @property
    def via(self) -> Endpoint | None:
        """The machine that took part, if one did."""
        return self.other.via if self.other else None

    def rows(self) -> Iterator[Row]:
        """The rows, those first of what is known to be no image."""
        yield from problems(self.job, self.here.session, self.here.name)
        yield from self.work.rows(self.monitor.watch)
        self.monitor.close()


@contextmanager
def shared(
    request: Request,
    configured: Settings,
    here: LocalMember,
    job: Job,
    todo: ImageList,
    stop: Stop,
    rental: HiredMachine | None,
) -> Iterator[SplitRun]:
    """The place here at work on the job, and the other one on its way, if there is one.

    Raises:
        UsageError: it is not clear which one.
    """
    elsewhere = _elsewhere(request, configured, here, rental)
    queue = items(request, configured, todo)
    limits = Limits(request.deadline_s, request.max_cost_usd)

    def lost(name: str, why: str) -> None:
        monitor.lost(name, why)

    work = SplitJob(job, queue, here.clock, stop, lost)
    monitor = SplitMonitor(work, here.clock, here.began_s, here.note, limits)
    sizes = [item.bytes for item in queue if not item.stays]
    begin = machine.lower_thread_priority if elsewhere and sizes else lambda: None
    work.join(here.name, here.session, here=True, begin=begin)
    found = SplitRun(job, here, work, monitor)
    if elsewhere is None or not sizes:
        if elsewhere is not None and queue:
            here.hub.warn("Every image is to stay here, so nothing leaves and nothing is rented.")
        yield found
        return
    each, hub = sum(sizes) / len(sizes), here.hub
    found.other = RemoteMember(
        elsewhere, hub, configured, len(sizes), each, work, monitor, here.session, rental
    )
    with found.other.joining():
        yield found


def _elsewhere(
    request: Request, configured: Settings, here: LocalMember, rental: HiredMachine | None
) -> Request | None:
    """The request of the other place; None if there is none, which is said.

    Raises:
        UsageError: there is no such machine, or more than one.
    """
    if request.where != SPLIT:
        return None
    remote = alone(request, NAME)
    asked = request.url or configured.url or endpoints.is_asked(remote, configured)
    if rental is not None:
        return remote
    if asked:
        if endpoints.is_asked(remote, configured):
            registry.one(configured, remote.machine)  # which is meant must be clear
        return remote
    here.hub.warn(
        "There is no remote place, so all is done here. To name one: --url http://HOST:8080; to "
        "rent one: --provision"
    )
    return None
