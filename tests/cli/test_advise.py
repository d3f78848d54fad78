"""The command, asked about places that were measured and places that were not."""

import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from PIL import Image

from offload.domain import profiles
from offload.domain.measurements import Measurement
from offload.render.advice.options import NAMES
from tests.cli.test_help import modules_after
from tests.conftest import Offload
from tests.measured import LABEL, bring_up, local, remote

BUILTIN = ("-m", "builtin", "--budget", "1s")
RUNS = Path(__file__).parents[1] / "unit" / "runs_by_hand.csv"
OPTION_KEYS = {
    "name", "place", "state", "upload_max_side_px", "agreement_f1", "choosable", "seconds",
    "seconds_interval", "usd", "usd_interval", "bottleneck", "late_s", "over_usd", "p_best",
    "expected_loss", "usd_per_1000_images", "slots", "in_flight", "terms", "on_this_machine",
}  # fmt: skip
SPLIT_KEYS = {"images", "images_interval", "remote_images_at_most", "usd_per_saved_s"}
CONTENTION = {"local_contention", "remote_contention"}


def written(file: Path, *measurements: Measurement) -> Path:
    """An exported profile."""
    file.write_text(json.dumps(profiles.document(measurements, [])))
    return file


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """This machine, and a server whose uplink binds."""
    return written(tmp_path / "profile.json", local(), remote())


def answer(offload: Offload, *arguments: object, **options: Any) -> dict[str, Any]:
    done = offload("advise", *arguments, "--json", **options)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lane(found: dict[str, Any], name: str) -> dict[str, Any]:
    [option] = [each for each in found["options"] if each["name"] == name]
    return dict(option)


def origins(found: dict[str, Any], name: str) -> set[str]:
    return {term["origin"] for term in lane(found, name)["terms"].values()}


def assert_refused(done: CompletedProcess[str], sentence: str) -> None:
    """One sentence and what to do, and nothing else."""
    assert (done.returncode, done.stdout) == (2, "")
    first, *hint = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert first.endswith(".")
    assert sentence in first
    assert len(hint) <= 1


def test_who_measured_nothing_is_told_what_is_assumed_and_how_to_measure_it(
    offload: Offload,
) -> None:
    done = offload("advise", "-n", 200)
    assert (done.returncode, done.stderr) == (0, "")
    first, command, *_ = done.stdout.splitlines()
    assert first.startswith("Run builtin here: 200 images in ")
    assert first.endswith(", low confidence.")
    assert command == "  offload detect PHOTOS --where local --model builtin"
    assert "Low confidence: nothing was measured with builtin.\n" in done.stdout
    measure = "  offload profile PHOTOS --where local,container --model builtin\n"
    assert f"To measure local and container:\n{measure}" in done.stdout
    rows = re.findall(r"^(\S+)(?:, (.*?))?  +\S", done.stdout.partition("place ")[2], re.MULTILINE)
    assert sorted(rows)[:4] == [
        ("container", "if measured"), ("lambda", "if cold"), ("local", ""),
        ("remote", "if not provisioned"),
    ]  # fmt: skip
    assert "Assumed: lambda is 1769 MB of x86_64 in us-east-1, 10 calls at a time;" in done.stdout
    assert "  offload provision lambda --model builtin && offload profile PHOTOS" in done.stdout
    named = offload("advise", "-n", 200, "--instance-type", "c7i.large", "--explain").stdout
    for wanted in (
        "\nremote (not provisioned)  ",
        "offload provision ec2 --instance-type c7i.large --region us-east-1 && offload profile ",
        "  offload advise --image-size 170kB --uplink 20Mbit --rtt 30ms",
    ):
        assert wanted in named
    assert "measured" not in origins(answer(offload, "-n", 200), "local")


