"""Client tokens of RunInstances as EC2 keeps them, and moto does not."""

import io
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

App = Callable[..., Iterable[bytes]]


class Answer(NamedTuple):
    """What a WSGI application answers."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def remembering(app: App) -> App:
    """`app`, where a token stands for one request, one that failed too, and for the machines that
    came of it, as long as they live. `POST /moto-api/reset` forgets all.
    """
    kept: dict[tuple[str, str], tuple[dict[str, str], Answer]] = {}
    ended: set[str] = set()
    one_at_a_time = threading.Lock()

    def launched(key: tuple[str, str], asked: dict[str, str], environ: dict[str, Any]) -> Answer:
        before, answer = kept.get(key, (asked, None))
        if before != asked:
            return _refusal("IdempotentParameterMismatch", "Arguments are inconsistent.")
        if answer is None or not answer.status.startswith("200"):
            answer = _captured(app, environ)
        elif ended.intersection(re.findall(r"i-[0-9a-f]{17}", answer.body.decode())):
            return _refusal(
                "IdempotentInstanceTerminated", "The token is of a terminated instance."
            )
        kept[key] = (asked, answer)
        return answer

    def wrapped(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = dict(parse_qsl(body.decode("latin-1")))
        if environ.get("PATH_INFO") == "/moto-api/reset":
            kept.clear()
        if asked.get("Action") == "TerminateInstances":
            ended.update(value for name, value in asked.items() if name.startswith("InstanceId"))
        if asked.get("Action") != "RunInstances" or "ClientToken" not in asked:
            return app(environ, start_response)
        region = re.search(r"/([a-z]{2}(?:-[a-z]+)+-\d)/", environ.get("HTTP_AUTHORIZATION", ""))
        with one_at_a_time:
            answer = launched((region[1] if region else "", asked["ClientToken"]), asked, environ)
        start_response(answer.status, answer.headers)
        return [answer.body]

    return wrapped


def _captured(app: App, environ: dict[str, Any]) -> Answer:
    said: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        said[:] = status, headers

    body = b"".join(app(environ, start))
    status, headers = said
    return Answer(status, headers, body)


def _refusal(code: str, message: str) -> Answer:
    error = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    body = f"<Response>{error}<RequestID>0</RequestID></Response>".encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    return Answer("400 Bad Request", headers, body)
