"""Images put where workers find them, and the answers that come back, each once."""

import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from offload.domain import typed
from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Refused, Unanswered
from offload.domain.events import Reporter, Stop
from offload.domain.machines import IMAGES, ROWS
from offload.domain.ports import ModelIdentity
from offload.domain.results import Row
from offload.domain.timing import Clock, Durations
from offload.domain.vision import Detections, Image, Selection
from offload.drivers.host.capture import Captured
from offload.service.client.session import Upload
from offload.service.queued.insisting import Insisting
from offload.service.queued.message import VERSION, Result, Task
from offload.service.queued.ports import Message, ObjectStore, Queue

_LOOK_S = 15.0
"""How long an image waits until its row is looked for, as an answer may be lost."""
_POLL_MESSAGES, _POLL_S = 10, 20
_MOST_ROW_BYTES = 50_000_000
_LONGEST_PATH = 1000
_FINISHERS = 16
"""Answers that are seen to at a time: a row may have to be fetched."""
_MOST_SWEPT = 1000
_CLOSING_S = 5.0
_AGAIN_S = 1.0


@dataclass(slots=True)
class _Waiting:
    """An image that was sent, and what is known of it: the upright `size` of the picture that it is
    a copy of, if it is one.
    """

    image_key: str
    size: tuple[int, int] | None
    sent_bytes: int
    prepare_s: float
    put_s: float
    sent_s: float
    looked_s: float
    answer: Future[Detections] = field(default_factory=Future)


@dataclass(slots=True)
class Heard:
    """A worker that answered: how many images it works on at a time, first and last heard of."""

    slots: int
    first_s: float
    last_s: float


