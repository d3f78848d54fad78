"""What a long job tells of itself, as values that `render` puts into words, and how it is asked to
stop. Some events cross from one process to another as lines of JSON; none holds a secret.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from offload.domain.errors import OffloadError


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that somebody may want to know."""


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """The user should know this."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """A plan changed on the way; shown among the progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Stepped(Event):
    """A step of something long; shown with `--verbose`."""

    text: str


@dataclass(frozen=True, slots=True)
class PhaseBegan(Event):
    """A phase of something long begins, at this place or machine if it is one of several. Of a
    machine's bring-up it is step number `step` of `steps`, and a `StartPhase`.
    """

    phase: str
    at: str = ""
    step: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Downloaded(Event):
    """So many bytes of a model are here, of `total_bytes`, None if unknown."""

    done_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Sent(Event):
    """So many bytes of our image are on their way to a machine, of `total_bytes`."""

    done_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Built(Event):
    """So many steps of our container image are done, of `total`."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ImageFailed(Event):
    """An image has no detections, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """An explained failure: what is wrong, what to type, and the exit code that it means. `place`
    is the one that it is about, where others go on.
    """

    text: str
    hint: str
    exit_code: int = 1
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A server answered a request: `status` None if its sender had gone. Sizes are those of bodies;
    the path is without its query.
    """

    client: str
    method: str
    path: str
    status: int | None
    duration_s: float
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class MachinesWanted(Event):
    """A fleet is to have so many machines from now on; its job is then expected to be done in
    `seconds` from now, and to cost `usd` in all.
    """

    fleet: str
    machines: int
    seconds: float
    usd: float


@dataclass(frozen=True, slots=True)
class MachinesAtWork(Event):
    """So many machines of a fleet answer, of as many as it is to have."""

    fleet: str
    machines: int
    wanted: int


Listener = Callable[[Event], None]
"""Who is told events, from any thread."""
VARIABLE, AS_LINES = "OFFLOAD_EVENTS", "json"
"""What the environment of a process says if it is to tell events as lines of JSON."""
_CROSSING = {kind.__name__: kind for kind in (Warned, ImageFailed, Failed, Built)}
"""Events that a process tells the one that started it."""


def to_line(event: Event) -> str | None:
    """The event as a line of JSON; None if it is nothing to the process that started this one."""
    name = type(event).__name__
    return json.dumps({"event": name, **asdict(event)}) if name in _CROSSING else None


def from_line(line: str) -> Event | None:
    """The event that a line is; None if it is none, as one of a traceback."""
    try:
        values = json.loads(line)
        return _CROSSING[values.pop("event")](**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def failed(error: OffloadError, place: str | None = None) -> Failed:
    """What is said of an error."""
    return Failed(str(error), error.hint, error.exit_code, place)


class Reporter:
    """Takes events from any thread and hands them to all who listen; silent if nobody does."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._warned: set[Warned] = set()

    def emit(self, event: Event) -> None:
        """Tell of an event; of a warning once."""
        if isinstance(event, Warned):
            if event in self._warned:
                return
            self._warned.add(event)
        for listener in self._listeners:
            listener(event)

    def warn(self, text: str) -> None:
        """The user should know `text`."""
        self.emit(Warned(text))

    def note(self, text: str) -> None:
        """A plan changed on the way."""
        self.emit(Noted(text))

    def step(self, text: str) -> None:
        """A step of something long."""
        self.emit(Stepped(text))

    def downloaded(self, done_bytes: int, total_bytes: int | None) -> None:
        """Bytes of a model came."""
        self.emit(Downloaded(done_bytes, total_bytes))

    def sent(self, done_bytes: int, total_bytes: int | None) -> None:
        """Bytes of an image went."""
        self.emit(Sent(done_bytes, total_bytes))


class Stop:
    """Asked to stop, a pipeline finishes what it holds and takes nothing more."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        """Take nothing more from now on."""
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked
