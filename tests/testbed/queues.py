"""moto's SQS as SQS is under load: a message goes to one consumer, and depth costs little.

moto looks at each message's clock twice and at each handle it ever had, copies what it gives, and
holds no lock between looking and giving. There are no FIFO queues here.
"""

import copy
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from tests.testbed.machine import STATE, load, save

_LOOK_AGAIN_S = 0.25
"""How long until a message is seen that becomes visible by the clock."""


def double(share: float) -> None:
    """From now on, leave so many messages visible when they are first received."""
    save(STATE / "doubled.json", share)


def doubled() -> float:
    """The share that `double` was last told."""
    return float(load(STATE / "doubled.json", 0))


def mend(share: Callable[[], float] = lambda: 0.0) -> None:
    """Put what is here under moto's backend; `share` gives that of messages to double."""
    from moto.sqs import models

    models.Queue.share_doubled = staticmethod(share)
    models.Queue.messages = property(_visible)
    models.Queue.approximate_number_of_messages_not_visible = property(_in_flight)
    models.Queue.delete_message = _delete
    models.SQSBackend.receive_message = _receive
    models.SQSBackend.change_message_visibility = _change


def _visible(queue: Any) -> list[Any]:
    now_ms = time.time() * 1000
    return [m for m in queue._messages if m.visible_at <= now_ms and m.delayed_until <= now_ms]


def _in_flight(queue: Any) -> int:
    now_ms = time.time() * 1000
    return sum(message.visible_at > now_ms for message in queue._messages)


def _receive(
    backend: Any, name: str, count: int, wait_s: int, timeout_s: int, notes: Any = None
) -> list[Any]:
    queue = backend.get_queue(name)
    if queue.fifo_queue:
        raise NotImplementedError("FIFO queues")
    until = time.monotonic() + wait_s
    with queue._messages_lock:
        while True:
            given = list(_given(queue, count, int(timeout_s), notes or []))
            left_s = until - time.monotonic()
            if given or left_s <= 0 or name not in backend.queues:
                return given
            queue._messages_lock.wait(min(left_s, _LOOK_AGAIN_S))


def _given(queue: Any, count: int, timeout_s: int, notes: list[str]) -> Any:
    from moto.sqs.models import _filter_message_attributes

    most = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue else None
    share = queue.share_doubled()
    now_ms = int(time.time() * 1000)
    for message in queue.messages:
        if count and most and message.approximate_receive_count >= most:
            queue._messages.remove(message)
            queue.dead_letter_queue.add_message(message)
        elif count:
            count -= 1
            message.approximate_first_receive_timestamp = (
                message.approximate_first_receive_timestamp or now_ms
            )
            message.approximate_receive_count += 1
            once_more = message.approximate_receive_count == 1 and random.random() < share
            message.visible_at = 0 if once_more else now_ms + timeout_s * 1000
            message.receipt_handle = secrets.token_urlsafe(60)
            _handles(queue)[message.receipt_handle] = message
            one = copy.copy(message)
            _filter_message_attributes(one, notes)
            yield one


def _change(backend: Any, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    from moto.sqs.exceptions import InvalidParameterValue

    queue = backend.get_queue(queue_name)
    with queue._messages_lock:
        message = _known(queue, receipt_handle)
        if message not in queue._messages:
            raise InvalidParameterValue("Message does not exist or is not available.")
        message.visible_at = time.time() * 1000 + int(visibility_timeout) * 1000
        queue._messages_lock.notify_all()


def _delete(queue: Any, receipt_handle: str) -> None:
    with queue._messages_lock:
        message = _known(queue, receipt_handle)
        if message in queue._messages:  # to delete twice is no error
            queue._messages.remove(message)


def _known(queue: Any, receipt_handle: str) -> Any:
    from moto.sqs.exceptions import ReceiptHandleIsInvalid

    if receipt_handle not in _handles(queue):
        raise ReceiptHandleIsInvalid
    return _handles(queue)[receipt_handle]


def _handles(queue: Any) -> dict[str, Any]:
    """The messages of a queue by each handle that was given for them."""
    handles: dict[str, Any] = queue.__dict__.setdefault("handles", {})
    return handles
