"""What a study ran on, as far as its document says."""

from dataclasses import dataclass
from typing import Any

from offload.findings.study import Study, Variant, plain

_MOST = 1e300
"""JSON may hold Infinity, and whole numbers of any length."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A document that may lack anything, or hold something else."""

    document: Any = None

    def __bool__(self) -> bool:
        return bool(self._part())

    def part(self, *path: str) -> "Facts":
        """What is below a path."""
        return Facts(self._part(*path))

    def text(self, *path: str) -> str:
        """A text at a path; empty where there is none."""
        found = self._part(*path[:-1]).get(path[-1])
        return plain(found) if isinstance(found, str) else ""

    def number(self, *path: str) -> float | None:
        """A number above zero at a path; None where there is none."""
        value = self._part(*path[:-1]).get(path[-1])
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST:
            return float(value)
        return None

    def _part(self, *path: str) -> dict[str, Any]:
        found = self.document
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


def of(study: Study) -> Facts:
    """All that is known."""
    return Facts(study.environment)


def site(study: Study, lane: Variant) -> Facts:
    """What is known of the place of a lane: `host`, `model`, what it was rented as; and of its
    link, `goodput_bytes_per_s` and `rtt_s`, when it was as it is for the lane.
    """
    found, mbit = of(study).part("places", lane.place), lane.link_mbit
    if not found or mbit is None:
        return found
    link = found.part("links", f"{mbit:g}")
    shaped = mbit * 1e6 / 8 if study.places[lane.place].uses_link else None
    known = {"goodput_bytes_per_s": link.number("goodput_bytes_per_s") or shaped}
    return Facts(found.document | {"rtt_s": (link or found).number("rtt_s")} | known)
