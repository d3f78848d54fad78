"""SQS: the queues that workers take from, and those that answers come through."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Backlog, Message
from offload.drivers.aws import patience
from offload.drivers.aws.fleet.asking import asked
from offload.drivers.aws.parts import NO_QUEUE

_REGION = re.compile(r"(?:^|\.)([a-z]{2,}(?:-[a-z]+)+-\d+)\.(?:[\w-]+\.)*(?:amazonaws|api)\.")
_MOST_MESSAGES, _MOST_WAIT_S, _MOST_HIDDEN_S = 10, 20, 12 * 3600
_NOT_OURS = ("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid",
             "AWS.SimpleQueueService.MessageNotInflight")  # fmt: skip
"""What is said of a message that others may have by now, or that is gone."""
_FULL = ("OverLimit", "AWS.SimpleQueueService.OverLimit")
"""What is said while so many are in flight as may be."""
_ANSWERS_S = {"VisibilityTimeout": "60", "MessageRetentionPeriod": "86400"}
_LONGEST_NOTE = 1000
_KNOWN_TRIES, _KNOWN_S = 20, 0.25


def region_of(url: str) -> str | None:
    """The region of a queue's URL; None where it does not say, as an emulator's."""
    found = _REGION.search(urlsplit(url).hostname or "")
    return found[1] if found else None


def queue_name(url: str) -> str:
    """What a queue is called, as its URL ends."""
    return url.rstrip("/").rpartition("/")[2]


class SqsQueue:
    """A queue by its URL, through boto3's client of its region."""

    def __init__(self, client: Any, url: str) -> None:
        self.url = url
        self._client = client

    def send(self, body: str, notes: Mapping[str, str] | None = None) -> None:
        """Add a message, with attributes."""
        told = {
            key: {"DataType": "String", "StringValue": note[:_LONGEST_NOTE] or "-"}
            for key, note in (notes or {}).items()
        }
        self._asked("send_message", MessageBody=body, MessageAttributes=told)

    def receive(self, most: int, wait_s: int) -> list[Message]:
        """Up to `most` (10 at most), as soon as there is one; none if there is none for `wait_s`
        (20 at most), or so many are in flight as may be.
        """
        found = self._asked(
            "receive_message", _FULL, MaxNumberOfMessages=min(most, _MOST_MESSAGES),
            WaitTimeSeconds=min(wait_s, _MOST_WAIT_S),
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )  # fmt: skip
        return [_message(each) for each in found.get("Messages", ())]

    def extend(self, message: Message, for_s: int) -> None:
        """Hide it for so long from now, 12 hours after it was received at most; with 0, others get
        it at once. It may be theirs already
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html).
        """
        self._asked(
            "change_message_visibility", _NOT_OURS, ReceiptHandle=message.receipt,
            VisibilityTimeout=min(for_s, _MOST_HIDDEN_S),
        )  # fmt: skip

    def delete(self, message: Message) -> None:
        """It is done; all the better if it is gone already."""
        self._asked("delete_message", _NOT_OURS, ReceiptHandle=message.receipt)

    def delete_all(self, messages: Sequence[Message]) -> None:
        """The same of several, which came together."""
        entries = [{"Id": str(n), "ReceiptHandle": m.receipt} for n, m in enumerate(messages)]
        self._asked("delete_message_batch", Entries=entries)

    def backlog(self) -> Backlog:
        """What it holds."""
        visible, in_flight = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        found = self._asked("get_queue_attributes", AttributeNames=[visible, in_flight])
        said = found["Attributes"]
        return Backlog(int(said[visible]), int(said[in_flight]))

    def kept(self, hidden_s: int = 30) -> Iterator[tuple[str, dict[str, str]]]:
        """Each message that it keeps, and its attributes; meanwhile they are hidden from others."""
        more: dict[str, Any] = {
            "MaxNumberOfMessages": _MOST_MESSAGES,
            "VisibilityTimeout": hidden_s,
        }
        more |= {"WaitTimeSeconds": 1, "MessageAttributeNames": ["All"]}
        return patience.each_once(partial(self._asked, "receive_message", _FULL, **more))

    def _asked(self, operation: str, fine: tuple[str, ...] = (), **parameters: Any) -> Any:
        what = f"queue {queue_name(self.url)}"
        return asked(self._client, operation, what, fine, QueueUrl=self.url, **parameters)


class SqsQueues:
    """Queues by their URLs, and those that whoever asks a fleet makes for its answers."""

    def __init__(self, client: Any, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._pause = pause

    def __call__(self, url: str) -> SqsQueue:
        """The queue of a URL, whether or not it is there."""
        return SqsQueue(self._client, url)

    def made(self, name: str, tags: Mapping[str, str]) -> SqsQueue:
        """A new one for answers, once SQS knows it."""
        what = f"queue {name}"
        made = asked(
            self._client, "create_queue", what, QueueName=name, Attributes=_ANSWERS_S,
            tags=dict(tags),
        )  # fmt: skip
        queue = self(str(made["QueueUrl"]))
        for _ in range(_KNOWN_TRIES):
            if asked(self._client, "get_queue_attributes", what, NO_QUEUE, QueueUrl=queue.url,
                     AttributeNames=["QueueArn"]):  # fmt: skip
                return queue
            self._pause(_KNOWN_S)
        raise PlaceUnavailable(
            f"The queue {name} does not come up.", hint="To try again: the same command"
        )

    def remove(self, queue: SqsQueue) -> None:
        """Delete one; all the better if it is gone already."""
        what = f"queue {queue_name(queue.url)}"
        asked(self._client, "delete_queue", what, NO_QUEUE, QueueUrl=queue.url)


def _message(said: Mapping[str, Any]) -> Message:
    receives = said.get("Attributes", {}).get("ApproximateReceiveCount", 1)
    return Message(said["Body"], said["ReceiptHandle"], int(receives))
