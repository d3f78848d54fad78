"""Places that are HTTP servers, however they come to exist."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.ports import Model, Session
from offload.domain.vision import Selection
from offload.drivers.host.capture import Captured
from offload.providers.config import Endpoint, Endpoints, PlaceConfig
from offload.service.client.balanced import LOOK_S, BalancedSession, Member
from offload.service.client.greeting import Address, ask, expect
from offload.service.client.session import ServerSession


class ServedPlace:
    """The servers of a `provider`, a module as `offload.providers` describes them; `endpoint` is
    the first of them once the place was opened. Where there are several, they share the images.

    Raises:
        UsageError: the configuration cannot be meant.
    """

    def __init__(self, provider: Any, config: PlaceConfig) -> None:
        self.name: str = provider.TRAITS.name
        self.endpoint = config.endpoint
        self._provider = provider
        self._config = config
        if self.endpoint is None and hasattr(provider, "check"):
            provider.check(config)
        has_own = provider.TRAITS.has_own_model
        self._model: Model | None = None if has_own else config.resolve(config.asked)

    @property
    def model(self) -> Model:
        """The one asked for, or the default. A server that was there before is asked what it has,
        which must be what was asked for, if anything was.

        Raises:
            PlaceUnavailable: no server of ours answers, or it has another model.
        """
        if self._model is None:
            config = self._config
            with self._endpoints(None) as endpoints:
                address = config.address(next(iter(endpoints)))
                with closing(address.connect(config.clock, 1)) as server:
                    info = ask(server, address)
                    if config.asked:
                        expect(info, config.here() or config.asked, server.shown)
            self._model = info
        return self._model

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator[Session]:
        """Bring the servers up, and connect.

        Raises:
            PlaceUnavailable: one cannot be started or reached, or it has another model; where
                others come, none can.
        """
        del images
        with self._endpoints(self.model) as servers:
            self.endpoint, *_ = endpoints = list(servers)
            attendance = _Attendance(servers, partial(self._greeted, selection))
            with attendance.begun(endpoints, self._config.link) as session:
                yield session

    def _endpoints(self, model: Model | None) -> AbstractContextManager[Endpoints]:
        if self._config.endpoint is not None:
            return nullcontext([self._config.endpoint])
        opened: AbstractContextManager[Endpoints] = self._provider.open(self._config, model)
        return opened

    def _greeted(self, selection: Selection, endpoint: Endpoint) -> ServerSession:
        """A session at one of the servers, PlaceUnavailable unless it answers and has the model."""
        config = self._config
        address = config.address(endpoint)
        server = address.connect(config.clock)
        try:
            info = ask(server, address)
            expect(info, self.model, server.shown)
            info = replace(info, model=self.model.identity)  # a server may call it something else
            return ServerSession(
                server, address, info, selection, config.max_pixels, config.upload,
                config.clock, endpoint.phases,
            )  # fmt: skip
        except BaseException:
            server.close()
            raise


@dataclass(slots=True)
class _Attendance:
    """Greets servers as they come, and those that were lost; sees off those that leave."""

    endpoints: Endpoints
    greet: Callable[[Endpoint], ServerSession]
    balanced: BalancedSession = field(init=False)
    _here: set[str] = field(default_factory=set)
    _attended: dict[str, threading.Thread] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _caught: Captured = field(default_factory=Captured)

    @contextmanager
    def begun(self, endpoints: Sequence[Endpoint], link: Address) -> Iterator[BalancedSession]:
        """The session at all servers, those at first being `endpoints`.

        Raises:
            PlaceUnavailable: one cannot be used; where others come, none can.
        """
        patience_s = max(endpoint.patience_s for endpoint in endpoints)
        greeted: dict[str, ServerSession] = {}
        with ExitStack() as stack:
            for number, endpoint in enumerate(endpoints, 1):
                try:
                    greeted[endpoint.url] = stack.enter_context(closing(self.greet(endpoint)))
                except PlaceUnavailable:
                    if not patience_s or (number == len(endpoints) and not greeted):
                        raise
            self.balanced = BalancedSession(list(greeted.values()), link, patience_s)
            stack.callback(self._over.set)
            self._attend_to(endpoints, greeted)
            threading.Thread(target=self._look, name="servers", daemon=True).start()
            yield self.balanced
        self._caught.again()

    def _look(self) -> None:
        with self._caught:
            while not self._over.wait(LOOK_S):
                self._attend_to(self.endpoints, {})

    def _attend_to(self, endpoints: Endpoints, greeted: Mapping[str, ServerSession]) -> None:
        here = {endpoint.url: endpoint for endpoint in endpoints}
        self._here = set(here)
        self._attended = {url: each for url, each in self._attended.items() if each.is_alive()}
        for url in here.keys() - self._attended.keys():
            arguments = here[url], greeted.get(url)
            thread = threading.Thread(target=self._attend, args=arguments, name=url, daemon=True)
            self._attended[url] = thread
            thread.start()

    def _attend(self, endpoint: Endpoint, session: ServerSession | None) -> None:
        """From the first greeting of a server until it has left."""
        member: Member | None = None
        while endpoint.url in self._here and not self._over.is_set():
            with suppress(OffloadError):  # it is looked at again
                session = session or self.greet(endpoint)
                member = member or self.balanced.join(session)
                if member.lost:
                    session.greet()
                    member.lost = False
            self._over.wait(LOOK_S)
        if member is not None and not self._over.is_set():
            self.balanced.leave(member)
            while member.in_flight and not self._over.wait(LOOK_S):
                continue
        if session is not None:
            session.close()
