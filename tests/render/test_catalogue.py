"""What is said is for people only: with every message replaced, commands do what they did."""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import offload.cli
from offload.render import (
    detections,
    machines,
    messages,
    progress,
    split_messages,
    words,
)
from tests.twin import twin

__all__ = ["twin"]

CATALOGUE = (
    detections, machines, messages, progress, split_messages, words,
)  # fmt: skip
SAID = "x"
NOWHERE = "http://127.0.0.1:9"
VOLATILE = {
    "also_sent", "detect_s", "detected_on", "durations",
    "finished_at", "first_infer_s", "id", "image_id", "images_by_place", "images_per_s", "infer",
    "phases", "sent_bytes", "started_at", "startup_s", "where",
}  # fmt: skip
"""What differs from run to run: times, the order, and where an image of a split is done."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """A few pictures, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted(examples.glob("*.jpg")):
        with Image.open(path) as picture:
            for number in range(3):
                picture.resize((320 + number, 240)).save(folder / f"{number}-{path.name}")
    (folder / "0-a.jpg").write_bytes(b"no picture")
    return folder


def without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text of the catalogue is another."""
    for module in CATALOGUE:
        for name, function in list(vars(module).items()):
            if not inspect.isfunction(function) or not function.__module__.startswith("offload."):
                continue
            returned = str(inspect.signature(function).return_annotation)
            if name == "say_line":
                monkeypatch.setattr(module, name, lambda _line: sys.stderr.write(f"{SAID}\n"))
            elif returned == "<class 'str'>":
                monkeypatch.setattr(module, name, lambda *_of, **_how: SAID)
            elif returned.endswith("[str]"):
                monkeypatch.setattr(module, name, lambda *_of, **_how: [SAID])


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, standard output and error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["offload", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            offload.cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def steady(value: Any) -> Any:
    """A document without what differs from run to run."""
    if isinstance(value, dict):
        return {name: steady(each) for name, each in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return sorted(map(steady, value), key=json.dumps)
    return value


def lines_of(text: str) -> list[Any]:
    """JSON lines, without the settings that the row which came first has in a log."""
    return [json.loads(line) | {"settings": None} for line in text.splitlines()]


def documents(folder: Path) -> dict[str, Any]:
    """What a run left in its folder."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            found[path.name] = steady(json.loads(path.read_text()))
        elif path.suffix == ".jsonl":
            found[path.name] = steady(lines_of(path.read_text()))
    return found


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((), 3),
        (("--deadline", "0.001s"), 3),
        (("--max-failures", "0"), 1),
        (("--where", "split", "--with", "twin"), 3),
        (("--where", "split", "--with", "twin", "--keep-local", "*"), 3),
        (("--where", "split"), 3),
        (("--where", "split", "--url", NOWHERE, "--max-retries", "0"), 3),
        (("--where", "remote", "--url", NOWHERE, "--max-retries", "0"), 4),
        (("--max-cost", "1"), 2),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, Sequence) else None,
)
def test_with_every_message_replaced_a_job_does_the_same(
    given: Sequence[str],
    code: int,
    run: Callable[..., tuple[int, str, str]],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    asked = (
        "detect", photos, "-m", "builtin", "--json", "--overwrite", "-o", out,
        "--format", "jsonl,coco", *given,
    )  # fmt: skip
    usual, rows, said = run(*asked)
    before = documents(out)
    without_words(monkeypatch)
    again, rows_again, said_again = run(*asked)
    assert usual == again == code, said
    if code == 3:  # else some images have no row, and it is chance which
        assert documents(out) == before
        one, other = (steady(lines_of(each)) for each in (rows, rows_again))
        assert one == other
        assert len(one) == len(list(photos.iterdir()))
    assert set(said_again.splitlines()) == {SAID}
    assert SAID not in said.splitlines()
