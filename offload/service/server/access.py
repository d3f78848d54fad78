"""Who asked the server for what, and what came of it."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offload.domain.events import Answered, Listener
from offload.domain.timing import Clock
from offload.service import wire

_MOST_LETTERS = 200


def observed(app: ASGIApp, tell: Listener, clock: Clock) -> ASGIApp:
    """`app`, with each of its answers told, but for those to who looks whether all is well."""

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        began_s, status, received_bytes, sent_bytes = clock(), None, 0, 0

        async def receiving() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status, sent_bytes
            status = message.get("status", status)
            sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receiving, sending)
        finally:
            client, path = (scope.get("client") or ("-",))[0], scope.get("path", "")
            well = status == HTTPStatus.OK and path in {wire.LIVE, wire.READY}
            if scope["type"] == "http" and not well:
                took_s, sizes = clock() - began_s, (received_bytes, sent_bytes)
                shown = path[:_MOST_LETTERS]
                tell(Answered(client, scope["method"], shown, status, took_s, *sizes))

    return ask
