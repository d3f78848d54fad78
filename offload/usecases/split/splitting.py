"""A split put together: the place here works at once, the other joins when it is up."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from offload.domain.places import SPLIT
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.drivers.host import machine
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.places import known
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.privacy import KeepLocalRules, patterns
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.rows import Job
from offload.usecases.split.events import NothingLeaves
from offload.usecases.split.forecast import Limits
from offload.usecases.split.members import RemoteMember
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import HiredMachine
from offload.usecases.split.work_queue import WorkItem
from offload.usecases.split.workers import SplitJob


@dataclass(slots=True)
class SplitRun:
    """A job that this machine and another place share, or that is watched for its deadline.

    The command began at `began_s`; `rental` is a machine that may be brought up for it. Once it is
    begun, `monitor` watches it, and `other` is the place that may join.
    """

    request: Request
    context: Context
    began_s: float
    rental: HiredMachine | None = None
    monitor: SplitMonitor = field(init=False)
    other: RemoteMember | None = None

    @contextmanager
    def begun(self, here: Session, job: Job, todo: ImageList) -> Iterator[Generator[Row]]:
        """The rows of the job, with the place of this machine, whose session is `here`, at work on
        it, and the other one on its way, if there is one.

        Raises:
            UsageError: it is not clear which one.
        """
        request, context, root = self.request, self.context, todo.root
        elsewhere = _elsewhere(request, context, self.rental)
        keep_local = patterns(request, context.settings) if request.where == SPLIT else ()
        staying = KeepLocalRules(root, keep_local)
        items = [
            WorkItem(path, image_files.size_bytes(root, path), path in staying)
            for path in todo.paths
        ]
        limits = Limits(request.deadline_s, request.max_cost_usd)
        work = SplitJob(job, items, context.clock, context.stop)
        monitor = SplitMonitor(work, context.clock, self.began_s, context.reporter, limits)
        self.monitor, work.lost = monitor, monitor.lost
        sizes = [item.bytes for item in items if not item.stays]
        begin = machine.lower_thread_priority if elsewhere and sizes else lambda: None
        work.join(request.members[0], here, here=True, begin=begin)
        with ExitStack() as stack:
            if elsewhere is not None and sizes:
                self.other = RemoteMember(elsewhere, context, sizes, monitor, here, self.rental)
                stack.enter_context(self.other.joining())
            elif elsewhere is not None and items:
                context.reporter.emit(NothingLeaves(is_asked=True))
            yield _rows(monitor)


def _rows(monitor: SplitMonitor) -> Generator[Row]:
    yield from monitor.split.rows(monitor.watch)
    monitor.close()


def _elsewhere(request: Request, context: Context, rental: HiredMachine | None) -> Request | None:
    """The request of the other place; None if there is none, which is told.

    Raises:
        UsageError: there is no such machine, or more than one.
    """
    if request.where != SPLIT:
        return None
    configured, remote = context.settings, alone(request, request.members[1])
    if known()[remote.where].takes("url") and rental is None:
        if places.means_rented(remote, configured):
            registry.one(configured, remote.machine)  # which is meant must be clear
        elif not (request.url or configured.url):
            context.reporter.emit(NothingLeaves(is_asked=False))
            return None
    return remote
