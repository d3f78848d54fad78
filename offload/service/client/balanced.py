"""Servers that are alike, as one session: each image to the least busy, as often as it takes."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from offload.domain.errors import OffloadError, PlaceUnavailable, Unanswered
from offload.domain.ports import Session
from offload.domain.vision import Detections, Image
from offload.service.client.greeting import Address
from offload.service.client.session import Later

LOOK_S = 0.25
"""How often is looked for servers that came, went, or answer again."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0


@dataclass(slots=True, eq=False)
class Member:
    """A server among others; `lost` while it gives no answer."""

    session: Session
    in_flight: int = 0
    lost: bool = False


class BalancedSession:
    """Sessions of servers that are alike, for several threads; the least busy take turns, and those
    that are lost are asked last.

    Servers may come and go. With `patience_s` others do come: then those that are lost are not
    asked, and images wait so long for one that answers.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        link: Address,
        patience_s: float = 0.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        first = sessions[0]
        self.model = first.model
        self.labels = first.labels
        self.host = first.host
        self.phases = first.phases
        self.slots = self.concurrency = 0
        self.members: list[Member] = []  # who was asked last comes last
        self._link = link
        self._patience_s = patience_s
        self._pause = pause
        self._silent = False
        self._why = ""
        self._lock = threading.Lock()
        for session in sessions:
            self.join(session)

    def join(self, session: Session) -> Member:
        """A server more, unless it is one already."""
        with self._lock:
            for member in self.members:
                if member.session is session:
                    return member
            self.members.append(member := Member(session))
            self._count()
        return member

    def leave(self, member: Member) -> None:
        """A server less: it gets nothing more."""
        with self._lock:
            self.members.remove(member)
            self._count()

    def _count(self) -> None:
        """Of none at all it is as it was: others will come."""
        sessions = [member.session for member in self.members]
        self.slots = sum(session.slots for session in sessions) or self.slots
        several = sum(session.concurrency for session in sessions)
        self.concurrency = self._link.concurrency or several or self.concurrency

    def detect(self, image: Image) -> Detections:
        """As a session does; where a server gives no answer, at the others, each once, and after a
        pause again.
        """
        # After one image in vain the others try once each, until one is answered.
        retries, patience_s = (
            (0, 0.0) if self._silent else (self._link.max_retries, self._patience_s)
        )
        attempts, sent_bytes, give_up_s = 0, 0, 0.0
        while True:
            try:
                found = self._anywhere(image)
                self._silent = False
                return replace(found, sent_bytes=sent_bytes + found.sent_bytes)
            except OffloadError as error:
                sent_bytes = error.sent_bytes = sent_bytes + error.sent_bytes
                attempts += 1
                if not isinstance(error, Later):
                    self._silent = False
                    raise
                give_up_s = give_up_s or time.monotonic() + patience_s
                if attempts > retries and time.monotonic() >= give_up_s:
                    raise self._in_vain(error, attempts) from error
                again = error
            self._pause(self._pause_s(attempts, again))

    def _anywhere(self, image: Image) -> Detections:
        """The answer of the first server that gives one.

        Raises:
            Later: none does, but one may.
        """
        asked: set[Member] = set()
        sent_bytes = 0
        error: OffloadError = Later(f"no server is ready{self._why}")
        while (member := self._taken(asked)) is not None:
            try:
                found = member.session.detect(image)
                member.lost = False
                return replace(found, sent_bytes=sent_bytes + found.sent_bytes)
            except OffloadError as failure:
                sent_bytes = failure.sent_bytes = sent_bytes + failure.sent_bytes
                if not isinstance(failure, Unanswered | PlaceUnavailable):
                    raise
                if _is_lost(failure):
                    member.lost, self._why = True, f": {failure}"
                if self._patience_s and isinstance(failure, PlaceUnavailable):
                    failure = Later(str(failure))  # others will do
                if not asked or not isinstance(error, Later):
                    error = failure
                asked.add(member)
            finally:
                self._give_back(member)
        error.sent_bytes = sent_bytes
        raise error

    def _taken(self, but: set[Member]) -> Member | None:
        with self._lock:
            able = [
                member
                for member in self.members
                if member not in but and not (member.lost and self._patience_s)
            ]
            if not able:
                return None
            member = min(able, key=lambda each: (each.lost, each.in_flight))
            self.members.remove(member)
            self.members.append(member)
            member.in_flight += 1
            return member

    def _give_back(self, member: Member) -> None:
        with self._lock:
            member.in_flight -= 1

    def _in_vain(self, error: Later, attempts: int) -> Unanswered:
        """What becomes of an image that nobody answered for."""
        self._silent = not error.is_busy
        times = f" after {attempts} attempts" if attempts > 1 else ""
        vain = Unanswered(f"no answer{times}: {error}")
        vain.sent_bytes = error.sent_bytes
        return vain

    def _pause_s(self, attempts: int, error: Later) -> float:
        """Exponential back-off, half of it random so that clients do not come back together. Those
        that are lost are not asked where others come.
        """
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16))
        if self._patience_s and not error.is_busy:
            longest_s = LOOK_S
        pause_s = longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
        return max(pause_s, error.after_s)

    def probe(self, payload: bytes) -> float:
        """As a session does, at any of the servers."""
        return self._any().probe(payload)

    def probe_down(self, size_bytes: int) -> float:
        """As a session does, at any of the servers."""
        return self._any().probe_down(size_bytes)

    def _any(self) -> Session:
        with self._lock:
            if not self.members:
                raise Unanswered("no server is ready")
            return min(self.members, key=lambda each: (each.lost, each.in_flight)).session


def _is_lost(failure: OffloadError) -> bool:
    """Whether a server that failed so is to be greeted before it is asked again."""
    is_late = isinstance(failure, Later) and not failure.is_busy
    return is_late or isinstance(failure, PlaceUnavailable)
