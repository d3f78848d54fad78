"""What is said of a command line that cannot be meant: a sentence, and the line that helps."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offload.cli import commands
from offload.cli.parsing import usage
from offload.domain.errors import PlaceUnavailable
from offload.providers import docker
from offload.usecases.provision import teardown
from tests.conftest import Typed

Said = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def said(typed: Typed, tmp_path: Path) -> Said:
    """The exit code of a command in this process, and the lines on its standard error."""
    (tmp_path / "file").touch()

    def run(*words: str) -> tuple[int, list[str]]:
        code, _, err = typed(*words)
        return code, err.splitlines()

    return run


DETECT = "  For help: offload detect --help"
READY = "For ready models: offload models list"
OUTPUTS = ", with boxes, classes, scores and their number as outputs."
MODELS = (
    "  A model is a name (offload models list), a file or folder, a hub handle "
    "(publisher/model/…), or an http:// or https:// address."
)
NO_MODEL = (
    "There is no model 'efficientdet-lite', nor a file of that name. Did you mean "
    "efficientdet-lite0?"
)
COCO = "  Use a file with one name per line, or one of coco, coco-90, coco-80."
PLACES = "  Available: local, container, remote, lambda, kubernetes, fleet, split, auto."


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("detect a.jpg --where locl", "There is no place 'locl'. Did you mean local?", PLACES),
        (
            "detect a.jpg --wher local",
            "offload detect has no option --wher. Did you mean --where?",
            DETECT,
        ),
        ("detect a.jpg -z", "offload detect has no option -z.", DETECT),
        (
            "detct a.jpg",
            "offload has no command 'detct'. Did you mean detect?",
            "  For help: offload --help",
        ),
        (
            "models shw",
            "offload models has no command 'shw'. Did you mean show?",
            "  For help: offload models --help",
        ),
        (
            "detect a.jpg --workers x",
            "--workers takes a whole number from 1 to 1024, not 'x'.",
            DETECT,
        ),
        ("detect a.jpg --iou 2", "--iou takes a number from 0 to 1, not '2'.", DETECT),
        ("detect", "SOURCE is missing.", DETECT),
        (
            "detect a.jpg --where",
            "--where needs a value.",
            "  For help: offload --help",
        ),
        (
            "detect a.jpg --json=3",
            "--json takes no value.",
            "  For help: offload --help",
        ),
        (
            "accuracy now",
            "offload accuracy does not take 'now'.",
            "  For help: offload accuracy --help",
        ),
        (
            "detect a.jpg --annotate",
            "--annotate, --format and --overwrite need --out DIR.",
            "  For instance: --out results/",
        ),
        (
            "detect a.jpg --format jsn",
            "There is no format 'jsn'. Did you mean json?",
            "  Available: jsonl, coco, coco-results, megadetector, csv, json, parquet.",
        ),
        (
            "detect a.jpg --model foo.onnx",
            "There is no model 'foo.onnx', nor a file of that name.",
            "  To see the models: offload models list",
        ),
        (
            "detect a.jpg --model file",
            (
                "file is not a .tflite model; offload runs .tflite and .onnx models and TensorFlow "
                "SavedModels."
            ),
            f"  {READY}",
        ),
        (
            "detect a.jpg --model hf://a/b",
            "hf://a/b is an unsupported address: hf://.",
            MODELS,
        ),
        (
            "detect a.jpg --model efficientdet-lite",
            NO_MODEL,
            "  To see the models: offload models list",
        ),
        (
            "detect a.jpg --model builtin --out file",
            "Cannot write results to file: it is a file; name a folder.",
            "  All rows written so far are complete. Choose another --out.",
        ),
        (
            "detect a.jpg --model builtin --labels none.txt",
            "The labels file none.txt cannot be read: it does not exist.",
            COCO,
        ),
        (
            "detect a.jpg --model builtin --labels coc",
            "The labels file coc cannot be read: it does not exist. Did you mean coco?",
            COCO,
        ),
        (
            "profile import none.csv",
            "The table none.csv cannot be read: it does not exist.",
            "  To see what it must have: offload profile import --help",
        ),
        (
            "detect a.jpg --where container --cpus 5000",
            "--cpus takes a number of cores, not 5000.0.",
            "",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_the_line_that_helps(
    said: Said, words: str, error: str, hint: str
) -> None:
    assert said(*words.split()) == (2, [f"error: {error}", hint] if hint else [f"error: {error}"])


def test_a_pytorch_model_is_called_one_though_it_is_there(said: Said) -> None:
    Path("yolo.pt").write_bytes(b"PK")
    code, (error, hint) = said("detect", "a.jpg", "--model", "yolo.pt")
    assert (code, error.partition(";")[0]) == (2, "error: yolo.pt is a model of PyTorch")
    assert "litert-torch" in hint


def test_more_cores_than_there_are_is_told_before_anything_is_done(said: Said) -> None:
    cores = os.cpu_count()
    lines = said("detect", "a.jpg", "-m", "builtin", "--where", "container", "--cpus", "500")
    assert lines == (2, [f"error: --cpus 500 is too many: at most {cores} here."])


def test_a_container_image_that_is_not_here_is_not_built_from_any_folder() -> None:
    for labels in (None, {"maintainer": "somebody"}):
        with pytest.raises(PlaceUnavailable, match="container image nope:1 is not") as caught:
            docker.check_is_ours("nope:1", labels)
        assert "build -t" not in caught.value.hint
        assert "offload builds its own" in caught.value.hint or "docker pull" in caught.value.hint


def test_an_empty_list_on_standard_input_names_the_line_that_makes_one(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    code, (error, hint) = said("detect", "-", "-m", "builtin")
    assert (code, error) == (2, "error: The list is empty.")
    assert hint.endswith("| offload detect -")


def test_where_nothing_is_there_down_says_so(
    said: Said, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> Iterator[str]:
        yield from ()

    monkeypatch.setattr(teardown, "containers", none)
    monkeypatch.setattr(sys, "argv", ["offload", "down"])
    assert usage.exit_code(commands.app) == 0
    assert capsys.readouterr().out == "Nothing to remove.\n"


def test_a_group_that_is_asked_for_nothing_shows_its_help(said: Said) -> None:
    code, lines = said("models")
    assert (code, lines[0]) == (2, "Usage: offload models [OPTIONS] COMMAND [ARGS]...")


def test_what_is_set_is_refused_by_its_name_as_a_setting(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_MIN_SCORE", "7")
    assert said("detect", "a.jpg") == (
        2,
        [
            "error: The setting min-score takes a number from 0 to 1, not 7.0.",
            "  To see where it is set: offload config",
        ],
    )
    code, lines = said("detect", "--help")
    assert (code, lines) == (0, [])
