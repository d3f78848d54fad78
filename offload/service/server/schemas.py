"""Queries, and the documents of other clients: what OpenAPI shows, and how it is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from offload.domain.vision import Selection
from offload.service import wire

Share = Annotated[float, Field(ge=0, le=1)]
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
