"""What both ends of a queue ask of what lies between them.

Every method may raise OffloadError: it is refused, with a reason; Unanswered where nothing answers.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from offload.domain.errors import OffloadError
from offload.domain.machines import Backlog, Message, Size

__all__ = [
    "Backlog", "MachineGroup", "Message", "ObjectStore", "OwnMachine", "Queue", "Queues", "Size",
]  # fmt: skip


class Queue(Protocol):
    """Messages that are given to one at a time, at least once each."""

    url: str

    def send(self, body: str, notes: Mapping[str, str] | None = None) -> None:
        """Add a message, with attributes."""

    def receive(self, most: int, wait_s: int) -> list[Message]:
        """Up to `most` (10 at most), as soon as there is one; none if there is none for `wait_s`
        (20 at most).
        """

    def extend(self, message: Message, for_s: int) -> None:
        """Hide it for so long from now; with 0, others get it at once."""

    def delete(self, message: Message) -> None:
        """It is done; all the better if it is gone already."""

    def delete_all(self, messages: Sequence[Message]) -> None:
        """The same of several, which came together."""

    def backlog(self) -> Backlog:
        """What it holds."""


Queues = Callable[[str], Queue]
"""The queue of a URL."""


class ObjectStore(Protocol):
    """Objects by their keys."""

    def put(self, key: str, data: bytes) -> None:
        """Write one."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write one unless there is one; whether it was written."""

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """One; None if there is none. ImageError where it is larger."""

    def delete(self, key: str) -> None:
        """Remove one; all the better if it is gone already."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """The same of several, 1000 at most."""


class MachineGroup(Protocol):
    """Machines that come and go."""

    def size(self) -> Size:
        """How many there are."""

    def grow(self, machines: int) -> None:
        """Have at least so many, `most` at most. Never fewer: each leaves by itself."""

    def trouble(self, since: datetime) -> OffloadError | None:
        """Why the last machine that was asked for since then did not come; None if it may yet."""


class OwnMachine(Protocol):
    """The machine of a worker, as its group knows it."""

    id: str

    def notice(self) -> str | None:
        """Why it is about to be taken away; None if it is not."""

    def leave(self) -> None:
        """End it, and its place in the group; it goes on for some seconds."""
