"""What a study ran on, as far as its document says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offload.findings.study import Study, Variant, plain


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
        if not isinstance(document, Mapping) or not document:
            return None
        known: dict[str, Any] = {
            name: round(value) if (value := _number(document, name)) else None
            for name in ("cores", "usable_cores", "memory_bytes")
        }
        texts = {name: text(document, name) for name in ("cpu", "system", "python", "gpu")}
        return cls(**known | texts)


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """A place as it was found: its machine, the link to it, and what it was rented as."""

    host: HostFacts | None = None
    goodput_bytes_per_s: float | None = None
    rtt_s: float | None = None
    instance_type: str = ""
    region: str = ""
    usd_per_h: float | None = None
    tunnel: bool = False


def client(study: Study) -> HostFacts | None:
    """The machine that has the images."""
    return HostFacts.of(study.environment.get("client"))


def site(study: Study, lane: Variant) -> PlaceFacts:
    """What is known of the place of a lane."""
    places = study.environment.get("places")
    found = places.get(lane.place) if isinstance(places, Mapping) else None
    if not isinstance(found, Mapping):
        return PlaceFacts()
    link = _link(found, lane)
    return PlaceFacts(
        host=HostFacts.of(found.get("host")),
        goodput_bytes_per_s=_number(link, "goodput_bytes_per_s") or _shaped(study, lane),
        rtt_s=_number(link, "rtt_s"),
        instance_type=text(found, "instance_type"),
        region=text(found, "region"),
        usd_per_h=_number(found, "usd_per_h"),
        tunnel=bool(found.get("tunnel")),
    )


def _link(found: Mapping[str, Any], lane: Variant) -> Mapping[str, Any]:
    """What was measured of the link when it was as it is for the lane."""
    links = found.get("links")
    if lane.link_mbit is None:
        return found
    shaped = links.get(f"{lane.link_mbit:g}") if isinstance(links, Mapping) else None
    if isinstance(shaped, Mapping):
        return shaped
    return {name: value for name, value in found.items() if name != "goodput_bytes_per_s"}


def _shaped(study: Study, lane: Variant) -> float | None:
    """What the link was shaped to, if there is one."""
    used = study.places[lane.place].uses_link
    return lane.link_mbit * 1e6 / 8 if lane.link_mbit and used else None


def text(document: Mapping[str, Any], *path: str) -> str:
    """A text at a path of a document; empty where there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return plain(found) if isinstance(found, str) else ""


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    return None
