"""`offload experiment`, for real: tiny grids with the embedded detector."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from offload import bootstrap
from offload.domain.machines import Spec
from offload.domain.studies import Cell, CellOutcome, CellRun, Design
from offload.domain.timing import Durations
from offload.drivers.folders import machine_files, study_dir
from offload.drivers.folders.machine_files import MachineRecord
from offload.usecases.detect.request import at_each
from offload.usecases.experiment import sampling
from offload.usecases.experiment.study import designed
from tests.becoming import Begun, spawner
from tests.conftest import PROJECT, Offload
from tests.measured import PLACES as KNOWN
from tests.remote.served import served
from tests.studies import photo

BUILTIN = ("-m", "builtin")
REMOTE = ("--where", "remote", "--url", "http://h:1")


def runs(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def photos(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def cells(folder: Path) -> list[tuple[str, ...]]:
    names = ("cell", "round", "place", "images")
    return sorted(tuple(line[name] for name in names) for line in runs(folder))


def started(*arguments: object) -> Begun:
    return spawner().begin(("experiment", *arguments, *BUILTIN))


def until_cells(folder: Path, count: int) -> None:
    for _ in range(6000):
        if (folder / "runs.csv").exists() and len(runs(folder)) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("no such cell in a minute")


def test_every_cell_is_on_disk_with_what_was_predicted_and_measured(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    done = offload("experiment", examples, "--images", "1,3", "--repeats", 2, "-o", study, *BUILTIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "4 of 4 cells done" in done.stderr
    assert all(re.search(rf"\[{n}/4\] local, [13] images?: \d", done.stderr) for n in range(1, 5))
    assert f"offload report {study}" in done.stderr
    assert cells(study) == [
        ("0000", "1", "local", "1"), ("0001", "1", "local", "3"),
        ("0002", "2", "local", "1"), ("0003", "2", "local", "3"),
    ]  # fmt: skip
    for line in runs(study):
        assert (line["error"], line["failed"], line["assumed"]) == ("", "0", "true")
        assert float(line["makespan_s"]) == float(line["detect_s"]) > float(line["infer_s"]) > 0
        assert float(line["predicted_low_s"]) < float(line["predicted_s"])
        assert float(line["startup_s"]) > 0.1
    assert sorted(line["cell"] for line in photos(study)) == sorted(
        line["cell"] for line in runs(study) for _ in range(int(line["images"]))
    )
    names = {path.name for path in examples.iterdir()}
    assert {line["path"] for line in photos(study)} <= names
    document = json.loads((study / "study.json").read_text())
    assert (document["seed"], document["repeats"], document["model"]) == (0, 2, "builtin")
    assert document["command"][:2] == ["offload", "experiment"]
    assert document["input_px"] == [224, 224]
    assert (study / "photo.jpg").read_bytes().startswith(b"\xff\xd8")
    surroundings = json.loads((study / "environment.json").read_text())
    assert surroundings["started_at"] <= surroundings["ended_at"]
    assert surroundings["client"]["usable_cores"] >= 1
    assert surroundings["places"]["local"]["host"]["cpu"] == surroundings["client"]["cpu"]
    assert surroundings["places"]["local"]["model"]["runtime"] == "tflite"
    assert "offload" in surroundings["versions"]


def test_a_plan_says_what_it_takes_and_touches_nothing(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    done = offload(
        "experiment", examples, "--images", "1,5", "--where", "local,container", "--concurrency",
        "1,4", "--plan", "-o", tmp_path / "study", *BUILTIN,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "18 cells, about" in done.stdout
    assert "assumed" in done.stdout
    assert not (tmp_path / "study").exists()


def test_killed_at_any_point_the_same_command_comes_to_the_same_set_of_cells(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    grid = (examples, "--images", "1,2", "--repeats", 2)
    broken = tmp_path / "study"
    for count, wait_s in ((1, 0.0), (2, 0.3)):
        with started(*grid, "-o", broken) as process:
            until_cells(broken, count)
            time.sleep(wait_s)
            children = psutil.Process(process.pid).children(recursive=True)
            for each in (psutil.Process(process.pid), *children):
                if each.is_running():
                    each.kill()
            process.stderr.read()
    done = offload("experiment", *grid, "-o", broken, *BUILTIN)
    assert done.returncode == 0, done.stderr
    assert cells(broken) == sorted(
        (cell.number, str(cell.round), cell.place, str(cell.images))
        for cell in Design((1, 2), ("local",), repeats=2, known=KNOWN).cells()
    )
    assert len(photos(broken)) == 6
    assert not (broken / ".work").exists()


def test_interrupted_once_the_cell_in_progress_is_finished(examples: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    with started(examples, "--images", "1,2,3", "--repeats", 5, "-o", study) as process:
        until_cells(study, 1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Finishing this cell" in said
    assert 1 <= len(runs(study)) < 15
    assert all(line["makespan_s"] for line in runs(study))
    assert "The same command continues it" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--images", "1,500"), "500 images are asked for, but there are 12"),
        (("--images", "one"), "--images takes numbers"),
        (("--images", "1", "--replicas", "2"), "--replicas has no effect with --where local"),
        (("--images", "1", "--where", "moon"), "There is no place 'moon'"),
        (("--images", "0"), "--images takes numbers from 1 to"),
        (("--where", "container", "--concurrency", "1,2000"), "numbers from 1 to 1024"),
        (("--where", "container", "--replicas", "65"), "numbers from 1 to 64"),
        (("--where", "container", "--cpus", "inf"), "numbers from 0.01 to 1024"),
        (("--where", "container", "--upload-max-side", "full,8"), "numbers from 16 to"),
        (("--where", "local,remote"), "--where remote needs a server's address"),
        ((*REMOTE, "--url", "http://me:secret@far.example"), "holds more than an address"),
        ((*REMOTE, "--link", "10"), "--link needs --link-command"),
        ((*REMOTE, "--link", "10", "--link-command", "x '{mbit}"), "cannot be read: No closing"),
        ((*REMOTE, "--link", "10", "--link-command", " "), "--link needs --link-command"),
        ((*REMOTE, "--link", "10", "--link-command", "x"), "has no {mbit} for the rate"),
        (("--link-command", "x {mbit}"), "--link-command needs --link"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    offload: Offload, examples: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = offload("experiment", examples, *arguments, "-o", tmp_path / "study", *BUILTIN)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "study").exists()


def test_another_design_in_the_same_folder_is_refused_in_one_sentence(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    grid = (examples, "--repeats", 1, "-o", tmp_path, *BUILTIN)
    assert offload("experiment", *grid, "--images", "1").returncode == 0
    done = offload("experiment", *grid, "--images", "2")
    assert done.returncode == 2
    assert "holds another study: design images" in done.stderr
    assert len(runs(tmp_path)) == 1


def test_other_images_of_the_same_names_are_another_study(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    one, other = sorted(examples.glob("*.jpg"))[:2]
    photo = tmp_path / "photos" / "a, or\nb.jpg"
    photo.parent.mkdir()
    shutil.copy(one, photo)
    grid = (photo.parent, "--images", "1", "--repeats", 1, "-o", photo.parent / "study", *BUILTIN)
    assert offload("experiment", *grid).returncode == 0
    assert [line["path"] for line in photos(photo.parent / "study")] == [r"a, or\nb.jpg"]
    assert offload("experiment", *grid).returncode == 0
    shutil.copy(other, photo)
    done = offload("experiment", *grid)
    assert done.returncode == 2
    assert "holds another study: images bytes differ" in done.stderr


def test_another_server_or_another_model_is_another_study(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    model = tmp_path / "mine.tflite"
    builtin = PROJECT / "offload" / "detectors" / "builtin" / "model.tflite"
    shutil.copy(builtin, model)
    grid = (examples, "--images", "1", "--repeats", 1, "--where", "local,remote", "-m", model)
    for port, appended, said in ((9, b"", ""), (10, b"", "remote server"), (9, b" ", "model sha")):
        with model.open("ab") as file:
            file.write(appended)
        environment = {**os.environ, "OFFLOAD_URL": f"http://127.0.0.1:{port}"}
        done = offload("experiment", *grid, "-o", tmp_path / "study", env=environment)
        assert (done.returncode, said in done.stderr) == (2 if said else 3, True)


def test_cells_of_a_place_that_is_not_there_fail_until_it_is(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    grid = (examples, "--images", "1", "--where", "local,remote", "--url", url, "--repeats", 1)
    done = offload("experiment", *grid, "-o", study, *BUILTIN)
    assert done.returncode == 3, done.stderr
    by_place = {line["place"]: line for line in runs(study)}
    assert by_place["local"]["makespan_s"]
    assert by_place["remote"]["makespan_s"] == ""
    assert url.removeprefix("http://") in by_place["remote"]["error"]
    assert (by_place["remote"]["label"], by_place["remote"]["Location"]) == (url, url)
    with served("--workers", 1, port=port):
        done = offload("experiment", *grid, "-o", study, *BUILTIN)
    assert done.returncode == 0, done.stderr
    assert sorted(line["error"] for line in runs(study)) == ["", ""]


def test_links_are_shaped_when_another_rate_is_wanted_and_no_token_is_written_down(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    study, rates = tmp_path / "study", tmp_path / "rates"
    command = f"{sys.executable} -c \"open('{rates}', 'a').write('{{mbit}} ')\""
    token = "never-to-be-seen"
    with served("--workers", 1, token=token) as server:
        done = offload(
            "experiment", examples, "--images", "4", "--where", "local,remote", "--url",
            server.url, "--link", "10,100", "--link-command", command, "--repeats", 1,
            "--price", "0.36", "--yes", "-o", study, *BUILTIN,
            env={**os.environ, "OFFLOAD_TOKEN": token},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = runs(study)
    assert sorted(line["link_mbit"] for line in lines) == ["", "10", "100"]
    shaped = [line["link_mbit"] for line in lines if line["link_mbit"]]
    changes = [rate for n, rate in enumerate(shaped) if n == 0 or shaped[n - 1] != rate]
    assert rates.read_text().split() == changes
    away = [line for line in lines if line["place"] == "remote"]
    assert {line["label"] for line in away} == {server.url}
    assert all(float(line["sent_bytes"]) > 0 < float(line["upload_s"]) for line in away)
    surroundings = json.loads((study / "environment.json").read_text())["places"]["remote"]
    assert surroundings["rtt_s"] > 0 < surroundings["goodput_bytes_per_s"]
    assert all(float(line["usd"]) >= 0.0001 * float(line["makespan_s"]) for line in away)
    written = [path.read_text("latin-1") for path in study.iterdir() if path.is_file()]
    assert not any(token in text for text in [*written, done.stdout, done.stderr])


def test_a_study_is_imported_on_another_machine_and_leads_to_the_advice_it_tells(
    offload: Offload, tmp_path: Path
) -> None:
    """Here an image takes 0.5 s, there 0.1 s after 2 s; in a container as long as here."""
    numbers = (1, 2, 5, 10, 20)
    design = Design(numbers, ("local", "container", "remote"), repeats=2, known=KNOWN)
    with study_dir.opened(str(tmp_path), {"design": design.to_json()}, {}) as study:
        for cell in design.cells():
            study.append(by_law(cell))
        failed = CellRun(Cell("9999", 9, KNOWN["remote"], 1), NOW, label=FAR, error="It is gone.")
        study.append(failed)
    imported = offload("profile", "import", tmp_path / "runs.csv", *BUILTIN)
    assert imported.returncode == 0, imported.stderr
    assert f"{FAR}: 10 jobs" in imported.stdout
    assert "container: 10 jobs" in imported.stdout
    for images, place in ((3, "local"), (50, "split: local and remote")):
        said = json.loads(offload("advise", "--images", images, "--json", *BUILTIN).stdout)
        assert said["choice"]["where"] == place
        seconds = {each["name"]: each["seconds"] for each in said["options"]}
        assert {where: seconds[where] for where in design.places} == {
            where: pytest.approx(law_s(where, images), rel=0.05) for where in design.places
        }


def by_law(cell: Cell) -> CellRun:
    away = cell.place == "remote"
    each = Durations(upload_s=0.05, infer_s=0.05) if away else Durations(infer_s=0.5)
    image = photo("a.jpg", 100_000, 100_000 * away, each)
    seconds = law_s(cell.place, cell.images)
    outcome = CellOutcome(0.5, seconds, None, 0, image.sent_bytes, (image,) * cell.images)
    return CellRun(cell, NOW, None, outcome, FAR if away else "", goodput_bytes_per_s=2e6)


def law_s(place: str, images: int) -> float:
    base_s = {"local": 0.0, "container": 0.6, "remote": 2.0}[place]
    return base_s + images * (0.1 if place == "remote" else 0.5)


NOW, FAR = "2026-11-21T12:00:00+00:00", "http://far.example:8080"


def test_nothing_that_costs_money_is_begun_without_a_yes(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    configured = bootstrap.context().settings
    spec = Spec("main", "us-east-1", "c7i.large", ("192.0.2.1/32",))
    record = MachineRecord(spec, "ec2-user", 0.0893, 8, "a", NOW, id="i-1", address="192.0.2.7")
    machine_files.folder(configured.machines_path, "main").keep(replace(record, ready=True))
    grid = (examples, "--images", 2, "--where", "remote", "-o", tmp_path / "study", *BUILTIN)
    planned = offload("experiment", *grid, "--plan")
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"the machine costs \$0\.0\d+ for so long", planned.stdout)
    done = offload("experiment", *grid, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "A study that costs money needs --yes." in done.stderr
    assert runs(tmp_path / "study") == []


def test_money_is_asked_for_only_while_cells_are_left_that_cost_some(
    offload: Offload, examples: Path
) -> None:
    remote = ("--where", "local,remote", "--url", "http://h:1", "--price", "0.36", "--plan")
    priced = offload("experiment", examples, *remote, *BUILTIN)
    assert "the machine costs $0." in priced.stdout
    requests = at_each(("local", "remote"), [str(examples)], model="builtin", url="http://h:1")
    study = designed(
        Design((1,), ("local", "remote"), repeats=1, known=KNOWN), requests,
        sampling.drawn([str(examples)], 0, 1, recursive=False, skip=None),
        bootstrap.context(), price_usd_per_h=0.36,
    )  # fmt: skip
    assert study.plan().usd > 0
    here = [cell for cell in study.design.cells() if cell.place == "local"]
    assert (study.plan(here).usd_per_h, study.plan([]).usd_per_h) == (0, 0)