def test_who_measured_this_machine_is_answered_from_that_of_a_number_and_of_a_folder(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    assert offload("profile", examples, *BUILTIN, "--where", "local", "-q").returncode == 0
    by_number = answer(offload, "-n", 200)
    assert by_number["model"] == "builtin"
    assert by_number["choice"]["where"] == "local"
    assert by_number["goal"] == by_number["goal"] | {"images": 200, "total_bytes": None}
    assert "assumed" not in origins(by_number, "local")
    assert {"assumed", "measured"} <= origins(by_number, "remote, not provisioned")
    by_folder = answer(offload, examples)
    paths = [path for path in examples.iterdir() if path.suffix != ".json"]
    weight_bytes = sum(path.stat().st_size for path in paths)
    assert by_folder["goal"]["images"] == len(paths)
    assert by_folder["goal"]["total_bytes"] == weight_bytes
    assert lane(by_folder, "local")["seconds"] < lane(by_number, "local")["seconds"]
    said = offload("advise", "-n", 200, "--explain").stdout
    assert said.startswith("Run builtin here: 200 images in ")
    assert "assumed" not in said.partition("\nlocal: ")[2].partition("\ncontainer: ")[0]
    unknown = offload("advise", "-n", 200, "-m", "other")
    assert_refused(unknown, "Nothing was measured with the model 'other', only with builtin.")


def test_what_is_exported_gives_the_same_answer_in_another_home(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    assert offload("profile", examples, *BUILTIN, "-q").returncode == 0
    file = tmp_path / "profile.json"
    assert offload("profile", "export", file).returncode == 0
    here = answer(offload, examples, "--deadline", "5s")
    elsewhere = {**os.environ, "HOME": str(tmp_path / "another")}
    there = answer(offload, examples, "--deadline", "5s", "--from", file, env=elsewhere)
    assert here.pop("notes") == there.pop("notes") == []
    assert here == there
    assert not (tmp_path / "another" / ".local").exists()


def test_a_profile_says_the_same_on_a_machine_of_other_cores(
    offload: Offload, profile: Path
) -> None:
    asked = ("-n", 200, "--from", profile)
    cores = os.sched_getaffinity(0)
    alone = answer(offload, *asked, preexec_fn=lambda: os.sched_setaffinity(0, {min(cores)}))
    assert alone == answer(offload, *asked)


def test_jobs_that_somebody_timed_are_answered_from(offload: Offload) -> None:
    assert offload("profile", "import", RUNS).returncode == 0
    unnamed = offload("advise", "-n", 200)
    assert_refused(unnamed, "Nothing was measured with the model 'builtin', only with imported.")
    assert "to use imported: --model imported" in unnamed.stderr
    found = answer(offload, "-n", 200, "-m", "imported")
    assert found["model"] == "imported"
    assert lane(found, "local")["seconds"] == pytest.approx(128.9, rel=0.1)
    assert lane(found, "remote")["seconds"] == pytest.approx(55.13 / 1.2 + 64.8, rel=0.1)
    assert lane(found, "remote")["terms"]["service_s"]["origin"] == "measured"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "either a folder of images or their number"),
        (("photos", "-n", 3), "either a folder of images or their number"),
        (("-n", 0), "--images takes a number from 1"),
        (("gone",), "'gone' does not exist"),
        (("-n", 9, "--uplink", "0"), "'0' is zero bandwidth"),
        (("-n", 9, "--what-if", "uplink=0"), "'0' is zero bandwidth"),
        (("-n", 9, "--what-if", "foo=1"), "not 'foo=1'"),
        (("-n", 9, "--deadline", "abc"), "--deadline takes a duration, not 'abc'"),
        (("-n", 9, "--max-cost", "-1"), "--max-cost takes an amount in dollars, not '-1'"),
        (("-n", 9, "--optimize", "cost", "--value-of-time", "5"), "--value-of-time already weighs"),
        (("-n", 9, "--instance-type", "c99.huge"), "No price of an instance type 'c99.huge'"),
        (("-n", 9, "--plot", "x.gif"), "A plot is a .png or an .svg file, not 'x.gif'"),
        (("-n", 9, "--from", "gone.json"), "gone.json cannot be read"),
        (("-n", 9, "--from", "text.json"), "text.json cannot be read"),
        (("-n", 9, "--from", "wrong.json"), "not a profile that offload exported"),
        (("-n", 9, "--from", "newer.json"), "exported by a newer offload"),
        (("-n", 9, "--from", "profile.json", "-m", "other"), "Nothing was measured with the model"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    offload: Offload, profile: Path, arguments: Sequence[object], sentence: str
) -> None:
    folder = profile.parent
    (folder / "photos").mkdir()
    (folder / "text.json").write_text("no JSON")
    (folder / "wrong.json").write_text("[]")
    (folder / "newer.json").write_text('{"schema": 99, "kind": "profile"}')
    assert_refused(offload("advise", *arguments, cwd=folder), sentence)


def test_an_empty_folder_is_one_sentence(offload: Offload, tmp_path: Path) -> None:
    done = offload("advise", tmp_path)
    assert_refused(done, f"No images in {tmp_path}.")
    assert done.stderr.endswith(f"  To include subfolders: offload advise -r {tmp_path}\n")


def test_a_deadline_that_nothing_keeps_is_answered_with_how_late_it_will_be(
    offload: Offload, profile: Path
) -> None:
    done = offload("advise", "-n", 200, "--deadline", "1ms", "--from", profile)
    assert (done.returncode, done.stderr) == (0, "")
    assert "s late, low confidence.\n" in done.stdout
    assert "Low confidence: nothing meets the limits, this comes closest.\n" in done.stdout
    found = answer(offload, "-n", 200, "--deadline", "1ms", "--from", profile)
    assert found["choice"]["keeps_limits"] is False
    nearest = lane(found, found["choice"]["where"])
    assert nearest["late_s"] == pytest.approx(nearest["seconds"] - 0.001, rel=0.05)
    late = [option["late_s"] for option in found["options"] if option["choosable"]]
    assert nearest["late_s"] == min(late) > 0


def test_the_document_has_the_names_that_are_promised(offload: Offload, profile: Path) -> None:
    found = answer(offload, "-n", 200, "--from", profile)
    assert (found["schema"], found["kind"], found["model"]) == (3, "advice", "builtin")
    assert set(found) == {
        "schema", "kind", "model", "goal", "given", "billing", "choice", "options", "break_evens",
        "notes",
    }  # fmt: skip
    assert [option["name"] for option in found["options"]][:2] == ["local", "container"]
    for option in found["options"]:
        is_split = option["place"] == "split"
        assert set(option) == (OPTION_KEYS | SPLIT_KEYS if is_split else OPTION_KEYS)
        low, high = option["seconds_interval"]
        assert 0 < low <= option["seconds"] <= high
        assert set(option["terms"]) == (CONTENTION if is_split else set(NAMES) - CONTENTION)
        for term in option["terms"].values():
            assert set(term) == {
                "value", "interval", "unit", "origin", "samples", "taken_at", "how",
            }  # fmt: skip
            assert term["origin"] in {"measured", "assumed", "given"}
    probable = [option["p_best"] for option in found["options"] if option["p_best"] is not None]
    assert sum(probable) == pytest.approx(1)


def test_what_is_said_by_hand_takes_the_place_of_what_was_measured(
    offload: Offload, profile: Path
) -> None:
    slow = ("-n", 200, "--from", profile, "--uplink", "1Mbit")
    found = answer(offload, *slow)
    goodput = lane(found, "remote")["terms"]["goodput"]
    assert (goodput["value"], goodput["origin"]) == (pytest.approx(125_000), "given")
    faster = answer(offload, *slow, "--what-if", "uplink=100Mbit,price=0.5")
    assert lane(faster, "remote")["terms"]["goodput"]["value"] == pytest.approx(12_500_000)
    assert faster["billing"]["usd_per_h"] == 0.5
    assert lane(faster, "remote")["seconds"] < lane(found, "remote")["seconds"]
    assert lane(faster, "remote")["usd"] > lane(found, "remote")["usd"] == 0


def rented(**known: Any) -> Measurement:
    """A machine of the kind LABEL that was measured."""
    there = remote(**known)
    return replace(there, condition=replace(there.condition, url=LABEL))


def test_a_kind_of_machine_is_named_by_its_label_and_costs_what_it_costs(
    offload: Offload, tmp_path: Path
) -> None:
    known = local(service_s=2), rented(service_s=0.1), remote(service_s=0.01), bring_up()
    asked = ("-n", 200, "--from", written(tmp_path / "profile.json", *known))
    assert lane(answer(offload, *asked, "--url", remote().condition.url), "remote")["usd"] == 0
    found = answer(offload, *asked, "--url", LABEL)
    assert found["billing"]["usd_per_h"] == pytest.approx(0.08925)
    assert found["billing"]["how"].startswith("c7i.large in us-east-1, ")
    assert found["billing"]["assumed"] is False
    assert found["choice"]["state"] == "new", "nothing says that it is up"
    ready = answer(offload, *asked, "--url", LABEL, "--state", "warm")
    assert ready["choice"]["state"] == "warm"
    hourly_usd = sum(ready["billing"]["parts_usd_per_h"].values())
    assert lane(ready, "remote")["usd"] == pytest.approx(
        lane(ready, "remote")["seconds"] * hourly_usd / 3600
    )
    dearer = answer(offload, *asked, "--url", LABEL, "--price", 0.5)
    assert dearer["billing"]["how"] == "set by hand"
    other = answer(offload, *asked, "--url", LABEL, "--instance-type", "c7i.xlarge")
    assert other["billing"]["how"].startswith("c7i.xlarge in us-east-1, ")


def test_the_last_machine_that_was_measured_is_meant_without_being_named(
    offload: Offload, tmp_path: Path
) -> None:
    known = local(), remote(), rented(taken_at="2026-11-21T10:00:00+00:00")
    file = written(tmp_path / "profile.json", *known)
    found = answer(offload, "-n", 200, "--from", file)
    assert found["billing"]["assumed"] is False
    assert {option["state"] for option in found["options"] if option["choosable"]} == {
        "here", "new",
    }  # fmt: skip


def test_a_kind_of_machine_without_a_known_price_is_a_warning(
    offload: Offload, tmp_path: Path
) -> None:
    strange = "ec2:x99.huge@mars-north-1"
    there = replace(rented(), condition=replace(rented().condition, url=strange, machine=None))
    done = offload("advise", "-n", 200, "--from", written(tmp_path / "profile.json", there))
    assert done.returncode == 0
    [warning] = done.stderr.splitlines()
    assert warning.startswith("warning: No price of an instance type 'x99.huge' is known")
    assert "Dollars are left out." in warning


def test_how_a_start_up_was_learned_is_explained(offload: Offload, tmp_path: Path) -> None:
    days = (f"2026-11-{day}T09:00:00+00:00" for day in (17, 18, 19))
    known = local(), rented(), *(bring_up(taken_at=day) for day in days)
    asked = ("-n", 200, "--from", written(tmp_path / "profile.json", *known), "--url", LABEL)
    start = lane(answer(offload, *asked), "remote, not provisioned")["terms"]["startup_s"]
    assert start["value"] == pytest.approx(76.5, rel=0.05)
    assert (start["origin"], start["samples"]) == ("measured", 3)
    assert start["taken_at"] == "2026-11-19T09:00:00+00:00"
    how = "starts: machine 27 s (3), image 45 s (3, streamed), container 4 s (3)"
    assert start["how"] == how
    said = offload("advise", *asked, "--explain").stdout
    assert how in " ".join(said.split())
    assert "offload provision ec2" not in said


def test_who_never_brought_up_a_machine_is_told_how_to_measure_that(
    offload: Offload, profile: Path
) -> None:
    done = offload("advise", "-n", 200, "--from", profile, "--state", "new")
    assert (
        "offload provision ec2 --instance-type c7i.large --region us-east-1 && offload profile "
        in done.stdout
    )


def test_every_term_of_every_option_is_explained(offload: Offload, profile: Path) -> None:
    asked = ("-n", 200, "--from", profile, "--instance-type", "c7i.large")
    options = answer(offload, *asked)["options"]
    said = offload("advise", *asked, "--explain").stdout
    for name, words in NAMES.items():
        lines = sum(line.startswith(f"  {words}  ") for line in said.splitlines())
        assert lines == sum(name in option["terms"] for option in options)
    for wanted in ("90 % interval", "A remote machine costs $0.095 an hour", "table shipped with"):
        assert wanted in said


def test_the_answer_is_drawn(offload: Offload, profile: Path, tmp_path: Path) -> None:
    asked = ("-n", 200, "--from", profile, "--plot")
    done = offload("advise", *asked, tmp_path / "out.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Run builtin here and remotely at once: ")
    assert ET.parse(tmp_path / "out.svg").getroot().tag.endswith("}svg")
    assert offload("advise", *asked, tmp_path / "out.png").returncode == 0
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.format == "PNG"
        drawn.verify()


def test_a_damaged_history_is_one_warning_and_then_an_answer(
    offload: Offload, tmp_path: Path
) -> None:
    environment = {**os.environ, "OFFLOAD_DATA": str(tmp_path)}
    (tmp_path / "history.sqlite3").write_bytes(os.urandom(9000))
    done = offload("advise", "-n", 200, env=environment)
    assert done.returncode == 0
    [warning] = done.stderr.splitlines()
    assert warning.startswith("warning: The history was damaged: it was moved to ")
    assert done.stdout.startswith("Run builtin here: ")
    assert offload("advise", "-n", 200, env=environment).stderr == ""


def test_advising_imports_no_runtime_no_cloud_no_engine_and_nothing_that_draws() -> None:
    modules = modules_after(["advise", "-n", "200"])
    assert {"numpy", "sqlite3"} <= modules
    assert not modules & {
        "tensorflow", "tensorflow_hub", "ai_edge_litert", "boto3", "botocore", "matplotlib",
        "docker", "httpx", "fastapi", "uvicorn",
    }  # fmt: skip
