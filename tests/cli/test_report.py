from pathlib import Path

import pytest

from tests.conftest import Offload
from tests.render.pdfs import contents
from tests.studies import Made, made

SMALL = Made(images=[1, 10], repeats=2)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return made(tmp_path / "study", SMALL)


def test_a_report_is_written_as_pdf_and_its_path_printed(
    offload: Offload, study: Path, tmp_path: Path
) -> None:
    done = offload("report", study, "-o", tmp_path / "out" / "report.pdf")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out' / 'report.pdf'}\n"
    assert done.stderr == ""
    assert contents((tmp_path / "out" / "report.pdf").read_bytes()).pages >= 2


def test_without_a_name_both_kinds_are_laid_beside_the_study(offload: Offload, study: Path) -> None:
    before = {path: path.read_bytes() for path in study.iterdir()}
    done = offload("report", study)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(study / "report.pdf"), str(study / "report.html")]
    assert (study / "report.html").read_text().startswith("<!doctype html>")
    for path, data in before.items():
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda study: (study / "runs.csv").unlink(), "There is no study in "),
        (lambda study: (study / "runs.csv").write_text(""), "This study has no run yet."),
        (lambda study: (study / "runs.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda study: (study / "study.json").write_text("{"), "The file study.json of this study"),
        (
            lambda study: (study / "runs.csv").write_text("a,b\n1,2\n"),
            "Line 2 of runs.csv has no column 'cell'.",
        ),
    ],
)
def test_what_is_no_study_is_refused_in_a_sentence_and_a_command(
    offload: Offload, study: Path, spoil: object, said: str
) -> None:
    spoil(study)  # type: ignore[operator] # one of the above
    done = offload("report", study, "-o", study / "report.pdf")
    assert done.returncode == 2
    assert said in done.stderr
    assert "offload experiment" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (study / "report.pdf").exists()


def test_a_report_that_cannot_be_written_is_told(offload: Offload, study: Path) -> None:
    done = offload("report", study, "-o", study / "runs.csv" / "report.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_templates_that_are_not_there_are_told(offload: Offload, study: Path) -> None:
    done = offload("report", study, "-o", study / "report.html", "--template", study / "nothing")
    assert done.returncode == 2
    assert "The templates in " in done.stderr
    assert not (study / "report.html").exists()
