"""paramiko: how bytes leave and come, without ever waiting for longer than was allowed."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from paramiko import Channel, SSHException
from paramiko.packet import Packetizer

STALL_S = 20.0
"""A connection that cannot send for so long is given up."""

_PACKET_BYTES = 2**15
"""OpenSSH takes no larger ones."""

LOST = "the SSH connection broke off"

BROKEN = (OSError, EOFError, SSHException)
"""What paramiko raises where a connection is at its end."""


class Packets(Packetizer):
    """The way out of one connection. One that stalls for longer than its users wait ends it.

    paramiko's own tries for ever, and every other thread waits behind the one that does.
    """

    # AES is good for 2**36 bytes with one key (RFC 4344, section 3.2). A channel that the other
    # end closes just after we ask for new keys makes paramiko stand still, so it asks rarely.
    REKEY_BYTES = 2**35

    def __init__(self, wire: socket.socket) -> None:
        super().__init__(wire)
        self._wire = wire
        self._stall_s = STALL_S

    def allow(self, timeout_s: float | None) -> None:
        """Stalls are too long after so many seconds, and after `STALL_S` in any case."""
        self._stall_s = STALL_S if timeout_s is None else min(timeout_s, STALL_S)

    def write_all(self, out: bytes) -> None:  # type: ignore[override]
        """Send it all; EOFError where the connection is at its end, by our doing if it stalled."""
        left, moved_s = memoryview(out), time.monotonic()
        while left:
            try:
                sent = self._wire.send(left)
            except TimeoutError:  # paramiko's sockets look up ten times a second
                sent = 0
            except OSError as error:
                raise EOFError(LOST) from error
            left = left[sent:]
            if sent:
                moved_s = time.monotonic()
            elif time.monotonic() - moved_s > self._stall_s:
                hang_up(self._wire)
                raise EOFError("the connection is stalled")


def hang_up(wire: socket.socket) -> None:
    """End a connection so that whoever waits at it wakes up."""
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


class ChannelStream:
    """A connection to a port at the other end, for one thread at a time.

    What takes too long raises TimeoutError, any other end of the connection ConnectionResetError.
    """

    def __init__(self, channel: Channel, packets: Packets) -> None:
        self._channel = channel
        self._packets = packets

    def read(self, n: int, timeout_s: float | None) -> bytes:
        """Up to `n` bytes as soon as there are any; none at the end."""
        with self._within(timeout_s, "nothing came"):
            data = self._channel.recv(n)
        if not data and not self._channel.eof_received:
            raise ConnectionResetError(LOST)
        return data

    def write(self, data: bytes, timeout_s: float | None) -> None:
        """Send it all; `timeout_s` is how long it may make no progress."""
        left = memoryview(data)
        with self._within(timeout_s, "nothing was taken"):
            while left:
                sent = self._channel.send(bytes(left[:_PACKET_BYTES]))
                if not sent:
                    raise ConnectionResetError(LOST)
                left = left[sent:]

    def end(self) -> None:
        """Say that nothing more is written."""
        with suppress(*BROKEN):
            self._channel.shutdown_write()

    def is_readable(self) -> bool:
        """Whether `read` would return at once: of an idle connection, that it has ended."""
        return bool(
            self._channel.recv_ready() or self._channel.eof_received or self._channel.closed
        )

    def close(self) -> None:
        """Close it."""
        with suppress(*BROKEN):
            self._channel.close()

    @contextmanager
    def _within(self, timeout_s: float | None, what: str) -> Iterator[None]:
        self._channel.settimeout(timeout_s)
        self._packets.allow(timeout_s)
        try:
            yield
        except TimeoutError as error:
            raise TimeoutError(f"{what} for {timeout_s:g} s") from error
        except EOFError as error:
            raise ConnectionResetError(str(error) or LOST) from error
        except BROKEN as error:
            raise ConnectionResetError(LOST) from error
