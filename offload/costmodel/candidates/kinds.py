"""Ways to do a job: a lane, or two at once."""

from dataclasses import dataclass, replace
from typing import ClassVar

from offload.costmodel import makespan
from offload.costmodel.split.throughput import Contention, Shares, expected
from offload.costmodel.terms import TERMS, Candidate, Draws, Term
from offload.domain.places import SPLIT, PlaceTraits

UNITS = {**TERMS, "local_contention": "share", "remote_contention": "share"}
"""The name and unit of every term of a way."""


@dataclass(frozen=True, slots=True)
class SplitCandidate:
    """Two lanes at once. The remote one gets `at_most` so many images, if that is a number."""

    place: ClassVar[str] = SPLIT

    local: Candidate
    remote: Candidate
    contention: Contention
    at_most: int | None = None
    choosable: bool = True

    def shares(self, images: int, total_bytes: float | None = None) -> Shares:
        """How a job comes out."""
        lanes = self.local, self.remote
        return expected(*lanes, images, total_bytes, self.contention, self.at_most)

    def terms(self) -> dict[str, Term]:
        """The terms that neither lane has."""
        return {
            "local_contention": self.contention.local,
            "remote_contention": self.contention.remote,
        }

    @property
    def name(self) -> str:
        """What the option is called."""
        return f"{SPLIT}: {self.local.name} and {self.remote.name}"

    @property
    def traits(self) -> PlaceTraits:
        """Those of the other place: what is sent away, and billed, is so there."""
        return self.remote.traits

    @property
    def state(self) -> str:
        """The start state of the other place."""
        return self.remote.state

    @property
    def slots(self) -> int:
        """How many images both work on at a time."""
        return self.local.slots + self.remote.slots

    @property
    def in_flight(self) -> int:
        """How many images are under way at a time."""
        return self.local.in_flight + self.remote.in_flight

    @property
    def upload_max_side_px(self) -> int | None:
        """What the remote place is sent."""
        return self.remote.upload_max_side_px

    @property
    def agreement(self) -> float | None:
        """How far what is found in smaller copies agrees, if those are sent."""
        return self.remote.agreement

    @property
    def key(self) -> str:
        """Of both conditions; empty if either was not measured."""
        keys = self.local.key, self.remote.key
        return " ".join(keys) if all(keys) else ""

    @property
    def assumptions(self) -> list[str]:
        """The names of terms, of both lanes too, that were never measured nor given."""
        own = [name for name, term in self.terms().items() if term.origin == "assumed"]
        return list(dict.fromkeys([*self.local.assumptions, *self.remote.assumptions, *own]))


AnyCandidate = Candidate | SplitCandidate
"""A way to do a job."""


def makespan_s(way: AnyCandidate, images: int, total_bytes: float | None = None) -> Draws:
    """Seconds from the command's first line to the last result, one number per draw."""
    if isinstance(way, SplitCandidate):
        return way.shares(images, total_bytes).seconds
    return makespan.makespan_s(way, images, total_bytes)


def at_uplink(way: AnyCandidate, goodput: Term) -> AnyCandidate:
    """The way with another uplink, if it uses one."""
    if isinstance(way, SplitCandidate):
        return replace(way, remote=way.remote.with_terms(goodput=goodput))
    return way.with_terms(goodput=goodput) if way.uses_link else way
