"""Detect at several places at once: each pulls from one queue as fast as it can."""

import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from queue import Empty, Full, Queue

from offload.costmodel.split import Speed
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.ports import Session
from offload.domain.results import Row, printable
from offload.domain.timing import Clock
from offload.drivers.host.capture import Captured
from offload.usecases.detect.rows import Job, attempt
from offload.usecases.split.work_queue import Worker, WorkerStatus, WorkItem, WorkQueue

TICK_S = 0.1
"""How often those who wait look again."""
_PATIENCE_S = 2.0
"""How long is waited at least for what is in progress when a run is to end early."""
_MOST_WAITING = 16
"""Rows that wait for a slow reader before places do."""


class SplitJob:
    """A job over places that come and go. `lost` is told of each that gives no answer any more, and
    why. Rows are those of first answers, and each image has one.
    """

    def __init__(self, job: Job, items: Sequence[WorkItem], clock: Clock, stop: Stop) -> None:
        self.lost: Callable[[str, str], None] = lambda _name, _why: None
        self.job = job
        self._work_queue = WorkQueue(items)
        self._clock = clock
        self.stop = stop
        self._changed = threading.Condition()
        self._begins: dict[str, Callable[[], None]] = {}
        self._answers: Queue[Row | BaseException] = Queue(maxsize=_MOST_WAITING)
        self._sent_bytes = Counter[str]()
        self._counted = 0
        self._stopped_s: float | None = None
        self._closed = False

    def join(
        self,
        name: str,
        session: Session,
        *,
        here: bool,
        expected: Speed | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a place pull, again if it left. Each of its threads calls `begin` first."""
        now_s = self._clock()
        with self._changed:
            worker = self._work_queue.add(name, 0, now_s, here=here, expected=expected)
            self.job.sessions[name] = session
            self._begins[name] = begin
            self._begin_threads(worker)

    def _begin_threads(self, worker: Worker) -> None:
        """As many as the place has use for, which may have become more."""
        name, pulling = worker.name, worker.estimator
        arguments = worker, self.job.sessions[name], self._begins[name]
        while worker.open and pulling.concurrency < self.job.sessions[name].concurrency:
            label = f"{name}-{pulling.concurrency}"
            pulling.concurrency += 1
            threading.Thread(target=self._work, args=arguments, name=label, daemon=True).start()

    def drain(self, name: str) -> None:
        """Have a place, if it joined, take nothing more; what it has in progress it finishes."""
        with self._changed:
            if worker := self._work_queue.workers.get(name):
                worker.open = False
            self._changed.notify_all()

    def abandon(self, name: str) -> None:
        """Drain a place; the others do what it has in progress, and its answers count no more."""
        with self._changed:
            self.drain(name)
            worker = self._work_queue.workers[name]
            items = self._work_queue.taken_from(worker)
            if not worker.here:
                paths = [printable(item.path) for item in items]
                self.job.duplicate_uploads.extend(paths)

    def has_left(self, name: str) -> bool:
        """Whether a place takes nothing more, and has nothing in progress that counts."""
        with self._changed:
            worker = self._work_queue.workers[name]
            busy = worker.open or self._work_queue.held_by(worker)
            return self._work_queue.over or not busy

    def has_failed(self, name: str) -> bool:
        """Whether a place takes nothing more for want of an answer, which may come back."""
        return self._work_queue.workers[name].failed

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        """As `WorkQueue.standing` has it now."""
        with self._changed:
            return self._work_queue.standing(self._clock())

    def rows(self, watch: Callable[[], None] = lambda: None) -> Generator[Row]:
        """A row for every image, in order of completion; `watch` is called now and then.

        Once `stop` is asked, what is in progress is finished and nothing new begins; an image that
        takes more than twice as long elsewhere as those before it is not waited for.

        Raises:
            PlaceUnavailable: no place is left that could take what is left.
        """
        given = 0
        try:
            while not self._is_over(given):
                if self.stop:
                    self._hurry()
                else:
                    watch()
                with self._changed:
                    for worker in self._work_queue.workers.values():
                        self._begin_threads(worker)
                try:
                    answer = self._answers.get(timeout=TICK_S)
                except Empty:
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                given += 1
                yield answer
        finally:
            self._closed = True  # whoever is at work still ends by itself, or with the process
            self.stop.ask()

    def _hurry(self) -> None:
        """Give up what does not come though the run is to end."""
        now_s = self._clock()
        self._stopped_s = self._stopped_s or now_s
        for worker in list(self._work_queue.workers.values()):
            patience_s = max(_PATIENCE_S, 2 * (worker.estimator.latency_s or 0.0))
            if not worker.here and now_s - self._stopped_s > patience_s:
                self.abandon(worker.name)

    def _is_over(self, given: int) -> bool:
        with self._changed:
            work_queue = self._work_queue
            ended = work_queue.over or (bool(self.stop) and work_queue.is_idle)
            return ended and given == self._counted

    def _work(self, worker: Worker, session: Session, begin: Callable[[], None]) -> None:
        with Captured() as caught:
            begin()
            while (item := self._taken(worker)) is not None:
                self._attempt(worker, session, item)
        if caught.error is not None:
            self.hand_over(caught.error)

    def _taken(self, worker: Worker) -> WorkItem | None:
        """The next image for `worker`, waited for; None if there will be none."""
        with self._changed:
            while worker.open and not self.stop and not self._work_queue.over:
                item = self._work_queue.take(worker, self._clock())
                if item is not None:
                    return item
                self._changed.wait(TICK_S)
        return None

    def _attempt(self, worker: Worker, session: Session, item: WorkItem) -> None:
        """Have an image detected; where that fails for reasons of the place, others have a try."""
        claims: list[bool] = []

        def counts() -> bool:
            claims.append(self._claim(worker, item))
            return claims[0]

        try:
            row, unanswered = attempt(
                self.job, item.path, session, worker.name, self._clock, counts
            )
        except OffloadError as error:
            self._leave(worker, item, error, error.sent_bytes)
            return
        if not claims and unanswered and self._is_another(worker):
            lost = PlaceUnavailable(row.error or "")
            self._leave(worker, item, lost, row.sent_bytes, may_return=True)
        elif not claims and row.error and not worker.here and self._is_another(worker, here=True):
            # A server may have narrower limits than we have here.
            self._give_back(worker, item, row.sent_bytes, stays=True)
        elif any(claims) if claims else counts():
            sent_bytes = row.sent_bytes + self._sent_bytes.pop(item.path, 0)
            self.hand_over(replace(row, sent_bytes=sent_bytes))

    def _claim(self, worker: Worker, item: WorkItem) -> bool:
        """Whether this is the first answer for an image, which counts."""
        with self._changed:
            others = self._work_queue.answered(worker, item, self._clock())
            if others is None:
                return False
            if worker.here and not all(other.here for other in others):
                self.job.duplicate_uploads.append(printable(item.path))
            self._counted += 1
            self._changed.notify_all()
        return True

    def _give_back(
        self, worker: Worker, item: WorkItem, sent_bytes: int, *, stays: bool = False
    ) -> None:
        with self._changed:
            self._work_queue.give_back(worker, item, stays=stays)
            self._sent_bytes[item.path] += sent_bytes
            self._changed.notify_all()

    def _leave(
        self,
        worker: Worker,
        item: WorkItem,
        error: OffloadError,
        sent_bytes: int,
        *,
        may_return: bool = False,
    ) -> None:
        """A place that fails at an image takes nothing more, unless it answers again later."""
        with self._changed:
            self._give_back(worker, item, sent_bytes)
            first, worker.open, worker.failed = worker.open, False, may_return
            is_stuck = self._work_queue.is_stuck
        if first and not self._closed:
            self.lost(worker.name, str(error))
        if is_stuck:
            self.hand_over(error)

    def _is_another(self, worker: Worker, *, here: bool = False) -> bool:
        """Whether there is another place that takes images, `here` if that matters."""
        with self._changed:
            workers = self._work_queue.workers.values()
            return any(w.open and w is not worker and (w.here or not here) for w in workers)

    def hand_over(self, answer: Row | BaseException) -> None:
        """Give a row, or an error that is raised there, to the thread that reads the rows."""
        while not self._closed:
            try:
                self._answers.put(answer, timeout=TICK_S)
                return
            except Full:  # the reader is slow, or gone
                continue
