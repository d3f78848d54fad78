"""S3's telling a function of what is put into a bucket: asynchronous calls, as AWS makes them.

Every event is delivered at least once, here as often as is asked for; a call that fails is made
again, twice, and then goes into the function's dead-letter queue.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.testbed.runtime import Function, Killed, Outcome, Service, Throttled

_AGAIN_S = 0.05
"""AWS waits a minute, then two; a throttled call is tried for hours."""
_RETRIES = 2


@dataclass
class Delivery:
    """Delivers events to functions: `times` each. `killed` says of each call whether, and when, the
    function's environment is killed.
    """

    service: Service
    send: Callable[[str, str, Mapping[str, str]], None]
    times: int = 1
    killed: Callable[[bytes], Killed] = lambda _payload: ""
    pending: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, function: Function, event: dict[str, Any]) -> None:
        """Tell the function that something is there; S3 numbers what happens to a key."""
        for record in event["Records"]:
            record["s3"]["object"]["sequencer"] = uuid.uuid4().hex[:16].upper()
        for _ in range(self.times):
            with self.changed:
                self.pending += 1
            threading.Thread(target=self._deliver, args=(function, event), daemon=True).start()

    def settled(self, timeout_s: float) -> bool:
        """Wait until nothing is on its way."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.pending, timeout_s)

    def _deliver(self, function: Function, event: dict[str, Any]) -> None:
        payload = json.dumps(event).encode()
        try:
            for _ in range(1 + _RETRIES):
                outcome = self._taken(function, payload)
                if not outcome.error:
                    return
                time.sleep(_AGAIN_S)
            why = str(json.loads(outcome.body).get("errorMessage"))
            said = {"RequestID": outcome.request_id, "ErrorCode": "200", "ErrorMessage": why}
            self.send(function.dead_letters, payload.decode(), said)
        finally:
            with self.changed:
                self.pending -= 1
                self.changed.notify_all()

    def _taken(self, function: Function, payload: bytes) -> Outcome:
        when = self.killed(payload)
        while True:
            try:
                return self.service.call(function, payload, when)
            except Throttled:
                time.sleep(_AGAIN_S)
