"""A machine that is logged into with a key of our own, and with nothing of the user's."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offload.drivers.http.streams import Stream
from offload.drivers.ssh.errors import CommandFailed, SshUnreachable

if TYPE_CHECKING:
    from paramiko import Channel

    from offload.drivers.ssh.connection import Connection


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key: `private` in OpenSSH's PEM text, `public` as `ssh-ed25519 AAAA…`."""

    private: str = field(repr=False)
    public: str


def new_key() -> KeyPair:
    """A key that nobody has."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


class Shell:
    """A machine that is logged into, over one connection, for several threads."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    @classmethod
    def connected(
        cls,
        address: str,
        port: int,
        login: str,
        private_key: str,
        known_hosts: str,
        alias: str,
        timeout_s: float,
    ) -> "Shell":
        """Log in with the key in the file `private_key`, at a host whose key is on a line of
        `alias` in the file `known_hosts`.

        Raises:
            SshUnreachable: there is no such host, or it does not answer in time.
            NotLetIn: it does not accept the key, or we cannot read it.
            HostKeyChanged: it is another host.
        """
        from offload.drivers.ssh.connection import Connection

        connection = Connection(address, port, timeout_s)
        with ExitStack() as stack:
            stack.callback(connection.close)
            connection.negotiate()
            connection.recognise(known_hosts, alias)
            connection.log_in(login, private_key)
            stack.pop_all()
        return cls(connection)

    def run(
        self,
        command: str,
        stdin: Iterable[bytes] = (),
        on_line: Callable[[str], None] = lambda _line: None,
        timeout_s: float | None = None,
    ) -> str:
        """Run `command` in the login's shell; what it prints. `on_line` is told each line of its
        standard error. `command` is seen by all on that machine: secrets belong in `stdin`.

        Raises:
            CommandFailed: it ends with another code than 0, or not within `timeout_s`.
            SshUnreachable: the connection broke off.
        """
        from offload.drivers.ssh.stream import after

        opened = closing(self._connection.session(command))
        limit_s = threading.TIMEOUT_MAX if timeout_s is None else timeout_s
        with (
            ThreadPoolExecutor(2) as readers,
            opened as channel,
            after(limit_s, channel.close) as late,
        ):
            output = readers.submit(channel.makefile("rb").read)
            complaints = readers.submit(_follow, channel.makefile_stderr("rb"), on_line)
            self._feed(channel, stdin)
            said, complaint = output.result().decode(errors="replace"), complaints.result()
            code, broke_off = channel.recv_exit_status(), not channel.eof_received
        if code == 0:
            return said
        if code < 0 and broke_off and not late.is_set():
            raise SshUnreachable("The SSH connection broke off.")
        killed = "It did not end by itself." if code < 0 else f"It ended with code {code}."
        last = complaint or _last_line(said) or killed
        raise CommandFailed(last, code if code >= 0 else None)

    def channel(self, host: str, port: int, timeout_s: float) -> Stream:
        """A connection from the machine to `port` of `host`.

        Raises:
            TimeoutError: no answer in time.
            OSError: nothing listens there, or our connection to the machine broke off.
        """
        return self._connection.direct(host, port, timeout_s)

    @property
    def is_alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._connection.is_alive

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _feed(self, channel: "Channel", stdin: Iterable[bytes]) -> None:
        """Send `stdin` until it ends, or nobody wants it any more."""
        stream = self._connection.stream(channel)
        for piece in stdin:
            try:
                stream.write(piece, None)
            except OSError:
                return
        stream.end()


def _follow(lines: Iterable[bytes], on_line: Callable[[str], None]) -> str:
    """Tell each line; the last that is not empty."""
    last = ""
    for line in lines:
        text = line.decode(errors="replace").rstrip()
        on_line(text)
        last = text or last
    return last


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
