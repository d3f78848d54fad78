"""Starts: the very command in a process of its own, with everything that a first result takes."""

from collections.abc import Sequence

from offload.domain.errors import OffloadError
from offload.domain.events import Reporter
from offload.domain.measurements import Start
from offload.usecases.detect import subprocess_run
from offload.usecases.detect.request import Request


class Starter:
    """Brings a place up for `images` of the files, the first ones that can be used."""

    def __init__(
        self, request: Request, files: Sequence[str], images: int, reporter: Reporter
    ) -> None:
        self._request = request
        self._files = list(files)
        self._images = images
        self._reporter = reporter

    def __call__(self) -> Start:
        """One start.

        Raises:
            PlaceUnavailable: the place is not there.
            OffloadError: the command fails, or no image can be used.
        """
        reason = ""
        while self._files:
            files = self._files[: self._images]
            with subprocess_run.detect(files, self._request, self._reporter) as detected:
                totals, reason = detected.totals, detected.reason
            if totals["failed"] < totals["images"]:
                return Start(
                    images=len(files),
                    startup_s=totals["startup_s"],
                    first_s=totals["detect_s"],
                    sent_bytes=totals["sent_bytes"],
                    phases=totals["phases"],
                )
            del self._files[: self._images]
        raise OffloadError(f"None of the images drawn can be used; {reason}.")
