"""Files of a results folder, and the history, cut and flipped anywhere."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload import detect
from offload.domain.errors import OffloadError
from offload.drivers.store.store import Store
from tests.attack.conftest import Amount
from tests.attack.damage import damaged
from tests.drawing import saved, scene
from tests.measured import advised, bring_up, local, remote
from tests.unit.test_store import OUTCOME

WISHES: dict[str, Any] = {
    "model": "builtin", "format": ("jsonl", "coco", "csv", "json"), "annotate": True,
}  # fmt: skip
NAMES = {"a.jpg", "b/c.jpg"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and the folder of their results."""
    made = tmp_path_factory.mktemp("made")
    for name in NAMES:
        saved(made / "photos" / name, scene(160, 120))
    list(detect(str(made / "photos"), recursive=True, out=str(made / "out"), **WISHES))
    return made


def rows_of(out: Path) -> Iterator[dict[str, Any]]:
    for line in (out / "detections.jsonl").read_bytes().splitlines():
        yield json.loads(line)


def test_damage_to_any_file_of_results_is_told_or_mended_and_each_image_has_one_row(
    made: Path, tmp_path: Path, amount: Amount
) -> None:
    files = sorted(p for p in (made / "out").rglob("*") if p.is_file() and p.stat().st_size)
    names = [str(path.relative_to(made / "out")) for path in files]
    assert len(names) == 7 + 2 * len(NAMES), "the lock among them, which says who has it"
    names += ["detections.jsonl", "run.json"] * 4  # these are read again
    for case in range(amount(280)):
        luck, out = random.Random(case), tmp_path / str(case)
        shutil.copytree(made / "out", out)
        victim = out / luck.choice(names)
        victim.write_bytes(damaged(victim.read_bytes(), luck))
        log = (out / "detections.jsonl").read_bytes()
        try:
            list(detect(str(made / "photos"), recursive=True, out=str(out), **WISHES))
        except OffloadError as error:
            assert error.hint, f"case {case}: {error}"
            assert (out / "detections.jsonl").read_bytes() == log, f"case {case}"
        else:
            counted = Counter(row["path"] for row in rows_of(out) if not row["error"])
            assert counted.keys() >= NAMES, f"case {case}"
            assert set(counted.values()) == {1}, f"case {case}"
        shutil.rmtree(out)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("data") / "history.sqlite3"
    with Store.opened(str(path), pytest.fail) as store:
        for one in (local(images=9), remote(images=9), bring_up(), local(images=9)):
            store.add(one)
        store.note(OUTCOME)
    return path.read_bytes()


def test_a_damaged_history_gives_what_can_be_read_takes_more_and_can_be_advised_from(
    history: bytes, tmp_path: Path, amount: Amount
) -> None:
    for case in range(amount(460)):
        path = tmp_path / str(case) / "history.sqlite3"
        path.parent.mkdir()
        path.write_bytes(damaged(history, random.Random(case)))
        try:
            with Store.opened(str(path), lambda _said: None) as store:
                known = [one for _, one in store.measurements()]
                past = store.outcomes()
                store.listing()
                number = store.add(local(images=1))
                store.note(replace(OUTCOME, images=77))
                assert store.get(number) == local(images=1), f"case {case}"
                assert 77 in {outcome.images for outcome in store.outcomes()}, f"case {case}"
        except OffloadError as error:
            assert str(path) in str(error), f"case {case}"
        else:
            if case % 10 == 0:
                advised(*known, outcomes=past)
