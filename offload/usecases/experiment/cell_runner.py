"""Cells of a study done: the very command in a process of its own, and what it left."""

import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import Reporter, Stop
from offload.domain.measurements import StartPhase
from offload.domain.results import SHOWN_SCORE, Row, printable
from offload.domain.studies import Cell, CellOutcome, CellRun
from offload.domain.timing import Spread
from offload.drivers.host import machine, processes
from offload.drivers.images import image_files, pictures
from offload.places import known
from offload.usecases.advise.predict import Predictor
from offload.usecases.detect import subprocess_run
from offload.usecases.detect.request import Request
from offload.usecases.detect.subprocess_run import Detected
from offload.usecases.experiment.environment import Environment
from offload.usecases.experiment.sampling import Subset
from offload.usecases.provision.teardown import containers

_PICTURE_PX, _QUALITY = 900, 85
"""The longer side of the photo that a study keeps, and its JPEG quality."""


class LinkShaper:
    """Has the link shaped to some rates, if any, by a command of the user's, in which `{mbit}` is
    the rate.

    Raises:
        UsageError: there is no such command for rates, or no rate for the command.
    """

    def __init__(self, command: str | None, rates: Sequence[float]) -> None:
        hint = "For instance: --link 10,100 --link-command 'my-shaper --rate {mbit}'"
        try:
            words = shlex.split(command or "")
        except ValueError as error:
            raise UsageError(f"--link-command cannot be read: {error}.", hint=hint) from error
        if rates and not words:
            said = "--link needs --link-command to shape the link."
            raise UsageError(said, hint=hint)
        if words and not (rates and any("{mbit}" in word for word in words)):
            what = "has no {mbit} for the rate" if rates else "needs --link"
            raise UsageError(f"--link-command {what}.", hint=hint)
        self.command, self._words = command, words
        self._last_mbit: float | None = None

    def shape(self, mbit: float) -> None:
        """Shape it, unless it is what it was shaped to last.

        Raises:
            OffloadError: the command fails.
        """
        if mbit == self._last_mbit:
            return
        self._last_mbit = None
        words = [word.replace("{mbit}", f"{mbit:g}") for word in self._words]
        try:
            code, said = processes.run(words, os.environ)
        except OSError as error:
            raise UsageError(f"--link-command cannot be run: {error.strerror}.") from error
        if code:
            raise OffloadError(f"--link-command ended with exit code {code}: {said}")
        self._last_mbit = mbit


