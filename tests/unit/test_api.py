"""`import offload`, as programs use it."""

import doctest
import json
import logging
import math
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas
import pytest
from PIL import Image as Pil

import offload
from offload.api.boundary import in_python
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.timing import Durations
from tests.conftest import PROJECT

COUPLE, DOG = "couple-on-beach.jpg", "dog-on-lawn.webp"
FOUND = {COUPLE: ["person", "person"], DOG: ["dog"]}


@pytest.fixture
def couple(examples: Path) -> Path:
    return examples / COUPLE


def labels(row: offload.Row) -> list[str]:
    return [found.label for found in row.detections]


def test_importing_the_library_imports_nothing_heavy() -> None:
    code = (
        "import sys, offload; dir(offload)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "PIL", "msgspec", "typer", "rich", "tensorflow"}


def test_every_public_name_is_there() -> None:
    assert all(getattr(offload, name) for name in offload.__all__)
    assert dir(offload) == sorted(offload.__all__)


def test_an_unknown_name_is_none_of_the_modules() -> None:
    with pytest.raises(AttributeError, match="no attribute 'detects'"):
        offload.detects  # noqa: B018


@pytest.mark.parametrize("module", ["detecting", "deciding", "rows"])
def test_the_examples_of_the_documentation_hold(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    found = import_module(f"offload.api.{module}")
    outcome = doctest.testmod(found, extraglobs={"offload": offload})
    assert (outcome.attempted > 0, outcome.failed) == (True, 0)


def test_images_are_paths_bytes_pictures_and_arrays_mixed_at_will(
    couple: Path, examples: Path
) -> None:
    picture = Pil.open(couple)
    sources: list[Any] = [
        couple, str(examples / DOG), couple.read_bytes(), picture, np.asarray(picture),
        ("sub/named.jpg", couple.read_bytes()), offload.Image("other.jpg", couple.read_bytes()),
    ]  # fmt: skip
    rows = {row.path: row for row in offload.detect(sources, model="builtin")}
    held = {"image-0003", "image-0004", "image-0005", "sub/named.jpg", "other.jpg"}
    assert {os.path.basename(path) for path in rows.keys() - held} == FOUND.keys()
    assert all(labels(rows[name]) == FOUND[COUPLE] for name in held)
    assert {rows[name].mtime_ns for name in held} == {None}


def test_a_dictionary_names_its_images(couple: Path) -> None:
    found = offload.detect(
        {"here": couple.read_bytes(), "there": Pil.open(couple)}, model="builtin"
    )
    assert {row.path for row in found} == {"here", "there"}


def test_a_picture_in_memory_is_turned_upright_as_its_file_is(examples: Path) -> None:
    turned = examples / "runner-turned-by-exif.jpg"
    with offload.Detector("builtin") as detector:
        ours, theirs = detector(Pil.open(turned)), detector(turned)
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert labels(ours) == labels(theirs) != []


def test_pixels_are_found_in_as_in_a_lossless_file(tmp_path: Path, couple: Path) -> None:
    Pil.open(couple).save(tmp_path / "same.png")
    with offload.Detector("builtin") as detector:
        held, filed = detector(np.asarray(Pil.open(couple))), detector(tmp_path / "same.png")
    assert held.detections == filed.detections


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (3, "Images are a path, bytes"),
        ([b"", object()], "not object"),
        ([], "The list is empty"),
        ("nowhere/at-all.jpg", "does not exist"),
        (np.zeros((4, 4), np.uint8), r"array of uint8, shape \[4, 4\]"),
        (np.zeros((4, 4, 3)), "array of float64"),
        ({"../up.jpg": b""}, "cannot be called '../up.jpg'"),
        ({"a\nb": b""}, "cannot be called"),
        ([("one", b"1"), ("one", b"2")], "Two images are called 'one'"),
    ],
)
def test_what_is_no_image_is_refused_at_the_call(sources: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        offload.detect(sources, model="builtin")


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"where": "lokal"}, "There is no place 'lokal'"),
        ({"workers": 0}, "workers takes `int` >= 1, not 0"),
        ({"min_score": 1.5}, "min_score takes `float` <= 1.0, not 1.5"),
        ({"min_score": math.nan}, "min_score takes"),
        ({"classes": 3}, "classes takes `str | list`, not 3"),
        ({"classes": "persn"}, "The model has no class 'persn'"),
        ({"model": "nothing-like-it"}, "There is no model"),
        ({"max_failures": "many"}, "max_failures takes a number or a percentage"),
        ({"annotate": True}, "annotate, format and overwrite need out"),
        (
            {"format": "xml", "out": "results"},
            "format takes one of jsonl, coco, coco-results, megadetector, csv, json, parquet, not",
        ),
        ({"url": "http://127.0.0.1:9"}, "url has no effect with where='local'"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_call(
    couple: Path, keywords: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        offload.detect(couple, **{"model": "builtin", **keywords})
    assert sentence in str(caught.value)


def test_no_error_shows_a_token(couple: Path) -> None:
    with pytest.raises(UsageError, match="token takes") as caught:
        offload.detect(couple, token=b"s3cret")  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


def test_a_place_that_is_not_there_is_told_at_the_call(couple: Path) -> None:
    with pytest.raises(PlaceUnavailable):
        offload.detect(couple, where="remote", url="http://127.0.0.1:9")


def test_a_traceback_shows_what_helps(couple: Path) -> None:
    with pytest.raises(UsageError) as caught:
        offload.detect(couple, where="remote")
    assert caught.value.__notes__ == [caught.value.hint]
    assert "offload.detect('photos/', where='remote', url='http://HOST:8080')" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--url and --machine name two servers.", "url and machine name two servers."),
        ("Say: --where split --with remote", "Say: where='split' others='remote'"),
        ("--where split falls back by itself.", "where='split' falls back by itself."),
        ("--max-failures 10 or --max-failures 5%", "max_failures=10 or max_failures='5%'"),
        ("more than --max-cost allows", "more than max_cost_usd allows"),
        ("For instance: --keep-local 'faces/**'", "For instance: keep_local='faces/**'"),
        ("offload detect -r photos", "offload.detect('photos', recursive=True)"),
        ("Or: offload profile PHOTOS -m it", "Or: offload.profile('PHOTOS', model='it')"),
        ("offload advise --images 200", "offload.advise(images=200)"),
        ("To see the models: offload models list", "To see the models: offload models list"),
        (
            "To start one on that machine: offload serve --host 0.0.0.0",
            "To start one on that machine: offload serve --host 0.0.0.0",
        ),
        *[(f"To do it: offload {other}; or --url it", f"To do it: offload {other}; or url it")
          for other in (
              "stop m --region eu-west-1", "profile import study/runs.csv", "profile list",
              "experiment PHOTOS --images 1,10 -o STUDY", "drop photos/ --json",
              "provision ec2 --name a && offload profile PHOTOS --where remote",
          )],
    ],
)  # fmt: skip
def test_what_is_said_of_options_is_said_of_keywords(typed: str, read: str) -> None:
    assert in_python(typed) == read


