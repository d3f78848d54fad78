"""A provider that another package brings: `offload serve` in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from offload.costmodel.dollars import Billing
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable
from offload.domain.places import PlaceTraits
from offload.providers.config import Endpoint, PlaceConfig

TRAITS = PlaceTraits("toy", title="the toy", leaves_machine=False, uses_link=False, rented=False)

STARTED, ENDED = "TOY_STARTED", "TOY_ENDED"
"""The variables that name the files that are there once the server was started, and taken down."""


@contextmanager
def open(  # noqa: A001 - what every provider calls it
    config: PlaceConfig, model: ModelSource
) -> Iterator[Sequence[Endpoint]]:
    """The server, with the model that is asked for."""
    command = [sys.executable, "-m", "offload", "serve", "--port", "0", "--model"]
    with subprocess.Popen(
        [*command, config.asked or model.identity.name],
        env=os.environ | {"OFFLOAD_TOKEN": "toy"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            _touch(os.environ[STARTED])
            said = re.search(r" at (http://\S+?),", process.stderr.readline())
            if said is None:
                raise PlaceUnavailable("The toy does not start.")
            yield [
                Endpoint(
                    said[1], "toy", label="toy:one", billing=Billing(3.6), phases={"start": 0.1}
                )
            ]
        finally:
            process.kill()
            _touch(os.environ[ENDED])


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT))
