"""moto's Lambda with functions that run: what calls one goes to its environments."""

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from tests.testbed.drops import Delivery
from tests.testbed.runtime import Function, Launch, Outcome, Service, Throttled

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_CONFIGURE = re.compile(r"/2015-03-31/functions/([^/]+)/configuration")
_DESCRIBE = re.compile(r"/2015-03-31/functions/[^/]+")
_MOST_BYTES = 6 * 2**20
_ACCOUNT = "123456789012"

Starting = Callable[[Any], Launch]
"""How the program of a function, as moto has it, is started."""


class Watched:
    """A WSGI application in front of `app`: tells `done` of each request once it was carried out,
    before who asked is answered. JSON is named by its operation, else it is method and path.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.done: Callable[[str], None] = lambda _what: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body = b"".join(self._app(environ, start_response))
        self.done(operation or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        return [body]


class Invoking:
    """A WSGI application in front of moto's `app`: it answers Invoke, and leaves the rest to it."""

    def __init__(self, app: Callable[..., Any], service: Service, starting: Starting) -> None:
        self._app = app
        self._service = service
        self._starting = starting
        self.endpoint = ""
        self.delivery = Delivery(service, self._send)
        self._dead_letters: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.endswith("/account-settings/"):
            limit = {"AccountLimit": {"UnreservedConcurrentExecutions": self._service.most}}
            return _answer(start_response, "200 OK", json.dumps(limit).encode(), {})
        if _DESCRIBE.fullmatch(path) and environ["REQUEST_METHOD"] == "GET":
            return self._described(environ, start_response)
        if path.startswith("/2015-03-31/functions") and not path.endswith("/invocations"):
            self._remember(environ)
        invoked = _INVOKE.fullmatch(path)
        function = self._known(unquote(invoked[1]), environ) if invoked else None
        if function is not None:
            return self._invoked(function, environ, start_response)
        answered: Iterable[bytes] = self._app(environ, start_response)
        return answered

    def tell(self, _account: str, event: dict[str, Any], arn: str, region: str) -> None:
        """Tell a function of what was put into a bucket, as moto has S3 say it."""
        function = self._known(arn, {"HTTP_AUTHORIZATION": f"/{region}/s3"})
        assert function is not None
        self.delivery.tell(function, event)

    def _remember(self, environ: dict[str, Any]) -> None:
        """A function's dead-letter queue, which moto forgets."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = json.loads(body or b"{}")
        named = _CONFIGURE.fullmatch(environ["PATH_INFO"])
        name = asked.get("FunctionName") or (named and unquote(named[1]))
        if name and "DeadLetterConfig" in asked:
            self._dead_letters[name] = asked["DeadLetterConfig"]["TargetArn"]

    def _invoked(
        self, function: Function, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if len(body) >= _MOST_BYTES:
            message = f"Request must be smaller than {_MOST_BYTES} bytes for the InvokeFunction"
            return _refusal(start_response, "413 Too Large", "RequestTooLargeException", message)
        try:
            outcome = self._service.call(function, body)
        except Throttled as error:
            kind = "TooManyRequestsException"
            return _refusal(start_response, "429 Too Many", kind, "Rate Exceeded.", str(error))
        return _answer(start_response, "200 OK", outcome.body, _headers(outcome))

    def _described(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """As moto says, which leaves out a reserved concurrency of 0."""
        said: list[Any] = []
        body = b"".join(self._app(environ, lambda *head: said.extend(head)))
        status, headers = said[0], dict(said[1])
        if status.startswith("200"):
            document = json.loads(body)
            known = self._known(document["Configuration"]["FunctionName"], environ)
            if known is not None and known.reserved == 0:
                document["Concurrency"] = {"ReservedConcurrentExecutions": 0}
            body = json.dumps(document).encode()
        headers.pop("Content-Length", None)
        headers.pop("content-length", None)
        return _answer(start_response, status, body, headers)

    def _known(self, name: str, environ: Mapping[str, Any]) -> Function | None:
        from moto.awslambda.models import lambda_backends

        signed = environ.get("HTTP_AUTHORIZATION", "")
        scope = re.search(r"/([a-z]{2}(?:-[a-z]+)+-\d)/\w", signed)
        region = scope[1] if scope else "us-east-1"
        found = lambda_backends[_ACCOUNT][region].list_functions()
        names = {each.function_name: each for each in found}
        known = names.get(name.rpartition(":")[2])
        if known is None:
            return None

        def made() -> Function:
            variables = {
                **known.environment_vars,
                "AWS_LAMBDA_FUNCTION_NAME": known.function_name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(known.memory_size),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_REGION": region,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
            }
            queue = self._dead_letters.get(known.function_name, "")
            launch, timeout_s = self._starting(known), float(known.timeout)
            return Function(known.function_arn, launch, variables, timeout_s, queue)

        # Who changes a function has new environments.
        about = (
            known.function_arn, known.code, known.description, known.timeout, known.memory_size,
            known.environment_vars,
        )  # fmt: skip
        key = repr(about)
        function = self._service.function(key, made)
        function.reserved = known.reserved_concurrency
        return function

    def _send(self, queue: str, text: str, said: Mapping[str, str]) -> None:
        """Put a message into a queue of moto's."""
        from moto.sqs.models import sqs_backends

        backend = sqs_backends[_ACCOUNT][queue.split(":")[3]]
        attributes = {k: {"DataType": "String", "StringValue": v} for k, v in said.items()}
        backend.send_message(queue.rpartition(":")[2], text, message_attributes=attributes)


def _headers(outcome: Outcome) -> dict[str, str]:
    failed = {"X-Amz-Function-Error": "Unhandled"} if outcome.error else {}
    return {"x-amzn-RequestId": outcome.request_id, **failed}


def _refusal(
    start_response: Any, status: str, kind: str, message: str, reason: str = ""
) -> Iterable[bytes]:
    body = json.dumps({"Reason": reason, "Type": "User", "message": message}).encode()
    return _answer(start_response, status, body, {"x-amzn-errortype": kind})


def _answer(
    start_response: Any, status: str, body: bytes, headers: Mapping[str, str]
) -> Iterable[bytes]:
    said = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    start_response(status, list(said.items()))
    return [body]
