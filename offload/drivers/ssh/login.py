"""Keys of our own, and what goes wrong on the way to a machine, and on it."""

from dataclasses import dataclass, field

from offload.domain.errors import OffloadError


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


class SshUnreachable(ConnectionError):
    """There is no SSH connection, or our key opens nothing there."""


class LoginRefused(SshUnreachable):
    """Our key opens nothing there, or nothing yet."""


class HostKeyChanged(OffloadError):
    """Whoever answers cannot prove to be the machine we know."""
