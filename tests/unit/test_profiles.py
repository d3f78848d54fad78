import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload.domain import profiles
from offload.domain.errors import UsageError
from offload.domain.measurements import Outcome
from offload.drivers.store.store import Store
from offload.usecases.history import history_io, query
from tests.measured import PLACES, bring_up, container, local, remote

OUTCOME = Outcome("2026-11-21T09:00:00+00:00", "key", "local", "builtin", 9, 99, 2, 1, 3, 2.5)


def exported() -> Any:
    return json.loads(json.dumps(profiles.document([remote(images=2)], [OUTCOME])))


def test_everything_survives_the_way_through_a_document() -> None:
    measurements, outcomes = [local(), container(), remote(), bring_up()], [OUTCOME]
    document = json.loads(json.dumps(profiles.document(measurements, outcomes)))
    assert profiles.from_document(document, PLACES) == (measurements, outcomes)


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m["condition"].update(place="the \x1b moon"),
        lambda m: m["condition"].update(slots=0),
        lambda m: m["condition"]["client"].update(usable_cores="abc"),
        lambda m: m["images"][1].update(number=m["images"][0]["number"]),
        lambda m: m["starts"][0].update(startup_s=-1.0),
        lambda m: m["totals"].append(
            {"images": 0, "bytes": None, "transfer_s": 0.0, "execution_s": 1.0}
        ),
        lambda m: m.update(in_flight=0),
    ],
)
def test_what_cannot_have_been_measured_is_damaged(damage: Callable[[Any], None]) -> None:
    document = json.loads(json.dumps(profiles.document([local()], [])))
    damage(document["measurements"][0])
    with pytest.raises(UsageError, match="measurement 1 of this profile is damaged"):
        profiles.from_document(document, PLACES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m["facts"].update({"from": "scratch"}),
        lambda m: m["facts"].update({"from": []}),
        lambda m: m.update(facts={}),
        lambda m: m["condition"].update(place="local"),
        lambda m: m.update(starts=[]),
        lambda m: m["starts"].append(m["starts"][0]),
        lambda m: m["starts"][0]["phases"].update(boot=-1.0),
    ],
)
def test_what_brings_up_no_machine_is_damaged(damage: Callable[[Any], None]) -> None:
    document = json.loads(json.dumps(profiles.document([bring_up()], [])))
    damage(document["measurements"][0])
    with pytest.raises(UsageError, match="measurement 1 of this profile is damaged"):
        profiles.from_document(document, PLACES)


def test_a_prediction_of_nothing_is_damaged() -> None:
    document = json.loads(json.dumps(profiles.document([], [replace(OUTCOME, predicted_s=0.0)])))
    with pytest.raises(UsageError, match="outcome 1"):
        profiles.from_document(document, PLACES)


def test_a_document_says_what_it_is() -> None:
    assert profiles.document([], []) == {
        "schema": 2, "kind": "profile", "measurements": [], "outcomes": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "advice"}, "not a profile"),
        ({"schema": 3}, "exported by a newer offload"),
        ({"schema": "1"}, "of an unknown version"),
        ({"schema": None}, "of an unknown version"),
        ({"measurements": {}}, "no list of measurements"),
        ({"outcomes": None}, "no list of outcomes"),
        ({"outcomes": [[]]}, "outcome 1 of this profile is damaged"),
    ],
)
def test_another_document_is_refused_in_one_sentence(change: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        profiles.from_document(exported() | change, PLACES)


@pytest.mark.parametrize("document", [None, [], 1, "profile", {}])
def test_what_is_no_document_of_ours_is_refused(document: Any) -> None:
    with pytest.raises(UsageError, match="not a profile"):
        profiles.from_document(document, PLACES)


@pytest.mark.parametrize(
    "change",
    [
        {"taken_at": "yesterday"},
        {"taken_at": "2026-11-21T09:00:00"},
        {"taken_at": "2026-11-21T09:00:00+01:00"},
        {"taken_at": 5},
        {"source": "hearsay"},
        {"source": []},
        {"condition": None},
        {"condition": {"model": {}}},
        {"in_flight": "many"},
        {"in_flight": 1.5},
        {"in_flight": True},
        {"folder_bytes": 2**63},
        {"images": [{}]},
        {"images": "abc"},
        {"images": [{"number": 1, "finished_s": 1, "bytes": 1, "sent_bytes": 1, "durations": []}]},
        {"starts": [{"images": 1, "startup_s": float("nan"), "first_s": 1}]},
        {"starts": [{"images": 1, "startup_s": 10**400, "first_s": 1}]},
        {"starts": [{"images": 1, "startup_s": 1, "first_s": 1, "phases": {"load": "long"}}]},
        {"probes": [{"kind": "sideways", "bytes": 1, "seconds": 1}]},
        {"totals": None},
        {"facts": []},
        {"warnings": [1]},
    ],
)
def test_a_measurement_that_is_none_is_refused_and_named(change: Any) -> None:
    document = exported()
    document["measurements"].append(document["measurements"][0] | change)
    with pytest.raises(UsageError, match="measurement 2 of this profile is damaged"):
        profiles.from_document(document, PLACES)


def test_a_file_nested_without_end_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_text("[" * 100_000)
    with pytest.raises(UsageError, match=r"deep\.json cannot be read: it is nested too deeply\."):
        query.read(str(file))


def test_a_date_before_all_dates_is_no_obstacle(tmp_path: Path) -> None:
    line = "Date,Total Images,Total Execution time on server (s),Location\n{},10,3,local\n"
    file = tmp_path / "runs.csv"
    file.write_text(line.format("0001-01-01T00:00:00+14:00"))
    with Store.opened(str(tmp_path / "history.sqlite3"), pytest.fail) as store:
        (added,), _, _ = history_io.import_file(store, str(file), "builtin")
        assert store.get(added[0]) == added[1]


def test_whole_numbers_stand_for_seconds_too() -> None:
    document = exported()
    document["measurements"][0]["starts"][0]["startup_s"] = 2
    [found], _ = profiles.from_document(document, PLACES)
    assert found.starts[0].startup_s == 2


def test_a_document_of_schema_version_1_is_read() -> None:
    measurements = [remote(images=2)]
    document = json.loads(json.dumps(profiles.document(measurements, [OUTCOME])))
    for image in document["measurements"][0]["images"]:
        image["durations"]["turn_s"] = image["durations"].pop("upload_wait_s")
    assert profiles.from_document(document | {"schema": 1}, PLACES) == (measurements, [OUTCOME])
