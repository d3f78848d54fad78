"""How a fleet is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offload.domain import typed
from offload.domain.units import show_s, show_usd
from offload.render import tables
from offload.render.messages import shown
from offload.render.words import count

if TYPE_CHECKING:
    from offload.drivers.aws.fleet.group import FleetMachine
    from offload.usecases.fleet import FleetStatus

_MOST_SHOWN = 10


def status(found: "FleetStatus", *, as_json: bool, verbose: bool) -> None:
    """What waits, who works, what it costs, what went wrong; each machine if `verbose`."""
    if as_json:
        return tables.write_json({"kind": "fleet-status", **typed.builtins(found)})
    tables.print_table(("", ""), list(_rows(found)), folded=("", ""), header=False)
    if verbose and found.machines:
        rows = [
            (each.id, each.state, each.instance_type, each.zone, _age(each, found))
            for each in found.machines
        ]
        tables.print_lines([""])
        tables.print_table(("machine", "state", "type", "zone", "age"), rows)
    if found.dead_letters:
        tables.print_lines([""])
        most = len(found.dead_letters) if verbose else _MOST_SHOWN
        letters = [(shown(each.path), shown(each.reason)) for each in found.dead_letters[:most]]
        tables.print_table(("given up", "why"), letters, folded=("why",))
        if len(letters) < found.dead:
            tables.print_lines([f"… and {found.dead - len(letters)} more"])
    return None


def _rows(found: "FleetStatus") -> Iterator[tuple[str, str]]:
    info, size, backlog = found.info, found.size, found.backlog
    spot = ", spot" if info.spot else ""
    yield "fleet", f"{info.name} in {info.region}: {info.model.name}"
    yield "images", f"{backlog.visible} wait, {backlog.in_flight} in progress"
    types = f"{' or '.join(info.instance_types)}{spot}"
    yield (
        "machines",
        f"{size.running} at work, {size.pending} coming up; {size.most} at most, {types}",
    )
    counted = found.images_per_s
    yield "rate", "not counted yet" if counted is None else f"{counted:.1f} images/s"
    usual = " at the usual pace" if counted is None and found.left_s else ""
    yield "time left", "no machine" if found.left_s is None else f"{show_s(found.left_s)}{usual}"
    yield "cost", f"{show_usd(found.usd_per_h)} an hour now, {show_usd(found.usd_today)} today"
    yield "given up", count(found.dead, "image")
    for each in found.failures:
        yield "no machine", f"{each.at:%H:%M} UTC: {each.why}"


def _age(machine: "FleetMachine", found: "FleetStatus") -> str:
    return show_s((found.at - machine.launched).total_seconds()) if machine.launched else ""
