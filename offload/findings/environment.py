"""What a study ran on, as far as its document says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offload.findings.study import Study, Variant, plain

_MOST = 1e300
"""JSON may hold Infinity, and whole numbers of any length."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A computer; None and empty for what is not known."""

    cpu: str = ""
    cores: int | None = None
    usable_cores: int | None = None
    memory_bytes: int | None = None
    system: str = ""
    python: str = ""
    gpu: str = ""

    @classmethod
    def of(cls, document: Any) -> "HostFacts | None":
        """Out of a document; None if it is none."""
        if not _part(document):
            return None
        known: dict[str, Any] = {n: text(document, n) for n in ("cpu", "system", "python", "gpu")}
        for name in ("cores", "usable_cores", "memory_bytes"):
            known[name] = round(value) if (value := _number(document, name)) else None
        return cls(**known)


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """A place as it was found: its machine, its link, what it was rented as, and its model."""

    host: HostFacts | None = None
    goodput_bytes_per_s: float | None = None
    rtt_s: float | None = None
    instance_type: str = ""
    region: str = ""
    usd_per_h: float | None = None
    tunnel: bool = False
    runtime: str = ""
    sha256: str = ""
    min_score: float | None = None


def client(study: Study) -> HostFacts | None:
    """The machine that has the images."""
    return HostFacts.of(study.environment.get("client"))


def site(study: Study, lane: Variant) -> PlaceFacts:
    """What is known of the place of a lane; of the link, when it was as it is for the lane."""
    found = _part(study.environment, "places", lane.place)
    if not found:
        return PlaceFacts()
    link, mbit = found, lane.link_mbit
    if mbit is not None:
        link = _part(found, "links", f"{mbit:g}") or {"rtt_s": found.get("rtt_s")}
    shaped = mbit * 1e6 / 8 if mbit and study.places[lane.place].uses_link else None
    return PlaceFacts(
        host=HostFacts.of(found.get("host")),
        goodput_bytes_per_s=_number(link, "goodput_bytes_per_s") or shaped,
        rtt_s=_number(link, "rtt_s"),
        instance_type=text(found, "instance_type"),
        region=text(found, "region"),
        usd_per_h=_number(found, "usd_per_h"),
        tunnel=bool(found.get("tunnel")),
        runtime=text(found, "model", "runtime"),
        sha256=text(found, "model", "sha256"),
        min_score=_number(found, "min_score"),
    )


def model(study: Study) -> str:
    """The name of the model, in the words of the design."""
    return text(study.design, "model") or text(study.design, "model", "name")


def text(document: Mapping[str, Any], *path: str) -> str:
    """A text at a path of a document; empty where there is none."""
    found = _part(document, *path[:-1]).get(path[-1])
    return plain(found) if isinstance(found, str) else ""


def _part(document: Any, *path: str) -> Mapping[str, Any]:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST:
        return float(value)
    return None
