"""Folders of results that were damaged, or made by somebody else."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import OffloadError, UsageError
from offload.domain.results import Row
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection
from offload.drivers.folders import files, results_dir

SETTINGS = {"model_sha256": "a", "min_score": 0.25}
DOG = Detection("dog", 18, 0.9, Box(0.25, 0.5, 0.75, 1.0))
RUN = {"schema": 2, "settings": SETTINGS, "also_sent": ["sent.jpg"]}
DEEP = "[" * 100_000 + "]" * 100_000


def row(path: str, **rest: Any) -> Row:
    known: dict[str, Any] = {"width": 200, "height": 100, "bytes": 1, "mtime_ns": 1, "sha256": "x"}
    return Row(path, "fake", "a", "local", (DOG,), durations=Durations(infer_s=0.01), **known)


def work(folder: Path, *rows: Row, settings: Any = SETTINGS, overwrite: bool = False) -> list[str]:
    """A run that makes these rows and every document; whose rows there are then."""
    with results_dir.opened(str(folder), settings, overwrite=overwrite) as results:
        results.write_run(RUN)
        for one in rows:
            results.append(one)
        results.export(("coco", "csv", "json"), {18: "dog"}, {"offload": "test"})
    lines = (folder / "detections.jsonl").read_text().splitlines()
    return [json.loads(line)["path"] for line in lines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the rows of two images."""
    work(tmp_path / "out", row("a.jpg"), row("b.jpg"))
    return tmp_path / "out"


def test_a_torn_run_json_costs_nothing_as_the_log_has_the_settings_too(folder: Path) -> None:
    whole = (folder / "run.json").read_bytes()
    for cut in range(0, len(whole), len(whole) // 30):
        (folder / "run.json").write_bytes(whole[:cut])
        with results_dir.opened(str(folder), SETTINGS, overwrite=False) as results:
            assert results.index.counts() == {"images": 2, "failed": 0}, cut
        with pytest.raises(UsageError, match=r"min_score: 0\.25 then, 0\.5 now"):
            work(folder, settings=SETTINGS | {"min_score": 0.5})


def test_the_settings_stay_in_the_first_line_whichever_row_it_is(folder: Path) -> None:
    assert work(folder, row("a.jpg")) == ["b.jpg", "a.jpg"]
    first, second = map(json.loads, (folder / "detections.jsonl").read_text().splitlines())
    assert (first["settings"], "settings" in second) == (SETTINGS, False)


def test_a_log_of_the_version_before_goes_by_run_json_and_has_the_settings_once_rewritten(
    folder: Path,
) -> None:
    log = folder / "detections.jsonl"
    log.write_text(
        log.read_text().replace(',"settings":' + json.dumps(SETTINGS, separators=(",", ":")), "")
    )
    assert "settings" not in log.read_text()
    work(folder, row("a.jpg"))
    (folder / "run.json").unlink()
    assert work(folder) == ["b.jpg", "a.jpg"]


def replaced(**changed: Any) -> str:
    return json.dumps(row("a.jpg").to_dict() | changed)


def found(**changed: Any) -> str:
    return replaced(
        detections=[{"label": "dog", "id": 18, "score": 1, "box": [0, 0, 1, 1]} | changed]
    )


ODD_RUNS = [
    "[]", "5", "null", '"text"', DEEP, '{"settings": []}', '{"settings": "text"}',
    '{"settings": null}', '{"settings": 5}', f'{{"settings": {DEEP}}}',
    json.dumps(RUN | {"also_sent": 5}), json.dumps(RUN | {"also_sent": [[]]}),
    json.dumps(RUN | {"also_sent": {"a": 1}}), json.dumps(RUN | {"also_sent": "text"}),
]  # fmt: skip
ODD_ROWS = [
    "[]", "5", "null", '"text"', "{}", DEEP, replaced(path=[]), replaced(path=5),
    replaced(width="wide"), replaced(width=None), replaced(height=[1]), replaced(durations=[]),
    replaced(durations={"infer_s": "long"}), replaced(detections=None), replaced(detections=[5]),
    found(score="high"), found(score=None), found(box=[1]), found(box="abcd"), found(id="x"),
    found(label=[]), found().replace('"score": 1', '"score": 1e999'),
    found().replace('"score": 1', '"score": NaN'), replaced(bytes="many"), replaced(mtime_ns={}),
    replaced(sha256=5), replaced(error={}), replaced(sent_bytes="x"), replaced(model=None),
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_RUNS, ids=lambda text: text[:50])
def test_an_odd_run_json_is_no_traceback(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)
    assert work(folder) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("text", [*ODD_ROWS, "\0" * 80, "{", "\xff"], ids=lambda text: text[-50:])
def test_a_line_that_is_no_row_of_ours_is_set_aside(folder: Path, text: str) -> None:
    log, line = folder / "detections.jsonl", f"{text}\n".encode("latin-1")
    first, second = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first + line + second)
    with results_dir.opened(str(folder), SETTINGS, overwrite=False) as results:
        assert results.set_aside == 1
    assert log.read_bytes() == first + second
    assert (folder / "unreadable.jsonl").read_bytes() == line
    assert work(folder) == ["a.jpg", "b.jpg"]


