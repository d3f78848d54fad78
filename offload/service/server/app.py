"""The HTTP interface."""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Security
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offload.domain.vision import Selection, check_classes
from offload.service import wire
from offload.service.server import browsers, legacy, problems
from offload.service.server.access import observed
from offload.service.server.core import FILE, FORM, Metrics, Service, sent, taken
from offload.service.server.intake import only_file, worked
from offload.service.server.problems import Problem, ProblemDetails
from offload.version import __version__

_ENDING = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The server is shutting down.")

Share = Annotated[float, Field(ge=0, le=1)]
ClassName = Annotated[str, Field(max_length=200)]


class Wishes(BaseModel):
    """The query of a detection: which objects to keep, and how large a picture may be."""

    model_config = ConfigDict(extra="forbid")

    min_score: Share | None = Field(None, description="Without it, the model's own.")
    classes: list[ClassName] = Field([], alias="class", description="Names or ids; all if empty.")
    max_detections: int = Field(Selection().max_detections, ge=1, le=2**31)
    iou: Share = Field(
        Selection().max_iou, description="Drop boxes whose overlap with a better one is larger."
    )
    max_pixels: int | None = Field(None, ge=1, le=2**62, description="At most the server's limit.")

    def selection(self, min_score: float) -> Selection:
        """The selection; `min_score` where none is wished."""
        return Selection(
            min_score=min_score if self.min_score is None else self.min_score,
            classes=frozenset(name.strip().lower() for name in self.classes),
            max_detections=self.max_detections,
            max_iou=self.iou,
        )


class ProbeWishes(BaseModel):
    """The query of a probe of the way back."""

    model_config = ConfigDict(extra="forbid")

    bytes: int = Field(ge=0, le=wire.MOST_PROBE_BYTES, description="Number of bytes to send.")


def create(service: Service) -> FastAPI:
    """The application around `service`."""
    app = FastAPIOffline(
        title="offload",
        version=__version__,
        description="Object detection: an encoded image in, labelled boxes and durations out.",
        redoc_url=None,
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url="/docs/oauth2-redirect",
    )
    problems.install(app)
    guarded = [Security(_bearer(service.token))] if service.token else []
    refusals: dict[int | str, dict[str, Any]] = {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {wire.PROBLEM_TYPE: {"schema": TypeAdapter(ProblemDetails).json_schema()}},
        }
        for status in (400, 401, 403, 408, 413, 415, 421, 422, 429, 500, 503)
    }
    app.include_router(_own(service), dependencies=guarded, responses=refusals)
    app.include_router(legacy.routes(service), dependencies=guarded, responses=refusals)
    app.include_router(_open(service))
    app.add_middleware(_entrance, service=service)
    if service.tell is not None:
        app.add_middleware(observed, tell=service.tell, clock=service.clock)
    return app