def test_warnings_are_logged(examples: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "offload"):
        offload.detect(examples / DOG).close()
    assert "Using the builtin model" in caplog.text


def test_rows_are_counted_and_stop_when_they_are_closed(examples: Path) -> None:
    with offload.detect(examples, model="builtin", workers=1) as rows:
        next(rows)
    assert rows.total == 12
    assert rows.summary().images == 1
    assert list(rows) == []


def test_rows_that_nobody_holds_let_go_of_their_folder(tmp_path: Path, couple: Path) -> None:
    out = tmp_path / "out"
    rows = offload.detect(couple, model="builtin", out=out)
    with pytest.raises(OffloadError, match="Another run"):
        offload.detect(couple, model="builtin", out=out)
    del rows
    assert len(list(offload.detect(couple, model="builtin", out=out))) == 1


def test_too_many_failures_are_told_after_the_rows_there_are() -> None:
    rows = offload.detect([b"no picture"] * 9, model="builtin", max_failures=2, workers=1)
    assert [next(rows).error is None for _ in range(3)] == [False] * 3
    with pytest.raises(OffloadError, match=r"Stopped early.+max_failures is 2"):
        list(rows)
    assert rows.summary().images < 9


def test_images_in_memory_are_done_again_and_files_are_not(tmp_path: Path, couple: Path) -> None:
    asked: dict[str, Any] = {"model": "builtin", "out": tmp_path / "out", "annotate": True}
    both: list[Any] = [couple, ("held.jpg", couple.read_bytes())]
    assert offload.detect(both, **asked).total == 2
    assert len(list(offload.detect(both, **asked))) == 2
    assert [row.path for row in offload.detect(both, **asked)] == ["held.jpg"]
    with Pil.open(tmp_path / "out" / "annotated" / "held.jpg") as drawn:
        assert drawn.size == (600, 540)
    lines = (tmp_path / "out" / "detections.jsonl").read_text().splitlines()
    assert {offload.Row.from_dict(json.loads(line)).path for line in lines} >= {"held.jpg"}


