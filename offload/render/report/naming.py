"""What variants are called: by their place, and by what tells them from others of that place."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from offload.findings.study import Variant
from offload.render.report.document import cut

PLACE = {"local": "the local process", "container": "the container", "remote": "the remote server"}
"""A place within a sentence."""
_LONGEST = 40
_IN = {"local": "in", "container": "in", "remote": "at"}

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

    varying: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, variants: Iterable[Variant]) -> "Names":
        """Names that tell these variants apart."""
        values: dict[str, dict[str, set[Any]]] = {}
        for variant in variants:
            for field in _NAMING:
                fields = values.setdefault(variant.place, {})
                fields.setdefault(field, set()).add(getattr(variant, field))
        return cls({
            place: tuple(field for field, found in fields.items() if len(found) > 1)
            for place, fields in values.items()
        })  # fmt: skip

    def short(self, variant: Variant) -> str:
        """`remote, 10 Mbit/s`, as in figures and tables."""
        fields = self.varying.get(variant.place, ())
        return ", ".join(
            [variant.place, *(_SHORT[field](getattr(variant, field)) for field in fields)]
        )

    def spoken(self, variant: Variant, *but: str) -> str:
        """`the cold remote server over 10 Mbit/s`, as in sentences, some fields left out."""
        fields = [field for field in self.varying.get(variant.place, ()) if field not in but]
        name = PLACE[variant.place]
        if "cold" in fields:
            name = name.replace("the ", f"the {_SHORT['cold'](variant.cold)} ")
        return name + "".join(_SPOKEN[f](getattr(variant, f)) for f in fields if f in _SPOKEN)

    def at(self, variant: Variant, *but: str) -> str:
        """`at the remote server over 10 Mbit/s`."""
        return f"{_IN[variant.place]} {self.spoken(variant, *but)}"


def setting(variant: Variant) -> str:
    """` with 3 replicas, 0.5 CPU, 8 in flight`: the knobs of a variant that were set."""
    knobs = ("replicas", "cpus", "concurrency")
    said = [_SHORT[knob](getattr(variant, knob)) for knob in knobs if getattr(variant, knob)]
    return f" with {', '.join(said)}" if said else ""