def _own(service: Service) -> APIRouter:
    """The interface our client speaks."""
    router = APIRouter()

    @router.post(
        wire.DETECT,
        responses={200: {"model": wire.Answer}},
        openapi_extra=taken(
            {"application/octet-stream": FILE, "image/*": FILE, "multipart/form-data": FORM}
        ),
    )
    async def detect(request: Request, wishes: Annotated[Wishes, Query()]) -> Response:
        """Detect the objects of one image: the raw file, or that of a form, of any name."""
        slots = service.ready()
        selection = wishes.selection(slots.info.min_score)
        check_classes(selection, slots.info.labels)
        async with service.intake.body(request) as body:
            file = await only_file(request.headers.get("content-type"), body)
            async with slots.admission(request):
                answer = await slots.detect(body, lambda: file, selection, wishes.max_pixels)
        return sent(answer, answer.server_timing())

    @router.post(
        wire.PROBE,
        responses={200: {"model": wire.Probed}},
        openapi_extra=taken({"application/octet-stream": FILE}, required=False),
    )
    async def probe(request: Request) -> Response:
        """Swallow a payload and say how long it took to come in; for measuring the link."""
        async with service.intake.body(request, keep=False) as body:
            probed = wire.Probed(body.size_bytes, round(body.recv_s, 6))
        return sent(probed, f"recv;dur={body.recv_s * 1000:.3f}")

    @router.get(
        wire.PROBE,
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": FILE}}},
    )
    async def probe_back(wishes: Annotated[ProbeWishes, Query()]) -> Response:
        """Send random bytes, which nothing on the way can shorten; for measuring the link."""
        data = await worked(wishes.bytes, lambda: os.urandom(wishes.bytes))
        return Response(data, media_type="application/octet-stream")

    @router.get(wire.INFO, responses={200: {"model": wire.Info}})
    async def info() -> Response:
        """What this server is."""
        return sent(service.ready().info)

    @router.get(wire.METRICS, response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus' text format."""
        service.metrics.in_progress.set(service.slots.in_progress if service.slots else 0)
        service.metrics.held_bytes.set(service.intake.held_bytes)
        return Response(service.metrics.text(), headers={"Content-Type": Metrics.content_type})

    return router


def _open(service: Service) -> APIRouter:
    """What needs no token: it says nothing that is worth one."""
    router = APIRouter()

    @router.get(wire.LIVE, response_class=PlainTextResponse)
    async def live() -> Response:
        """The process answers."""
        return PlainTextResponse("live\n")

    @router.get(
        wire.READY,
        response_class=PlainTextResponse,
        responses={503: {"content": {wire.PROBLEM_TYPE: {}}}},
    )
    async def ready() -> Response:
        """The model is loaded and warm."""
        service.ready()
        return PlainTextResponse("ready\n")

    @router.get("/", response_class=HTMLResponse)
    async def page() -> HTMLResponse:
        """A page for people."""
        file = resources.files("offload.service") / "page" / "index.html"
        return HTMLResponse(await asyncio.to_thread(file.read_text, "utf-8"))

    return router


def _bearer(token: str) -> Callable[..., Awaitable[None]]:
    scheme = HTTPBearer(auto_error=False)

    async def check(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        # Starlette reads headers as Latin-1; this gives the bytes back that were sent.
        theirs = sent.credentials.encode("latin-1") if sent else b""
        if not hmac.compare_digest(theirs, token.encode()):
            detail = "The token is wrong." if theirs else "This server needs a token."
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers=headers)

    return check


def _entrance(app: ASGIApp, service: Service) -> ASGIApp:
    """Lets in what may come in, as it was meant; counts answers, says which are the last of their
    connections, forgets requests whose sender has gone.
    """

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        nth = scope.get("state", {}).get("requests", 0)

        async def counting(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                service.metrics.answers.labels(str(message["status"])).inc()
                if service.ending or nth >= service.most_requests:
                    last = (b"connection", b"close")
                    message = {**message, "headers": [*message.get("headers", ()), last]}
            await send(message)

        try:
            asked = _as_meant(scope)
            problem = await _refusal(service, asked, receive)
            inside = app if problem is None else problem.response()
            await inside(asked, receive, counting if scope["type"] == "http" else send)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:
            # The server ends, and has waited long enough.
            if not begun:
                await _ENDING.response()(scope, receive, counting)

    return enter


def _as_meant(scope: Scope) -> Scope:
    """A request with the slashes that its path should have. HEAD is GET, whose answer's body
    uvicorn leaves out.
    """
    if scope["type"] != "http":
        return scope
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    path = "/" + "/".join(part for part in scope["path"].split("/") if part)
    return {**scope, "method": method, "path": path}


async def _refusal(service: Service, scope: Scope, receive: Receive) -> Problem | None:
    """Why nothing of a request is looked at."""
    if scope["type"] != "http" or scope["path"] == wire.LIVE:
        return None
    if not service.closed and not (service.ending and scope["path"] in {wire.READY, wire.INFO}):
        return browsers.refusal(scope, trusted=service.token is not None)
    # A connection that is closed before all was read is reset, and the answer with it.
    while (message := await receive()).get("more_body", False):
        pass
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return _ENDING
