"""A machine that may be brought up for a run, what it costs, and how long it takes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.dollars import Billing
from offload.domain.events import Reporter, Stop
from offload.domain.measurements import StartPhase
from offload.domain.places import REMOTE, StartState
from offload.domain.prices import MINIMUM_BILLED_S
from offload.domain.units import show_usd
from offload.drivers.host import network
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.history import query
from offload.usecases.provision.launch import Interrupted
from offload.usecases.provision.plans import ProvisionPlan
from offload.usecases.split.forecast import MachineBill
from offload.usecases.split.monitor import SplitMonitor

UNDONE = {StartPhase.API: "removed", StartPhase.START: "stopped"}
"""Phases that begin what is to be undone, and what the machine is afterwards."""
_UP = {"pending", "running"}
_RELEASE_S = 5.0
"""How long a machine may cost yet once it has nothing more to do."""

USEFUL_S = 5.0
"""A place that may not cost so many seconds takes no part."""
_STEP_S = 10.0
"""How long a step of coming up may take that nobody can interrupt."""


@dataclass(slots=True)
class HiredMachine:
    """A machine that may be brought up for a run: who hears what it means before it is created, and
    whether it stays when the run is over.

    `plan` is what it means, once that was looked up, and `needs_s` the seconds until it works.
    `begun` is the phase that made something of it which is to be undone: it was created, or
    switched on. `is_told` says that the user knows why it is not brought up.
    """

    name: str
    announce: Callable[[ProvisionPlan], None]
    keep: bool = False
    plan: ProvisionPlan | None = None
    needs_s: float | None = None
    begun: StartPhase | None = None
    is_told: bool = False
    _is_closed: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, phase: StartPhase) -> None:
        """Note a phase that is about to begin.

        Raises:
            Interrupted: the run is over.
        """
        with self._turn:
            if self._is_closed:
                raise Interrupted("Interrupted.")
            if phase in UNDONE:
                self.begun = phase

    def close(self) -> bool:
        """Nothing is begun from now on; whether there is something to undo."""
        with self._turn:
            self._is_closed = True
            return self.begun is not None


class BudgetStop(Stop):
    """Asked for once the run is over, or all that may be spent is."""

    def __init__(self, over: threading.Event, monitor: SplitMonitor) -> None:
        self._over = over
        self._overseer = monitor

    def __bool__(self) -> bool:
        return self._over.is_set() or not self._overseer.affords(MachineBill(0.0, 0.0), _STEP_S)


def is_up(plan: ProvisionPlan) -> bool:
    """Whether the machine is switched on already."""
    return plan.before is not None and plan.before.state in _UP


def billed(plan: ProvisionPlan, since_s: float, *, keep: bool) -> MachineBill:
    """What a machine costs that is brought up for a run at `since_s`."""
    if is_up(plan):
        return bill(plan.billing, since_s)
    tail_s = plan.billing.idle_s if keep else _RELEASE_S
    return bill(plan.billing, since_s, MINIMUM_BILLED_S, tail_s)


def bill(
    billing: Billing, since_s: float, least_s: float = 0.0, tail_s: float = 0.0
) -> MachineBill:
    """What a machine costs from `since_s` on."""
    usd_per_h = sum(billing.parts_usd_per_h().values())
    return MachineBill(usd_per_h=usd_per_h, since_s=since_s, least_s=least_s, tail_s=tail_s)


def affords(
    monitor: SplitMonitor, would_be: MachineBill, seconds: float, reporter: Reporter
) -> bool:
    """Whether the place may cost what it does in so many seconds; said if it may not."""
    if monitor.affords(would_be, seconds):
        return True
    least = show_usd(would_be.usd(monitor.clock() + seconds))
    most = show_usd(monitor.limits.max_usd or 0.0)
    reporter.warn(
        f"The remote place is left out: it would cost {least} at least, and --max-cost is {most}. "
        "All is done here."
    )
    return False


def needs_s(plan: ProvisionPlan, context: Context) -> float:
    """Seconds until its first result, as such machines took, else assumed."""
    label, identity = plan.record.label, plan.model.identity
    known = query.of_model(identity, label, context)
    given = Overrides(kind=label, network=network.fingerprint())
    state = StartState.ABSENT if plan.before is None else StartState.STOPPED
    ways = lanes(known.measurements, known.outcomes, given, known_places())
    lane = next(each for each in ways if each.place == REMOTE and each.state == state)
    return lane.startup_s.median + lane.first_s.median
