"""Which machine an answer is about, in which state, and what of the history it rests on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload.costmodel.advice import Advice
from offload.domain.errors import UsageError
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
from tests.measured import KIND, LABEL, MODEL, URL, bring_up, container, local, remote

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
    assert any(note.startswith("The measurements of remote are ") for note in notes)


def test_what_was_measured_elsewhere_is_told_of_though_a_machine_came_up_here(
    configured: Settings,
) -> None:
    said: list[str] = []
    with context(configured).history() as store:
        store.add(local())
        store.add(*ours(bring_up()))
    query.known(None, None, None, context(configured, said.append))
    [warning] = said
    assert warning.startswith("All measurements are of another machine")


def of(name: str, measured: Measurement) -> Measurement:
    """The same of another model."""
    model = replace(MODEL, name=name, sha256=name.encode().hex())
    return replace(measured, condition=replace(measured.condition, model=model))


def test_the_model_is_the_one_that_detect_would_use_not_the_last_one_measured(
    configured: Settings,
) -> None:
    with context(configured).history() as store:
        for each in ours(local(), of("yolo", local(taken_at=LATER))):
            store.add(each)
    assert advice(Question(images=200), context(configured)).model == "builtin"
    named = Question(images=200, model="models/yolo.tflite")
    assert advice(named, context(configured)).model == "yolo"
    by_setting = replace(configured, model="yolo")
    assert advice(Question(images=200), context(by_setting)).model == "yolo"


def test_a_default_model_that_was_not_measured_names_the_command(configured: Settings) -> None:
    with context(configured).history() as store:
        store.add(*ours(of("yolo", local())))
    with pytest.raises(UsageError, match="'builtin', only with yolo") as caught:
        advice(Question(images=200), context(configured))
    assert "offload profile PHOTOS --model builtin" in caught.value.hint


def at(url: str, **hardware: Any) -> Measurement:
    """A fast server at this address, on hardware like ours but for some of it."""
    [there] = ours(remote(service_s=0.001, bytes_per_s=1e9))
    host = {**there.condition.client, **hardware}
    return replace(there, condition=replace(there.condition, url=url, host=host))


@pytest.mark.parametrize(
    ("url", "hardware", "is_here"),
    [
        ("http://127.0.0.1:8080", {}, True),
        ("http://localhost:8080", {"name": "a-container"}, True),
        (f"http://{machine.describe()['name']}:8080", {}, True),
        ("http://[::1]:8080", {}, True),
        ("http://127.0.0.1:8080", {"cpu": "of the far end of a tunnel"}, False),
        ("http://192.0.2.7:8080", {}, False),
        (URL, {}, False),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_address_and_hardware(
    url: str, hardware: dict[str, Any], is_here: bool, configured: Settings
) -> None:
    [here] = ours(local(service_s=0.15))
    found = answered(configured, [here, at(url, **hardware)])
    assert bool(found.served_here) == is_here
    places = {option.lane.place for option in found.options if option.lane.choosable}
    assert ("split" in places) <= (not is_here), "two that share cores are not two places"


def test_machines_are_rented_only_where_one_is_there_or_named(configured: Settings) -> None:
    slow, job = [local(service_s=20)], Question(slots=2, images=20_000)
    found = answer(job, context(configured), History("builtin", slow, []))
    assert found.choice.chosen.lane.place == "local"
    assert states(found) == set()
    for asked in (
        {"instance_type": "c7i.large"}, {"price_usd_per_h": 0.1}, {"state": "new"},
        {"url": LABEL},
    ):  # fmt: skip
        assert states(answered(configured, slow, **asked)) == {"new"}
    assert states(answered(configured, [*slow, bring_up()])) == {"new"}


def test_a_machine_that_is_there_but_was_not_measured_is_the_one_that_is_meant(
    configured: Settings,
) -> None:
    large = Kind("c7i.4xlarge", "eu-central-1")
    found = answered(configured, [local(service_s=20)], machines={large: "warm"})
    assert (found.by_hand.kind, found.by_hand.state) == (large, "warm")
    assert states(found) == set(), "said: make another one, a c7i.large"


@pytest.mark.parametrize(
    ("known", "asked", "typed"),
    [
        ([local(), remote(bytes_per_s=1e5)], {}, "--where local --model builtin"),
        ([local(service_s=9), container()], {}, "--where container --model builtin"),
        (
            [local(service_s=3), remote(bytes_per_s=1e8)], {"places": ("local", "remote")},
            f"--where remote --model builtin --url {URL}",
        ),
        (
            [local(service_s=0.15), remote()], {"deadline_s": 9e7, "max_cost_usd": 0.05},
            f"--where split --deadline 90000000 --max-cost 0.05 --model builtin --url {URL}",
        ),
        (
            [local(service_s=9), rented()], {"machines": {KIND: "warm"}, "places": ("remote",)},
            "--where remote --model builtin",
        ),
        (
            [local(service_s=9), rented()], {"machines": {KIND: "stopped"}, "places": ("remote",)},
            "--where remote --model builtin --provision",
        ),
    ],
)  # fmt: skip
def test_the_command_does_what_was_chosen(
    known: Sequence[Measurement], asked: dict[str, Any], typed: str, configured: Settings
) -> None:
    assert answered(configured, known, **asked).command == f"offload detect PHOTOS {typed}"


def test_a_machine_that_is_not_there_is_made_first(configured: Settings) -> None:
    found = answered(configured, [local(service_s=9), rented()], places=("remote",))
    make = "offload provision ec2 --instance-type c7i.large --region us-east-1"
    assert found.command == f"{make} && offload detect PHOTOS --where remote --model builtin"


def test_a_model_whose_file_is_not_known_is_left_to_be_named(configured: Settings) -> None:
    known = History("yolo", [of("yolo", local())], [])
    found = answer(Question(images=9), context(configured), known)
    assert found.command.endswith("--where local --model FILE")
