"""A machine brought up while a split works here, if that pays, and afterwards as it was before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Reporter, Stop
from offload.domain.machines import Resource
from offload.domain.measurements import StartPhase
from offload.domain.places import REMOTE
from offload.domain.units import show_s, show_usd
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.provision import machines, provisioning, teardown
from offload.usecases.provision.launch import Interrupted
from offload.usecases.provision.plans import ProvisionPlan
from offload.usecases.split import rental
from offload.usecases.split.forecast import MachineBill
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import UNDONE, BudgetStop, HiredMachine

LOOK_S = 0.1
_SURER = 1.5
"""By how much longer the rest must take here than a machine needs, while little is known of that,
or after it was said that none is rented.
"""


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

    def pays(self) -> bool:
        """Whether the machine would work before all is done here, and within the limits; waits
        until that is so, or the run is over.
        """
        if rental.is_up(self.plan):
            self.rental.is_told = True
            return rental.affords(self.monitor, self._billed(), rental.USEFUL_S, self._reporter)
        needs_s = self.rental.needs_s = rental.needs_s(self.plan, self.context)
        if not rental.affords(self.monitor, self._billed(), needs_s, self._reporter):
            self.rental.is_told = True
            return False
        while not self.over.wait(LOOK_S):
            view = self.monitor.view()
            known = any(place.is_known for place in view.places if place.is_here)
            left_s = view.left_s or 0.0
            if left_s > needs_s * (1.0 if known and not self.rental.is_told else _SURER):
                return True
            if known and not self.rental.is_told and left_s <= needs_s:
                self.rental.is_told = True
                self._reporter.note(
                    f"No machine is rented: what is left takes about {show_s(left_s)} here, and "
                    f"one takes about {show_s(needs_s)} to come up"
                )
        return False

    @contextmanager
    def up(self) -> Iterator[None]:
        """The machine, serving; afterwards as it was before, unless it came up and is kept.

        Raises:
            OffloadError: it does not come up.
        """
        came_up = False
        try:
            if self.plan.before is None:
                self.rental.announce(self.plan)
            if rental.is_up(self.plan):
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
                f"The machine {self.rental.name} is given up: before it is up, it would cost more "
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
                teardown.down(context, name, None, None, self._told, only_ours=True)
        except OffloadError as error:
            self._reporter.warn(
                f"{error} The machine {name} may cost money still. To see: offload machines; to "
                f"remove it: offload down {name}"
            )
            return
        self.rental.begun = None
        self._pays_no_more()
        if self._bill is not None:
            self._reporter.note(f"The machine {name} is {UNDONE[begun]} again")

    def _told(self, resource: Resource) -> None:
        if resource.kind == "instance":  # it has been asked to go, which may take a while
            self._pays_no_more()

    def _pays_no_more(self) -> None:
        if self._bill is not None and not self._is_paid:
            self._is_paid = True
            self._charge(replace(self._bill, tail_s=0.0))
            self.monitor.released(REMOTE)

    @property
    def _reporter(self) -> Reporter:
        return self.context.reporter

    def _billed(self) -> MachineBill:
        return rental.billed(self.plan, self.monitor.clock(), keep=self.rental.keep)

    def _charge(self, bill: MachineBill) -> None:
        self._bill = bill
        self.monitor.bill(REMOTE, bill)
