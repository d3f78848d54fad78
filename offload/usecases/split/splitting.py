"""A split put together: the place here works at once, the other joins when it is up."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from offload.costmodel import accuracy, split_option
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, options
from offload.costmodel.dollars import Billing
from offload.domain.measurements import Outcome
from offload.domain.places import SPLIT
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.drivers.host import machine
from offload.drivers.images.image_files import ImageList
from offload.drivers.store.store import Store
from offload.places import known
from offload.providers.ec2 import registry
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.places import condition
from offload.usecases.detect.privacy import KeepLocalRules, patterns
from offload.usecases.detect.record import is_plain, kept_in_store, measured, outcome_of
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.rows import Job
from offload.usecases.detect.run import DetectRun
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
        request, context = self.request, self.context
        elsewhere = _elsewhere(request, context, self.rental)
        keep_local = patterns(request, context.settings) if request.where == SPLIT else ()
        staying = KeepLocalRules(todo, keep_local)
        items = [WorkItem(path, todo.size_bytes(path), path in staying) for path in todo.paths]
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

    def remember(self, run: DetectRun) -> Outcome | None:
        """Add a run at both places to the history, unless the settings say not to. What a machine
        that was rented for it took is not what is predicted of one that is up; nor is anything
        known of a place that was away for a while.
        """
        request, context, member = self.request, self.context, self.other
        if member is None or run.comes_from_store or not context.settings.history:
            return None
        ended = self.monitor.view()
        telling = {place.name for place in ended.places if place.is_open and place.is_known}
        if member.times_lost or len(telling) < len(request.members) or not is_plain(run, request):
            return None
        taken_at, (here, there) = machine.now(), request.members
        apart = [
            condition(run.sessions[place], alone(request, place), context.settings, endpoint)
            for place, endpoint in ((here, None), (there, member.endpoint))
        ]
        under = replace(apart[0], beside=there), replace(apart[1], beside=here)
        samples = [measured(run, each, taken_at) for each in under]

        def compared(store: Store) -> Outcome | None:
            """Beside what advice would have said of both, where both were measured."""
            if not run.complete or self.rental is not None or "-" in request.sources:
                return None
            model, away = apart[0].model, apart[1]
            found = [m for _, m in store.measurements(model=model.sha256)]
            past = [o for o in store.outcomes() if o.model == model.name]
            billing = member.endpoint.billing if member.endpoint else Billing()
            calls = prices.of_calls(away.host, context, offline=True)
            billing = replace(billing, calls=calls)
            goal, errors = Goal(run.images, float(run.bytes)), accuracy.residuals(past, SPLIT)
            overrides = Overrides(slots=apart[0].slots, network=away.network, kind=away.machine)
            candidates = lanes(found, past, overrides, known())
            together = split_option.split(candidates, found, goal, [there])
            if together is None or together.key != " ".join(each.key for each in apart):
                return None
            singles = options(candidates, goal, billing)
            predicted = split_option.joint(together, singles, goal, billing, errors)
            return outcome_of(run, predicted, SPLIT, sum(ended.usd.values()), taken_at)

        return kept_in_store(samples, compared, context)


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
