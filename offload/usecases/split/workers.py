"""Detect at several places at once: each pulls from one board as fast as it can."""

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.domain.timing import Clock
from offload.drivers.host.capture import Captured
from offload.drivers.images import image_files
from offload.usecases.detect.rows import Job, attempt
from offload.usecases.split.work_queue import ThroughputEstimator, Worker, WorkItem, WorkQueue

TICK_S = 0.1
"""How often those who wait look again."""
_PATIENCE_S = 2.0
"""How long is waited at least for what is in hand when a run is to end early."""
_MOST_WAITING = 16
"""Rows that wait for a slow reader before places do."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How a place stands: images done and in hand, its rate of late and what an image takes, None
    as long as that is not known; whether it takes more, enough was seen of it to go by, and it is
    on this machine.
    """

    name: str
    done: int
    in_hand: int
    images_per_s: float | None
    latency_s: float | None
    is_open: bool
    is_known: bool
    is_here: bool = False


class SplitJob:
    """A job over places that come and go. `lost` is told of each that gives no answer any more, and
    why.

    Rows are those of first answers, and each image has one. `duplicate_uploads` are the paths of
    images that
    were sent to a place, or about to be, while the answer that counts came from here; `sessions`
    are those of the places that joined, by name.
    """

    def __init__(
        self,
        job: Job,
        items: Sequence[WorkItem],
        clock: Clock,
        stop: Stop,
        lost: Callable[[str, str], None] = lambda _name, _why: None,
    ) -> None:
        self.duplicate_uploads: list[str] = []
        self.sessions: dict[str, Session] = {}
        self._job = job
        self._board = WorkQueue(items)
        self._clock = clock
        self._stop = stop
        self._lost = lost
        self._changed = threading.Condition()
        self._answers: Queue[Row | BaseException] = Queue(maxsize=_MOST_WAITING)
        self._sent_bytes: dict[str, int] = {}
        self._counted = 0
        self._stopped_s: float | None = None
        self._closed = False

    def join(
        self,
        name: str,
        session: Session,
        *,
        here: bool,
        expected_per_s: float | None = None,
        expected_s: float | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a place pull from now on, with as many threads as keep it busy; each calls `begin`
        first. One that has left may join again.
        """
        pace = ThroughputEstimator(session.concurrency, self._clock(), expected_per_s, expected_s)
        side = Worker(name, here, pace)
        with self._changed:
            self._board.add(side)
            self.sessions[name] = session
        for number in range(session.concurrency):
            arguments = (side, session, begin)
            label = f"{name}-{number}"
            threading.Thread(target=self._work, args=arguments, name=label, daemon=True).start()

    def drain(self, name: str) -> None:
        """Have a place take nothing more; what it has in hand it finishes."""
        with self._changed:
            for side in self._board.sides:
                if side.name == name:
                    side.open = False
            self._changed.notify_all()

    def abandon(self, name: str) -> None:
        """Have a place take nothing more, and the others do what it has in hand; its answers do not
        count any more.
        """
        with self._changed:
            for side in self._board.sides:
                if side.name == name:
                    side.open = False
                    for item in self._board.taken_from(side):
                        self.duplicate_uploads += [image_files.printable(item.path)] * (
                            not side.here
                        )
            self._changed.notify_all()

    def has_left(self, name: str) -> bool:
        """Whether a place takes nothing more, and has nothing in hand that counts."""
        with self._changed:
            sides = [side for side in self._board.sides if side.name == name]
            busy = any(side.open or self._board.held_by(side) for side in sides)
            return self._board.over or not busy

    def has_failed(self, name: str) -> bool:
        """Whether a place takes nothing more because it failed."""
        with self._changed:
            return any(side.failed for side in self._board.sides if side.name == name)

    @property
    def is_ending(self) -> bool:
        """Whether nothing new is begun any more."""
        return bool(self._stop)

    def fail(self, error: BaseException) -> None:
        """Raise `error` in the thread that reads the rows."""
        self._hand_over(error)

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        """How many images nobody has taken, how many of those only the place here may take, and how
        the places stand.
        """
        with self._changed:
            now_s, board = self._clock(), self._board
            return (
                board.left,
                board.staying,
                [
                    WorkerStatus(
                        name=side.name,
                        done=side.done,
                        in_hand=board.held_by(side),
                        images_per_s=side.pace.images_per_s(now_s),
                        latency_s=side.pace.latency_s,
                        is_open=side.open,
                        is_known=side.pace.is_known,
                        is_here=side.here,
                    )
                    for side in board.sides
                ],
            )

    def rows(self, watch: Callable[[], None] = lambda: None) -> Generator[Row]:
        """A row for every image, in order of completion; `watch` is called now and then.

        Once `stop` is asked, what is in hand is finished and nothing new is begun; an image that
        takes more than twice as long elsewhere as those before it is not waited for.

        Raises:
            PlaceUnavailable: no place is left that could take what is left.
        """
        given = 0
        try:
            while not self._is_over(given):
                if self._stop:
                    self._hurry()
                else:
                    watch()
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
            self._stop.ask()

    def _hurry(self) -> None:
        """Give up what does not come though the run is to end."""
        now_s = self._clock()
        self._stopped_s = self._stopped_s or now_s
        for side in list(self._board.sides):
            patience_s = _PATIENCE_S if side.pace.latency_s is None else 2 * side.pace.latency_s
            if not side.here and now_s - self._stopped_s > max(_PATIENCE_S, patience_s):
                self.abandon(side.name)

    def _is_over(self, given: int) -> bool:
        with self._changed:
            board = self._board
            ended = board.over or (bool(self._stop) and board.is_idle)
            return ended and given == self._counted

    def _work(self, side: Worker, session: Session, begin: Callable[[], None]) -> None:
        with Captured() as caught:
            begin()
            while (item := self._taken(side)) is not None:
                self._attempt(side, session, item)
        if caught.error is not None:
            self._hand_over(caught.error)

    def _taken(self, side: Worker) -> WorkItem | None:
        """The next image for `side`, waited for; None if there will be none."""
        with self._changed:
            while side.open and not self._stop and not self._board.over:
                item = self._board.take(side, self._clock())
                if item is not None:
                    return item
                self._changed.wait(TICK_S)
        return None

    def _attempt(self, side: Worker, session: Session, item: WorkItem) -> None:
        """Have an image detected; where that fails for reasons of the place, others have a try."""
        claims: list[bool] = []

        def counts() -> bool:
            claims.append(self._claim(side, item))
            return claims[0]

        try:
            row, unanswered = attempt(self._job, item.path, session, side.name, self._clock, counts)
        except OffloadError as error:
            self._give_back(side, item, 0)
            self._leave(side, error)
            return
        if not claims and not self._is_passed_on(side, item, row, unanswered=unanswered):
            counts()
        if any(claims):
            sent_bytes = row.sent_bytes + self._sent_bytes.pop(item.path, 0)
            self._hand_over(replace(row, sent_bytes=sent_bytes))

    def _is_passed_on(self, side: Worker, item: WorkItem, row: Row, *, unanswered: bool) -> bool:
        """Whether others are given a try at an image that nothing was detected in here."""
        if unanswered and self._is_another(side):
            self._give_back(side, item, row.sent_bytes)
            self._leave(side, PlaceUnavailable(row.error or ""))
            return True
        if row.error is not None and not side.here and self._is_another(side, here=True):
            # A server may have narrower limits than we have here.
            self._give_back(side, item, row.sent_bytes, stays=True)
            return True
        return False

    def _claim(self, side: Worker, item: WorkItem) -> bool:
        """Whether this is the first answer for an image, which counts."""
        with self._changed:
            others = self._board.answered(side, item, self._clock())
            if others is None:
                return False
            if side.here and not all(other.here for other in others):
                self.duplicate_uploads.append(image_files.printable(item.path))
            self._counted += 1
            self._changed.notify_all()
            return True

    def _give_back(
        self, side: Worker, item: WorkItem, sent_bytes: int, *, stays: bool = False
    ) -> None:
        with self._changed:
            self._board.give_back(side, item, stays=stays)
            self._sent_bytes[item.path] = self._sent_bytes.get(item.path, 0) + sent_bytes
            self._changed.notify_all()

    def _leave(self, side: Worker, error: OffloadError) -> None:
        """A place that fails takes nothing more."""
        with self._changed:
            first, side.open, side.failed = side.open, False, True
            is_stuck = self._board.is_stuck
            self._changed.notify_all()
        if first and not self._closed:
            self._lost(side.name, str(error))
        if is_stuck:
            self._hand_over(error)

    def _is_another(self, side: Worker, *, here: bool = False) -> bool:
        """Whether there is another place that takes images, `here` if that matters."""
        with self._changed:
            others = (each for each in self._board.sides if each is not side and each.open)
            return any(each.here or not here for each in others)

    def _hand_over(self, answer: Row | BaseException) -> None:
        while not self._closed:
            try:
                self._answers.put(answer, timeout=TICK_S)
                return
            except Full:  # the reader is slow, or gone
                continue
