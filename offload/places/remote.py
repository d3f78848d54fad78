"""Another machine that runs `offload serve`."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from offload.domain.errors import UsageError
from offload.domain.places import PlaceTraits, StartState
from offload.domain.ports import Model
from offload.domain.vision import Selection
from offload.places.kit import PlaceConfig
from offload.service.client.greeting import Address, ask, expect
from offload.service.client.session import ServerSession

TRAITS = PlaceTraits(
    "remote",
    title="the remote server",
    phrase="remotely",
    rented=False,
    start_states=tuple(StartState),
    options=frozenset({
        "url", "token", "machine", "concurrency", "timeout_s", "max_retries", "fallback",
        "upload_max_side", "upload_quality", "strip_metadata",
    }),
    simplicity=2,
)  # fmt: skip


def make(kit: PlaceConfig) -> "Remote":
    """The server at the kit's URL.

    Raises:
        UsageError: there is no URL, or it is none.
    """
    url = kit.link.url
    if not url:
        raise UsageError(
            "--where remote needs the address of a server, or a machine of yours.",
            hint="For instance: offload detect photos/ --where remote --url http://HOST:8080; to "
            "rent a machine: offload provision ec2",
        )
    return Remote(kit, kit.link.address(_checked(url), dial=kit.link.dial))


def _checked(url: str) -> str:
    """The URL with its scheme, which is http unless it says another.

    Raises:
        UsageError: it is none. It is not shown: a password may be anywhere in it.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = (parts.hostname or "").encode("idna"), parts.port
        usable = parts.scheme in {"http", "https"} and host and port != 0 and url.isprintable()
    except ValueError:
        usable = False
    if not usable or " " in url:
        raise UsageError(
            "--url, or the setting url, is no address of a server.",
            hint="It must look like http://HOST:8080 or https://HOST.",
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "--url, or the setting url, holds more than an address: a user, a password or a query.",
            hint="It must look like http://HOST:8080; a server's token goes into OFFLOAD_TOKEN.",
        )
    return parts.geturl()


class Remote:
    """A server that somebody else started."""

    name = "remote"

    def __init__(self, kit: PlaceConfig, address: Address) -> None:
        self._kit = kit
        self._address = address
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """What the server says it has, which must be what was asked for, if anything was.

        Raises:
            PlaceUnavailable: no server of ours answers, or it has another model.
        """
        if self._model is None:
            with closing(self._address.connect(self._kit.clock, 1)) as server:
                info = ask(server, self._address)
                if self._kit.asked:
                    expect(info, self._kit.here() or self._kit.asked, server.shown)
            self._model = info
        return self._model

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator[ServerSession]:
        """Connect.

        Raises:
            PlaceUnavailable: as for `model`.
        """
        del images
        kit = self._kit
        with closing(self._address.connect(kit.clock)) as server:
            info = ask(server, self._address)
            expect(info, self.model, server.shown)
            yield ServerSession(
                server,
                self._address,
                info,
                selection,
                kit.max_pixels,
                kit.link.upload.prepare,
                kit.clock,
            )