def test_a_detector_keeps_the_order_of_its_images(examples: Path, couple: Path) -> None:
    with offload.Detector("builtin", workers=3) as detector:
        images: list[Any] = [couple, examples / DOG, couple.read_bytes(), b"none", examples / DOG]
        rows = list(detector.detect(images))
    assert [os.path.basename(row.path) for row in rows] == [COUPLE, DOG, "image-0003", "image-0004"]
    assert [labels(row) for row in rows[:3]] == [
        ["person", "person"],
        ["dog"],
        ["person", "person"],
    ]
    assert "not an image" in (rows[3].error or "")


def test_a_detector_answers_several_threads(examples: Path) -> None:
    paths = [examples / name for name in FOUND] * 4
    with offload.Detector("builtin") as detector, ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(detector, paths))
    assert [labels(row) for row in rows] == [FOUND[path.name] for path in paths]


def test_a_detector_that_is_closed_says_so(couple: Path) -> None:
    detector = offload.Detector("builtin")
    detector.close()
    with pytest.raises(OffloadError, match="closed"):
        detector(couple)


def test_a_detector_takes_one_image_and_is_at_one_place(examples: Path) -> None:
    with pytest.raises(UsageError, match="one place"):
        offload.Detector("builtin", where="split")
    with offload.Detector("builtin") as detector, pytest.raises(UsageError, match="one image"):
        detector(examples)


def row(**changed: Any) -> offload.Row:
    found = (
        offload.Detection("person <b>", 1, 0.9, offload.Box(0.25, 0.1, 0.999, 1.0)),
        offload.Detection("dog", 18, 0.3, offload.Box(0.0, 0.0, 0.5, 0.5)),
    )
    known: dict[str, Any] = {"detections": found, "width": 200, "height": 100}
    return offload.Row("a & b.jpg", "m", "00", "local", **known | changed)


def test_boxes_in_pixels_cut_the_object_out_of_an_array() -> None:
    assert row().boxes_px == [(25, 20, 100, 200), (0, 0, 50, 100)]
    ymin, xmin, ymax, xmax = row().boxes_px[0]
    assert np.zeros((100, 200, 3))[ymin:ymax, xmin:xmax].shape == (75, 180, 3)


def test_what_scores_half_or_more_is_drawn_unless_told_otherwise() -> None:
    white = np.full((400, 400, 3), 255, np.uint8)
    plain, more = (np.asarray(row().draw(white, min_score=score)) for score in (0.5, 0.2))
    assert (plain[:90, :20] == 255).all()
    assert not (more[:90, :20] == 255).all()


def test_a_row_from_elsewhere_draws_on_the_image_it_is_given(couple: Path) -> None:
    with pytest.raises(OffloadError, match="This row has no image"):
        pickle.loads(pickle.dumps(row())).draw()
    assert row().draw(couple).size == (600, 540)


