"""Images cut into shards."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from offload.detectors.source import ModelSource
from offload.domain.events import Stop
from offload.domain.ports import ModelIdentity
from offload.domain.vision import Selection
from offload.drivers.objects.store import Entry, opened
from offload.usecases.batch import layout, plan
from offload.usecases.batch.layout import Plan, Spec

SPEC = Spec("in", "out", ModelSource(ModelIdentity("m", "tflite", "0"), "", {}), Selection(), 1)


def planned(images: int, workers: int, *, grows: bool = True) -> Plan:
    """A plan of shards of that size at first."""
    return Plan("b", {}, SPEC, images, workers, grows)


def entries(most: int | None = None) -> Iterator[Entry]:
    """Images of a store, without an end unless there is a `most`."""
    numbers = count() if most is None else iter(range(most))
    return (Entry(f"{number:09}.jpg", 1, None) for number in numbers)


def sizes(plan_: Plan, images: int) -> list[int]:
    """How many images each shard has; they are all there, in their order."""
    cut = list(plan.cut(plan_, entries(images)))
    assert [each for part in cut for each in part] == list(entries(images))
    return [len(part) for part in cut]


@pytest.mark.parametrize(
    ("images", "workers", "found"),
    [(1, 4, [1]), (3, 4, [1, 1, 1]), (40, 4, [10] * 4), (160, 2, [20] * 8)],
)
def test_few_images_are_shared_by_all_workers(images: int, workers: int, found: list[int]) -> None:
    assert sizes(planned(1000, workers), images) == found


def test_shards_grow_where_there_are_many(tmp_path: Path) -> None:
    assert sizes(planned(10, 1), 200) == [10] * 4 + [20] * 4 + [30, 30, 20]


def test_shards_are_of_the_size_that_is_asked_for(tmp_path: Path) -> None:
    assert sizes(planned(30, 4, grows=False), 100) == [30, 30, 30, 10]


def test_no_more_is_listed_than_is_cut() -> None:
    coming = entries()
    assert [len(each) for each in islice(plan.cut(planned(10, 2), coming), 3)] == [10, 10, 10]
    assert int(next(coming).key[:9]) < 100


def test_the_manifest_says_what_its_shards_list(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(25):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(b"1")
    (tmp_path / "in" / "notes.txt").touch()
    source, out = opened(str(tmp_path / "in")), opened(str(tmp_path / "out"))
    made = list(plan.Ahead(plan.shards(planned(10, 1, grows=False), source, out), Stop()))
    manifest = plan.manifest_of(out)
    assert manifest.shards == made
    assert (manifest.images, manifest.bytes, len(made)) == (25, 25, 3)
    again = list(plan.shards(planned(10, 1, grows=False), source, out))
    assert again == made
    assert len(list((tmp_path / "out" / layout.LISTS).iterdir())) == 3


def test_whoever_writes_the_manifest_first_decides(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(25):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(b"1")
    source, out = opened(str(tmp_path / "in")), opened(str(tmp_path / "out"))
    first = list(plan.shards(planned(10, 1, grows=False), source, out))
    second = list(plan.shards(planned(5, 1, grows=False), source, out))
    assert second[-len(first) :] == first
    assert plan.manifest_of(out).shards == first
