"""Getting to know a server: is it ours, is it ready, does it have the model; what replies mean."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from offload.domain import typed
from offload.domain.errors import NoServer, PlaceUnavailable, UsageError
from offload.domain.ports import Dial, Model
from offload.domain.timing import Clock
from offload.drivers.http.connections import Reply, Server
from offload.drivers.http.web import Unreachable
from offload.service import wire
from offload.version import __version__

MOST_IN_FLIGHT = 64

_LONGEST = 500
"""As much of what a server says as a person reads."""

UNUSABLE = {413, 422}
"""The image is at fault."""

RETRIED = {429, 502, 503, 504}
"""Later the same request may be answered."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server and how to talk to it.

    `concurrency` None means as many requests in flight as hide the latency. `timeout_s` is how long
    an attempt may make no progress, `max_retries` how many follow the first. `hint` is what to type
    where the server does not answer. `dial` makes the connections where the network alone does not
    lead to it.
    """

    url: str = ""
    token: str | None = field(default=None, repr=False)
    concurrency: int | None = None
    timeout_s: float = 60.0
    max_retries: int = 5
    hint: str = "To start one on that machine: offload serve --host 0.0.0.0"
    dial: Dial | None = field(default=None, repr=False)

    def connect(self, clock: Clock, connections: int | None = None) -> Server:
        """Connections to it.

        Raises:
            UsageError: the token cannot be sent.
            PlaceUnavailable: the address, or the proxy on the way to it, cannot be used.
        """
        token = self.token or ""
        if not (token.isascii() and token.isprintable() and token == token.strip()):
            raise UsageError(
                "The token cannot be sent: use printable ASCII without a space at either end.",
                hint="To make one, there and here: OFFLOAD_TOKEN=$(openssl rand -hex 16)",
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connections = connections or max(MOST_IN_FLIGHT, self.concurrency or 0)
        try:
            return Server(self.url, headers, self.timeout_s, connections, clock, self.dial)
        except Unreachable as error:
            raise PlaceUnavailable(str(error), hint=self.hint) from error


def ask(server: Server, address: Address, pause: Callable[[float], None] = time.sleep) -> wire.Info:
    """What the server at `address` says of itself, once its model is loaded.

    Raises:
        PlaceUnavailable: there is none of ours, it is of another version, or not ready in time.
    """
    give_up_s = time.monotonic() + address.timeout_s
    while (reply := get(server, wire.INFO, address)).status in RETRIED:
        if time.monotonic() > give_up_s:
            raise PlaceUnavailable(f"{server.shown} is not ready: {detail(reply)}")
        pause(min(1.0, retry_after_s(reply) or 0.1))
    if reply.status == HTTPStatus.UNAUTHORIZED:
        raise refused(server.shown, address.token)
    try:
        version = typed.parse(wire.Greeting, reply.body).version
        # Another version may say all else in another way.
        info = typed.parse(wire.Info, reply.body) if version == __version__ else None
    except ValueError as error:
        raise PlaceUnavailable(
            f"{server.shown} is not an offload server: {wire.INFO} answers {reply.status}.",
            hint=address.hint,
        ) from error
    if info is None:
        raise PlaceUnavailable(
            f"{server.shown} runs offload {version}, this is offload {__version__}: their "
            "answers may differ.",
            hint=f"To use the same version, there or here: pip install offload=={__version__}",
        )
    return info


def get(server: Server, path: str, address: Address) -> Reply:
    """The reply to a question that is asked once.

    Raises:
        NoServer: there is none.
    """
    try:
        return server.request("GET", path)
    except Unreachable as error:
        raise NoServer(f"No server answers: {error}", hint=address.hint) from error


_OTHER_MODEL = (
    "To take what it serves, leave --model and the setting model out; to serve another: offload "
    "serve --model NAME"
)


def expect(info: Model, asked: Model | str, shown: str, hint: str = _OTHER_MODEL) -> None:
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
            f"{shown} serves {theirs.name} (SHA-256 {theirs.sha256[:12]}…), not {ours}.", hint=hint
        )


def retry_after_s(reply: Reply | None) -> float | None:
    """The seconds a Retry-After header asks for, at most a minute; dates are left aside."""
    text = reply.headers.get("retry-after", "") if reply is not None else ""
    return min(60.0, float(text)) if text.isdecimal() else None


def detail(reply: Reply) -> str:
    """The sentence of a problem document, or the status."""
    return refusal(reply).detail[:_LONGEST] or f"status {reply.status}"


def refusal(reply: Reply) -> wire.Refusal:
    """The problem document; an empty one if it is none."""
    try:
        return typed.parse(wire.Refusal, reply.body)
    except ValueError:
        return wire.Refusal()


def refused(shown: str, token: str | None) -> PlaceUnavailable:
    """The failure of a server that wants another token than `token`."""
    what = "refuses the token" if token else "needs a token"
    return PlaceUnavailable(f"{shown} {what}.", hint="To give it: export OFFLOAD_TOKEN=…")
