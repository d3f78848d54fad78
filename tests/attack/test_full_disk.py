"""Every file that a run writes, on a disk that takes no more of it."""

import random
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from offload import detect
from offload.domain.errors import OffloadError
from tests.attack.conftest import Amount
from tests.attack.test_damaged_files import WISHES, rows_of
from tests.becoming import spawner
from tests.drawing import saved, scene

IMAGES, LARGEST_BYTES = 4, 12_000


@contextmanager
def full_after(size_bytes: int) -> Iterator[None]:
    """Meanwhile no file may become larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def some_photos(folder: Path) -> Path:
    for number in range(IMAGES):
        saved(folder / f"{number}.jpg", scene(160, 120))
    return folder


def test_whatever_cannot_be_written_is_told_and_once_it_can_nothing_is_lost(
    tmp_path: Path, amount: Amount
) -> None:
    photos, told = some_photos(tmp_path / "photos"), 0
    for case in range(amount(120)):
        wishes: dict[str, Any] = {**WISHES, "out": str(tmp_path / str(case))}
        with full_after(random.Random(case).randrange(LARGEST_BYTES)):
            try:
                list(detect(str(photos), **wishes))
            except OffloadError as error:
                told += 1
                assert str(error).startswith("Cannot write results to "), f"case {case}: {error}"
        list(detect(str(photos), **wishes))
        counted = Counter(row["path"] for row in rows_of(tmp_path / str(case)) if not row["error"])
        assert counted == {f"{number}.jpg": 1 for number in range(IMAGES)}, f"case {case}"
    assert told


def test_so_it_is_by_the_command_that_keeps_a_history_too(tmp_path: Path, amount: Amount) -> None:
    photos = some_photos(tmp_path / "photos")
    for case in range(amount(10)):
        out = tmp_path / str(case)
        words = ("detect", photos, "-o", out, "--annotate", "--format", "jsonl,coco,csv,json")
        with spawner().begin((*words, "--model", "builtin")) as process:
            most = random.Random(case).randrange(LARGEST_BYTES)
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
            _, said = process.communicate()
        assert process.returncode in {0, 1}, said
        assert "Traceback" not in said, f"case {case}: {said}"
