"""Documents of the API as pydantic models: what OpenAPI shows, and how legacy JSON is checked."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from offload.domain.vision import Selection
from offload.service import wire

Share = Annotated[float, Field(ge=0, le=1)]
Text = dict[str, str]
ClassName = Annotated[str, Field(max_length=200)]

MAX_IMAGES = 4096
"""How many images one document may hold."""


class Wishes(BaseModel):
    """The query of a detection: which objects to keep, and how large a picture may be."""

    model_config = ConfigDict(extra="forbid")

    min_score: Share | None = Field(None, description="Without it, the model's own.")
    classes: list[ClassName] = Field([], alias="class", description="Names or ids; all if empty.")
    max_detections: int = Field(Selection().max_detections, ge=1, le=2**31)
    iou: Share = Field(
        Selection().max_iou, description="Drop boxes that overlap a better one more."
    )
    max_pixels: int | None = Field(None, ge=1, le=2**62, description="At most the server's own.")

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

    bytes: int = Field(ge=0, le=wire.MOST_PROBE_BYTES, description="How many to send.")


class Found(BaseModel):
    """One object; `box` is ymin, xmin, ymax, xmax as shares of the upright picture."""

    label: str
    id: int
    score: Share
    box: Annotated[list[Share], Field(min_length=4, max_length=4)]


class Durations(BaseModel):
    """Seconds of the server's own monotonic clock."""

    recv_s: float
    queue_s: float
    decode_s: float
    infer_s: float


class Answer(BaseModel):
    """An image's objects, best first, and where the seconds went."""

    schema_: Literal[2] = Field(alias="schema")
    model_sha256: str
    width: int
    height: int
    detections: list[Found]
    durations: Durations


class Probed(BaseModel):
    """What came in, and how long it took from the request's headers to its last byte."""

    bytes: int
    recv_s: float


class ModelIdentity(BaseModel):
    """Which weights answer."""

    name: str
    runtime: str
    sha256: str


class Info(BaseModel):
    """This server: version, model, slots, limits, machine, how it came up."""

    service: Literal["offload"]
    version: str
    model: ModelIdentity
    labels: Text
    min_score: float
    workers: int
    threads: int
    queue: int
    max_bytes: int
    max_pixels: int
    machine: dict[str, Any]
    startup: dict[str, float]


class ProblemDetails(BaseModel):
    """RFC 9457; `detail` names the reason."""

    type: str
    title: str
    status: int
    detail: str


class Batch(BaseModel):
    """Several images in one document."""

    model_config = ConfigDict(strict=True)

    images: list[str] = Field(
        min_length=1, max_length=MAX_IMAGES, description="Base64 of each file."
    )
    names: list[str] | None = None


class BatchEntry(BaseModel):
    """One image of a batch; `error` says why there are no detections."""

    name: str
    detections: list[Found]
    inference_s: float
    error: str | None


class BatchAnswer(BaseModel):
    """An entry per image, in their order, and the totals that clients print."""

    results: list[BatchEntry]
    total_images: int
    payload_bytes: int
    average_inference_s: float
    total_s: float


class Single(BaseModel):
    """One image and whatever its sender calls it. May itself be sent as a JSON string."""

    model_config = ConfigDict(strict=True)

    id: str | int | None = None
    image: str = Field(description="Base64 of the file.")


class Rectangle(BaseModel):
    """Pixels of the sent image."""

    height: float
    left: float
    top: float
    width: float


class SingleObject(BaseModel):
    """One object."""

    label: str
    accuracy: Share
    rectangle: Rectangle


class SingleAnswer(BaseModel):
    """The objects, best first."""

    id: str | int | None
    objects: list[SingleObject]
