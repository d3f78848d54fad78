"""Pictures that were dropped into a bucket, each of which becomes a row of a table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from offload.domain import typed
from offload.domain.results import Row
from offload.domain.timing import Clock
from offload.domain.vision import Detections, Image, Selection
from offload.drivers.aws.function.drops import Drop, DropBox, told
from offload.service import rows, wire
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
        model, selection = self.info.model, Selection(min_score=self.info.min_score)
        row = Row(drop.path, model.name, model.sha256, self.where)

        def detect(image: Image) -> Detections:
            return self.engine.detect(image, selection)

        return rows.made(row, lambda: box.fetched(drop), detect, self.clock)
