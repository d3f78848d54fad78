"""What variants are called: by their place, and by what tells them from others of that place."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from offload.domain.places import KnownPlaces, PlaceTraits
from offload.findings.study import Variant
from offload.render.report.document import cut

_LONGEST = 40

_SHORT: Mapping[str, Callable[[Any], str]] = {
    "label": lambda label: cut(label, _LONGEST) or "unnamed",
    "link_mbit": lambda mbit: f"{mbit:g} Mbit/s" if mbit else "unshaped link",
    "upload_max_side_px": lambda px: f"{px} px" if px else "full size",
    "cpus": lambda cpus: f"{cpus:g} CPU{'s' * (cpus > 1)}" if cpus else "all CPUs",
    "replicas": lambda number: f"{number or 1} replica{'s' * ((number or 1) > 1)}",
    "concurrency": lambda number: f"{number} in flight" if number else "automatic",
    "cold": lambda cold: "cold" if cold else "warm",
}
_NAMING = ("label", "link_mbit", "upload_max_side_px", "cold")
"""What is there and not turned, hence part of a name."""
_SPOKEN: Mapping[str, Callable[[Any], str]] = {
    "label": lambda label: f" {cut(label, _LONGEST)}" if label else "",
    "link_mbit": lambda mbit: f" over {mbit:g} Mbit/s" if mbit else " over an unshaped link",
    "upload_max_side_px": lambda px: f" with images of {px} px" if px else " with whole images",
}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of some variants; `varying` are the fields that tell those of one place apart."""

    places: KnownPlaces
    varying: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, places: KnownPlaces, variants: Iterable[Variant] = ()) -> "Names":
        """Names that tell these variants apart."""
        alike: dict[str, list[Variant]] = {}
        for variant in variants:
            alike.setdefault(variant.place, []).append(variant)
        return cls(places, {
            place: tuple(name for name in _NAMING if len({getattr(v, name) for v in same}) > 1)
            for place, same in alike.items()
        })  # fmt: skip

    def short(self, variant: Variant) -> str:
        """`remote, 10 Mbit/s`, as in figures and tables."""
        fields = self.varying.get(variant.place, ())
        return ", ".join([variant.place, *(_SHORT[f](getattr(variant, f)) for f in fields)])

    def spoken(self, variant: Variant, *but: str) -> str:
        """`the cold remote server over 10 Mbit/s`, as in sentences, some fields left out."""
        fields = [each for each in self.varying.get(variant.place, ()) if each not in but]
        start = f"{_SHORT['cold'](variant.cold)} " if "cold" in fields else ""
        name = f"the {start}{bare(self.places[variant.place])}"
        return name + "".join(_SPOKEN[f](getattr(variant, f)) for f in fields if f in _SPOKEN)

    def at(self, variant: Variant, *but: str) -> str:
        """`at the remote server over 10 Mbit/s`."""
        preposition = "at" if self.places[variant.place].leaves_machine else "in"
        return f"{preposition} {self.spoken(variant, *but)}"


def bare(traits: PlaceTraits) -> str:
    """`remote server`, a place's title without its article; `farm place` of one that has none."""
    named = traits.title != traits.name
    return traits.title.removeprefix("the ") if named else f"{traits.name} place"


def setting(variant: Variant) -> str:
    """` with 3 replicas, 0.5 CPU, 8 in flight`: the knobs of a variant that were set."""
    knobs = ("replicas", "cpus", "concurrency")
    said = [_SHORT[knob](getattr(variant, knob)) for knob in knobs if getattr(variant, knob)]
    return f" with {', '.join(said)}" if said else ""
