"""Measurements and outcomes as one document, to be carried elsewhere."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TypeVar

from offload.domain.errors import UsageError
from offload.domain.measurements import Measurement, Outcome
from offload.domain.places import KnownPlaces, StartState, is_name
from offload.domain.results import SCHEMA, Json
from offload.domain.timing import with_new_names
from offload.domain.typed import read

_KIND = "profile"
_HINT = "To write a profile: offload profile export profile.json"

Entry = TypeVar("Entry", Measurement, Outcome)


def document(measurements: Iterable[Measurement], outcomes: Iterable[Outcome]) -> Json:
    """Measurements and outcomes as JSON types."""
    return {
        "schema": SCHEMA,
        "kind": _KIND,
        "measurements": [asdict(measurement) for measurement in measurements],
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


def from_document(document: Any, places: KnownPlaces) -> tuple[list[Measurement], list[Outcome]]:
    """Read back what `document` made, each value checked; of `places` a bring-up must be of one
    elsewhere.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        raise UsageError("This is not a profile that offload exported.", hint=_HINT)
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        hint = "To read it: pip install --upgrade offload"
        raise UsageError("This profile was exported by a newer offload.", hint=hint)
    if schema not in {1, SCHEMA}:
        raise UsageError("This profile is of an unknown version.", hint=_HINT)
    measurements = _entries(document, "measurements", Measurement, places)
    return measurements, _entries(document, "outcomes", Outcome, places)


def _entries(document: Json, name: str, kind: type[Entry], places: KnownPlaces) -> list[Entry]:
    listed = document.get(name)
    if not isinstance(listed, list):
        raise UsageError(f"This profile has no list of {name}.", hint=_HINT)
    entries = []
    for number, each in enumerate(listed, 1):
        try:
            entries.append(_entry(each, kind, places))
        except (TypeError, ValueError, RecursionError) as error:
            one = name.removesuffix("s")
            said = f"{one} {number} of this profile is damaged."
            raise UsageError(said, hint=_HINT) from error
    return entries


def _entry(document: Any, kind: type[Entry], places: KnownPlaces) -> Entry:
    text = json.dumps(document, allow_nan=False)
    entry = read(kind, json.loads(text, object_hook=with_new_names))
    if not _is_meant(entry, places):
        raise ValueError(entry)
    return entry


def _is_meant(entry: Measurement | Outcome, places: KnownPlaces) -> bool:
    """Whether the numbers of an entry can be those of a measurement."""
    if isinstance(entry, Outcome):
        return min(entry.predicted_s, entry.actual_s) > 0
    condition, numbers = entry.condition, [image.number for image in entry.images]
    cores = condition.client.get("usable_cores", 1)
    return (
        is_name(condition.place)
        and isinstance(cores, int)
        and cores >= 1
        and numbers == sorted(set(numbers))
        and all(total.total_s > 0 for total in entry.totals)
        and (
            not entry.is_bring_up
            or (
                entry.facts.get("from") in {*StartState} - {StartState.WARM}
                and places[condition.place].leaves_machine
                and len(entry.starts) == 1
            )
        )
    )
