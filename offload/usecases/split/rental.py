"""A machine brought up while a split works here, if that pays, and afterwards as it was before."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop, failed
from offload.domain.machines import Resource
from offload.domain.measurements import StartPhase
from offload.domain.places import REMOTE, StartState
from offload.domain.prices import MINIMUM_BILLED_S
from offload.domain.units import show_usd
from offload.drivers.host import machine
from offload.places import known as known_places
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.history import query
from offload.usecases.provision import machines, provisioning, teardown
from offload.usecases.provision.launch import Interrupted
from offload.usecases.provision.planning import ProvisionPlan
from offload.usecases.split import events
from offload.usecases.split.forecast import MachineBill
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.workers import TICK_S

USEFUL_S = 5.0
"""A place that may not cost so many seconds takes no part."""
_RELEASE_S = 5.0
"""How long a machine may cost yet once it has nothing more to do."""
_STEP_S = 10.0
"""How long a step of coming up may take that nobody can interrupt."""
_SURER = 1.5
"""Factor on what a machine needs, while little is known or once it was told that none is rented."""


@dataclass(slots=True)
class HiredMachine:
    """A machine that may be brought up for a run: who hears what it means before it is created, and
    whether it stays when the run is over.

    `plan` is what it means, once that was looked up, and `startup_s` the seconds until it works.
    `begun` is the phase that made something of it which is to be undone: it was created, or
    switched on. `is_told` says that the user knows why it is not brought up.
    """

    name: str
    announce: Callable[[ProvisionPlan], None]
    keep: bool = False
    plan: ProvisionPlan | None = None
    startup_s: float | None = None
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
            if phase in {StartPhase.API, StartPhase.START}:
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
        self._monitor = monitor

    def __bool__(self) -> bool:
        return self._over.is_set() or not self._monitor.affords(MachineBill(0.0, 0.0), _STEP_S)


@dataclass(slots=True)
class OnDemandMachine:
    """Brings a machine up, unless the run is `over` before that pays, and sees to its bill."""

    rental: HiredMachine
    plan: ProvisionPlan
    context: Context
    monitor: SplitMonitor
    over: threading.Event
    _bill: MachineBill | None = None
    _is_paid: bool = False

    def worth_starting(self) -> bool:
        """Wait until renting pays and is within the limits; False if the run is over before."""
        hired = self.rental
        needs_s = USEFUL_S if self._is_up else _startup_s(self.plan, self.context)
        hired.startup_s = needs_s
        is_admitted = self.monitor.admits(REMOTE, self._billed(), needs_s)
        if self._is_up or not is_admitted:
            hired.is_told = True
            return is_admitted
        while not self.over.wait(TICK_S):
            view = self.monitor.view()
            known = any(place.is_known for place in view.places if place.is_here)
            left_s = view.left_s or 0.0
            if left_s > needs_s * (1.0 if known and not hired.is_told else _SURER):
                return True
            if known and not hired.is_told and left_s <= needs_s:
                hired.is_told = True
                self.context.reporter.emit(events.NotRented(left_s, needs_s))
        return False

    @contextmanager
    def up(self) -> Iterator[None]:
        """The machine, serving; afterwards as it was before, unless it came up and is kept.

        Raises:
            OffloadError: it does not start.
        """
        came_up = False
        try:
            if self.plan.before is None:
                self.rental.announce(self.plan)
            if self._is_up:
                self._charge(self._billed())
            self._bring_up()
            came_up = True
            yield
        finally:
            if came_up and self.rental.keep:
                self.rental.begun = None
            if self.rental.begun is not None:
                self._undo(self.rental.begun)
            elif not self.over.is_set():
                self.monitor.released(REMOTE)

    def _bring_up(self) -> None:
        def begins(phase: StartPhase) -> None:
            self.rental.begin(phase)
            if phase is StartPhase.PENDING:  # what was refused before costs nothing
                self._charge(would_be)

        would_be, stop = self._billed(), BudgetStop(self.over, self.monitor)
        try:
            provisioning.carry_out(self.plan, replace(self.context, stop=stop), begins)
        except Interrupted as error:
            if self.over.is_set():
                raise
            most = show_usd(self.monitor.limits.max_usd or 0.0)
            raise PlaceUnavailable(
                f"The machine {self.rental.name} is given up: before it is ready it costs more "
                f"than --max-cost {most}."
            ) from error
        if self._bill is None:
            self._charge(would_be)

    def _undo(self, begun: StartPhase) -> None:
        name, context = self.rental.name, replace(self.context, stop=Stop())
        try:
            if begun is StartPhase.START:
                machines.stop(context, name)
            elif name in registry.names(context.settings):  # else it was refused, and is not ours
                teardown.down(context, name, None, None, self._stop_billing)
        except OffloadError as error:
            context.reporter.emit(events.MachineLeft(name, failed(error)))
            return
        self.rental.begun = None
        self._stop_billing()
        if self._bill is not None:
            is_removed = begun is StartPhase.API
            context.reporter.emit(events.MachineReturned(name, is_removed=is_removed))

    def _stop_billing(self, gone: Resource | None = None) -> None:
        """It is as before, or the instance was asked to go, which may take a while."""
        is_ended = gone is None or gone.kind == "instance"
        if is_ended and self._bill is not None and not self._is_paid:
            self._is_paid = True
            self._charge(replace(self._bill, tail_s=0.0))
            self.monitor.released(REMOTE)

    @property
    def _is_up(self) -> bool:
        """Whether the machine is switched on already."""
        return self.plan.before is not None and self.plan.before.state in {"pending", "running"}

    def _billed(self) -> MachineBill:
        """What the machine costs if it is brought up now."""
        billing, now_s = self.plan.billing, self.monitor.clock()
        if self._is_up:
            return bill(billing, now_s)
        tail_s = billing.idle_s if self.rental.keep else _RELEASE_S
        return bill(billing, now_s, MINIMUM_BILLED_S, tail_s)

    def _charge(self, bill: MachineBill) -> None:
        self._bill = bill
        self.monitor.bill(REMOTE, bill)


def bill(
    billing: Billing, since_s: float, least_s: float = 0.0, tail_s: float = 0.0
) -> MachineBill:
    """What a machine costs from `since_s` on."""
    return MachineBill(billing.all_usd_per_h, since_s, least_s, tail_s)


def _startup_s(plan: ProvisionPlan, context: Context) -> float:
    """Seconds until a machine's first result, as such machines took, else assumed."""
    known = query.of_model(plan.model.identity, plan.record.kind.label, context)
    overrides = Overrides(kind=plan.record.kind, network=machine.network())
    state = StartState.ABSENT if plan.before is None else StartState.STOPPED
    candidates = lanes(known.measurements, known.outcomes, overrides, known_places())
    hired = next(each for each in candidates if each.place == REMOTE and each.state == state)
    return hired.startup_s.median + hired.first_s.median
