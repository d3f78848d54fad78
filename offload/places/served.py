"""Places that are HTTP servers, however they come to exist."""

import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, Unanswered
from offload.domain.ports import Model, Session
from offload.domain.vision import Detections, Image, Selection
from offload.providers.config import Endpoint, PlaceConfig
from offload.service.client.greeting import ask, expect
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
            with self._endpoints(None) as (endpoint, *_):
                address = config.address(endpoint)
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
            PlaceUnavailable: one cannot be started or reached, or it has another model.
        """
        del images
        with ExitStack() as stack:
            endpoints = stack.enter_context(self._endpoints(self.model))
            self.endpoint = endpoints[0]
            sessions = [self._session(endpoint, selection, stack) for endpoint in endpoints]
            yield BalancedSession(sessions, self._config.link.concurrency)

    def _endpoints(self, model: Model | None) -> AbstractContextManager[Sequence[Endpoint]]:
        if self._config.endpoint is not None:
            return nullcontext([self._config.endpoint])
        opened: AbstractContextManager[Sequence[Endpoint]] = self._provider.open(
            self._config, model
        )
        return opened

    def _session(self, endpoint: Endpoint, selection: Selection, stack: ExitStack) -> ServerSession:
        config = self._config
        address = config.address(endpoint)
        server = stack.enter_context(closing(address.connect(config.clock)))
        info = ask(server, address)
        expect(info, self.model, server.shown)
        info = replace(info, model=self.model.identity)  # a server may call it something else
        return ServerSession(
            server, address, info, selection, config.max_pixels, config.upload,
            config.clock, endpoint.phases,
        )  # fmt: skip


class BalancedSession:
    """Sessions of servers that are alike, for several threads; the least busy take turns."""

    def __init__(self, sessions: Sequence[Session], concurrency: int | None) -> None:
        first = sessions[0]
        self.model = first.model
        self.labels = first.labels
        self.host = first.host
        self.phases = first.phases
        self.slots = sum(session.slots for session in sessions)
        self.concurrency = concurrency or sum(session.concurrency for session in sessions)
        self._sessions = sessions
        self._in_flight = dict.fromkeys(range(len(sessions)), 0)  # who was asked last comes last
        self._lock = threading.Lock()

    def detect(self, image: Image) -> Detections:
        """As a session does; where a server gives no answer, at the others, each once."""
        silent: set[int] = set()
        sent_bytes = 0
        while True:
            with self._least_busy(silent) as number:
                try:
                    found = self._sessions[number].detect(image)
                    return replace(found, sent_bytes=sent_bytes + found.sent_bytes)
                except OffloadError as error:
                    silent.add(number)
                    sent_bytes = error.sent_bytes = sent_bytes + error.sent_bytes
                    others_may = isinstance(error, Unanswered | PlaceUnavailable)
                    if not others_may or len(silent) == len(self._sessions):
                        raise

    def probe(self, payload: bytes) -> float:
        """As a session does, at any of the servers."""
        with self._least_busy() as number:
            return self._sessions[number].probe(payload)

    def probe_down(self, size_bytes: int) -> float:
        """As a session does, at any of the servers."""
        with self._least_busy() as number:
            return self._sessions[number].probe_down(size_bytes)

    @contextmanager
    def _least_busy(self, but: Set[int] = frozenset()) -> Iterator[int]:
        with self._lock:
            able = [number for number in self._in_flight if number not in but]
            number = min(able, key=self._in_flight.__getitem__)
            self._in_flight[number] = self._in_flight.pop(number) + 1
        try:
            yield number
        finally:
            with self._lock:
                self._in_flight[number] -= 1
