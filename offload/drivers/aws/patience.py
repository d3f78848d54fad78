"""Calls made again: AWS does not know everywhere at once what was made just now, and a queue gives
few messages at a time.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from offload.domain.errors import OffloadError
from offload.drivers.aws import calls

_TRIES, _LOOK_S = 30, 2.0


def call_once_known(
    client: Any,
    operation: str,
    signs: Collection[str],
    pause: Callable[[float], None],
    **parameters: Any,
) -> dict[str, Any]:
    """What AWS answers once it knows everywhere what the call rests on, which was made just now:
    asked again for a minute, as long as its refusal has one of these `signs`.
    """
    for _ in range(_TRIES):
        try:
            return calls.call(client, operation, **parameters)
        except OffloadError as error:
            if not any(sign in str(error) for sign in signs):
                raise
        pause(_LOOK_S)
    return calls.call(client, operation, **parameters)


def each_once(receive: Callable[[], dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each message that a queue keeps, and its attributes; `receive` hides some from others for a
    while.
    """
    seen: set[str] = set()
    while fresh := [m for m in receive().get("Messages", ()) if m["MessageId"] not in seen]:
        for message in fresh:
            seen.add(message["MessageId"])
            told = message.get("MessageAttributes", {})
            yield message["Body"], {key: said["StringValue"] for key, said in told.items()}
