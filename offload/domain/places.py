"""What a place is, declared once: where images go, what it costs, which options it takes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SPLIT, AUTO = "split", "auto"
"""What `--where` takes beside places: to use this process and another place at once, and to let
measurements decide.
"""

CALLS = 10
"""Calls of a function at a time, unless said otherwise: more start more environments, each of which
costs seconds before it answers. New accounts may not run more, either
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

REMOTE = "remote"
"""The other place of a split unless another is named: a server, or a machine that is rented."""


def is_name(text: str) -> bool:
    """Whether data may call a place so."""
    return text not in {SPLIT, AUTO} and bool(re.fullmatch(r"[\w.-]{1,64}", text, re.ASCII))


class StartState(StrEnum):
    """What a place is in before it is used: up with its model loaded, up without it, switched off
    with its disk kept, or not there.
    """

    WARM = "warm"
    COLD = "cold"
    STOPPED = "stopped"
    ABSENT = "new"


SENDING = frozenset({
    "concurrency", "timeout_s", "max_retries", "fallback", "upload_max_side", "upload_quality",
    "strip_metadata",
})  # fmt: skip
"""The options of places that images are sent to."""


@dataclass(frozen=True, slots=True)
class PlaceTraits:
    """What the rest of the program must know of a place. What is not stated is the careful answer:
    images leave this machine, money flows, `--keep-local` applies.

    `title` is what reports call it, `phrase` what follows "Run it". `options` are the fields of a
    request that mean something there. `by_call` is true where calls are billed, and no hours of a
    machine: what runs them starts with a call, and may be cold. `on_demand` is true of machines
    that come for a job and leave when it is done, so that there may be none. `has_own_model` is
    true of a server that was there before: it is asked which model it has. `has_prior` is false of
    what nobody has by chance: advice speaks of it once it was measured. `can_serve` is true where a
    server may ask for others, as each image may have a selection of its own
    (`service.server.core.Elsewhere`). Of places that are equally good the one of the lowest
    `simplicity` is taken.
    """

    name: str
    title: str
    phrase: str = ""
    leaves_machine: bool = True
    uses_link: bool = True
    rented: bool = True
    in_process: bool = False
    by_call: bool = False
    on_demand: bool = False
    has_own_model: bool = False
    has_prior: bool = True
    can_serve: bool = False
    start_states: tuple[StartState, ...] = ()
    options: frozenset[str] = frozenset()
    simplicity: int = 100

    @property
    def image_share(self) -> float:
        """Of the bytes on its link, those of images: in a call, base64 makes four of three."""
        return 0.75 if self.by_call else 1.0

    @property
    def has_replicas(self) -> bool:
        """Whether it is as many servers elsewhere as are asked for."""
        return self.leaves_machine and "replicas" in self.options

    def takes(self, option: str) -> bool:
        """Whether a field of a request means something there. Which images stay is to be said of
        every place that they would leave for.
        """
        return option in self.options or (option == "keep_local" and self.leaves_machine)


class KnownPlaces(dict[str, PlaceTraits]):
    """The traits of places by name, simplest first. A name that is unknown, as in measurements of a
    place that is not installed here, has the careful ones.
    """

    def __init__(self, places: Iterable[PlaceTraits] = ()) -> None:
        ordered = sorted(places, key=lambda traits: (traits.simplicity, traits.name))
        super().__init__((traits.name, traits) for traits in ordered)

    def __missing__(self, name: str) -> PlaceTraits:
        """What is assumed of a place that nobody declared."""
        return PlaceTraits(name, title=name)

    @property
    def in_process(self) -> PlaceTraits:
        """The place that is this very process.

        Raises:
            StopIteration: there is none.
        """
        return next(traits for traits in self.values() if traits.in_process)
