"""Several servers with the same model as one session: an image goes to the least busy one."""

import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

from offload.domain.errors import ImageError, Unanswered
from offload.domain.ports import Session
from offload.domain.vision import Detections, Image


class BalancedSession:
    """Sessions of servers that are alike, for several threads.

    Each image goes to the server with the fewest images in flight, among equals in turn.
    """

    def __init__(
        self, sessions: Sequence[Session], phases: Mapping[str, float], concurrency: int | None
    ) -> None:
        first = sessions[0]
        self.model = first.model
        self.labels = first.labels
        self.host = first.host
        self.phases = phases
        self.slots = sum(session.slots for session in sessions)
        self.concurrency = concurrency or sum(session.concurrency for session in sessions)
        self._sessions = sessions
        self._in_flight = [0] * len(sessions)
        self._turns = list(range(len(sessions)))
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
            able = [number for number in self._turns if number not in but]
            number = min(able, key=lambda each: self._in_flight[each])
            self._turns.remove(number)
            self._turns.append(number)
            self._in_flight[number] += 1
        try:
            yield number
        finally:
            with self._lock:
                self._in_flight[number] -= 1