class Asker:
    """Asks workers for images, for any number of threads: what is put into `store` is named in
    `tasks`, and the answers come through `answers`, a queue which is this `job`'s alone:
    `open_answers` gives it, and makes it if there is none.

    Who opens it calls `look` every few seconds. `answered` images are done, by the `workers`; the
    last answer came at `heard_s`, on the clock. Answers must be of `model`.
    """

    def __init__(
        self,
        store: ObjectStore,
        tasks: Queue,
        open_answers: Callable[[], Queue],
        job: str,
        model: ModelIdentity,
        clock: Clock,
        upload: Upload,
        max_retries: int = 5,
    ) -> None:
        self.job = job
        self.answered = 0
        self.heard_s = clock()
        self.workers: dict[str, Heard] = {}
        self.answers = open_answers()
        self._store, self._tasks, self._open_answers = store, tasks, open_answers
        self._model = model
        self._clock = clock
        self._prepare = upload.prepare
        self._insist = Insisting(Stop(), 0.0, Reporter(), clock, most_retries=max_retries)
        self._numbers = itertools.count()
        self._waiting: dict[str, _Waiting] = {}
        self._done: deque[str] = deque()
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(_FINISHERS, "answers")
        self._over = threading.Event()
        self._closing_s = math.inf
        self._failure: BaseException | None = None
        self._refused: OffloadError | None = None

    @property
    def waiting(self) -> int:
        """Images that were sent and have no answer."""
        return len(self._waiting)

    def ask(
        self, image: Image, selection: Selection, max_pixels: int | None = None
    ) -> Future[Detections]:
        """Send an image; its detections once they are known. Of one that is cancelled nothing is
        told.

        Raises:
            ImageError: it cannot be used, or Unanswered: it cannot be sent now.
            PlaceUnavailable: nothing can be sent, or no answer be had, now.
        """
        if (failure := self._failure or self._refused) is not None:
            raise failure
        began_s = self._clock()
        data, size = self._prepare(image.data)
        name = f"{self.job}/{next(self._numbers)}"
        image_key, row_key = f"{IMAGES}{name}", f"{ROWS}{name}.json"
        task = Task(
            VERSION, image.path[-_LONGEST_PATH:], image_key, row_key, self.answers.url,
            **Task.of(selection, max_pixels),
        )  # fmt: skip
        prepared_s = self._clock()
        self._insist(self._store.put, image_key, data)
        put_s = self._clock()
        waiting = self._waiting[row_key] = _Waiting(
            image_key, size, len(data), prepared_s - began_s, put_s - prepared_s, put_s, put_s
        )
        try:
            self._insist(self._tasks.send, typed.encoded(task).decode())
        except OffloadError as error:
            self._waiting.pop(row_key, None)
            error.sent_bytes = len(data)
            raise
        return waiting.answer

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Meanwhile answers are taken; what has none at the end gets none."""
        thread = threading.Thread(target=self._gather, name="answers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closing_s = self._clock() + _CLOSING_S
            self._over.set()
            self._in_background(partial(self.answers.send, ""))  # wakes whoever waits for the next
            self.fail(Unanswered("it was no longer waited for"))
            self._pool.shutdown()
            with suppress(OffloadError):
                self._sweep()
            thread.join(_CLOSING_S)

    def fail(self, error: BaseException) -> None:
        """No answer comes any more, and nothing more is sent."""
        self._failure = error
        self.give_up(error)

    def give_up(self, error: BaseException) -> None:
        """What was sent so far gets no answer, and is not kept for workers."""
        for row_key in list(self._waiting):
            if (waiting := self._waiting.pop(row_key, None)) is not None:
                _told(waiting.answer, error)
                self._done.append(waiting.image_key)

    def look(self) -> None:
        """Look for the rows of images that have waited long, and remove images that nobody needs
        any more, in the background.
        """
        self._in_background(self._sweep)
        now_s = self._clock()
        for row_key, waiting in list(self._waiting.items()):
            if now_s - waiting.looked_s >= _LOOK_S:
                waiting.looked_s = now_s
                self._in_background(partial(self._look_for, row_key))

    def _sweep(self) -> None:
        while self._done:
            with self._counting:
                keys = [self._done.popleft() for _ in range(min(len(self._done), _MOST_SWEPT))]
            if keys:
                self._store.delete_all(keys)

    def _look_for(self, row_key: str) -> None:
        with suppress(OffloadError):
            data = self._store.get(row_key, _MOST_ROW_BYTES)
            if data is not None and (waiting := self._waiting.pop(row_key, None)) is not None:
                self._finish(waiting, Result(VERSION, row_key))

    def _gather(self) -> None:
        with Captured() as caught:
            while not self._over.is_set():
                try:
                    messages = self.answers.receive(_POLL_MESSAGES, _POLL_S)
                except OffloadError as error:
                    self._no_answers(error)
                    continue
                self._refused = None
                for message in messages:
                    self._take(message)
                if messages:
                    self._in_background(partial(self.answers.delete_all, messages))
        if caught.error is not None and not self._over.is_set():
            self.fail(caught.error)

    def _no_answers(self, error: OffloadError) -> None:
        """The queue of answers is refused to us: who comes is told so, until it is there again."""
        if not isinstance(error, Unanswered):
            self._refused = error
            self.give_up(error)
        self._over.wait(_AGAIN_S)
        if self._refused is not None and not self._over.is_set():
            with suppress(OffloadError):
                self._tasks.backlog()  # a fleet that is gone is to leave nothing behind
                self.answers = self._open_answers()

    def _take(self, message: Message) -> None:
        """One answer: the first to an image counts."""
        try:
            result = typed.parse(Result, message.body.encode())
        except ValueError:  # no answer of ours
            result = Result(0, "")
        waiting = self._waiting.pop(result.row_key, None) if result.version == VERSION else None
        if waiting is None:
            return
        now_s = self._clock()
        first = self.workers.get(result.worker)
        self.workers[result.worker] = Heard(result.slots, first.first_s if first else now_s, now_s)
        self._in_background(partial(self._finish, waiting, result))

    def _finish(self, waiting: _Waiting, result: Result) -> None:
        """Tell who waits."""
        waited_s = self._clock() - waiting.sent_s
        with Captured() as caught:
            found = self._found(waiting, result, waited_s)
        with self._counting:
            self.answered += 1
        self.heard_s = self._clock()
        self._done.append(waiting.image_key)
        _told(waiting.answer, caught.error or found)

    def _found(self, waiting: _Waiting, result: Result, waited_s: float) -> Detections:
        document = result.row
        try:
            if document is None:
                data = self._insist(self._store.get, result.row_key, _MOST_ROW_BYTES)
                document = typed.loads(data or b"{}")
            row = Row.from_dict(document)
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"the fleet answers what we cannot use: {error!r}") from error
        if row.error is not None:
            failure = Refused(row.error) if result.dead_letter else ImageError(row.error)
            failure.sent_bytes = waiting.sent_bytes
            raise failure
        if row.model_sha256 != self._model.sha256:
            raise PlaceUnavailable("The fleet has another model now.")
        theirs = row.durations
        durations = Durations(
            prepare_s=waiting.prepare_s,
            upload_s=waiting.put_s,
            queue_s=max(0.0, waited_s - theirs.decode_s - theirs.infer_s),
            decode_s=theirs.decode_s,
            infer_s=theirs.infer_s,
        )
        width, height = waiting.size or (row.width or 0, row.height or 0)
        return Detections(row.detections, width, height, durations, waiting.sent_bytes)

    def _in_background(self, work: Callable[[], object]) -> None:
        def quietly() -> None:
            if self._clock() < self._closing_s:
                with suppress(OffloadError):  # what is left behind expires
                    work()

        with suppress(RuntimeError):  # all is over
            self._pool.submit(quietly)


def _told(answer: Future[Detections], said: Detections | BaseException) -> None:
    """Settle it, unless nobody waits any more."""
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(said, BaseException):
        answer.set_exception(said)
    else:
        answer.set_result(said)
