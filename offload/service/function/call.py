"""What a function is told with a call, and what it answers: JSON documents."""

from dataclasses import dataclass, field

from offload.domain.typed import Count, Name, Positive, Seconds, Share
from offload.domain.vision import Selection
from offload.service import wire

MOST_BYTES = 6 * 2**20 - 1
"""Of a call and of its answer: a synchronous one "must be smaller than 6291456 bytes", says AWS
Lambda (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

UNFETCHED = "urn:offload:problem:image-unfetched"
"""The picture did not come from where it is; it may the next time."""


@dataclass(frozen=True, slots=True)
class Call:
    """A picture, as base64 text of its file or as the `url` where its file is; or neither.

    A call with neither asks what the function is, or with `answer_bytes` for an answer of so many
    bytes, which measures the link; `padding` is a payload of no meaning, for the same. `min_score`
    None is the model's own, `max_pixels` None the function's.
    """

    picture: bytes | None = None
    url: str | None = None
    min_score: Share | None = None
    classes: tuple[Name, ...] = ()
    max_detections: Positive = Selection().max_detections
    max_iou: Share = Selection().max_iou
    max_pixels: Positive | None = None
    padding: bytes = b""
    answer_bytes: Count | None = None

    def selection(self, min_score: float) -> Selection:
        """Which detections to keep; `min_score` where none is said."""
        return Selection(
            min_score=min_score if self.min_score is None else self.min_score,
            classes=frozenset(name.strip().lower() for name in self.classes),
            max_detections=self.max_detections,
            max_iou=self.max_iou,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a function answers: what it found, or the `problem` of it, or what else was asked for.

    `init_s` are the seconds from the start of the environment's process until it could take calls,
    told with the first of them: that call was cold. `padding` is of no meaning.
    """

    request_id: Name
    init_s: Seconds | None = None
    answer: wire.Answer | None = None
    problem: wire.Refusal | None = None
    info: wire.Info | None = None
    padding: bytes = field(default=b"", repr=False)
