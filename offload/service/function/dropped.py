"""Pictures that were dropped into a bucket, each of which becomes a row of a table."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from offload.domain import typed
from offload.domain.errors import ImageError
from offload.domain.results import Row, with_detections
from offload.domain.timing import Clock
from offload.domain.vision import Image, Selection
from offload.drivers.aws.drops import Drop, DropBox, told
from offload.drivers.images import image_files
from offload.service import wire
from offload.service.function.answering import Engine, no_call
from offload.service.function.call import Reply


@dataclass(frozen=True, slots=True)
class DroppedPictures:
    """Answers S3's events: detects in each picture, and notes its row. `box` gives the drop box of
    a bucket, `now` the moment (ISO 8601); rows say that they were made at `where`.
    """

    engine: Engine
    info: wire.Info
    box: Callable[[str], DropBox]
    clock: Clock
    now: Callable[[], str]
    where: str

    def answer(self, event: Any, request_id: str) -> Any:
        """How many pictures the event told of, and how many of them had no row before.

        Raises:
            OffloadError: AWS refuses, which it may not do the next time.
        """
        try:
            drops = told(event)
        except ValueError as error:
            return typed.builtins(Reply(request_id, problem=no_call(error)))
        new = sum(self._noted(drop) for drop in drops)
        return {"request_id": request_id, "pictures": len(drops), "new": new}

    def _noted(self, drop: Drop) -> bool:
        box, began_at = self.box(drop.bucket), self.now()
        row = self._row(drop, box)
        return box.note(drop, row.to_dict(), {"began_at": began_at, "ended_at": self.now()})

    def _row(self, drop: Drop, box: DropBox) -> Row:
        """What a picture is: what is wrong with it is in its row, and not tried again."""
        model, began_s = self.info.model, self.clock()
        row = Row(drop.path, model.name, model.sha256, self.where)
        try:
            data = box.fetched(drop)
            row = image_files.described(row, data)
            read_s = self.clock() - began_s
            selection = Selection(min_score=self.info.min_score)
            found = self.engine.detect(Image(drop.path, data), selection)
        except ImageError as error:
            return replace(row, error=str(error))
        return with_detections(row, found, read_s)
