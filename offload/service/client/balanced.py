"""Several servers with the same model as one session: an image goes to the least busy one."""

import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

from offload.domain.errors import ImageError, Unanswered
from offload.domain.ports import Session
from offload.domain.vision import Detections, Image


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
                except ImageError as error:
                    silent.add(number)
                    sent_bytes = error.sent_bytes = sent_bytes + error.sent_bytes
                    if not isinstance(error, Unanswered) or len(silent) == len(self._sessions):
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
