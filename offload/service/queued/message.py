"""What workers are told through a queue, and what they answer: JSON documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offload.domain.typed import Count, Name, Positive
from offload.service.wire import Wishes

VERSION = 1
"""Of both documents; another is refused."""
MOST_BYTES = 200_000
"""Of a message: SQS takes 256 KiB and, since August 2025, more
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
"""


@dataclass(frozen=True, slots=True)
class Task(Wishes):
    """An image to detect in.

    Its file is under `image_key`, its row belongs under `row_key`; `path` is its identity in the
    job. `reply_to` is the URL of the queue where the answer is awaited; empty where only the row
    counts.
    """

    version: Count
    path: Name
    image_key: Name
    row_key: Name
    reply_to: Name = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a task: the row, as `domain.results.Row.to_dict` makes it, or None where it is
    too large for a message and only under `row_key`.

    `worker` is the machine that answers, `slots` how many images it works on at a time.
    `dead_letter` is true of a task that was given up: its row says why.
    """

    version: Count
    row_key: Name
    row: Mapping[str, Any] | None = None
    worker: Name = ""
    slots: Positive = 1
    dead_letter: bool = False
