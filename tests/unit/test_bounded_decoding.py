"""Small pictures that would take gigabytes or hours."""

import resource
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from offload.domain.errors import ImageError, TooHeavy, TooManyPixels
from offload.domain.events import Stop
from offload.domain.vision import Image, InputSpec, Selection
from offload.drivers.host import apart
from offload.drivers.host.memory import MemoryBudget
from offload.drivers.images import pictures
from offload.drivers.images.image_files import FileImage
from offload.places.inprocess import InProcess
from offload.usecases.detect import rows
from tests import bombs
from tests.drawing import encoded, scene
from tests.fakes import MODEL, FakeDetector

SPEC = InputSpec(8, 8)
MB = 2**20


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_webp_of_28_bytes_takes_its_memory_in_another_process() -> None:
    bomb = bombs.webp(4000)
    assert len(bomb) == 28
    before_bytes = peak_bytes()
    assert pictures.decode(bomb, SPEC).width == 4000
    assert peak_bytes() - before_bytes < 64 * MB, "320 MB here, 2,141 MB for 8944 pixels a side"


@pytest.mark.parametrize("data", [bombs.webp(4000), encoded(scene(), "GIF")], ids=["webp", "gif"])
def test_who_cannot_wait_is_told_that_a_picture_is_heavy(data: bytes) -> None:
    with pytest.raises(TooHeavy):
        pictures.decode(data, SPEC, heavy=False)
    assert pictures.decode(encoded(scene()), SPEC, heavy=False).width == 64


def test_a_ppm_of_one_byte_a_colour_is_light_and_any_other_is_not() -> None:
    plain = encoded(scene(), "PPM")
    assert pictures.decode(plain, SPEC, heavy=False).width == 64
    commented = plain.replace(b"P6\n", b"P6\n#" + bytes(9) + b"\n")
    with pytest.raises(TooHeavy):
        pictures.decode(commented, SPEC, heavy=False)
    with pytest.raises(ImageError, match="damaged"):
        pictures.decode(plain[:-1], SPEC, heavy=False)


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (bombs.jpeg(1000), "more than 100 scans"),
        (bombs.png(8, *[bombs.chunk(b"tEXt", b"a\0b")] * 50_000), "pieces in so small a file"),
        (bombs.png(8, *[bombs.chunk(b"ab_c", b"")] * 50_000), "pieces in so small a file"),
        (encoded(scene(), "JPEG")[:2] + b"\xff\xfe\0\2" * 50_000, "pieces in so small a file"),
        (b"RIFF\x40\x0d\x03\0WEBP" + (b"EXIF" + bytes(4)) * 25_000, "pieces in so small a file"),
    ],
    ids=["scans", "chunks", "odd chunks", "segments", "webp"],
)
def test_what_is_made_of_very_many_pieces_is_refused_before_it_is_decoded(
    bomb: bytes, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        pictures.decode(bomb, SPEC)


@pytest.mark.parametrize("scans", [2, 90])
def test_a_picture_of_a_few_scans_is_a_picture(scans: int) -> None:
    assert pictures.decode(bombs.jpeg(scans), SPEC).width == 64


def test_a_picture_that_takes_more_than_half_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "_MOST_BYTES", 512 * MB)
    with pytest.raises(TooManyPixels, match="8944 x 8944 pixels of this kind takes 1525 MB"):
        pictures.decode(bombs.webp(8944), SPEC)


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [(bombs.jpeg(1000), "scans"), (bombs.webp(8944), "more time or memory")],
    ids=["scans", "pixels"],
)
def test_one_such_picture_among_161_fails_alone(
    monkeypatch: pytest.MonkeyPatch, bomb: bytes, reason: str
) -> None:
    monkeypatch.setattr(pictures, "_MOST_S", 0)
    photo = encoded(scene())
    files = {f"{number}.png": photo for number in range(160)} | {"x": bomb}
    job = rows.Job(list(files), lambda path: FileImage(Image(path, files[path]), 0))
    place = InProcess(MODEL, lambda _images: [FakeDetector()] * 2, 10**8, lambda: 0.0)
    with place.open(Selection(), 161) as session:
        found = list(rows.detect(job, session, "local", lambda: 0.0, Stop()))
    assert len(found) == 161
    [failed] = [row for row in found if row.error]
    assert failed.path == "x"
    assert reason in (failed.error or "")


def endless() -> Iterator[int]:
    yield 1
    yield sum(count())


def greedy(size_bytes: int) -> Iterator[int]:
    yield len(bytes(size_bytes))


def test_work_that_does_not_end_is_ended_and_the_next_is_done() -> None:
    with apart.steps(endless, most_s=1, most_bytes=64 * MB) as steps:
        assert next(steps) == 1
        with pytest.raises(apart.GoneError):
            next(steps)
    with apart.steps(greedy, 5, most_s=1, most_bytes=64 * MB) as steps:
        assert next(steps) == 5


def test_work_that_takes_too_much_memory_is_refused_it() -> None:
    with (
        apart.steps(greedy, 2048 * MB, most_s=1, most_bytes=64 * MB) as steps,
        pytest.raises(MemoryError),
    ):
        next(steps)


def test_a_process_that_was_killed_meanwhile_is_replaced() -> None:
    for _ in range(2):
        with apart.steps(greedy, 5, most_s=1, most_bytes=64 * MB) as steps:
            assert next(steps) == 5
        apart._idle[-1].process.kill()
        apart._idle[-1].process.wait()


def test_who_needs_memory_waits_until_it_is_there_and_who_needs_too_much_has_it_alone() -> None:
    budget = MemoryBudget(100)
    done = threading.Event()

    def wait() -> None:
        with budget.of(20):
            done.set()

    with budget.of(10**9):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.05)
        assert not done.is_set()
    thread.join()
    with budget.of(50), budget.of(50):
        assert done.is_set()
