"""A port of a machine's loopback, reached through one SSH connection that comes back by itself."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from offload.domain.ports import Stream
from offload.domain.timing import Clock

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell

_LOOPBACK = "127.0.0.1"
_ATTEMPT_S = 5.0
_PAUSE_S = 1.0


@dataclass(eq=False, slots=True)
class Tunnel:
    """Connections to `port` there, for several threads, which share one SSH connection.

    `connect` makes it within the seconds that it is given, or raises OSError; it is asked when the
    first connection is wanted and whenever the last one broke. `gone` says why it will never come
    back, or None; it is asked after each attempt in vain. After `patience_s` of them every call
    fails at once, but for one attempt in as many seconds.
    """

    connect: "Callable[[float], Shell]"
    port: int
    gone: Callable[[], str | None]
    _: KW_ONLY
    patience_s: float = 30.0
    clock: Clock = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    _shell: "Shell | None" = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _why: str = field(default="the SSH connection is not up yet", init=False)
    _since_s: float | None = field(default=None, init=False)
    """When the first attempt in vain began."""
    _not_before_s: float = field(default=-math.inf, init=False)
    """When the next attempt may be made, once patience is over."""

    def dial(self, timeout_s: float) -> Stream:
        """One more connection.

        Raises:
            OSError: there is none within `timeout_s`, or patience is over; why.
            OffloadError: whatever else `connect` raises.
        """
        until_s = self.clock() + timeout_s
        while True:
            shell = self._alive() or self._awaited(until_s)
            try:
                return shell.channel(_LOOPBACK, self.port, max(0.0, until_s - self.clock()))
            except OSError:
                if shell.is_alive or self.clock() >= until_s:
                    raise

    def close(self) -> None:
        """End the connection, and with it all that go through it."""
        self._closed = True
        if self._shell is not None:
            self._shell.close()

    def _alive(self) -> "Shell | None":
        return self._shell if self._shell is not None and self._shell.is_alive else None

    def _awaited(self, until_s: float) -> "Shell":
        """The connection as soon as it stands: one thread sees to it, the others wait."""
        self._check()
        if not self._turn.acquire(timeout=max(0.0, until_s - self.clock())):
            raise TimeoutError(self._why)
        try:
            while (shell := self._alive()) is None:
                self._attempt(until_s)
            return shell
        finally:
            self._turn.release()

    def _attempt(self, until_s: float) -> None:
        self._check()
        began_s = self.clock()
        if self._is_over(began_s):  # nobody else waits for one more attempt
            self._not_before_s = began_s + self.patience_s
        if self._shell is not None:
            self._shell.close()
        try:
            self._shell = self.connect(max(0.0, min(_ATTEMPT_S, until_s - began_s)))
        except OSError as error:
            never, now_s = self.gone(), self.clock()
            self._why = (never or str(error)).rstrip(".")
            self._since_s = began_s if self._since_s is None else self._since_s
            if never or self._is_over(now_s):
                self._not_before_s = math.inf if never else now_s + self.patience_s
            elif now_s < until_s:
                self.pause(min(_PAUSE_S, until_s - now_s))
                return
            raise ConnectionError(self._why) from error
        self._since_s, self._not_before_s = None, -math.inf
        if self._closed:
            self._shell.close()

    def _check(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("the tunnel is closed")
        if self.clock() < self._not_before_s:
            raise ConnectionError(self._why)

    def _is_over(self, now_s: float) -> bool:
        """Whether patience is."""
        return self._since_s is not None and now_s - self._since_s >= self.patience_s
