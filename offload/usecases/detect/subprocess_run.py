"""The very command in a process of its own."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from offload.domain import events
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import Built, Event, Failed, ImageFailed, Reporter, Warned
from offload.drivers.host import processes
from offload.usecases.detect.request import Request

_DONE, _SOME_FAILED = 0, 3
_ERRORS: Mapping[int, type[OffloadError]] = {2: UsageError, 4: PlaceUnavailable}


@dataclass(frozen=True, slots=True)
class Detected:
    """What `offload detect` left: its `run.json` and the `totals` there, the folder of its results,
    and the `reason` why the last image failed that did; empty if none did.
    """

    document: Mapping[str, Any]
    totals: Mapping[str, Any]
    folder: str
    reason: str


@contextmanager
def detect(
    sources: Sequence[str], request: Request, reporter: Reporter, work: str | None = None
) -> Iterator[Detected]:
    """Detect as `request` asks, but in `sources`, keeping nothing in the history. The results are
    there until the context ends, in a folder below `work` if that is given.

    Raises:
        UsageError, PlaceUnavailable, OffloadError: the command's own explanation of its end.
    """
    with tempfile.TemporaryDirectory(prefix="offload-", dir=work) as folder:
        # -P, or Python would import what lies in this folder, which may come from anybody.
        command = [sys.executable, "-P", "-m", "offload", "detect", *sources]
        command += [*request.as_options(), f"--out={folder}", "--overwrite", "--yes"]
        heard: list[Event] = []

        def hear(line: str) -> None:
            event = events.from_line(line)
            if isinstance(event, Warned):
                reporter.emit(event)
            elif isinstance(event, Built):
                if event.done == 0:
                    reporter.note("Building the container image: takes minutes, once.")
            elif event is not None:
                heard.append(event)

        wanted = {"OFFLOAD_HISTORY": "false", events.VARIABLE: events.AS_LINES}
        if request.token:
            wanted["OFFLOAD_TOKEN"] = request.token
            if request.url:  # which it is for
                wanted["OFFLOAD_URL"] = request.url
        code, said = processes.run(command, os.environ | wanted, hear)
        if code not in {_DONE, _SOME_FAILED}:
            raise _failure(code, said, heard)
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            document = json.load(file)
        failures = [
            f"{each.path}: {each.reason}" for each in heard if isinstance(each, ImageFailed)
        ]
        yield Detected(document, document["totals"], folder, failures[-1] if failures else "")


def _failure(code: int, said: str, heard: Sequence[Event]) -> OffloadError:
    for event in heard:
        if isinstance(event, Failed):
            return _ERRORS.get(event.exit_code, OffloadError)(event.text, hint=event.hint)
    kind = _ERRORS.get(code, OffloadError)
    return kind(f"The subprocess ended with exit code {code}: {said}")
