"""A worker: takes messages from a queue, several at a time, until it is to end."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from offload.domain.errors import OffloadError
from offload.drivers.host.capture import Captured
from offload.service.queued.answering import Answering
from offload.service.queued.insisting import EndedError, Insisting
from offload.service.queued.ports import Message, OwnMachine

HIDDEN_S, _EXTEND_S = 60, 20.0
"""A message in hand is hidden from others for so long, again and again after so long."""
IDLE_S = 60.0
"""A worker for which nothing came for so long ends."""
LONGEST_S = 900.0
"""Who has a message for longer does not get it done."""
PER_SLOT = 2
"""Messages in hand for each image that can be worked on: while one is, another is fetched."""
_WAIT_S, _LOOK_S = 5, 0.5


@dataclass(slots=True, eq=False)
class _InHand:
    message: Message
    since_s: float
    extended_s: float


@dataclass(slots=True)
class QueueWorker:
    """Has `answering` answer the messages of its queue, until that is to stop asking. `member` is
    its machine, which leaves its group when nothing comes any more, None where it has none; with
    `stay` it waits for more.
    """

    answering: Answering
    member: OwnMachine | None
    stay: bool = False
    _in_hand: list[_InHand] = field(default_factory=list)
    _empty_s: float | None = None
    _resting: bool = False

    @property
    def ask(self) -> Insisting:
        """How AWS is asked, and when that ends."""
        return self.answering.ask

    def run(self) -> None:
        """Work until asked to end, until the machine gets notice, or until nothing has come for a
        minute: then the machine leaves. So it does where AWS refuses, as it is of no use.

        Raises:
            OffloadError: AWS refuses, or an image is not done for too long.
        """
        try:
            with suppress(EndedError):
                self.ask(self.answering.check)
            while not self.ask.stop and self._rounds_on():
                pass
        except OffloadError:
            with suppress(OffloadError):
                self._leave()
            raise
        if self._resting:
            self._leave()

    def _leave(self) -> None:
        if self.member is not None:
            self.ask.reporter.note(f"{self.member.id} leaves its group")
            self.member.leave()

    def _rounds_on(self) -> bool:
        """Work until it ends; whether something came at the last moment, so that it goes on."""
        self._empty_s, self._resting = None, False
        ends = [Captured() for _ in range(PER_SLOT * self.answering.slots)]
        threads = [threading.Thread(target=self._slot, args=[end], daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                self._look()
                self.ask.pause(_LOOK_S)
        finally:
            if not self._resting:
                self.ask.stop.ask()
            for each in list(self._in_hand):
                self._give_back(each.message)
        for end in ends:
            end.again()
        return self._resting and not self._idle

    @property
    def _idle(self) -> bool:
        """Whether the queue was empty for long, as far as is known, and nothing is in hand."""
        empty_s = self._empty_s
        waited = empty_s is not None and self.ask.clock() - empty_s >= IDLE_S
        return waited and not self._in_hand

    def _look(self) -> None:
        """See whether it is to end, and keep what is in hand."""
        if not self.ask.stop and self.member and (notice := self.member.notice()):
            self.ask.reporter.note(f"Ends with what is in progress: {notice}")
            self.ask.stop.ask()
        if self._idle and not self.stay and not self._resting:
            self.ask.reporter.note(f"Ends: no image came for {IDLE_S:.0f} s")
            self._resting = True
        now_s = self.ask.clock()
        for each in list(self._in_hand):
            if now_s - each.since_s > LONGEST_S:
                raise OffloadError(f"An image is not done after {LONGEST_S:.0f} s.")
            if now_s - each.extended_s >= _EXTEND_S:
                each.extended_s = now_s
                with suppress(OffloadError):  # whoever works on it will see what is wrong
                    self.answering.queue.extend(each.message, HIDDEN_S)

    def _slot(self, end: Captured) -> None:
        with end, suppress(EndedError):
            while not (self.ask.stop or self._resting):
                began_s = self.ask.clock()
                messages = self.ask(self.answering.queue.receive, 1, _WAIT_S)
                for message in messages:
                    self._work(message)
                if messages:
                    self._empty_s = None
                elif self._empty_s is None:
                    self._empty_s = began_s
        if end.error is not None:
            self.ask.stop.ask()

    def _work(self, message: Message) -> None:
        if self.ask.stop:
            self._give_back(message)
            return
        now_s = self.ask.clock()
        held = _InHand(message, now_s, now_s)
        self._in_hand.append(held)
        with Captured() as end:
            self.answering.answer(message)
        self._in_hand.remove(held)
        if end.error is not None:
            self._give_back(message)
        end.again()

    def _give_back(self, message: Message) -> None:
        """Let others have it at once; if that fails, after a while."""
        with suppress(OffloadError):
            self.answering.queue.extend(message, 0)
