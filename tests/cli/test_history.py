"""Every run is remembered: what was predicted of it, and how it went."""

import json
import os
import signal
import sqlite3
import time
import urllib.request
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from offload.domain import profiles
from offload.domain.measurements import Measurement, Outcome
from offload.domain.typed import read
from offload.drivers.host import machine
from offload.drivers.store.store import Store
from tests.becoming import spawner
from tests.conftest import PROJECT, Offload
from tests.drawing import saved, scene
from tests.measured import local
from tests.remote.served import served

BUILTIN = ("-m", "builtin")
BUDGET = ("--budget", "1s", "-q")
TOKEN = "a-token-nobody-may-see"
HOURS = 5
SHIFTED = f"""\
import datetime, time

really, offset_s = time.time, {HOURS} * 3600
time.time = lambda: really() + offset_s


class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime.datetime = Shifted
"""
"""A clock that is hours fast, as a sitecustomize.py; the monotonic ones are as they were."""


def kept(offload: Offload) -> tuple[list[Measurement], list[Outcome]]:
    """What the history holds, oldest first."""
    done = offload("profile", "export")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    measurements = [read(Measurement, each) for each in found["measurements"]]
    return measurements[::-1], [read(Outcome, each) for each in found["outcomes"]][::-1]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the history is kept in."""
    monkeypatch.setenv("OFFLOAD_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_durations_below_zero_in_the_history_are_told_of_once_and_advice_goes_on(
    offload: Offload, data: Path
) -> None:
    one, here = local(images=20), machine.describe()
    one = replace(one, condition=replace(one.condition, client=here, host=here))
    with Store.opened(str(data / "history.sqlite3"), pytest.fail) as store:
        for _ in range(3):
            store.add(one)
    with closing(sqlite3.connect(data / "history.sqlite3")) as database, database:
        changed = "'$.starts[0].first_s', -9.0, '$.images[1].durations.infer_s', -1e6"
        database.execute(f"UPDATE measurement SET samples = json_set(samples, {changed})")
    first, second = (offload("advise", "--images", 100) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "the history are left out: measurement 3, 2, 1." in first.stderr
    assert second.stderr == ""


def test_a_run_at_a_place_that_was_measured_has_a_prediction_and_an_outcome(
    offload: Offload, examples: Path
) -> None:
    first = offload("detect", examples, *BUILTIN, "-v")
    assert "predicted" not in first.stderr, "nothing was known when it began"
    nothing = offload("accuracy")
    assert nothing.stdout.startswith("No run was predicted yet")
    assert offload("profile", examples, *BUILTIN, *BUDGET).returncode == 0
    second = offload("detect", examples, *BUILTIN, "-v")
    assert ", predicted " in second.stderr.splitlines()[-1]
    measurements, [outcome] = kept(offload)
    assert [each.source for each in measurements] == ["run", "profile", "run"]
    seen = [len(each.images) for each in measurements]
    assert (seen[0], seen[2]) == (12, 12)
    assert 0 < seen[1] <= 12, "as many as its budget allows"
    assert len({each.condition.key for each in measurements} | {outcome.key}) == 1
    weight_bytes = sum(image.bytes for image in measurements[-1].images)
    assert (outcome.place, outcome.images, outcome.bytes) == ("local", 12, weight_bytes)
    assert 0 < outcome.low_s <= outcome.predicted_s <= outcome.high_s
    assert outcome.actual_s > measurements[-1].starts[0].startup_s
    document = json.loads(offload("accuracy", "--json").stdout)
    assert (document["schema"], document["kind"]) == (2, "accuracy")
    assert document["runs"] == [asdict(outcome)]
    [place] = document["places"]
    assert (place["place"], place["runs"], place["assumed"]) == ("local", 1, 0)
    assert place["median_error"] == pytest.approx(abs(outcome.actual_s / outcome.predicted_s - 1))
    header, row, summary = offload("accuracy").stdout.splitlines()
    assert header.split()[:4] == ["when", "place", "images", "predicted"]
    assert row.split()[2:4] == ["local", "12"]
    assert summary.startswith("local: 1 run")


def test_what_a_rented_machine_cost_stands_beside_what_was_predicted(
    offload: Offload, tmp_path: Path
) -> None:
    ran = Outcome(
        "2026-11-21T09:00:00+00:00", "k", "remote, not provisioned", "builtin", 200, 34_000_000,
        100.0, 80.0, 120.0, 90.0, predicted_usd=0.034, actual_usd=0.0335,
    )  # fmt: skip
    here = replace(ran, place="local", predicted_usd=0.0, actual_usd=0.0)
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(profiles.document([], [here])))
    assert offload("profile", "import", file).returncode == 0
    assert "$" not in offload("accuracy").stdout
    file.write_text(json.dumps(profiles.document([], [ran])))
    assert offload("profile", "import", file).returncode == 0
    rows = offload("accuracy").stdout.splitlines()
    assert rows[0].split()[-2:] == ["cost", "cost"]
    assert any(line.split()[-2:] == ["$0.034", "$0.034"] for line in rows)
    assert any(line.startswith("remote, not provisioned: 1 run") for line in rows)


def test_who_wants_no_history_has_none(offload: Offload, examples: Path, data: Path) -> None:
    environment = {**os.environ, "OFFLOAD_HISTORY": "false"}
    done = offload("detect", examples, *BUILTIN, env=environment)
    assert done.returncode == 0, done.stderr
    assert not data.exists()


def test_a_run_in_which_images_failed_says_nothing_of_its_place(
    offload: Offload, tmp_path: Path
) -> None:
    for number in range(4):
        saved(tmp_path / f"{number}.jpg", scene(320, 240))
    assert offload("detect", tmp_path, *BUILTIN).returncode == 0
    (tmp_path / "text.jpg").write_text("no picture")
    done = offload("detect", tmp_path, *BUILTIN, "-v")
    assert done.returncode == 3
    assert "predicted" not in done.stderr
    measurements, outcomes = kept(offload)
    assert [(len(each.images), each.folder_images) for each in measurements] == [(4, 4)]
    assert outcomes == []


def test_a_run_that_annotates_says_nothing_of_its_place(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    done = offload("detect", examples, *BUILTIN, "--annotate", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert kept(offload) == ([], [])


def test_a_list_that_somebody_was_waited_for_says_nothing_of_start_ups(
    offload: Offload, examples: Path
) -> None:
    names = "\n".join(str(path) for path in sorted(examples.iterdir()) if path.suffix == ".jpg")
    assert offload("detect", "-", *BUILTIN, input=names).returncode == 0
    [measurement], _ = kept(offload)
    assert measurement.images
    assert not measurement.starts


def test_a_run_that_was_interrupted_is_a_sample_without_an_outcome(
    offload: Offload, tmp_path: Path
) -> None:
    original = saved(tmp_path / "000.jpg", scene(640, 480))
    for number in range(1, 400):
        (tmp_path / f"{number:03}.jpg").hardlink_to(original)
    measured = offload("detect", tmp_path / "000.jpg", *BUILTIN)
    assert measured.returncode == 0, measured.stderr
    with spawner().begin(("detect", tmp_path, *BUILTIN, "--json", "-v")) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "predicted" not in said
    [_, interrupted], outcomes = kept(offload)
    assert 0 < len(interrupted.images) < interrupted.starts[0].images == 400
    assert outcomes == []


@pytest.mark.parametrize("damage", ["other", "truncated", "folder", "no folder"])
def test_a_history_that_is_no_use_never_fails_a_run(
    offload: Offload, examples: Path, data: Path, damage: str
) -> None:
    file = data / "history.sqlite3"
    if damage == "no folder":
        data.write_text("a file")
    elif damage == "folder":
        file.mkdir(parents=True)
    elif damage == "other":
        data.mkdir()
        file.write_text("no database")
    else:
        assert offload("detect", examples, *BUILTIN).returncode == 0
        os.truncate(file, 5000)
    done = offload("detect", examples, *BUILTIN, "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 12
    [warning] = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert str(data) in warning
    assert "Traceback" not in done.stderr


def test_the_history_holds_no_name_of_an_image_and_no_token(
    offload: Offload, tmp_path: Path, data: Path
) -> None:
    folder = tmp_path / "somebodys-holiday"
    for number in range(3):
        saved(folder / f"hidden-beach-{number}.jpg", scene(320, 240))
    environment = {**os.environ, "OFFLOAD_TOKEN": TOKEN}
    with served(token=TOKEN) as server:
        elsewhere = ("--where", "remote", "--url", server.url)
        for command in (
            ("profile", folder, *elsewhere, *BUDGET),
            ("detect", folder, *elsewhere, "--out", tmp_path / "out"),
            ("detect", folder, *elsewhere, "--token", TOKEN),
        ):
            done = offload(*command, *BUILTIN, env=environment)
            assert done.returncode == 0, done.stderr
    assert offload("detect", folder, *BUILTIN).returncode == 0
    [file] = data.iterdir()
    held = file.read_bytes()
    assert server.url.encode() in held
    for secret in (b"hidden-beach", b"somebodys-holiday", TOKEN.encode()):
        assert secret not in held


def test_a_server_whose_clock_is_hours_fast_changes_nothing(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    with served("--workers", 2, paths=(str(tmp_path), str(PROJECT))) as server:
        with urllib.request.urlopen(f"{server.url}/livez") as answer:
            theirs = parsedate_to_datetime(answer.headers["Date"])
        assert theirs - datetime.now(UTC) > timedelta(hours=HOURS - 1), "its clock is fast"
        elsewhere = (*BUILTIN, "--where", "remote", "--url", server.url)
        began_s = time.monotonic()
        done = offload("detect", examples, *elsewhere, "--json")
        wall_s = time.monotonic() - began_s
        profiled = offload("profile", examples, *elsewhere, "--budget", "60s", "-q")
    assert done.returncode == profiled.returncode == 0, done.stderr + profiled.stderr
    durations: list[dict[str, Any]] = [
        json.loads(line)["durations"] for line in done.stdout.splitlines()
    ]
    assert len(durations) == 12
    assert all(0 <= value < wall_s for each in durations for value in each.values())
    run, profile = kept(offload)[0]
    assert 0 < run.images[-1].finished_s < wall_s
    for each in (run, profile):
        taken = datetime.fromisoformat(each.taken_at)
        assert abs(datetime.now(UTC) - taken) < timedelta(minutes=5)
    rtts_s = [probe.seconds for probe in profile.probes if probe.kind == "rtt"]
    assert all(0 < seconds < 1 for seconds in rtts_s)
    large = [probe for probe in profile.probes if probe.kind == "up" and probe.bytes > 100_000]
    assert all(1e5 < probe.bytes / probe.seconds < 1e11 for probe in large)
    [goodput] = [
        option["terms"]["goodput"]
        for option in json.loads(offload("advise", "-n", 200, "--json").stdout)["options"]
        if option["name"] == "remote"
    ]
    assert goodput["origin"] == "measured"
    assert 1e5 < goodput["value"] < 1e11