def test_a_first_line_that_is_unreadable_costs_its_own_image_only(folder: Path) -> None:
    log = folder / "detections.jsonl"
    log.write_text("x" + log.read_text())
    assert work(folder) == ["b.jpg"]
    (folder / "run.json").unlink()
    assert work(folder, row("a.jpg")) == ["b.jpg", "a.jpg"], "the settings are in the first line"


def test_a_log_that_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "detections.jsonl"
    log.write_text('{"theirs": 1}\n')
    with pytest.raises(UsageError, match=r"no readable run\.json"):
        work(tmp_path)
    assert log.read_text() == '{"theirs": 1}\n'


def test_half_a_surrogate_is_written_as_json_has_it(tmp_path: Path) -> None:
    assert work(tmp_path, row("\udcff.jpg")) == ["\udcff.jpg"]
    assert (
        json.loads((tmp_path / "coco.json").read_text())["images"][0]["file_name"] == "\udcff.jpg"
    )


def test_what_killed_writers_left_is_swept_and_nothing_else(folder: Path) -> None:
    (folder / "annotated" / "sub").mkdir(parents=True)
    for place in (folder, folder / "annotated", folder / "annotated" / "sub"):
        (place / ".4711-140.tmp").write_text("half")
        (place / "mine.tmp").write_text("whole")
    work(folder)
    left = sorted(file.name for file in folder.rglob("*.tmp"))
    assert left == ["mine.tmp"] * 3


def test_a_document_is_on_the_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _fd: done.append("fsync"))
    replace = os.replace

    def replacing(*words: Any) -> None:
        done.append("replace")
        replace(*words)

    monkeypatch.setattr(os, "replace", replacing)
    files.write_json(str(tmp_path / "a.json"), {"a": 1})
    assert done == ["fsync", "replace"]


@pytest.mark.parametrize("name", ["detections.jsonl", "unreadable.jsonl"])
def test_a_link_in_place_of_what_is_appended_to_is_not_followed(folder: Path, name: str) -> None:
    mine = folder.parent / "mine"
    mine.write_text("precious")
    with (folder / "detections.jsonl").open("a") as log:
        log.write("odd\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(mine)
    with pytest.raises(OffloadError, match=f"{name} is a link or a special file"):
        work(folder, row("c.jpg"))
    assert work(folder, row("c.jpg"), overwrite=True) == ["c.jpg"]
    assert mine.read_text() == "precious"


@pytest.mark.parametrize("name", ["detections.jsonl", "run.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_at(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(OffloadError, match=f"{name} is a link or a special file"):
        work(folder)
    assert work(folder, row("c.jpg"), overwrite=True) == ["c.jpg"]


@pytest.mark.parametrize("link", ["annotated", "annotated/sub", "thumbnails"])
def test_a_link_in_place_of_a_folder_for_pictures_is_not_followed(folder: Path, link: str) -> None:
    photos = folder.parent / "photos"
    (photos / "sub").mkdir(parents=True)
    (photos / "sub" / "a.jpg").write_text("precious")
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(photos / "sub" if "/" in link else photos)
    with (
        results_dir.opened(str(folder), SETTINGS, overwrite=False) as results,
        pytest.raises(OffloadError, match="there is a link"),
    ):
        results.annotate("sub/a.jpg", b"drawn", b"small")
    with results_dir.opened(str(folder), SETTINGS, overwrite=True) as results:
        results.annotate("sub/a.jpg", b"drawn", b"small")
    assert (folder / "annotated" / "sub" / "a.jpg").read_bytes() == b"drawn"
    assert (photos / "sub" / "a.jpg").read_text() == "precious"
    assert len(list(photos.rglob("*"))) == 2
