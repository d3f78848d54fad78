"""What a user asks of `advise`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from offload.domain import units
from offload.domain.errors import UsageError
from offload.domain.places import StartState

_WHAT_IF = {
    "images": "images",
    "size": "image_size",
    "uplink": "uplink",
    "rtt": "rtt",
    "price": "price",
    "instance": "instance_type",
    "region": "region",
    "state": "state",
    "deadline": "deadline",
}
"""What --what-if calls a thing -> the field of a question."""
STATES = tuple(StartState)
INSTANCE, REGION = "c7i.large", "us-east-1"


@dataclass(frozen=True, slots=True)
class Question:
    """The options of `offload advise`, quantities as they were typed; and where it is asked on
    behalf of a run, the `places` that are ready and the `slots` of this process. `machines` tells
    by its label each kind of machine that is rented now, and its start state.

    Raises:
        UsageError: they cannot be meant, or contradict each other.
    """

    sources: tuple[str, ...] = ()
    recursive: bool = False
    images: int | None = None
    model: str | None = None
    optimize: str = "time"
    risk: str = "mean"
    deadline: str | None = None
    max_cost: str | None = None
    value_of_time: str | None = None
    uplink: str | None = None
    rtt: str | None = None
    image_size: str | None = None
    state: str | None = None
    url: str | None = None
    price: str | None = None
    instance_type: str | None = None
    region: str = REGION
    idle: str = "20m"
    min_agreement: float = 0.97
    from_file: str | None = None
    offline: bool = False
    places: tuple[str, ...] | None = None
    slots: int | None = None
    machines: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is looked up."""
        if bool(self.sources) == (self.images is not None):
            raise UsageError(
                "advise wants either a folder of images or their number.",
                hint="For instance: offload advise --images 200",
            )
        for option, value, known in (
            ("--optimize", self.optimize, ("time", "cost")),
            ("--risk", self.risk, ("mean", "averse")),
            ("--state", self.state or "warm", STATES),
        ):
            if value not in known:
                raise UsageError(f"{option} takes one of {', '.join(known)}, not {value!r}.")
        if self.images is not None and not 1 <= self.images <= _MOST_IMAGES:
            raise UsageError(f"--images takes a number from 1 to {_MOST_IMAGES:,}.")
        if self.optimize == "cost" and self.value_of_time is not None:
            raise UsageError(
                "--value-of-time already weighs seconds against dollars; --optimize cost would "
                "weigh seconds at nothing.",
                hint="Leave one of the two out.",
            )
        if not 0 <= self.min_agreement <= 1:
            raise UsageError("--min-agreement takes a share from 0 to 1.")
        self.amounts()

    def amounts(self) -> "Amounts":
        """The quantities, parsed.

        Raises:
            UsageError: one of them is none.
        """

        def parsed(parse: Any, text: str | None, option: str, **how: Any) -> float | None:
            return None if text is None else float(parse(text, option=option, **how))

        return Amounts(
            deadline_s=parsed(units.duration_s, self.deadline, "--deadline"),
            max_cost_usd=parsed(units.usd, self.max_cost, "--max-cost"),
            value_of_time_usd_per_h=parsed(units.usd, self.value_of_time, "--value-of-time"),
            uplink_bytes_per_s=parsed(units.rate_bytes_per_s, self.uplink, "--uplink"),
            rtt_s=parsed(units.duration_s, self.rtt, "--rtt", zero_ok=True),
            image_bytes=parsed(units.size_bytes, self.image_size, "--image-size"),
            price_usd_per_h=parsed(units.usd, self.price, "--price"),
            idle_s=units.duration_s(self.idle, option="--idle", zero_ok=True),
        )

    def what_if(self, text: str) -> "Question":
        """The question with other values: `uplink=20Mbit,price=0.17`.

        Raises:
            UsageError: something has no such name or value.
        """
        changes: dict[str, Any] = {}
        for part in (part.strip() for part in text.split(",")):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if name not in _WHAT_IF or not equals or not value:
                raise UsageError(
                    f"--what-if takes name=value of {', '.join(_WHAT_IF)}, not {part!r}.",
                    hint="For instance: --what-if uplink=20Mbit,price=0.17",
                )
            changes[_WHAT_IF[name]] = value
        if "images" in changes:
            if not changes["images"].isdecimal():
                raise UsageError(f"--what-if images takes a number, not {changes['images']!r}.")
            changes |= {"images": int(changes["images"]), "sources": ()}
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Amounts:
    """The quantities of a question in SI units and dollars; None where nothing was said."""

    deadline_s: float | None
    max_cost_usd: float | None
    value_of_time_usd_per_h: float | None
    uplink_bytes_per_s: float | None
    rtt_s: float | None
    image_bytes: float | None
    price_usd_per_h: float | None
    idle_s: float


Optimize = Literal["time", "cost"]
Risk = Literal["mean", "averse"]
_MOST_IMAGES = 100_000_000
