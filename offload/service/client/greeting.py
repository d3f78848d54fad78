"""Getting to know a server: is it ours, is it ready, does it have the model asked for."""

import json
import time
from dataclasses import dataclass, field

from offload.domain.errors import PlaceUnavailable
from offload.domain.ports import Model
from offload.domain.timing import Clock
from offload.drivers.connections import Server
from offload.drivers.web import Unreachable
from offload.service import wire
from offload.service.client.replies import RETRIED, UNAUTHORIZED, refused, retry_after_s
from offload.version import __version__

MOST_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Address:
    """A server and how to talk to it; `started` is how to start one, for messages."""

    url: str
    token: str | None = field(default=None, repr=False)
    concurrency: int | None = None
    timeout_s: float = 60.0
    max_retries: int = 5
    hint: str = "To start one on that machine: OFFLOAD_TOKEN=… offload serve --host 0.0.0.0"

    def connect(self, clock: Clock, connections: int = MOST_IN_FLIGHT) -> Server:
        """Connections to it."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return Server(self.url, headers, self.timeout_s, connections, clock)


def ask(server: Server, address: Address) -> wire.Info:
    """What the server at `address` says of itself, once its model is loaded.

    Raises:
        PlaceUnavailable: there is none, it is none of ours, or of another version.
    """
    give_up_s = time.monotonic() + address.timeout_s
    while True:
        try:
            reply = server.request("GET", wire.INFO)
        except Unreachable as error:
            message = f"No server answers: {error}"
            raise PlaceUnavailable(message, hint=address.hint) from error
        if reply.status not in RETRIED or time.monotonic() > give_up_s:
            break
        time.sleep(min(1.0, retry_after_s(reply) or 0.1))
    if reply.status == UNAUTHORIZED:
        raise refused(server.shown, address.token)
    try:
        info = wire.Info.from_json(json.loads(reply.body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlaceUnavailable(
            f"{server.shown} is no offload server: {wire.INFO} answers {reply.status}.",
            hint=address.hint,
        ) from error
    if info.version != __version__:
        raise PlaceUnavailable(
            f"{server.shown} runs offload {info.version}, this is offload {__version__}: their "
            "answers may differ.",
            hint=f"To make them the same, there or here: pip install offload=={__version__}",
        )
    return info


def expect(info: wire.Info, asked: Model | str, shown: str) -> None:
    """See that the server has the model asked for: the same bytes, or if we have none, the name.

    Raises:
        PlaceUnavailable: it has another.
    """
    theirs = info.identity
    if isinstance(asked, str):
        same, ours = asked == theirs.name, asked
    else:
        same = asked.identity.sha256 == theirs.sha256
        ours = f"{asked.identity.name} (SHA-256 {asked.identity.sha256[:12]}…)"
    if not same:
        raise PlaceUnavailable(
            f"{shown} serves {theirs.name} (SHA-256 {theirs.sha256[:12]}…), not {ours}.",
            hint="To take what it serves, leave --model out; to serve another: offload serve "
            "--model NAME",
        )
