"""What a user asks of `advise`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from offload.domain import units
from offload.domain.errors import UsageError
from offload.domain.machines import Kind
from offload.domain.places import StartState
from offload.domain.vision import Image
from offload.drivers.objects.store import is_url

INSTANCE = "c7i.large"
_MOST_IMAGES = 100_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """The options of `offload advise`; and where it is asked on behalf of a run, the `places` that
    are ready and the `slots` of this process. `machines` tells each kind of machine that is
    rented now, and its start state. `engine` has workers who may do it, at most so many
    `workers`. `counted` are the images and bytes of sources that were listed already.

    Raises:
        UsageError: they cannot be meant, or contradict each other.
    """

    sources: tuple[str | Image, ...] = ()
    recursive: bool = False
    images: int | None = None
    model: str | None = None
    optimize: Literal["time", "cost"] = "time"
    risk: Literal["mean", "averse"] = "mean"
    deadline_s: float | None = None
    max_cost_usd: float | None = None
    value_of_time_usd_per_h: float | None = None
    uplink_bytes_per_s: float | None = None
    rtt_s: float | None = None
    image_bytes: float | None = None
    state: str | None = None
    url: str | None = None
    price_usd_per_h: float | None = None
    instance_type: str | None = None
    region: str = "us-east-1"
    idle_s: float = 20 * 60.0
    min_agreement: float = 0.97
    from_file: str | None = None
    offline: bool = False
    places: tuple[str, ...] | None = None
    slots: int | None = None
    replicas: int | None = None
    engine: str | None = None
    workers: int | None = None
    counted: tuple[int, float] | None = None
    machines: Mapping[Kind, StartState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is looked up."""
        if not (self.stored or bool(self.sources) != (self.images is not None)):
            raise UsageError(
                "advise needs either a folder of images or their number.",
                hint="For instance: offload advise --images 200",
            )
        if self.state not in {None, *StartState}:
            raise UsageError(f"--state takes one of {', '.join(StartState)}, not {self.state!r}.")
        if self.images is not None and not 1 <= self.images <= _MOST_IMAGES:
            raise UsageError(f"--images takes a number from 1 to {_MOST_IMAGES:,}.")
        if self.optimize == "cost" and self.value_of_time_usd_per_h is not None:
            raise UsageError(
                "--value-of-time already weighs seconds against dollars; --optimize cost ignores "
                "time.",
                hint="Leave one of the two out.",
            )

    @property
    def stored(self) -> bool:
        """Whether the images are in a store, whose number may be told to spare its listing."""
        return any(isinstance(source, str) and is_url(source) for source in self.sources)

    @property
    def may_rent(self) -> bool:
        """Whether a machine is rented already, or its kind, price or start state is named."""
        is_priced = self.price_usd_per_h is not None
        is_named = self.state in {StartState.STOPPED, StartState.ABSENT} or Kind.of(self.url)
        return bool(self.machines or self.instance_type or is_priced or is_named)

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
            field_name, parse = _WHAT_IF[name]
            changes[field_name] = parse(value)
        if "images" in changes:
            changes["sources"] = ()
        return replace(self, **changes)


def _number(what: str, text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise UsageError(f"--what-if {what} takes a number, not {text!r}.")
    return int(text)


_WHAT_IF: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "images": ("images", partial(_number, "images")),
    "replicas": ("replicas", partial(_number, "replicas")),
    "size": ("image_bytes", partial(units.size_bytes, option="--image-size")),
    "uplink": ("uplink_bytes_per_s", partial(units.rate_bytes_per_s, option="--uplink")),
    "rtt": ("rtt_s", partial(units.duration_s, option="--rtt", zero_ok=True)),
    "price": ("price_usd_per_h", partial(units.usd, option="--price")),
    "instance": ("instance_type", str),
    "region": ("region", str),
    "state": ("state", str),
    "deadline": ("deadline_s", partial(units.duration_s, option="--deadline")),
}
"""What --what-if calls a thing -> the field of a question, and what its text means."""
