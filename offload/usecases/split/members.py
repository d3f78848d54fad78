"""The other place of a split: brought up while work goes on here, taken down when it is over."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from statistics import fmean

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.split import Speed, contention, speed
from offload.domain.errors import NoServer, OffloadError, PlaceUnavailable
from offload.domain.events import failed
from offload.domain.places import StartState
from offload.domain.ports import Model, Place, Session
from offload.drivers.host.capture import Captured
from offload.places import known as known_places
from offload.providers.config import Endpoint
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.history import query
from offload.usecases.provision import planning
from offload.usecases.provision.planning import ProvisionOptions
from offload.usecases.split.events import NotRented, PlaceFailed
from offload.usecases.split.forecast import MachineBill
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import USEFUL_S, HiredMachine, OnDemandMachine, bill
from offload.usecases.split.workers import TICK_S

_CLOSING_S = 5.0
"""How long the way to the other place may take to close; else it goes with the process."""
_LEAVING_S = 0.2
"""The same of a place that never joined."""
_NOW_S = 1.0
"""How long a call that may create a machine is waited for where everything is to end now."""
_AGAIN_S, _LATEST_S = 1.0, 60.0
"""Until a silent server is asked again: doubled each time that it is lost, up to the latter."""
_BRIEFEST_S = 0.02
"""A call of a function takes so long at least, or about."""
_NOTICE_S = 5.0
"""How often the cloud is asked whether it takes a machine away, as AWS advises for such notices."""


@dataclass(slots=True)
class RemoteMember:
    """The other place of a split, which comes up while this one works and joins when it is.

    `request` is that of the place; `endpoint` the machine that it is, if any, once it joined;
    `times_lost` how often it was lost and looked for again.
    """

    request: Request
    context: Context
    sizes_bytes: Sequence[int]
    monitor: SplitMonitor
    here: Session
    rental: HiredMachine | None = None
    endpoint: Endpoint | None = None
    times_lost: int = 0
    _again_s: float = _AGAIN_S
    _joined: bool = False
    _caught: Captured = field(default_factory=Captured)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def joining(self) -> Iterator[None]:
        """Meanwhile the place comes up and joins; afterwards it is down again."""
        thread = threading.Thread(target=self._run, name="joining", daemon=True)
        thread.start()
        at_once = False
        try:
            yield
        except KeyboardInterrupt:
            at_once = True
            raise
        finally:
            self._over.set()
            is_begun = self.rental is not None and self.rental.close()
            if at_once:
                thread.join(_NOW_S if is_begun else 0.0)
            elif is_begun:
                thread.join()
            else:
                self._tell_why_not()
                thread.join(_CLOSING_S if self._joined else _LEAVING_S)
        self._caught.again()

    def _run(self) -> None:
        with self._caught:
            try:
                while self._takes_part():
                    if self.times_lost:
                        self._again_s = min(2 * self._again_s, _LATEST_S)
                    self._joined = False
                    self.times_lost += 1
            except OffloadError as error:
                if not self._over.is_set():
                    self.context.reporter.emit(PlaceFailed(failed(error, self.request.where)))
                    if self.rental is not None:
                        self.rental.is_told = True
        if self._caught.error is not None:
            self.monitor.split.hand_over(self._caught.error)

    def _takes_part(self) -> bool:
        """Have the place join, until it has left again or all is over; whether it may return."""
        name = self.request.where
        with ExitStack() as stack:
            if not self._joins(stack):
                return False
            notice = self.endpoint.notice if self.endpoint else lambda: None
            attend(name, self.monitor, self._over, notice)
        return self.monitor.split.has_failed(name) and self.monitor.may_return(name)

    def _joins(self, stack: ExitStack) -> bool:
        request = self.request
        if self.rental is not None:
            machine = self._machine(self.rental)
            if not machine.worth_starting():
                return False
            stack.enter_context(machine.up())
            request = replace(request, url=None, machine=self.rental.name)
        endpoint = stack.enter_context(places.endpoint(request, self.context))
        place = places.made(request, self.context, endpoint)
        model = self._model(place) if endpoint is None else place.model
        if model is None:
            return False
        session = stack.enter_context(place.open(request.selection(model), len(self.sizes_bytes)))
        places.check_alike(f"The {request.where} place has", session.model, self.here.model)
        costs = self._costs(session, endpoint)
        if self.rental is None and costs is not None:
            if not self.monitor.admits(request.where, costs, USEFUL_S):
                return False
            self.monitor.bill(request.where, costs)
        expected = _expected_speed(
            session, request, self.context, endpoint, fmean(self.sizes_bytes)
        )
        self.endpoint, self._joined = endpoint, True
        self.monitor.split.join(request.where, session, here=False, expected=expected)
        return True

    def _costs(self, session: Session, endpoint: Endpoint | None) -> MachineBill | None:
        """What the place costs from now on; of a function the most, as if it never rested."""
        if endpoint is not None:
            return bill(endpoint.billing, self.monitor.clock())
        calls = prices.of_calls(session.host, self.context)
        if calls is None:
            return None
        hourly = 3600 * session.slots * calls.usd(1 / _BRIEFEST_S, 1.0)
        return MachineBill(hourly, self.monitor.clock())

    def _model(self, place: Place) -> Model | None:
        """What the server has, once it answers; None if all is over before."""
        is_told = self.times_lost > 0
        wait_s = self._again_s if self.times_lost else 0.0
        while not self._over.wait(wait_s):
            try:
                return place.model
            except NoServer as error:
                if not is_told:
                    cause = failed(error, self.request.where)
                    self.context.reporter.emit(PlaceFailed(cause, is_awaited=True))
                is_told = True
            wait_s = self._again_s
        return None

    def _machine(self, rental: HiredMachine) -> OnDemandMachine:
        """The machine as it is to be: with the model that is at work here."""
        request, context = self.request, self.context
        options = ProvisionOptions(
            name=rental.name,
            model=request.model or context.settings.model or self.here.model.name,
            labels=request.labels,
            offline=request.offline,
        )
        plan = rental.plan = planning.planned(options, context)
        places.check_alike(f"The {request.where} place has", plan.model.identity, self.here.model)
        return OnDemandMachine(rental, plan, context, self.monitor, self._over)

    def _tell_why_not(self) -> None:
        """Tell that all was done before it paid to rent a machine, unless that was said before."""
        view, rental = self.monitor.view(), self.rental
        if rental is None or rental.is_told or self._joined or view.undone:
            return
        self.context.reporter.emit(NotRented(view.spent_s, rental.startup_s, is_over=True))


def _expected_speed(
    session: Session,
    request: Request,
    context: Context,
    endpoint: Endpoint | None,
    image_bytes: float,
) -> Speed | None:
    """The remote place's speed beside this process; None if unknown. `endpoint` is its machine."""
    under = places.condition(session, request, context.settings, endpoint)
    known = query.of_model(session.model, under.url, context)
    slots = places.local_slots(request, context.settings)
    overrides = Overrides(slots=slots, network=under.network, kind=under.machine)
    candidates = lanes(known.measurements, known.outcomes, overrides, known_places())
    here = next(each for each in candidates if each.traits.in_process)
    for there in candidates:
        if there.key == under.key and there.state == StartState.WARM:
            return speed(there, image_bytes, contention(known.measurements, here, there).remote)
    return None


def attend(
    name: str, monitor: SplitMonitor, over: threading.Event, notice: Callable[[], str | None]
) -> None:
    """Watch the place `name`, as it may cost money, until it has left or all is over."""
    work, asked_s = monitor.split, monitor.clock()
    while not (work.has_left(name) or over.wait(TICK_S)):
        if not work.stop:
            with suppress(PlaceUnavailable):  # the thread that reads will find that too
                monitor.watch()
        if monitor.clock() >= asked_s + _NOTICE_S:
            asked_s = monitor.clock()
            if why := notice():
                monitor.warned(name, why)
