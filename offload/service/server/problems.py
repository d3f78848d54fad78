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
from offload.domain.errors import (
    ImageError,
    PlaceUnavailable,
    Refused,
    TooManyPixels,
    Unanswered,
    UsageError,
)
from offload.service import wire

_MOST = 5
"""As many findings as a person reads."""
AWAY_S = 30.0
"""When to come again to a server whose images are answered elsewhere, where nothing answers now."""


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """RFC 9457; `detail` names the reason."""

    type: str
    title: str
    status: int
    detail: str


class Problem(HTTPException):
    """A request that is refused: its sender reads `detail`, and clients tell it by its `kind`."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "about:blank",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind

    def response(self) -> Response:
        """The problem as it is sent."""
        status = HTTPStatus(self.status_code)
        details = ProblemDetails(self.kind, status.phrase, status.value, self.detail)
        body = typed.encoded(details)
        return Response(body, status.value, self.headers, media_type=wire.PROBLEM_TYPE)


def later(status: HTTPStatus, detail: str, retry_after_s: float) -> Problem:
    """Come again after about `retry_after_s` seconds."""
    return Problem(status, detail, headers={"Retry-After": str(max(1, round(retry_after_s)))})


def install(app: FastAPI) -> None:
    """Let every refusal of `app` take this shape, FastAPI's own included."""

    async def refuse(request: Request, error: Exception) -> Response:
        return _problem(app, request, error).response()

    ours = (ImageError, UsageError, PlaceUnavailable)
    for kind in (HTTPException, RequestValidationError, *ours, Exception):
        app.add_exception_handler(kind, refuse)


def _problem(app: FastAPI, request: Request, error: Exception) -> Problem:
    status, detail, kind = HTTPStatus.UNPROCESSABLE_ENTITY, str(error), "about:blank"
    headers: dict[str, str] = {}
    match error:
        case Problem():
            return error
        case HTTPException():
            status, path = HTTPStatus(error.status_code), request.scope["path"]
            detail = f"{request.method} {path}: {status.phrase.lower()}."
            headers |= error.headers or {}
            if status is HTTPStatus.METHOD_NOT_ALLOWED:
                headers["Allow"] = ", ".join(_methods(app, path))
        case TooManyPixels():
            status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, wire.TOO_MANY_PIXELS
        case Refused():
            pass
        case Unanswered() | PlaceUnavailable():
            return later(HTTPStatus.SERVICE_UNAVAILABLE, detail, AWAY_S)
        case ImageError():
            kind = wire.NO_PICTURE
        case RequestValidationError():
            detail = sentence(error.errors())
        case UsageError():
            pass
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            detail = "The server failed on this request; its log has the traceback."
    return Problem(status, detail, kind=kind, headers=headers)


def _methods(app: FastAPI, path: str) -> list[str]:
    """What may be asked of a path, whichever routes share it."""
    asked = {"type": "http", "path": path, "root_path": "", "headers": []}
    routes = [route for route in app.routes if not isinstance(route, Mount)]
    methods = [
        method
        for method in ("GET", "POST")
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in routes)
    ] or ["GET"]  # files
    return ["GET", "HEAD", *methods[1:]] if methods[0] == "GET" else methods


def sentence(errors: Sequence[Any]) -> str:
    """Pydantic's findings in one sentence: the first few of them."""
    parts = []
    for error in errors[:_MOST]:
        where = ".".join(str(part) for part in error["loc"] if part not in {"body", "query"})
        parts.append(f"{where}: {error['msg']}" if where else str(error["msg"]))
    if len(errors) > _MOST:
        parts.append(f"and {len(errors) - _MOST} more")
    return "; ".join(parts) + "."
