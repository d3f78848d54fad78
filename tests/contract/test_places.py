"""What a new place takes: a module and a line, or a package that somebody installs beside ours."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.becoming import Done, Spawner
from tests.conftest import PROJECT
from tests.contract import toy_place
from tests.paced import Pace

MODEL = ("-m", "builtin")
STAYS = "child-waving-on-lawn.jpg"
COPIES = 40
"""Of each picture in a folder that is large enough for two places."""

pytestmark = pytest.mark.xdist_group("toy")


def in_registry(folder: Path) -> None:
    """A copy of the package with one line more."""
    shutil.copytree(PROJECT / "offload", folder / "offload")
    shutil.copy(toy_place.__file__, folder / "offload" / "places" / "toy.py")
    registry = folder / "offload" / "places" / "__init__.py"
    text = registry.read_text()
    table = "PLACES = {"
    assert text.count(table) == 1
    registry.write_text(text.replace(table, f'{table}"toy": "offload.places.toy", '))


def as_entry_point(folder: Path) -> None:
    """Another package that was installed beside ours."""
    shutil.copy(toy_place.__file__, folder)
    about = folder / "offload_toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: offload-toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[offload.places]\ntoy = toy_place\n")


@dataclass(frozen=True)
class Commands:
    """`offload` with the toy place, in a home of its own. `photos` are a few pictures, one of which
    may have to stay; `many` are more.
    """

    home: Path
    spawner: Spawner
    photos: Path
    many: Path

    @property
    def given(self) -> list[str]:
        """What the place was given, and how often it was opened."""
        file = self.home / "given.txt"
        return file.read_text().splitlines() if file.exists() else []

    def __call__(self, *arguments: object, code: int = 0, **settings: str) -> Done:
        (self.home / "given.txt").unlink(missing_ok=True)
        environment = {
            **os.environ, "HOME": str(self.home),
            toy_place.GIVEN: str(self.home / "given.txt"), **settings,
        }  # fmt: skip
        done = self.spawner.run(*arguments, cwd=self.home, env=environment)
        assert done.returncode == code, done.stderr
        return done

    def wheres(self, *arguments: object) -> dict[str, str]:
        """Where each image was detected by `offload detect` with these arguments."""
        done = self("detect", *arguments, *MODEL, "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert not any(row["error"] for row in rows)
        return {row["path"]: row["where"] for row in rows}


@dataclass(frozen=True)
class Profiled:
    """The commands after a profile, what was measured, and what the place was given meanwhile."""

    toy: Commands
    measurements: list[dict[str, Any]]
    given: list[str]


@pytest.fixture(scope="module", params=[in_registry, as_entry_point], ids=lambda way: way.__name__)
def toy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, paced: Pace
) -> Iterator[Commands]:
    """The commands, with the place added in one way or the other."""
    folder = tmp_path_factory.mktemp("toy")
    home, photos, many, code = (folder / name for name in ("home", "photos", "many", "code"))
    for each in (home, photos, many, code):
        each.mkdir()
    pictures = sorted((PROJECT / "examples" / "images").glob("*.jpg"))
    assert STAYS in {picture.name for picture in pictures[:3]}
    for picture in pictures[:3]:
        shutil.copy(picture, photos)
        for number in range(COPIES):
            shutil.copy(picture, many / f"{number}-{picture.name}")
    request.param(code)
    spawner = Spawner([str(code), *paced.paths])
    yield Commands(home, spawner, photos, many)
    spawner.close()


@pytest.fixture(scope="module")
def profiled(toy: Commands, paced: Pace) -> Profiled:
    """The commands after `offload profile` has measured this process, slowed down so that the
    place is faster however busy this machine is, and the place.
    """
    paced(0.3)
    asked = ("--where", "local,toy", "--budget", "2s", "--json", "--yes")
    done = toy("profile", toy.photos, *MODEL, *asked, OFFLOAD_KEEP_LOCAL=STAYS)
    paced(0)
    return Profiled(toy, json.loads(done.stdout)["measurements"], toy.given)


@pytest.fixture(scope="module")
def study(toy: Commands) -> Path:
    """A study of two cells, one of them at the place."""
    folder = toy.home / "study"
    asked = (*MODEL, "--where", "local,toy", "--images", 2, "--repeats", 1, "--yes")
    toy("experiment", toy.photos, *asked, "--out", folder)
    return folder


def test_detect_goes_there_and_a_folder_of_results_goes_on(toy: Commands) -> None:
    one, *others = sorted(toy.photos.iterdir())
    out = toy.home / "results"
    asked = (*MODEL, "--where", "toy", "--yes", "--out", out)
    toy("detect", one, *others[:1], *asked)
    assert len(toy.given) == 3
    toy("detect", toy.photos, *asked, "--overwrite")
    assert sorted(toy.given) == sorted([toy_place.OPENED, *(p.name for p in toy.photos.iterdir())])
    shutil.copy(one, toy.photos / "another.jpg")
    try:
        toy("detect", toy.photos, *asked)
    finally:
        (toy.photos / "another.jpg").unlink()
    assert toy.given == [toy_place.OPENED, "another.jpg"]
    rows = [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]
    assert {row["where"] for row in rows} == {"toy"}
    assert {row["detections"][0]["label"] for row in rows} == {"person"}
    assert json.loads((out / "run.json").read_text())["place"] == "toy"


def test_profile_measures_it_and_its_link(profiled: Profiled) -> None:
    there = next(m for m in profiled.measurements if m["condition"]["place"] == "toy")
    assert there["images"]
    assert {probe["kind"] for probe in there["probes"]} >= {"rtt", "up"}


def test_advise_knows_it_and_the_link_is_a_term_of_its_prediction(
    profiled: Profiled,
) -> None:
    toy = profiled.toy
    advice = json.loads(toy("advise", toy.photos, "--json", "--offline").stdout)
    there = next(option for option in advice["options"] if option["place"] == "toy")
    for term in ("goodput", "rtt_s", "sent_bytes"):
        assert there["terms"][term]["origin"] == "measured"
    slow = toy("advise", toy.photos, "--json", "--offline", "--uplink", "1kbit")
    slower = next(o for o in json.loads(slow.stdout)["options"] if o["place"] == "toy")
    assert slower["seconds"] > there["seconds"] + 1


def test_auto_goes_there_if_it_is_named_and_only_then(
    profiled: Profiled,
) -> None:
    toy = profiled.toy
    auto = (toy.photos, "--where", "auto")
    assert set(toy.wheres(*auto, "--with", "toy", "--yes").values()) == {"toy"}
    assert set(toy.wheres(*auto).values()) == {"local"}
    assert not toy.given


def test_a_split_works_here_and_there(toy: Commands) -> None:
    asked = ("--where", "split", "--with", "toy", "--workers", 1, "--yes")
    assert set(toy.wheres(toy.many, *asked).values()) == {"local", "toy"}


def test_an_experiment_has_a_cell_there_and_a_report_shows_it(toy: Commands, study: Path) -> None:
    with (study / "runs.csv").open(newline="") as runs:
        assert {run["place"] for run in csv.DictReader(runs)} == {"local", "toy"}
    toy("report", study, "--out", toy.home / "report.html")
    assert "the toy place" in (toy.home / "report.html").read_text()


def test_what_is_kept_local_is_refused_there(toy: Commands) -> None:
    refused = toy("detect", toy.photos, *MODEL, "--where", "toy", "--yes", "--keep-local", STAYS,
                  code=2)  # fmt: skip
    assert refused.stderr.startswith("error: 1 of 3 images must stay here")
    assert "--where split --with toy" in refused.stderr
    assert not toy.given


def test_what_the_settings_keep_local_is_refused_there(toy: Commands) -> None:
    asked = ("--where", "toy", "--yes")
    refused = toy("detect", toy.photos, *MODEL, *asked, code=2, OFFLOAD_KEEP_LOCAL=STAYS)
    assert refused.stderr.startswith("error: 1 of 3 images must stay here")
    assert not toy.given


def test_a_split_keeps_local_what_is_to_stay(toy: Commands) -> None:
    asked = ("--where", "split", "--with", "toy", "--workers", 1, "--yes")
    wheres = toy.wheres(toy.many, *asked, "--keep-local", f"*{STAYS}")
    assert {where for path, where in wheres.items() if STAYS in path} == {"local"}
    assert toy_place.OPENED in toy.given
    assert not any(STAYS in path for path in toy.given)


def test_auto_keeps_local_what_is_to_stay(
    profiled: Profiled,
) -> None:
    toy = profiled.toy
    asked = ("--where", "auto", "--with", "toy", "--yes", "--keep-local", STAYS)
    assert toy.wheres(toy.photos, *asked)[STAYS] == "local"
    assert not any(STAYS in path for path in toy.given)


def test_a_profile_keeps_local_what_is_to_stay(profiled: Profiled) -> None:
    assert toy_place.OPENED in profiled.given
    assert not any(STAYS in path for path in profiled.given)


@pytest.mark.parametrize(
    "asked",
    [
        ("detect", "--where", "toy"),
        ("detect", "--where", "split", "--with", "toy"),
        ("profile", "--where", "local,toy", "--budget", "0.3s"),
        ("experiment", "--where", "toy", "--images", 1, "--repeats", 1, "--out", "unasked"),
    ],
)
def test_it_is_asked_about_before_money_could_flow(
    toy: Commands, asked: tuple[object, ...]
) -> None:
    command, *options = asked
    refused = toy(command, toy.photos, *MODEL, *options, code=2)
    sentence, hint = refused.stderr.splitlines()
    assert "toy" in sentence
    assert f"offload {command} {toy.photos}" in hint
    assert hint.endswith(" --yes")
    assert not toy.given
