"""Three wire formats that people's own clients speak: base64 in JSON twice, and a plain form."""

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offload.domain.errors import ImageError
from offload.service import wire
from offload.service.server.core import FORM, Service, Slots, sent, taken
from offload.service.server.intake import Body, only_file, worked
from offload.service.server.problems import Problem, sentence

T = TypeVar("T", bound=BaseModel)

MAX_IMAGES = 4096
"""How many images one document may hold."""

_MAX_COMMAS = 4 * MAX_IMAGES
"""Above this, JSON holds more values than any document of ours; each takes memory to read."""


class Batch(BaseModel):
    """Several images in one document."""

    model_config = ConfigDict(strict=True)

    images: list[str] = Field(
        min_length=1, max_length=MAX_IMAGES, description="Base64 of each file."
    )
    names: list[str] | None = None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One image of a batch; `error` says why there are no detections."""

    name: str
    detections: Sequence[wire.Found]
    inference_s: float
    error: str | None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """An entry per image, in their order, and the totals that clients print."""

    results: Sequence[BatchEntry]
    total_images: int
    payload_bytes: int
    average_inference_s: float
    total_s: float


class Single(BaseModel):
    """One image and whatever its sender calls it. May itself be sent as a JSON string."""

    model_config = ConfigDict(strict=True)

    id: str | int | None = None
    image: str = Field(description="Base64 of the file.")


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels of the sent image."""

    height: float
    left: float
    top: float
    width: float


@dataclass(frozen=True, slots=True)
class SingleObject:
    """One object."""

    label: str
    accuracy: float
    rectangle: Rectangle


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """The objects, best first."""

    id: str | int | None
    objects: Sequence[SingleObject]


def routes(service: Service) -> APIRouter:
    """The three of them."""
    router = APIRouter(tags=["other clients"])

    @router.post(
        "/api/detect",
        responses={200: {"model": BatchAnswer}},
        openapi_extra=taken({"application/json": {"schema": Batch.model_json_schema()}}),
    )
    async def batch(request: Request) -> Response:
        """Several images as base64 in one document. One that is unusable fails alone."""
        slots = service.ready()
        async with service.intake.body(request) as body:
            asked = await _parsed(Batch, body)
            names = asked.names
            if names is None:
                names = [str(number) for number in range(len(asked.images))]
            if len(names) != len(asked.images):
                detail = f"names: {len(names)} names for {len(asked.images)} images."
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
            async with slots.admission(request):
                answers = await _all(slots, body, asked.images)
            total_s = service.clock() - body.began_s
        if isinstance(answers[0], ImageError) and all(isinstance(a, ImageError) for a in answers):
            raise answers[0]
        entries = [_entry(name, answer) for name, answer in zip(names, answers, strict=True)]
        done = [entry.inference_s for entry in entries if entry.error is None]
        mean_s = sum(done) / len(done)
        return sent(BatchAnswer(entries, len(entries), body.size_bytes, mean_s, total_s))

    @router.post(
        "/api/object_detection",
        responses={200: {"model": SingleAnswer}},
        openapi_extra=taken({"application/json": {"schema": Single.model_json_schema()}}),
    )
    async def single(request: Request) -> Response:
        """One image as base64, with an id; the document may itself be a JSON string."""
        slots = service.ready()
        async with service.intake.body(request) as body:
            asked = await _parsed(Single, body)
            async with slots.admission(request):
                answer = await slots.detect(body, lambda: _decoded(asked.image))
        objects = [_in_pixels(found, answer) for found in answer.detections]
        return sent(SingleAnswer(asked.id, objects))

    @router.post(
        "/", response_class=PlainTextResponse, openapi_extra=taken({"multipart/form-data": FORM})
    )
    async def label(request: Request) -> PlainTextResponse:
        """One file of a form; the answer is the label of its best object, or `none`."""
        slots = service.ready()
        async with service.intake.body(request) as body:
            file = await only_file(request.headers.get("content-type"), body)
            async with slots.admission(request):
                answer = await slots.detect(body, lambda: file)
        best = answer.detections
        return PlainTextResponse(best[0].label if best else "none")

    return router


async def _parsed(model: type[T], body: Body) -> T:
    """The document in `body`, which may be a JSON string that holds it."""

    def parse() -> T:
        text: bytes | str = body.taken()
        try:
            if text.lstrip()[:1] == b'"':
                text = json.loads(text)
            if (text.count(",") if isinstance(text, str) else text.count(b",")) > _MAX_COMMAS:
                raise ValueError("it holds too many values")
            return model.model_validate_json(text)
        except ValidationError as error:
            reason = sentence(error.errors(include_input=False, include_url=False))
        except ValueError as error:
            reason = f"The document cannot be read: {error}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, reason)

    return await worked(body.size_bytes, parse)


async def _all(slots: Slots, body: Body, images: Sequence[str]) -> list[wire.Answer | ImageError]:
    """An answer or the reason for none for every image, as many at a time as there are slots."""
    turn = asyncio.Semaphore(slots.engine.concurrency)

    async def one(image: str) -> wire.Answer | ImageError:
        async with turn:
            try:
                return await slots.detect(body, lambda: _decoded(image))
            except ImageError as error:
                return error

    tasks = [asyncio.ensure_future(one(image)) for image in images]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # where one failed otherwise, nobody waits for the rest
            task.cancel()


def _decoded(image: str) -> bytes:
    """The bytes of a base64 text of either alphabet; a data URL's head is left out, and so is what
    Python writes around bytes.
    """
    text = image.partition(",")[2] if image.startswith("data:") else image
    if text.startswith("b'"):
        text = text[2:].removesuffix("'")
    text = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode("".join(text.split()) if "\n" in text else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"the image is not valid base64: {error}") from error


def _entry(name: str, answer: wire.Answer | ImageError) -> BatchEntry:
    if isinstance(answer, ImageError):
        return BatchEntry(name, (), 0.0, str(answer))
    return BatchEntry(name, answer.detections, answer.durations.infer_s, None)


def _in_pixels(found: wire.Found, answer: wire.Answer) -> SingleObject:
    box, width, height = found.box, answer.width, answer.height
    rectangle = Rectangle(
        height=round((box.ymax - box.ymin) * height, 2),
        left=round(box.xmin * width, 2),
        top=round(box.ymin * height, 2),
        width=round((box.xmax - box.xmin) * width, 2),
    )
    return SingleObject(found.label, found.score, rectangle)
