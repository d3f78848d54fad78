"""Which machine an answer is about, in which state, and what of the history it rests on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload.costmodel.advice import Advice
from offload.domain.machines import Kind, Spec
from offload.domain.measurements import Measurement
from offload.drivers import settings
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.host import machine
from offload.drivers.settings import Settings
from offload.usecases.advise.advise import advice, answer
from offload.usecases.advise.question import Question
from offload.usecases.history import query
from offload.usecases.history.query import History, shown
from tests.contexts import context
from tests.measured import KIND, LABEL, MODEL, URL, bring_up, local, remote

LATER = "2026-11-21T10:00:00+00:00"
LONG_AGO = "2026-01-01T10:00:00+00:00"


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return settings.load({"OFFLOAD_DATA": str(tmp_path)})


def rented(**known: Any) -> Measurement:
    there = remote(**known)
    return replace(there, condition=replace(there.condition, url=LABEL, network=None))


def ours(*measurements: Measurement) -> list[Measurement]:
    """As taken on this machine."""
    here = machine.describe()
    client = {name: here[name] for name in ("name", "cpu", "usable_cores")}
    return [replace(m, condition=replace(m.condition, client=client)) for m in measurements]


def answered(configured: Settings, known: Sequence[Measurement], **asked: Any) -> Advice:
    question = Question(images=200, slots=2, **asked)
    return answer(question, context(configured), History("builtin", known, []))


def states(found: Advice) -> set[str]:
    return {o.lane.state for o in found.options if o.lane.choosable and o.lane.place == "remote"}


@pytest.mark.parametrize("state", ["new", "stopped", "warm"])
def test_a_split_is_with_the_machine_in_its_state(configured: Settings, state: str) -> None:
    found = answered(configured, [local(), rented()], machines={KIND: state})
    assert [o.lane.state for o in found.options if o.lane.place == "split"] == [state]


def test_a_run_that_names_places_splits_only_if_that_is_among_them(configured: Settings) -> None:
    known = [local(service_s=0.15), remote()]
    for places, where in (
        (("local", "container"), "local"),
        (("local", "container", "remote"), "remote"),
        (("local", "container", "remote", "split"), "split"),
    ):
        assert answered(configured, known, places=places).choice.chosen.lane.place == where


def test_a_label_is_shown_as_it_is() -> None:
    assert shown(LABEL) == LABEL
    assert shown("there:8080/") == URL


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ({}, "new"),
        ({"machines": {KIND: "stopped"}}, "stopped"),
        ({"machines": {KIND: "warm"}}, "warm"),
        ({"machines": {Kind("c7i.large", "eu-central-1"): "warm"}}, "new"),
        ({"machines": {KIND: "warm"}, "state": "cold"}, "cold"),
    ],
)
def test_a_rented_machine_is_in_the_state_that_it_is_known_to_be_in(
    configured: Settings, asked: dict[str, Any], state: str
) -> None:
    known = [remote(), rented(taken_at=LATER)]
    assert states(answered(configured, known, **asked)) == {state}


def test_what_this_computer_brought_up_is_in_the_state_that_it_was_left_in(
    configured: Settings,
) -> None:
    with context(configured).history() as store:
        store.add(*ours(rented()))
    spec = Spec("main", "us-east-1", "c7i.large", ("192.0.2.1/32",))
    record = MachineRecord(spec, "ec2-user", 0.09, 8, "a", LATER, id="i-1", address="192.0.2.7")
    folder = machine_files.folder(configured.machines_path, "main")
    for known, state in (
        (record, "new"),
        (replace(record, ready=True), "warm"),
        (replace(record, ready=True, address=None), "stopped"),
    ):
        folder.keep(known)
        assert states(advice(Question(images=200), context(configured))) == {state}
    Path(folder.path, "machine.json").write_text("{")
    assert states(advice(Question(images=200), context(configured))) == {"new"}


def test_a_server_that_was_measured_is_ready_whatever_machines_there_are(
    configured: Settings,
) -> None:
    found = answered(configured, [remote(), bring_up(taken_at=LATER)], machines={KIND: "stopped"})
    assert states(found) == {"warm"}
    assert found.billing.assumed


def test_a_rented_machine_costs_what_its_kind_does(configured: Settings) -> None:
    found = answered(configured, [rented()], machines={KIND: "warm"})
    (option,) = (o for o in found.options if o.lane.name == "remote")
    assert option.usd > 0
    assert not found.billing.assumed
    assert found.by_hand.remote_slots == 2


def test_how_machines_came_up_is_known_whichever_server_is_meant(configured: Settings) -> None:
    with context(configured).history() as store:
        for each in ours(local(), remote(), rented(), bring_up()):
            store.add(each)
    for url, places in ((URL, 3), (LABEL, 3), (None, 4)):
        found = query.known(None, None, url, context(configured))
        assert len(found.measurements) == places
        assert sum(m.is_bring_up for m in found.measurements) == 1
        of_model = query.of_model(MODEL, url, context(configured))
        assert len(of_model.measurements) == places


def test_a_machine_that_came_up_measures_no_model(configured: Settings) -> None:
    other = replace(MODEL, name="other", sha256="1" * 64)
    [up] = ours(bring_up(taken_at=LATER))
    up = replace(up, condition=replace(up.condition, model=other))
    with context(configured).history() as store:
        store.add(up)
        known = query.known(None, None, None, context(configured))
        assert (known.model, len(known.measurements)) == ("other", 1)
        known = query.known(None, "third", None, context(configured))
        assert (known.model, len(known.measurements)) == ("third", 0)
        store.add(*ours(local()))
    known = query.known(None, None, None, context(configured))
    assert (known.model, [m.source for m in known.measurements]) == ("builtin", ["profile"])


def test_a_machine_that_came_up_makes_no_place_look_known_lately(configured: Settings) -> None:
    with context(configured).history() as store:
        for each in ours(remote(taken_at=LONG_AGO), bring_up(taken_at=LATER)):
            store.add(each)
    notes = advice(Question(images=200), context(configured)).stale
    assert any(note.startswith("What is known of remote is ") for note in notes)


def test_what_was_measured_elsewhere_is_told_of_though_a_machine_came_up_here(
    configured: Settings,
) -> None:
    said: list[str] = []
    with context(configured).history() as store:
        store.add(local())
        store.add(*ours(bring_up()))
    query.known(None, None, None, context(configured, said.append))
    [warning] = said
    assert warning.startswith("All that is known was measured on another machine")
