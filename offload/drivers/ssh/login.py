"""Keys of our own, and logging in with one of them and with nothing of the user's."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell


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


def connected(
    address: str,
    port: int,
    login: str,
    private_key: str,
    known_hosts: str,
    alias: str,
    timeout_s: float,
) -> "Shell":
    """Log in with the key in the file `private_key`, at a host whose key is on a line of `alias` in
    the file `known_hosts`.

    Raises:
        SshUnreachable: there is no such host, or it does not answer in time.
        NotLetIn: it does not accept the key, or we cannot read it.
        HostKeyChanged: it is another host.
    """
    from offload.drivers.ssh.connection import Shell

    shell = Shell(address, port, timeout_s)
    with ExitStack() as stack:
        stack.callback(shell.close)
        shell.negotiate()
        shell.recognise(known_hosts, alias)
        shell.log_in(login, private_key)
        stack.pop_all()
    return shell