@dataclass(slots=True)
class CellRunner:
    """Does cells with the images that were drawn. `requests` are by place; `work` is a folder for
    what a cell leaves, `kept_as` what its containers are kept as; `server` is the address of the
    study's server or the label of its machine, `link` tells how many bytes per second cross the
    way there, shaped to so many Mbit/s; empty and None without one. `keep_picture` is handed one
    annotated photo, if any is wanted.
    """

    requests: Mapping[str, Request]
    images: Subset
    work: str
    kept_as: str
    shaper: LinkShaper
    server: str
    environment: Environment
    link: Callable[[float | None], float | None] | None
    reporter: Reporter
    keep_picture: Callable[[bytes], None] | None = None
    _built: bool = False

    def label(self, cell: Cell) -> str:
        """What tells the cell's place from others of the kind."""
        return self.server if at_server(cell) else ""

    def request(self, cell: Cell) -> Request:
        """What the cell asks of `offload detect`."""
        request, place = self.requests[cell.place], known()[cell.place]
        varied: dict[str, Any] = {
            "concurrency": cell.concurrency or request.concurrency,
            "upload_max_side": cell.upload_max_side_px,
            "cpus": cell.cpus,
            "replicas": cell.replicas,
            "keep_as": self.kept_as,
        }
        taken = {name: value for name, value in varied.items() if place.takes(name)}
        return replace(request, **taken)

    def prepare(self, cell: Cell) -> float | None:
        """See that the cell can begin: shape the link, and have an image detected, so that what is
        to be up is up and has worked before. How many bytes per second cross the link to its
        server, if that is known.

        Raises:
            OffloadError: the command fails, or the image does.
        """
        goodput, stays = None, stays_up(cell.place)
        if cell.link_mbit is not None:
            self.shaper.shape(cell.link_mbit)
        if self.link is not None and at_server(cell):
            goodput = self.link(cell.link_mbit)
        is_warm = (stays or known()[cell.place].leaves_machine) and not cell.cold
        may_build = stays and not self._built  # the image, which is no part of any start
        if is_warm or may_build:
            with self._detected(cell, 1) as detected:
                phases = detected.totals["phases"]
                if StartPhase.CREATE in phases:  # runs that find it up do not say what that takes
                    start_s = detected.totals["startup_s"] - phases.get(StartPhase.BUILD, 0.0)
                    self.environment.add(cell.place, {"cold_start_s": start_s})
        if stays and cell.cold:
            self._built = True
            take_down(self.kept_as)
        return goodput

    def perform(self, cell: Cell) -> CellOutcome:
        """Do the cell.

        Raises:
            OffloadError: the command fails, or all images do.
        """
        with self._detected(cell, cell.images) as detected:
            totals, document = detected.totals, detected.document
            was_there = StartPhase.CREATE not in totals["phases"]
            if stays_up(cell.place) and cell.cold == was_there:
                how = "existed already" if cell.cold else "was gone"
                raise OffloadError(f"The container {how}: this run was not as requested.")
            facts = {
                "host": dict(document["detected_on"]),
                "model": document["model"],
                "min_score": document["settings"]["min_score"],
            }
            self.environment.add(cell.place, facts)
            photos = tuple(self._photos(detected.folder, document["settings"]["root"]))
            if self.keep_picture is not None and (drawn := self._annotated(photos)):
                self.keep_picture(drawn)
                self.keep_picture = None
            return CellOutcome(
                startup_s=totals["startup_s"],
                detect_s=totals["detect_s"],
                infer=Spread(**totals["infer"]) if totals["infer"] else None,
                failed=totals["failed"],
                sent_bytes=totals["sent_bytes"],
                photos=photos,
            )

    @contextmanager
    def _detected(self, cell: Cell, images: int) -> Iterator[Detected]:
        try:
            sources = [self.images.listed(images, os.path.join(self.work, "list.txt"))]
        except OSError as error:
            raise OffloadError(f"Cannot write to {self.work}: {error.strerror}.") from error
        request = self.request(cell)
        with subprocess_run.detect(sources, request, self.reporter, self.work) as detected:
            if detected.totals["failed"] == detected.totals["images"]:
                raise OffloadError(f"No image could be used; {detected.reason}.")
            yield detected

    def _annotated(self, photos: Sequence[Row]) -> bytes | None:
        """The photo with the most objects, smaller and drawn on, if it can be."""
        row = max(photos, key=lambda each: len(each.detections))
        with suppress(ImageError):
            data = image_files.read(self.images.root, row.path).image.data
            side_px = min(_PICTURE_PX, pictures.longest_px(data) - 1)  # smaller, hence a JPEG
            small = pictures.smaller(data, side_px, _QUALITY)
            clear = [each for each in row.detections if each.score >= SHOWN_SCORE]
            return pictures.drawn(small[0], clear or row.detections)[0] if small else None
        return None

    def _photos(self, folder: str, root: str) -> Iterator[Row]:
        ours = printable(self.images.root)
        with open(os.path.join(folder, "detections.jsonl"), encoding="utf-8") as file:
            for line in file:
                row = Row.from_dict(json.loads(line))
                if row.error is None:
                    path = os.path.relpath(os.path.join(root, row.path), ours)
                    yield replace(row, path=path)


def runs(
    cells: Sequence[Cell],
    predictor: Predictor,
    runner: CellRunner,
    record: Callable[[CellRun], None],
    stop: Stop,
) -> Iterator[CellRun]:
    """The runs of `cells`, each handed to `record` before it is given, until `stop` is asked."""
    for cell in cells:
        if stop:
            return
        predicted, at, label = predictor.predict(cell), machine.now(), runner.label(cell)
        try:
            goodput = runner.prepare(cell)
            outcome = runner.perform(cell)
        except OffloadError as error:
            run = CellRun(cell, at, predicted, label=label, error=str(error))
        else:
            run = CellRun(cell, at, predicted, outcome, label, goodput_bytes_per_s=goodput)
            run = replace(run, usd=predictor.usd(cell, run.makespan_s or 0.0))
        record(run)
        yield run


def at_server(cell: Cell) -> bool:
    """Whether a cell is done at the server of the study."""
    return known()[cell.place].takes("url")


def stays_up(place: str) -> bool:
    """Whether what cells bring up there stays for the next ones."""
    return known()[place].takes("keep_as")


def take_down(kept_as: str) -> None:
    """Remove the containers that cells left up for the next ones, whatever Ctrl-C says."""
    try:
        with suppress(PlaceUnavailable):  # no engine, no container
            list(containers(kept_as))
    except KeyboardInterrupt:
        take_down(kept_as)
        raise
