"""What goes wrong on the way to a machine, and on it."""

from offload.domain.errors import OffloadError


class SshUnreachable(ConnectionError):
    """There is no SSH connection. `silent` is true where nothing answers at all, as with a
    firewall in between or a host that is off; else there is a host that refuses, or speaks no SSH.
    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class NotLetIn(SshUnreachable):
    """Our key opens nothing there."""


class HostKeyChanged(OffloadError):
    """Whoever answers cannot prove to be the machine we know."""


class CommandFailed(OffloadError):
    """A command ended badly; the message is the last thing it said.

    `code` is its exit code; None if it was killed, by us after its time or by anyone.
    """

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code
