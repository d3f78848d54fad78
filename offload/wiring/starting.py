"""Starts: the very command in a process of its own, with everything that a first result takes."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.measurements import Start
from offload.drivers import processes
from offload.drivers.processes import Ended
from offload.wiring.request import Request

_DONE, _SOME_FAILED = 0, 3
_ERRORS: Mapping[int, type[OffloadError]] = {2: UsageError, 4: PlaceUnavailable}
_ERROR, _WARNING, _FAILED = "error: ", "warning: ", "failed: "
"""How the command begins what it says on standard error."""


class Starter:
    """Brings a place up for `images` of the files, the first ones that can be used."""

    def __init__(
        self, request: Request, files: Sequence[str], images: int, say: Callable[[str], None]
    ) -> None:
        self._request = request
        self._files = list(files)
        self._images = images
        self._say = say

    def __call__(self) -> Start:
        """One start.

        Raises:
            PlaceUnavailable: the place is not there.
            OffloadError: the command fails, or no image can be used.
        """
        ended: Ended | None = None
        while self._files:
            files = self._files[: self._images]
            ended, totals = self._run(files)
            if totals["failed"] < totals["images"]:
                return Start(
                    images=len(files),
                    startup_s=totals["startup_s"],
                    first_s=totals["detect_s"],
                    sent_bytes=totals["sent_bytes"],
                    phases=totals["phases"],
                )
            del self._files[: self._images]
        said = _last(ended.said if ended else (), _FAILED)
        raise OffloadError(f"None of the images drawn can be used; {said}.")

    def _run(self, files: Sequence[str]) -> tuple[Ended, Mapping[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="offload-") as folder:
            command = [sys.executable, "-m", "offload", "detect", *files]
            command += [*self._request.as_options(), f"--out={folder}", "--overwrite"]
            ended = processes.run(command, self._environment(), self._heard)
            if ended.code not in {_DONE, _SOME_FAILED}:
                raise _failure(ended)
            with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
                totals: Mapping[str, Any] = json.load(file)["totals"]
        return ended, totals

    def _environment(self) -> dict[str, str]:
        token = self._request.token
        return {**os.environ, "OFFLOAD_HISTORY": "false"} | (
            {"OFFLOAD_TOKEN": token} if token else {}
        )

    def _heard(self, line: str) -> None:
        if line.startswith(_WARNING):
            self._say(line.removeprefix(_WARNING))


def _failure(ended: Ended) -> OffloadError:
    """The command's own explanation of its end."""
    kind = _ERRORS.get(ended.code, OffloadError)
    for number, line in enumerate(ended.said):
        if line.startswith(_ERROR):
            hint = "".join(ended.said[number + 1 : number + 2]).strip()
            return kind(line.removeprefix(_ERROR), hint=hint)
    last = ended.said[-1] if ended.said else "it said nothing"
    return kind(f"A start of its own ended with exit code {ended.code}: {last}")


def _last(said: Sequence[str], kind: str) -> str:
    return next((line.removeprefix(kind) for line in reversed(said) if line.startswith(kind)), "")
