"""A study's folder: what is in it counts, whatever happened to whoever wrote it."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload.costmodel import runs_table
from offload.costmodel.statistics import line_through
from offload.domain.errors import OffloadError, UsageError
from offload.domain.studies import Cell, CellOutcome, CellRun, Design, Prediction
from offload.domain.study_tables import PER_IMAGE, RUNS
from offload.domain.timing import Durations, Spread
from offload.drivers.folders import study_dir
from offload.findings.study import of_tables
from tests import studies
from tests.measured import PLACES as KNOWN
from tests.studies import photo

DESIGN = Design((1, 2), ("local", "container", "remote"), repeats=2, known=KNOWN)
FIXED = {"design": DESIGN.to_json(), "images": {"drawn": "f00d"}}
ABOUT = {"version": "0.6.0", "model": "builtin"}


def run(cell: Cell, error: str = "", label: str = "http://far:8080") -> CellRun:
    away = cell.place == "remote"
    predicted = Prediction(2.0, 1.5, 2.5, 4.0, 0.001, assumed=True)
    label = label if away else ""
    at = "2026-11-21T12:00:00+00:00"
    if error:
        return CellRun(cell, at, predicted, label=label, error=error)
    durations = Durations(read_s=0.01, upload_s=0.3 if away else 0.0, decode_s=0.09, infer_s=0.2)
    photos = tuple(
        photo(f"{number}.jpg", 100_000, 100_000 * away, durations) for number in range(cell.images)
    )
    outcome = CellOutcome(0.5, 1.8, Spread(0.2, 0.2, 0.3), 0, 100_000 * away * cell.images, photos)
    return CellRun(cell, at, predicted, outcome, label, usd=0.002 * away)


def written(folder: Path, cells: list[Cell], **fixed: Any) -> set[str]:
    with study_dir.opened(str(folder), FIXED | fixed, ABOUT) as study:
        for cell in cells:
            if cell.number not in study.done:
                study.append(run(cell))
        return set(study.done)


def tables(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    files = study_dir.read(str(folder))
    return files.runs, files.images


def whole(folder: Path) -> bool:
    """Whether every run has exactly its images, and none but those with a line has any."""
    runs, images = tables(folder)
    cells = [line["cell"] for line in runs]
    expected = sorted(line["cell"] for line in runs for _ in range(int(line["images"])))
    return len(set(cells)) == len(cells) and sorted(each["cell"] for each in images) == expected


def test_the_columns_are_those_that_a_report_reads() -> None:
    assert RUNS == studies.RUNS
    assert PER_IMAGE == studies.IMAGES


TEXTS = {"Date", "Location", "place", "label", "error"}


def test_every_number_of_the_runs_is_plain(tmp_path: Path) -> None:
    written(tmp_path, DESIGN.cells())
    lines, _ = tables(tmp_path)
    assert list(lines[0])[:7] == [
        "Date", "Total Images", "Payload Size (MB)", "Transfer Speed (MB/s)",
        "Total Execution time on server (s)", "Avg Inference Time (s)", "Location",
    ]  # fmt: skip
    numbers = {name for name in RUNS if name not in TEXTS | {"cold", "assumed"}}
    sums = {name: sum(float(line[name] or 0) for line in lines) for name in numbers}
    assert sums["Payload Size (MB)"] == pytest.approx(0.1 * sums["images"])
    assert sums["images"] == 18
    for name in ("cold", "assumed"):
        assert {line[name] for line in lines} <= {"true", "false"}


def test_a_finished_run_is_on_disk_before_anything_else_happens(tmp_path: Path) -> None:
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        for count, cell in enumerate(DESIGN.cells(), 1):
            study.append(run(cell))
            assert len(tables(tmp_path)[0]) == count
            assert whole(tmp_path)


def test_a_study_cut_off_at_any_byte_is_continued_to_the_same_set_of_cells(tmp_path: Path) -> None:
    cells = DESIGN.cells()[:4]
    written(tmp_path / "a", cells)
    runs, images = (tmp_path / "a" / name for name in ("runs.csv", "per_image.csv"))
    wanted = sorted(runs.read_text().splitlines()), sorted(images.read_text().splitlines())
    data = runs.read_bytes(), images.read_bytes()
    line_ends = [end for end in range(len(data[0]) + 1) if data[0][end - 1 : end] == b"\n"]
    for end in sorted({*range(0, len(data[0]), 41), *line_ends, *(end - 1 for end in line_ends)}):
        runs.write_bytes(data[0][:end])
        written(tmp_path / "a", cells)
        assert sorted(runs.read_text().splitlines()) == wanted[0]
        assert sorted(images.read_text().splitlines()) == wanted[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [("study.json", "[" * 100_000 + "]" * 100_000), ("study.json", '{"fixed": {"a": 1}}')]
    + [("study.json", text) for text in ("5", "null", '{"fixed": []}', '{"fixed": "text"}')]
    + [("environment.json", text) for text in ("[]", "[" * 100_000 + "]" * 100_000, "{")],
    ids=lambda text: text[:20],
)
def test_an_odd_document_is_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    written(tmp_path, DESIGN.cells()[:1])
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        written(tmp_path, [])


def test_a_table_with_text_for_a_number_is_one_sentence(tmp_path: Path) -> None:
    written(tmp_path, DESIGN.cells()[:1])
    table = tmp_path / "runs.csv"
    table.write_text(table.read_text().replace("1.8", "long"))
    with pytest.raises(UsageError, match=r"runs\.csv of this study is damaged"):
        written(tmp_path, [])


@pytest.mark.parametrize("name", ["runs.csv", "per_image.csv"])
def test_a_link_in_place_of_a_table_is_not_followed(tmp_path: Path, name: str) -> None:
    mine, study = tmp_path / "mine", tmp_path / "study"
    written(study, DESIGN.cells()[:1])
    (study / name).replace(mine)
    (study / name).symlink_to(mine)
    before = mine.read_bytes()
    with pytest.raises(UsageError, match=f"{name} is a link or a special file"):
        written(study, DESIGN.cells()[:2])
    assert mine.read_bytes() == before


def test_images_without_their_run_are_dropped_when_it_goes_on(tmp_path: Path) -> None:
    cells = DESIGN.cells()
    written(tmp_path, cells[:2])
    with (tmp_path / "per_image.csv").open("a") as file:
        file.write(f"{cells[2].number},0.jpg,100000,0,0,0,0,0,0,0,0,0,0\n{cells[2].number},1.j")
    assert not whole(tmp_path)
    assert written(tmp_path, []) == {cell.number for cell in cells[:2]}
    assert whole(tmp_path)


def test_what_was_done_is_not_to_be_done_again(tmp_path: Path) -> None:
    cells = DESIGN.cells()
    written(tmp_path, cells[:5])
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        assert study.done == {cell.number for cell in cells[:5]}
        assert len(study.makespans) == 5
        assert {(lane, seconds) for lane, _, seconds in study.makespans} <= {
            ("local", 1.8), ("container", 1.8), ("remote", 1.8)
        }  # fmt: skip


@pytest.mark.parametrize("column", ["images", "makespan_s", "cpus"])
def test_text_for_a_number_in_the_table_is_one_sentence(tmp_path: Path, column: str) -> None:
    written(tmp_path, DESIGN.cells()[:1])
    (line,), _ = tables(tmp_path)
    with (tmp_path / "runs.csv").open("w") as file:
        table = csv.DictWriter(file, RUNS, lineterminator="\n")
        table.writeheader()
        table.writerow(line | {column: "many"})
    with pytest.raises(UsageError, match=r"The file runs\.csv of this study is damaged: .*'many'"):
        written(tmp_path, [])


@pytest.mark.parametrize("name", ["study.json", "environment.json"])
def test_a_document_nested_without_end_is_one_sentence(tmp_path: Path, name: str) -> None:
    written(tmp_path, [])
    (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(UsageError, match=name):
        written(tmp_path, [])


def test_a_failed_cell_is_kept_with_its_reason_until_it_is_done(tmp_path: Path) -> None:
    first, second = DESIGN.cells()[:2]
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        study.append(run(first, error='It is gone:\nnobody answers, "they" said.'))
        study.append(run(second))
    (failed, done) = tables(tmp_path)[0]
    assert failed["error"] == 'It is gone:\\nnobody answers, "they" said.'
    assert (failed["makespan_s"], failed["detect_s"], failed["predicted_s"]) == ("", "", "2")
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        assert study.done == {second.number}
        study.append(run(first, error="It is still gone."))
        study.append(run(first))
    again = {line["cell"]: line for line in tables(tmp_path)[0]}
    assert again[first.number]["error"] == ""
    assert again[second.number] == done
    assert whole(tmp_path)


def test_another_study_is_refused_with_what_is_different(tmp_path: Path) -> None:
    written(tmp_path, DESIGN.cells()[:1])
    before = (tmp_path / "runs.csv").read_bytes()
    other = Design((1, 2, 3), ("local", "container", "remote"), repeats=3, known=KNOWN).to_json()
    with pytest.raises(UsageError, match=r"holds another study: design images, design repeats"):
        written(tmp_path, [], design=other)
    with pytest.raises(UsageError, match="images drawn"):
        written(tmp_path, [], images={"drawn": "beef"})
    assert (tmp_path / "runs.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("study.json", "{", "is not a study's that offload can read"),
        ("study.json", '{"schema": 1}', "is not a study's that offload can read"),
        ("runs.csv", "Date,Total Images\n", "holds runs of an unknown study"),
        ("per_image.csv", "somebody's, without a line's end", "holds runs of an unknown study"),
        ("environment.json", "{}", "holds runs of an unknown study"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        written(tmp_path, [])
    assert (tmp_path / name).read_text() == text


@pytest.mark.parametrize("text", ["Date,cell\n", "Date,cell\n1,2", "cell,Date"])
def test_a_table_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    written(tmp_path, [])
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(UsageError, match="columns of another version"):
        written(tmp_path, [])
    assert (tmp_path / "runs.csv").read_text() == text


def test_what_a_study_has_not_written_down_cannot_differ(tmp_path: Path) -> None:
    written(tmp_path, [])
    assert written(tmp_path, [], computer={"cores": 2}) == set()


def test_two_at_a_time_are_one_too_many(tmp_path: Path) -> None:
    with (
        study_dir.opened(str(tmp_path), FIXED, ABOUT),
        pytest.raises(OffloadError, match="Another experiment is writing"),
    ):
        written(tmp_path, [])


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write the study to"):
        written(tmp_path / "file" / "study", [])


def test_the_report_reads_what_is_written(tmp_path: Path) -> None:
    cells = DESIGN.cells()
    written(tmp_path, cells)
    files = study_dir.read(str(tmp_path))
    study = of_tables(files.runs, files.images, files.design, files.environment, KNOWN)
    assert len(study.done) == len(cells)
    assert {lane.place for lane in study.lanes} == {"local", "container", "remote"}
    assert {each.numbers["makespan_s"] for each in study.done} == {1.8}
    assert len(study.photos) == sum(cell.images for cell in cells)
    assert json.loads((tmp_path / "study.json").read_text())["model"] == "builtin"


def test_the_table_of_runs_is_one_that_people_keep_by_hand(tmp_path: Path) -> None:
    cells = [*DESIGN.cells(), Cell("0099", 3, KNOWN["remote"], 2)]
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        for cell in cells[:-1]:
            study.append(run(cell))
        study.append(run(cells[-1], error="It is gone."))
    runs = runs_table.read((tmp_path / "runs.csv").read_text())
    assert len(runs) == len(cells) - 1
    assert {(each.place, each.url) for each in runs} == {
        ("local", None), ("container", None), ("remote", "http://far:8080"),
    }  # fmt: skip
    assert [each.job.total_s for each in runs] == pytest.approx([1.8] * len(runs))
    away = next(each for each in runs if each.place == "remote")
    assert away.job.transfer_s == pytest.approx(1.8 * 0.3 / 0.6, rel=1e-5)
    assert away.job.bytes == 100_000 * away.job.images


def test_the_line_through_runs_over_a_link_that_was_probed_has_its_goodput(tmp_path: Path) -> None:
    """120 ms and 8 ms an image beside what 0.1 MB takes at 2 MB/s, although uploads overlap."""
    cells = [Cell(f"{n:04d}", 1, KNOWN["remote"], n) for n in (1, 2, 5, 10, 20, 50)]
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        for cell in cells:
            made = run(cell)
            assert made.outcome is not None
            quick = replace(made.outcome.photos[0], durations=Durations(upload_s=0.1, infer_s=0.02))
            outcome = replace(
                made.outcome,
                detect_s=0.12 + (0.008 + 0.05) * cell.images,
                photos=(quick,) * cell.images,
            )
            study.append(replace(made, outcome=outcome, goodput_bytes_per_s=2e6))
    runs = runs_table.read((tmp_path / "runs.csv").read_text())
    found = line_through([each.job for each in runs])
    assert 1 / found.per_byte_s == pytest.approx(2e6, rel=1e-3)
    assert found.startup_s == pytest.approx(0.12, rel=0.01)
    assert found.per_image_s == pytest.approx(0.008, rel=0.01)


def test_a_link_that_carried_more_than_when_it_was_probed_leaves_time_to_execute(
    tmp_path: Path,
) -> None:
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        study.append(replace(run(Cell("0000", 1, KNOWN["remote"], 2)), goodput_bytes_per_s=1e4))
    (found,) = runs_table.read((tmp_path / "runs.csv").read_text())
    assert found.job.total_s == pytest.approx(1.8, rel=1e-4)
    assert found.job.execution_s == pytest.approx(0.09 + 0.2)


def test_of_a_sweep_the_plainest_runs_of_each_place_are_those_to_import(tmp_path: Path) -> None:
    sides = Design(
        (1, 2), ("local", "remote"), upload_max_side_px=(None, 320), repeats=1, known=KNOWN
    )
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        for cell in [*sides.cells(), Cell("0099", 1, KNOWN["container"], 1, replicas=2)]:
            study.append(run(cell))
    runs = runs_table.read((tmp_path / "runs.csv").read_text())
    assert sorted((each.place, each.job.images) for each in runs) == [
        ("container", 1), ("local", 1), ("local", 2), ("remote", 1), ("remote", 2)
    ]  # fmt: skip


def test_of_links_that_differ_the_runs_over_the_quickest_are_imported(tmp_path: Path) -> None:
    """A line through runs over 10 and 100 Mbit/s would be right for neither."""
    links = Design((1, 2), ("remote",), link_mbit=(10.0, 100.0), repeats=2, known=KNOWN)
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        for cell in links.cells():
            made = run(cell)
            assert made.outcome is not None
            slower = replace(made.outcome, detect_s=1.8 * 100 / (cell.link_mbit or 1))
            study.append(replace(made, outcome=slower))
    runs = runs_table.read((tmp_path / "runs.csv").read_text())
    assert [each.job.total_s for each in runs] == pytest.approx([1.8] * 4)


@pytest.mark.parametrize(
    ("label", "url"),
    [("ec2:c7i.large@us-east-1", None), ("http://127.0.0.1:8080", "http://127.0.0.1:8080")],
)
def test_a_machine_behind_a_tunnel_is_far_all_the_same(
    tmp_path: Path, label: str, url: str | None
) -> None:
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        study.append(run(Cell("0000", 1, KNOWN["remote"], 1), label=label))
    (found,) = runs_table.read((tmp_path / "runs.csv").read_text())
    assert (found.place, found.url) == ("remote", url)


def test_names_with_line_ends_and_commas_stay_one_line(tmp_path: Path) -> None:
    cell = Cell("0000", 1, KNOWN["local"], 1)
    made = run(cell)
    assert made.outcome is not None
    image = photo('a,"b"\nc.jpg', 5, 0, Durations())
    outcome = CellOutcome(0.1, 0.2, None, 0, 0, (image,))
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        study.append(CellRun(cell, made.at, None, outcome))
    with (tmp_path / "per_image.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["path"] == 'a,"b"\\nc.jpg'
    assert len((tmp_path / "per_image.csv").read_text().splitlines()) == 2


def test_what_is_of_no_use_later_is_gone_when_the_study_is_left(tmp_path: Path) -> None:
    (tmp_path / ".work" / "old").mkdir(parents=True)
    with study_dir.opened(str(tmp_path), FIXED, ABOUT) as study:
        with study.work() as folder:
            assert list(Path(folder).iterdir()) == []
            (Path(folder) / "list.txt").write_text("a.jpg")
        study.write_environment({"client": {"cores": 2}})
    assert sorted(each.name for each in tmp_path.iterdir() if each.name[0] != ".") == [
        "environment.json", "per_image.csv", "runs.csv", "study.json"
    ]  # fmt: skip
    assert not (tmp_path / ".work").exists()


def test_tables_of_schema_version_1_are_read(tmp_path: Path) -> None:
    written(tmp_path, DESIGN.cells()[:1])
    before = tables(tmp_path)
    for name in ("runs.csv", "per_image.csv"):
        file = tmp_path / name
        file.write_text(file.read_text().replace("upload_wait_s", "turn_s", 1))
    assert tables(tmp_path) == before
