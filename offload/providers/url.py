"""A server that somebody else started, at the URL that the user names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from offload.domain.errors import UsageError
from offload.domain.places import SENDING, PlaceTraits, StartState
from offload.domain.ports import Model
from offload.providers.config import Endpoint, PlaceConfig

TRAITS = PlaceTraits(
    "remote",
    title="the remote server",
    phrase="remotely",
    rented=False,
    has_own_model=True,
    start_states=tuple(StartState),
    options=SENDING | {"url", "token", "machine"},
    simplicity=2,
)


@contextmanager
def open(  # noqa: A001 - what every provider calls it
    config: PlaceConfig, model: Model | None
) -> Iterator[Sequence[Endpoint]]:
    """The server at the URL.

    Raises:
        UsageError: there is no URL, or it is none.
    """
    del model
    yield [Endpoint(checked(config.link.url), config.link.token)]


def check(config: PlaceConfig) -> None:
    """See that there is an address."""
    checked(config.link.url)


def checked(url: str | None) -> str:
    """The URL with its scheme, which is http unless it says another.

    Raises:
        UsageError: it is none. It is not shown: a password may be anywhere in it.
    """
    if not url:
        raise UsageError(
            "--where remote needs a server's address or a rented machine.",
            hint="For instance: offload detect photos/ --where remote --url http://HOST:8080; to "
            "rent a machine: offload provision ec2",
        )
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = (parts.hostname or "").encode("idna"), parts.port
        usable = parts.scheme in {"http", "https"} and host and port != 0 and url.isprintable()
    except ValueError:
        usable = False
    if not usable or " " in url:
        raise UsageError(
            "--url, or the setting url, is not a server's address.",
            hint="It must look like http://HOST:8080 or https://HOST.",
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "--url, or the setting url, holds more than an address: a user, a password or a query.",
            hint="It must look like http://HOST:8080; a server's token goes into OFFLOAD_TOKEN.",
        )
    return parts.geturl()
