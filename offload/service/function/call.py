"""What a function is told with a call, and what it answers: JSON documents."""

from dataclasses import dataclass, field

from offload.domain.typed import Count, Name, Seconds
from offload.service import wire

MOST_BYTES = 6 * 2**20 - 1
"""Of a call and of its answer: a synchronous one "must be smaller than 6291456 bytes", says AWS
Lambda (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

UNFETCHED = "urn:offload:problem:image-unfetched"
"""The picture did not come from where it is; it may the next time."""


@dataclass(frozen=True, slots=True)
class Call(wire.Wishes):
    """A picture, as base64 text of its file or as the `url` where its file is; or neither.

    A call with neither asks what the function is, or with `answer_bytes` for an answer of so many
    bytes, which measures the link; `padding` is a payload of no meaning, for the same.
    """

    picture: bytes | None = None
    url: str | None = None
    padding: bytes = b""
    answer_bytes: Count | None = None


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
