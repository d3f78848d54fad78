"""The very command in a process of its own."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.drivers.host import processes
from offload.drivers.host.processes import Ended
from offload.usecases.detect.request import Request

_DONE, _SOME_FAILED = 0, 3
_ERRORS: Mapping[int, type[OffloadError]] = {2: UsageError, 4: PlaceUnavailable}
_ERROR, _WARNING, _FAILED = "error: ", "warning: ", "failed: "
"""How the command begins what it says on standard error."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What `offload detect` left: its `run.json`, the folder of its results, what it said."""

    document: Mapping[str, Any]
    folder: str
    said: tuple[str, ...]

    @property
    def totals(self) -> Mapping[str, Any]:
        """The summary of the run."""
        totals: Mapping[str, Any] = self.document["totals"]
        return totals

    @property
    def reason(self) -> str:
        """Why the last image failed that did; empty if none did."""
        lines = reversed(self.said)
        return next((line.removeprefix(_FAILED) for line in lines if line.startswith(_FAILED)), "")


@contextmanager
def detect(
    sources: Sequence[str],
    request: Request,
    warn: Callable[[str], None],
    work: str | None = None,
) -> Iterator[Detected]:
    """Detect as `request` asks, but in `sources`, keeping nothing in the history. The results are
    there until the context ends, in a folder below `work` if that is given.

    Raises:
        UsageError, PlaceUnavailable, OffloadError: the command's own explanation of its end.
    """
    with tempfile.TemporaryDirectory(prefix="offload-", dir=work) as folder:
        command = [sys.executable, "-m", "offload", "detect", *sources]
        command += [*request.as_options(), f"--out={folder}", "--overwrite", "--yes"]

        def heard(line: str) -> None:
            if line.startswith(_WARNING):
                warn(line.removeprefix(_WARNING))

        ended = processes.run(command, _environment(request), heard)
        if ended.code not in {_DONE, _SOME_FAILED}:
            raise _failure(ended)
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            document = json.load(file)
        yield Detected(document, folder, ended.said)


def _environment(request: Request) -> dict[str, str]:
    token = request.token
    return {**os.environ, "OFFLOAD_HISTORY": "false"} | ({"OFFLOAD_TOKEN": token} if token else {})


def _failure(ended: Ended) -> OffloadError:
    """The command's own explanation of its end."""
    kind = _ERRORS.get(ended.code, OffloadError)
    for number, line in enumerate(ended.said):
        if line.startswith(_ERROR):
            hint = "".join(ended.said[number + 1 : number + 2]).strip()
            return kind(line.removeprefix(_ERROR), hint=hint)
    last = ended.said[-1] if ended.said else "it said nothing"
    return kind(f"A process of its own ended with exit code {ended.code}: {last}")