def test_a_notebook_shows_the_picture_and_nothing_of_a_name_is_markup(couple: Path) -> None:
    (seen,) = offload.detect(("<i>.jpg", couple.read_bytes()), model="builtin")
    assert seen._repr_html_().startswith('<figure><img src="data:image/jpeg;base64,/9j/')
    assert "&lt;i&gt;.jpg: person 0." in seen._repr_html_()
    assert row()._repr_html_() == "<p>a &amp; b.jpg: person &lt;b&gt; 0.90, dog 0.30</p>"
    assert row(error="no <file>")._repr_html_() == "<p>a &amp; b.jpg: no &lt;file&gt;</p>"


def test_a_data_frame_has_a_line_for_each_image_and_records_one_for_each_detection(
    examples: Path,
) -> None:
    rows = [*offload.detect(examples, model="builtin"), row(detections=(), error="gone")]
    frame, records = pandas.DataFrame(iter(rows)), pandas.DataFrame(offload.to_records(rows))
    assert len(frame) == 13
    assert set(frame.columns) == set(row().to_dict()) - {"schema"}
    assert frame.set_index("path").loc[DOG, "width"] == 520
    assert len(records) == sum(len(each.detections) for each in rows) == 15
    assert dict(records["label"].value_counts()) == {"person": 12, "bus": 2, "dog": 1}


def test_a_row_is_read_back_from_its_dictionary() -> None:
    once = row(durations=Durations(infer_s=0.5))
    assert offload.Row.from_dict(json.loads(json.dumps(once.to_dict()))) == once


def test_the_place_is_chosen_for_images_in_memory_too(couple: Path) -> None:
    (seen,) = offload.detect(couple.read_bytes(), where="auto", model="builtin", offline=True)
    assert (seen.where, labels(seen)) == ("local", FOUND[COUPLE])


def test_advice_comes_as_an_object(examples: Path) -> None:
    advice = offload.advise(examples, model="builtin", offline=True, deadline_s=60)
    assert advice.goal.images == 12
    assert advice.choice.chosen.lane.place == "local"
    with pytest.raises(UsageError, match="optimize takes"):
        offload.advise(images=3, optimize="money")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="either a folder of images or their number"):
        offload.advise()


def test_a_profile_is_measured_and_kept(examples: Path) -> None:
    def assumed() -> list[str]:
        advice = offload.advise(images=10, model="builtin", offline=True)
        return list(advice.choice.chosen.lane.assumptions)

    before = assumed()
    measured = offload.profile(examples, model="builtin", budget_s=0.1, workers=1)
    assert [each.condition.place for each in measured] == ["local"]
    assert measured[0].images
    assert set(assumed()) < set(before)


def test_a_profile_is_of_files(couple: Path) -> None:
    with pytest.raises(UsageError, match="needs files"):
        offload.profile([couple.read_bytes()])  # type: ignore[list-item]


def test_a_profile_of_no_place_at_all_is_an_error(examples: Path) -> None:
    with pytest.raises(PlaceUnavailable):
        offload.profile(examples, where="remote", url="http://127.0.0.1:9", budget_s=0.1)


def test_a_type_checker_knows_what_everything_is(couple: Path) -> None:
    with offload.detect([couple], model="builtin") as rows:
        assert_type(rows, offload.Rows)
        found = next(rows)
    assert_type(found, offload.Row)
    assert_type(found.boxes_px, list[tuple[int, int, int, int]])
    assert_type(found.detections[0].box, offload.Box)
    with offload.Detector("builtin") as detector:
        assert_type(detector(couple), offload.Row)
    assert (PROJECT / "offload" / "py.typed").exists()


def test_the_python_of_the_readme_runs(
    tmp_path: Path,
    couple: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = (PROJECT / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    shutil.copy(couple, tmp_path / "photos" / "a.jpg")
    exec(code, {})
    assert capsys.readouterr().out.startswith("a.jpg [(5")
    assert (tmp_path / "drawn.jpg").exists()


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code cells one after the other, without IPython; none ends in an error."""
    monkeypatch.chdir(PROJECT / "examples")
    notebook = json.loads(Path("detect.ipynb").read_text("utf-8"))
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec("".join(cell["source"]), names)
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert len(cells) >= 5
