"""The other place of a split: brought up while work goes on here, taken down when it is over."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from offload.app.replanning import Overseer
from offload.app.split import Split
from offload.detectors.source import Hub
from offload.domain.errors import NoServer, OffloadError, PlaceUnavailable, UsageError
from offload.domain.ports import Model, ModelIdentity, Place, Session
from offload.domain.units import show_s
from offload.drivers.settings import Settings
from offload.wiring import places, planning, reaching
from offload.wiring.bringing import LOOK_S, Bringing
from offload.wiring.expecting import expected
from offload.wiring.planning import Wish
from offload.wiring.reaching import Via
from offload.wiring.rental import NAME, USEFUL_S, Rental, affords, bill
from offload.wiring.request import Request

_CLOSING_S = 5.0
"""How long the way to the other place may take to close; else it goes with the process."""
_LEAVING_S = 0.2
"""The same of a place that never joined."""
_NOW_S = 1.0
"""How long a call that may create a machine is waited for where everything is to end now."""
_AGAIN_S, _LATEST_S = 1.0, 60.0
"""How long until a server that did not answer is asked again; that doubles, up to the second of
these, each time it takes part and is lost.
"""
_NOTICE_S = 5.0
"""How often the cloud is asked whether it takes a machine away, as AWS advises for such notices."""


@dataclass(slots=True)
class Other:
    """What bringing it up takes, for so many `images` that weigh so much each. `request` is that of
    the remote place; `via` the machine that it is, if any, once it joined; `times_lost` how often
    it was lost and looked for again.
    """

    request: Request
    hub: Hub
    configured: Settings
    images: int
    image_bytes: float
    work: Split
    overseer: Overseer
    here: Session
    rental: Rental | None = None
    via: Via | None = None
    times_lost: int = 0
    _again_s: float = _AGAIN_S
    _joined: bool = False
    _error: BaseException | None = None
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
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while self._takes_part() and self._may_return():
                if self.times_lost:
                    self._again_s = min(2 * self._again_s, _LATEST_S)
                self._joined = False
                self.times_lost += 1
        except OffloadError as error:
            if not self._over.is_set():
                self.hub.warn(f"{error} All is detected here. {error.hint}".strip())
                if self.rental is not None:
                    self.rental.is_told = True
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            self._error = error
            self.work.fail(error)

    def _takes_part(self) -> bool:
        """Whether the place joined; only when it has left again, or all is over."""
        with ExitStack() as stack:
            if not self._joins(stack):
                return False
            notice = self.via.notice if self.via else lambda: None
            attend(self.work, self.overseer, self._over, notice)
        return True

    def _may_return(self) -> bool:
        return self.work.has_failed(NAME) and self.overseer.may_return(NAME)

    def _joins(self, stack: ExitStack) -> bool:
        """Whether the place joined."""
        request = self.request
        if self.rental is not None:
            bringing = self._bringing(self.rental)
            if not bringing.pays():
                return False
            stack.enter_context(bringing.up())
            request = replace(request, url=None, machine=self.rental.name)
        via = stack.enter_context(reaching.via(request, self.configured))
        kit = places.kit(request, self.hub, self.configured, lambda _line: None, via)
        place = places.place(NAME, kit)
        model = self._model(place) if via is None else place.model
        if model is None:
            return False
        session = stack.enter_context(place.open(request.selection(model), self.images))
        _check_alike(session.model, self.here.model)
        if self.rental is None and via is not None:
            costs = bill(via.billing, self.overseer.clock())
            if not affords(self.overseer, costs, USEFUL_S, self.hub.warn):
                return False
            self.overseer.bill(NAME, costs)
        label, warn = via.label if via else None, self.hub.warn
        hope = expected(session, request, self.configured, label, self.image_bytes, warn)
        self.via, self._joined = via, True
        self.work.join(
            NAME,
            session,
            here=False,
            expected_per_s=hope.images_per_s if hope else None,
            expected_s=hope.way_s if hope else None,
        )
        return True

    def _model(self, place: Place) -> Model | None:
        """What the server has, once it answers; None if all is over before."""
        is_told = self.times_lost > 0
        wait_s = self._again_s if self.times_lost else 0.0
        while not self._over.wait(wait_s):
            try:
                return place.model
            except NoServer as error:
                if not is_told:
                    self.hub.warn(f"{error} Until one does, all is detected here. {error.hint}")
                is_told = True
            wait_s = self._again_s
        return None

    def _bringing(self, rental: Rental) -> Bringing:
        """The machine as it is to be: with the model that is at work here."""
        request, warn = self.request, self.hub.warn
        wish = Wish(
            name=rental.name,
            model=request.model or self.configured.model or self.here.model.name,
            labels=request.labels,
            offline=request.offline,
        )
        plan = rental.plan = planning.planned(wish, self.configured, self.hub, warn)
        _check_alike(plan.model.identity, self.here.model)
        return Bringing(rental, plan, self.configured, self.overseer, self._over, warn)

    def _tell_why_not(self) -> None:
        """Say that all was done before it paid to rent a machine, unless that was said before."""
        view, rental = self.overseer.view(), self.rental
        if rental is None or rental.is_told or self._joined or view.undone:
            return
        needs = rental.needs_s and f", and one takes about {show_s(rental.needs_s)} to come up"
        self.overseer.say(
            f"No machine was rented: all was done here in {show_s(view.spent_s)}{needs or ''}"
        )


def attend(
    work: Split, overseer: Overseer, over: threading.Event, notice: Callable[[], str | None]
) -> None:
    """Wait until the other place takes part no more, or all is over. It is watched from here too,
    as it costs money though nobody reads the rows; when there is notice that it is about to be
    taken away, it is drained.
    """
    asked_s = overseer.clock()
    while not (work.has_left(NAME) or over.wait(LOOK_S)):
        if not work.is_ending:
            with suppress(PlaceUnavailable):  # the thread that reads will find that too
                overseer.watch()
        if overseer.clock() < asked_s + _NOTICE_S:
            continue
        asked_s = overseer.clock()
        if why := notice():
            overseer.warned(NAME, why)


def _check_alike(theirs: ModelIdentity, ours: ModelIdentity) -> None:
    if ours.sha256 != theirs.sha256:
        raise UsageError(
            f"The remote place has another model: {theirs.name} (SHA-256 {theirs.sha256[:12]}…) "
            f"instead of {ours.name} ({ours.sha256[:12]}…).",
            hint="Give --model the file that the server has.",
        )
