"""Failures as problem details (RFC 9457): one JSON shape that names the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount

from offload.domain import typed
from offload.domain.errors import ImageError, TooManyPixels, UsageError
from offload.service import wire

_MOST = 5
"""As many findings as a person reads."""


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """RFC 9457; `detail` names the reason."""

    type: str
    title: str
    status: int
    detail: str


class Problem(Exception):
    """A request that is refused; `detail` is the sentence its sender reads.

    `kind` is the problem's type, where clients must tell it from others of its status.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "about:blank",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The problem as it is sent."""
        details = ProblemDetails(self.kind, self.status.phrase, self.status.value, self.detail)
        body = typed.encoded(details)
        return Response(body, self.status.value, self.headers, media_type=wire.PROBLEM_TYPE)


def later(status: HTTPStatus, detail: str, retry_after_s: float) -> Problem:
    """Come again after about `retry_after_s` seconds."""
    return Problem(status, detail, headers={"Retry-After": str(max(1, round(retry_after_s)))})


def install(app: FastAPI) -> None:
    """Let every refusal of `app` take this shape, FastAPI's own included."""

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(ImageError)
    async def on_unusable(_request: Request, error: ImageError) -> Response:
        if isinstance(error, TooManyPixels):
            status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, wire.TOO_MANY_PIXELS
        else:
            status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, wire.NO_PICTURE
        return Problem(status, str(error), kind=kind).response()

    @app.exception_handler(UsageError)
    async def on_impossible(_request: Request, error: UsageError) -> Response:
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)).response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = f"{request.method} {request.scope['path']}: {status.phrase.lower()}."
        headers = dict(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(app, request.scope["path"]))
        return Problem(status, detail, headers=headers).response()

    @app.exception_handler(Exception)
    async def on_bug(_request: Request, _error: Exception) -> Response:
        detail = "The server failed on this request; its log has the traceback."
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()


def _methods(app: FastAPI, path: str) -> list[str]:
    """What may be asked of a path, whichever routes share it."""
    asked = {"type": "http", "path": path, "root_path": "", "headers": []}
    routes = [route for route in app.routes if not isinstance(route, Mount)]
    return [
        method
        for method in ("GET", "HEAD", "POST")
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in routes)
    ] or ["GET", "HEAD"]  # files


def sentence(errors: Sequence[Any]) -> str:
    """Pydantic's findings in one sentence: the first few of them."""
    parts = []
    for error in errors[:_MOST]:
        where = ".".join(str(part) for part in error["loc"] if part not in {"body", "query"})
        parts.append(f"{where}: {error['msg']}" if where else str(error["msg"]))
    if len(errors) > _MOST:
        parts.append(f"and {len(errors) - _MOST} more")
    return "; ".join(parts) + "."
