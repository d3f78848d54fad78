"""What a worker does with a message: its image becomes one row, whatever happens on the way.

The row is written before the answer is sent, and the message deleted last. Who ends in between
leaves the message, which comes again, and a row is written only where there is none.
"""

import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from offload.domain import typed
from offload.domain.errors import ImageError, OffloadError, Unanswered, UsageError
from offload.domain.events import ImageFailed
from offload.domain.machines import IMAGES, ROWS
from offload.domain.ports import Model
from offload.domain.results import Row
from offload.domain.typed import Count, Name
from offload.domain.vision import MAX_FILE_BYTES, Detections, Image, check_classes
from offload.service import rows
from offload.service.function.answering import Engine
from offload.service.queued.insisting import Insisting
from offload.service.queued.message import MOST_BYTES, VERSION, Result, Task
from offload.service.queued.ports import Message, ObjectStore, Queue, Queues

_TRIES = 3
_GIVEN_UP = "three workers ended on it"
_GONE = "it was removed before a worker came to it"
_MOST_ROW_BYTES = 64 * 2**20
_TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What can be read of a task of any version."""

    version: Count = 0
    path: Name = ""
    image_key: Name = ""
    row_key: Name = ""
    reply_to: Name = ""


def told(body: str) -> tuple[Task, str]:
    """The task of a message; and what is wrong with it, if anything: then the task is what can be
    read of it.
    """
    text = body.encode(errors="replace")
    try:
        envelope = typed.parse(Envelope, text)
    except ValueError as error:
        return Task(0, "", "", ""), f"it is no task: {error}"
    task = Task(**asdict(envelope))
    if envelope.version != VERSION:
        return task, f"it is of version {envelope.version}, and this worker's is {VERSION}"
    try:
        task = typed.parse(Task, text)
    except ValueError as error:
        return task, f"it is no task: {error}"
    for key, folder in ((task.image_key, IMAGES), (task.row_key, ROWS)):
        if not key.startswith(folder):
            return task, f"its key {key!r} is not in {folder}"
    return task, ""


@dataclass(slots=True)
class Answering:
    """Answers messages of `queue`, from several threads; what is given up goes to `dead`. Rows say
    that they were made at `where`, answers that they are of `worker`, with so many `slots`.
    """

    queue: Queue
    dead: Queue
    replies: Queues
    store: ObjectStore
    engine: Engine
    model: Model
    where: str
    worker: str
    slots: int
    ask: Insisting
    _suspects: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """See that images may be read and rows written, before a message is taken for it.

        Raises:
            OffloadError: they may not.
        """
        self.store.get(IMAGES + _TRIAL, 0)
        self.store.put_new(ROWS + _TRIAL, b"")
        self.store.get(ROWS + _TRIAL, 0)

    def answer(self, message: Message) -> None:
        """Do all there is to do for a message.

        Raises:
            EndedError: AWS did not answer before the end, or OffloadError: it refuses.
        """
        task, wrong = told(message.body)
        if message.receives == 1 or not task.row_key.startswith(ROWS):
            self._done(message, task, wrong)
            return
        # Whoever had it before may have ended on it: at most one at a time may end this worker.
        with self._suspects:
            kept = self._kept(task)
            if kept is None:
                self._done(message, task, wrong or self._hopeless(task))
            else:
                self._finish(message, task, kept)

    def _hopeless(self, task: Task) -> str:
        """Why it is not to be tried again; empty if it is, which is noted. A count of receipts
        would not do: also those who never began on it received it.
        """
        tries = (f"{task.row_key}.{number}" for number in range(2, _TRIES + 1))
        return "" if any(self.ask(self.store.put_new, key, b"") for key in tries) else _GIVEN_UP

    def _done(self, message: Message, task: Task, wrong: str) -> None:
        if wrong:
            self.ask(self.dead.send, message.body, {"reason": wrong, "worker": self.worker})
            row = replace(self._blank(task), error=wrong)
        else:
            row = self._row(task)
        document: dict[str, Any] | None = row.to_dict()
        is_ours = True
        if task.row_key.startswith(ROWS):
            is_ours = self.ask(self.store.put_new, task.row_key, typed.encoded(document))
        if not is_ours:
            document, wrong = self._kept(task), ""
        elif row.error is not None:
            self.ask.reporter.emit(ImageFailed(task.path or "a message", row.error))
        else:
            self.ask.reporter.step(f"{task.path}: {len(row.detections)} objects")
        self._finish(message, task, document, dead_letter=bool(wrong))

    def _finish(
        self,
        message: Message,
        task: Task,
        document: dict[str, Any] | None,
        *,
        dead_letter: bool = False,
    ) -> None:
        if task.reply_to:
            answer = Result(
                VERSION, task.row_key, document or None, self.worker, self.slots, dead_letter
            )
            body = typed.encoded(answer)
            if len(body) > MOST_BYTES:
                body = typed.encoded(replace(answer, row=None))
            self.ask(self._reply, self.replies(task.reply_to), body.decode())
        self.ask(self.queue.delete, message)

    def _reply(self, queue: Queue, body: str) -> None:
        """Send it, unless nobody waits any more: the row is there for whoever comes later."""
        try:
            queue.send(body)
        except Unanswered:
            raise
        except OffloadError as error:
            self.ask.reporter.warn(f"An answer is not sent: {error}")

    def _kept(self, task: Task) -> dict[str, Any] | None:
        """The row that is there, empty where it cannot be read; None if there is none."""
        data = self.ask(self.store.get, task.row_key, _MOST_ROW_BYTES)
        if data is None:
            return None
        with suppress(ValueError):
            document = typed.loads(data)
            return document if isinstance(document, dict) else {}
        return {}

    def _blank(self, task: Task) -> Row:
        identity = self.model.identity
        return Row(task.path, identity.name, identity.sha256, self.where)

    def _row(self, task: Task) -> Row:
        selection = task.selection(self.model.min_score)

        def fetch() -> bytes:
            data = self.ask(self.store.get, task.image_key, MAX_FILE_BYTES)
            if data is None:
                raise ImageError(_GONE)
            return data

        def detect(image: Image) -> Detections:
            return self.engine.detect(image, selection, task.max_pixels)

        row = self._blank(task)
        try:
            check_classes(selection, self.model.labels)
        except UsageError as error:
            return replace(row, error=str(error))
        return rows.made(row, fetch, detect, self.ask.clock)
