"""A split put together: the place here works at once, the other joins when it is up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from offload.app.board import Item
from offload.app.detect import Job, problems
from offload.app.forecast import Limits
from offload.app.pipeline import Stop
from offload.app.replanning import Overseer
from offload.app.split import Split
from offload.detectors.source import Hub
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.domain.timing import Clock
from offload.drivers import imagefiles, machine
from offload.drivers.imagefiles import Found
from offload.drivers.settings import Settings
from offload.wiring import machines, reaching
from offload.wiring.joining import Other
from offload.wiring.reaching import Via
from offload.wiring.rental import NAME, Rental
from offload.wiring.request import SPLIT, Request, alone
from offload.wiring.staying import Staying, patterns


def items(request: Request, configured: Settings, todo: Found) -> list[Item]:
    """The images with their sizes, and whether they stay."""
    among = patterns(request, configured) if request.where == SPLIT else ()
    staying = Staying(todo.root, among)
    root = todo.root
    return [Item(path, imagefiles.size_bytes(root, path), path in staying) for path in todo.paths]


@dataclass(frozen=True, slots=True)
class Here:
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
class Shared:
    """A split that is ready to go, what watches it, and the place that may join it."""

    job: Job
    here: Here
    work: Split
    overseer: Overseer
    other: Other | None = None

    @property
    def via(self) -> Via | None:
        """The machine that took part, if one did."""
        return self.other.via if self.other else None

    def rows(self) -> Iterator[Row]:
        """The rows, those first of what is known to be no image."""
        yield from problems(self.job, self.here.session, self.here.name)
        yield from self.work.rows(self.overseer.watch)
        self.overseer.close()


@contextmanager
def shared(
    request: Request,
    configured: Settings,
    here: Here,
    job: Job,
    todo: Found,
    stop: Stop,
    rental: Rental | None,
) -> Iterator[Shared]:
    """The place here at work on the job, and the other one on its way, if there is one.

    Raises:
        UsageError: it is not clear which one.
    """
    elsewhere = _elsewhere(request, configured, here, rental)
    queue = items(request, configured, todo)
    limits = Limits(request.deadline_s, request.max_cost_usd)

    def lost(name: str, why: str) -> None:
        overseer.lost(name, why)

    work = Split(job, queue, here.clock, stop, lost)
    overseer = Overseer(work, here.clock, here.began_s, here.note, limits)
    sizes = [item.bytes for item in queue if not item.stays]
    begin = machine.step_back if elsewhere and sizes else lambda: None
    work.join(here.name, here.session, here=True, begin=begin)
    found = Shared(job, here, work, overseer)
    if elsewhere is None or not sizes:
        if elsewhere is not None and queue:
            here.hub.warn("Every image is to stay here, so nothing leaves and nothing is rented.")
        yield found
        return
    each, hub = sum(sizes) / len(sizes), here.hub
    found.other = Other(
        elsewhere, hub, configured, len(sizes), each, work, overseer, here.session, rental
    )
    with found.other.joining():
        yield found


def _elsewhere(
    request: Request, configured: Settings, here: Here, rental: Rental | None
) -> Request | None:
    """The request of the other place; None if there is none, which is said.

    Raises:
        UsageError: there is no such machine, or more than one.
    """
    if request.where != SPLIT:
        return None
    remote = alone(request, NAME)
    asked = request.url or configured.url or reaching.is_asked(remote, configured)
    if rental is not None:
        return remote
    if asked:
        if reaching.is_asked(remote, configured):
            machines.one(configured, remote.machine)  # which is meant must be clear
        return remote
    here.hub.warn(
        "There is no remote place, so all is done here. To name one: --url http://HOST:8080; to "
        "rent one: --provision"
    )
    return None
