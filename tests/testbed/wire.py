"""A cable with latency, for kernels without netem: two TAP devices joined in user space.

    wire.py NAME CONFIGURATION

carries frames between the TAPs NAME and NAMEp, each held for half of `rtt` (ms) plus up to `jitter`
(ms), or lost with a probability of `loss` (percent). CONFIGURATION is a JSON file, read again on
SIGHUP. Prints `ready` once the devices are there. Knows nothing else of the test bed.
"""

import contextlib
import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque
from pathlib import Path

_TUNSETIFF, _TAP_WITHOUT_HEADER = 0x400454CA, 0x1002
_FRAME_BYTES = 2048
_BATCH = 64
_MOST_HELD = 50_000

Queue = deque[tuple[float, bytes]]
"""Frames and when they are due."""


def tap(name: str) -> int:
    """The file descriptor of a new TAP device.

    It has no offloads, so every frame is one MTU, which keeps the rate shapers on either end exact.
    """
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER))
    return device


class Wire:
    """Both ends, and what is on its way to each of them."""

    def __init__(self, name: str, configuration: Path) -> None:
        self._configuration = configuration
        self.configure()
        one, other = tap(name), tap(name + "p")
        self._peer = {one: other, other: one}
        self._held: dict[int, Queue] = {one: deque(), other: deque()}
        self._poll = select.epoll()
        for end in self._peer:
            self._poll.register(end, select.EPOLLIN)

    def configure(self) -> None:
        """Take over what the configuration says now."""
        settings = json.loads(self._configuration.read_text())
        self._half_s = settings.get("rtt", 0) / 2e3
        self._jitter_s = settings.get("jitter", 0) / 1e3
        self._loss = settings.get("loss", 0) / 100

    def carry(self) -> None:
        """Deliver what is due, then wait, without a tick, until a frame comes or is due."""
        now, waits_s = time.monotonic(), []
        for end, queue in self._held.items():
            while queue and queue[0][0] <= now:
                _send(end, queue.popleft()[1])
            if queue:
                waits_s.append(queue[0][0] - now)
        for end, _ in self._poll.poll(min(waits_s) if waits_s else -1):
            with contextlib.suppress(BlockingIOError):
                for _ in range(_BATCH):
                    self._accept(os.read(end, _FRAME_BYTES), self._peer[end])

    def _accept(self, frame: bytes, end: int) -> None:
        if self._loss and random.random() < self._loss:
            return
        queue = self._held[end]
        if not (self._half_s or self._jitter_s or queue):
            _send(end, frame)
        elif len(queue) < _MOST_HELD:
            due = time.monotonic() + self._half_s + random.uniform(0, self._jitter_s)
            queue.append((max(due, queue[-1][0]) if queue else due, frame))  # in order, always


def _send(end: int, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # a full queue or a link that is down: a lost frame
        os.write(end, frame)


def main() -> None:
    wire = Wire(sys.argv[1], Path(sys.argv[2]))
    signal.signal(signal.SIGHUP, lambda *_: wire.configure())
    print("ready", flush=True)
    while True:
        wire.carry()


if __name__ == "__main__":
    main()
