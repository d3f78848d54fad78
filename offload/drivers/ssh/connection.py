"""paramiko: one SSH connection, from the first byte to the last."""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

from paramiko import Channel, ChannelException, Ed25519Key, SSHException, Transport

from offload.domain.errors import OffloadError
from offload.drivers.http.connections import SOCKET_OPTIONS
from offload.drivers.ssh.login import HostKeyChanged, LoginRefused, SshUnreachable
from offload.drivers.ssh.stream import BROKEN, LOST, STALL_S, ChannelStream, Packets, hang_up

# Its threads log what we raise, and without a handler Python prints that on standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_KEY_TYPE = "ssh-ed25519"
_CIPHER = "aes128-gcm@openssh.com"  # the fastest by far where the processor knows AES
_KEEP_ALIVE_S = 5
_HERE = ("127.0.0.1", 0)
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}
_REFUSALS = {1: "its SSH server forwards nothing", 2: "nothing answers there"}
_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)


class Shell:
    """A machine that is logged into, over one connection, for several threads."""

    def __init__(self, address: str, port: int, timeout_s: float) -> None:
        self._until_s = time.monotonic() + timeout_s
        self._address = address
        self._shown = f"{address}:{port}"
        self._wire = _wire(address, port, timeout_s)
        self._transport = Transport(self._wire, packetizer_class=Packets)
        assert isinstance(self._transport.packetizer, Packets)
        self._packets = self._transport.packetizer

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
        """Log in with the key in the file `private_key`, and with nothing else, at a host whose key
        is on a line of `alias` in the file `known_hosts`.

        Raises:
            SshUnreachable: there is no such host, it breaks off or does not answer in time; or it
                does not accept the key, or we cannot read that.
            HostKeyChanged: it is another host.
        """
        shell = cls(address, port, timeout_s)
        with ExitStack() as stack:
            stack.callback(shell.close)
            shell._negotiate()
            shell._recognise(known_hosts, alias)
            shell._log_in(login, private_key)
            stack.pop_all()
        return shell

    def run(
        self,
        command: str,
        stdin: Iterable[bytes] = (),
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> str:
        """Run `command` in the login's shell; what it prints. `on_line` is told each line of its
        standard error. `command` is seen by all on that machine: secrets belong in `stdin`.

        Raises:
            OffloadError: it ends with another code than 0; the message is the last thing it said.
            SshUnreachable: the connection broke off.
        """
        with ThreadPoolExecutor(2) as readers, closing(self._session(command)) as channel:
            output = readers.submit(channel.makefile("rb").read)
            complaints = readers.submit(_follow, channel.makefile_stderr("rb"), on_line)
            self._feed(channel, stdin)
            printed, complaint = output.result(), complaints.result()
            code, broke_off = channel.recv_exit_status(), not channel.eof_received
        if code == 0:
            return printed.decode(errors="replace")
        if code < 0 and broke_off:
            raise SshUnreachable("The SSH connection broke off.")
        killed = "It did not end by itself." if code < 0 else f"It ended with code {code}."
        raise OffloadError(complaint or _follow(printed.splitlines(), lambda _line: None) or killed)

    def channel(self, host: str, port: int, timeout_s: float) -> ChannelStream:
        """A connection from the machine to `port` of `host`.

        Raises:
            TimeoutError: no answer in time.
            OSError: nothing listens there, or the connection broke off.
        """
        until_s = time.monotonic() + timeout_s
        try:
            channel = self._transport.open_channel(
                "direct-tcpip", (host, port), _HERE, timeout=timeout_s
            )
        except ChannelException as error:
            why = _REFUSALS.get(error.code, error.text)
            raise ConnectionRefusedError(f"port {port} of the machine: {why}") from error
        except BROKEN as error:
            if not self.is_alive:
                raise ConnectionResetError(LOST) from error
            if time.monotonic() >= until_s:
                raise TimeoutError(f"no SSH answer for {timeout_s:g} s") from error
            raise ConnectionRefusedError(f"port {port} of the machine: {error}") from error
        return ChannelStream(channel, self._packets)

    @property
    def is_alive(self) -> bool:
        """Whether we are logged in, as far as is known."""
        return self._transport.is_authenticated()

    def close(self) -> None:
        """End the connection and its thread."""
        hang_up(self._wire)
        self._transport.close()
        if self._transport.ident is not None:
            self._transport.join(STALL_S)
        self._packets.complete_handshake()  # else its timer lives on
        self._wire.close()

    def _negotiate(self) -> None:
        transport = self._transport
        options = transport.get_security_options()
        options.key_types = (_KEY_TYPE,)
        options.ciphers = (_CIPHER, *(one for one in options.ciphers if one != _CIPHER))
        transport.banner_timeout = transport.handshake_timeout = self._left_s()
        done = threading.Event()
        transport.start_client(done)
        if not done.wait(self._left_s()) or not transport.is_active():
            raise SshUnreachable(f"{self._shown} does not speak SSH.")

    def _recognise(self, known_hosts: str, alias: str) -> None:
        try:
            shown = self._transport.get_remote_server_key().get_base64()
        except SSHException as error:
            raise SshUnreachable(f"{self._shown} closed the connection.") from error
        if shown not in _known(known_hosts, alias):
            raise HostKeyChanged(
                f"The host at {self._address} is not {alias}: its host key differs.",
                hint=f"To remove the machine: offload down {alias.removeprefix('offload-')}",
            )

    def _log_in(self, login: str, private_key: str) -> None:
        try:
            key, done = Ed25519Key(filename=private_key), threading.Event()
        except (OSError, SSHException, ValueError) as error:
            raise SshUnreachable(f"Our key in {private_key} cannot be read: {error}.") from error
        with suppress(*BROKEN):  # said below
            self._transport.auth_publickey(login, key, done)
            done.wait(self._left_s())
        if self.is_alive:
            self._transport.set_keepalive(_KEEP_ALIVE_S)
            self._hurry()
            return
        if done.is_set() and self._transport.is_active():
            raise LoginRefused(f"{login}@{self._address} does not accept our key.")
        raise SshUnreachable(f"{self._shown} closed the connection during login.")

    def _session(self, command: str, timeout_s: float = STALL_S) -> Channel:
        """A command that runs; `timeout_s` is how long it may take to begin."""
        try:
            channel = self._transport.open_session(timeout=timeout_s)
            # paramiko waits for ever if the connection breaks off just before it begins to wait.
            wake = threading.Timer(timeout_s, channel.event.set)
            wake.start()
            try:
                channel.exec_command(command)
            finally:
                wake.cancel()
                wake.join()
        except BROKEN as error:
            raise SshUnreachable("The SSH connection broke off.") from error
        return channel

    def _feed(self, channel: Channel, stdin: Iterable[bytes]) -> None:
        """Send `stdin` until it ends, or nobody wants it any more."""
        stream = ChannelStream(channel, self._packets)
        for piece in stdin:
            try:
                stream.write(piece, None)
            except OSError:
                return
        stream.end()

    def _hurry(self) -> None:
        """Have OpenSSH's server send small packets at once, which it does from the first command
        on; else most answers are 40 ms late, held back until what was sent before has come.
        """
        with suppress(*BROKEN):
            self._session("true", self._left_s()).close()

    def _left_s(self) -> float:
        return max(0.0, self._until_s - time.monotonic())


def _known(path: str, alias: str) -> set[str]:
    """The keys of `alias`, in base64."""
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file]
        return {line[2] for line in lines if line[:2] == [alias, _KEY_TYPE] and line[2:]}
    return set()


def _wire(address: str, port: int, timeout_s: float) -> socket.socket:
    try:
        wire = socket.create_connection((address, port), timeout_s)
    except OSError as error:
        silent = isinstance(error, TimeoutError) or error.errno in _NO_ROUTE
        why = "does not answer" if silent else f"cannot be reached: {error.strerror or error}"
        raise SshUnreachable(f"{address}:{port} {why}.") from error
    for option in SOCKET_OPTIONS:
        wire.setsockopt(*option)
    if _USER_TIMEOUT is not None:  # else a link that is gone is noticed late
        wire.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(STALL_S * 1000))
    return wire


def _follow(lines: Iterable[bytes], on_line: Callable[[str], None]) -> str:
    """Tell each line; the last that is not empty."""
    last = ""
    for line in lines:
        text = line.decode(errors="replace").rstrip()
        on_line(text)
        last = text or last
    return last
