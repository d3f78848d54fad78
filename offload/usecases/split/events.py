"""What a split tells of itself on its way. Seconds are from now on, unless said otherwise."""

from dataclasses import dataclass, field

from offload.domain.events import Event, Failed


class SplitEvent(Event):
    """Something happened to a split, or its plan changed."""


class SplitWarning(SplitEvent):
    """The user should know this, also in the process that started this one."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """When all is done, and a place's share of the `undone` images; `before` at the last look."""

    end_s: float
    end_before_s: float
    undone: int
    images: int | None = None
    images_before: int | None = None
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class PlaceEvent(SplitEvent):
    """Something changed at a place, and what follows if that is known."""

    place: str
    outlook: Outlook | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class PlaceJoined(PlaceEvent):
    """It takes part, `again` if it was lost."""

    again: bool


@dataclass(frozen=True, slots=True)
class RateChanged(PlaceEvent):
    """Its rate is another than was told before, or no answer came from it for `quiet_s`."""

    images_per_s: float
    before_per_s: float
    quiet_s: float | None = None


class PlaceReleased(PlaceEvent):
    """It is not needed any more, as all that is left must stay here."""


@dataclass(frozen=True, slots=True)
class PlaceStopped(PlaceEvent):
    """It takes no more images; whether those are done here, None if nobody is left or none is."""

    reason: str
    rest_is_here: bool | None = field(default=None, kw_only=True)


class PlaceLost(PlaceStopped):
    """It gives no answer any more."""


class PlaceEnding(PlaceStopped):
    """It will end soon."""


class BudgetReached(PlaceStopped):
    """More images there would cost more than is allowed; the reason is the limit."""


@dataclass(frozen=True, slots=True)
class DeadlineChanged(SplitEvent):
    """It will be missed, or kept after all. `spent_s` is since the command began."""

    deadline_s: float
    spent_s: float
    left_s: float | None

    @property
    def late_s(self) -> float:
        """By how much it is missed, negative if it is kept."""
        return self.spent_s + (self.left_s or 0.0) - self.deadline_s


@dataclass(frozen=True, slots=True)
class NotRented(SplitEvent):
    """What is left takes `here_s` here, or all took that if it `is_over`; a machine `startup_s`."""

    here_s: float
    startup_s: float | None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class MachineReturned(SplitEvent):
    """A machine is as it was before the run: removed, or stopped."""

    machine: str
    is_removed: bool


@dataclass(frozen=True, slots=True)
class MachineLeft(SplitWarning):
    """A machine could not be removed or stopped."""

    machine: str
    cause: Failed


@dataclass(frozen=True, slots=True)
class NothingLeaves(SplitWarning):
    """There is no other place to share with; or there is, and every image must stay here."""

    is_asked: bool


@dataclass(frozen=True, slots=True)
class PlaceFailed(SplitWarning):
    """The other place takes no part, or does not yet, as its server is waited for."""

    cause: Failed
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class TooExpensive(SplitWarning):
    """A place takes no part, as it would cost `least_usd` at least."""

    place: str
    least_usd: float
    max_usd: float
