"""The sentences of a report, from `sentences.toml`, with the names and numbers in them."""

import math
import string
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces, PlaceTraits
from offload.domain.units import rounded, show_bytes, show_rate, show_s, show_usd
from offload.findings.estimates import Estimate
from offload.findings.study import Variant
from offload.render.report.document import listing
from offload.render.report.templating import Templates, ours
from offload.render.words import between, capital, count, percent

_SHORT: Mapping[str, Callable[[Any], str]] = {
    "link_mbit": lambda mbit: f"{mbit:g} Mbit/s" if mbit else "unshaped link",
    "upload_max_side_px": lambda px: f"{px} px" if px else "full size",
    "cpus": lambda cpus: f"{cpus:g} CPU{'s' * (cpus > 1)}",
    "replicas": lambda number: count(number, "replica"),
    "concurrency": lambda number: f"{number} in flight",
}
_SPOKEN: Mapping[str, Callable[[Any], str]] = {
    "link_mbit": lambda mbit: f" over {mbit:g} Mbit/s" if mbit else " over an unshaped link",
    "upload_max_side_px": lambda px: f" with images of {px} px" if px else " with full-size images",
}
"""What is there and not turned, hence part of a name."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of some variants, by what tells those of one place apart."""

    places: KnownPlaces
    variants: Sequence[Variant] = ()

    def _varying(self, place: str) -> list[str]:
        same = [each for each in self.variants if each.place == place]
        return [name for name in _SPOKEN if len({getattr(each, name) for each in same}) > 1]

    def short(self, variant: Variant) -> str:
        """`remote, 10 Mbit/s`, as in figures and tables."""
        fields = self._varying(variant.place)
        return ", ".join([variant.place, *(_SHORT[f](getattr(variant, f)) for f in fields)])

    def spoken(self, variant: Variant, *but: str) -> str:
        """`the remote server over 10 Mbit/s`, as in sentences, some fields left out."""
        fields = [each for each in self._varying(variant.place) if each not in but]
        said = (_SPOKEN[f](getattr(variant, f)) for f in fields)
        return f"the {bare(self.places[variant.place])}{''.join(said)}"

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


FILE = "sentences.toml"


def wording(wanted: Templates) -> Mapping[str, str]:
    """A name -> its sentence with fields; what the user's file does not name is as ours has it.

    Raises:
        UsageError: the user's cannot be used.
    """
    known: dict[str, str] = tomllib.loads(ours().text(FILE))
    try:
        found = tomllib.loads(wanted.text(FILE))
    except tomllib.TOMLDecodeError as error:
        raise wanted.broken(FILE, None, str(error)) from error
    for name, sentence in found.items():
        if name not in known or not isinstance(sentence, str):
            raise _broken(wanted, name, f"there is no sentence {name!r}")
    return known | found


def _broken(wanted: Templates, name: str, why: str) -> UsageError:
    lines = enumerate(wanted.text(FILE).splitlines(), 1)
    line = next((number for number, text in lines if text.startswith(name)), None)
    return wanted.broken(FILE, line, why)


class Unknown(Exception):
    """A field has no value."""


class Sentences(string.Formatter):
    """Fills sentences in; `names` are what variants are called in them."""

    def __init__(self, names: Names, wanted: Templates | None = None) -> None:
        self._wanted = wanted or ours()
        self._wording = wording(self._wanted)
        self._variants = {"": names.spoken, "at": names.at, "setting": setting}

    def say(self, name: str, /, **values: object) -> str:
        """The sentence of that name, filled in; nothing if a field is None or an empty list.

        Raises:
            UsageError: the user's has a field or a form that is not there.
        """
        template = self._wording[name]
        try:
            text = self.vformat(template, (), values)
        except Unknown:
            return ""
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise _broken(self._wanted, name, f"of {name!r} {error} is not known") from error
        return capital(text) if template.startswith("{") else text

    def format_field(self, value: Any, format_spec: str) -> str:
        """A value as what follows the colon says: a unit, a form of `SHOWN`, or what is counted."""
        if value is None or value == []:
            raise Unknown
        if isinstance(value, Variant):
            return self._variants[format_spec](value)
        if format_spec in SHOWN:
            return SHOWN[format_spec](value)
        return count(value, format_spec) if format_spec.isalpha() else format(value, format_spec)


def took(estimate: Estimate) -> str:
    """`2.4 s (2.2 to 2.7)`, or the value alone where chance is not known."""
    return _told(estimate, show_s)


def times(factor: Estimate) -> str:
    """`2.4 (2.3 to 2.5)`."""
    return _told(factor, digits)


def _told(estimate: Estimate, show: Callable[[float], str]) -> str:
    ends = estimate.low, estimate.high
    return between(estimate.value, ends, show, always=estimate.interval is not None)


def in_one_unit(rows: Iterable[Sequence[Estimate | str]], scale: float = 1.0) -> list[list[str]]:
    """The cells of a table: numbers divided by `scale`, all of them with intervals if one has more
    than a single value; texts as they are.
    """
    kept = [*map(list, rows)]
    numbers = [each for row in kept for each in row if isinstance(each, Estimate)]
    spread = any(each.interval for each in numbers)

    def shown(cell: Estimate | str) -> str:
        if isinstance(cell, str):
            return cell
        value, *ends = (digits(each / scale) for each in (cell.value, cell.low, cell.high))
        interval = f"({ends[0]} to {ends[1]})" if cell.interval else "(1 run)"
        return f"{value} {interval}" if spread else value

    return [[*map(shown, row)] for row in kept]


def time_unit(seconds: Iterable[float]) -> tuple[str, float]:
    """The unit to show all of some times in, and its seconds."""
    return ("ms", 1e-3) if max(seconds, default=1.0) < 1 else ("s", 1.0)


def longer(ratio: float) -> str:
    """`1.7 times as long as`, `12 % longer than`, `12 % less than`."""
    if ratio < 1:
        return f"{percent(1 - ratio)} less than"
    if ratio < 1.5:  # noqa: PLR2004 - from there on people say so
        return f"{percent(ratio - 1)} longer than"
    return f"{digits(ratio)} times as long as"


def round_images(number: float) -> str:
    """The next whole number of images, with two digits that say something."""
    return f"{float(f'{math.ceil(number):.2g}'):,.0f}"


def digits(value: float) -> str:
    """A number, as those with units are shown."""
    return f"{rounded(value):,.6f}".rstrip("0").rstrip(".")


SHOWN: Mapping[str, Callable[[Any], str]] = {
    "s": show_s, "bytes": show_bytes, "rate": show_rate, "usd": show_usd, "share": percent,
    "took": took, "times": times, "longer": longer, "digits": digits,
    "about": round_images, "and": listing, "or": lambda items: listing(items, "or"),
}  # fmt: skip
