"""The images of a study, drawn once and for all."""

import hashlib
from pathlib import Path

import pytest

from offload.domain.errors import UsageError
from offload.usecases.experiment.sampling import Subset, drawn, usual


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(b"x" * (number + 1))
    return folder


def draw(folder: Path, seed: int = 0, wanted: int = 1) -> Subset:
    return drawn([str(folder)], seed, wanted, recursive=False, skip=None)


def test_the_images_are_the_first_of_one_order_whatever_their_number(
    photos: Path, tmp_path: Path
) -> None:
    few = Path(draw(photos).listed(2, str(tmp_path / "few.txt"))).read_bytes().split(b"\0")
    many = Path(draw(photos).listed(5, str(tmp_path / "many.txt"))).read_bytes().split(b"\0")
    assert few[:2] == many[:2]
    assert len(many) == 6
    assert all(Path(path.decode()).is_file() for path in many[:5])


def test_another_seed_draws_another_order_of_the_same_images(photos: Path) -> None:
    one, other = draw(photos, 1), draw(photos, 2)
    assert sorted(one.paths) == sorted(other.paths)
    assert one.paths != other.paths
    assert one.digest != other.digest
    assert one.digest == draw(photos, 1).digest


def test_what_the_first_images_weigh_is_known(photos: Path) -> None:
    found = draw(photos)
    weights = [(photos / path).stat().st_size for path in found.paths]
    assert found.total_bytes() == [sum(weights[:n]) for n in range(9)]


def test_more_images_than_there_are_cannot_be_asked_for(photos: Path) -> None:
    with pytest.raises(UsageError, match="10 images are asked for, but there are 8") as raised:
        draw(photos, wanted=10)
    assert raised.value.hint == "For instance: --images 1,2,5"


def test_a_digest_tells_one_list_of_paths_from_another(photos: Path) -> None:
    assert Subset("/", ["a", "b"]).digest != Subset("/", ["b", "a"]).digest
    assert len(draw(photos).digest) == len(hashlib.sha256().hexdigest()[:16])


def test_numbers_are_the_usual_ones_as_far_as_there_are_so_many() -> None:
    assert usual(12) == (1, 2, 5, 10)
    assert usual(0) == ()
    assert usual(1000)[-1] == 200
