"""A split put together: the place here works at once, the other joins when it is up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from offload.domain.places import SPLIT
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.drivers.host import machine
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.drivers.settings import Settings
from offload.places import known
from offload.providers import Endpoint
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.privacy import KeepLocalRules, patterns
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.rows import Job, problems
from offload.usecases.split.forecast import Limits
from offload.usecases.split.members import RemoteMember
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import HiredMachine
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
    """The place on this machine that works from the first image on, by its name, and when the
    command began.
    """

    name: str
    session: Session
    began_s: float


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
    context: Context,
    here: LocalMember,
    job: Job,
    todo: ImageList,
    rental: HiredMachine | None,
) -> Iterator[SplitRun]:
    """The place here at work on the job, and the other one on its way, if there is one.

    Raises:
        UsageError: it is not clear which one.
    """
    elsewhere = _elsewhere(request, context, rental)
    queue = items(request, context.settings, todo)
    limits = Limits(request.deadline_s, request.max_cost_usd)

    def lost(name: str, why: str) -> None:
        monitor.lost(name, why)

    work = SplitJob(job, queue, context.clock, context.stop, lost)
    monitor = SplitMonitor(work, context.clock, here.began_s, context.reporter.note, limits)
    sizes = [item.bytes for item in queue if not item.stays]
    begin = machine.lower_thread_priority if elsewhere and sizes else lambda: None
    work.join(here.name, here.session, here=True, begin=begin)
    found = SplitRun(job, here, work, monitor)
    if elsewhere is None or not sizes:
        if elsewhere is not None and queue:
            context.reporter.warn(
                "Every image is to stay here, so nothing leaves and nothing is rented."
            )
        yield found
        return
    each = sum(sizes) / len(sizes)
    found.other = RemoteMember(
        elsewhere, context, len(sizes), each, work, monitor, here.session, rental
    )
    with found.other.joining():
        yield found


def _elsewhere(request: Request, context: Context, rental: HiredMachine | None) -> Request | None:
    """The request of the other place; None if there is none, which is said.

    Raises:
        UsageError: there is no such machine, or more than one.
    """
    if request.where != SPLIT:
        return None
    configured, remote = context.settings, alone(request, request.member)
    if not known()[request.member].takes("url"):
        return remote
    asked = request.url or configured.url or places.means_rented(remote, configured)
    if rental is not None:
        return remote
    if asked:
        if places.means_rented(remote, configured):
            registry.one(configured, remote.machine)  # which is meant must be clear
        return remote
    context.reporter.warn(
        "There is no remote place, so all is done here. To name one: --url http://HOST:8080; to "
        "rent one: --provision"
    )
    return None
