"""Batches from and to an object store that is in trouble."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Stop
from offload.drivers.objects import access, packed
from offload.drivers.objects.store import Store, opened
from offload.engines.ports import Outcome
from offload.usecases.batch import index, layout, plan, shard
from offload.usecases.batch.layout import Plan
from offload.usecases.batch.reading import ReadAhead
from tests.batch.folders import EXAMPLES
from tests.batch.test_plan import SPEC
from tests.conftest import Offload
from tests.contexts import context
from tests.stores.s3 import Server, s3

__all__ = ["s3"]

OUT = "s3://bucket/rows"


@pytest.fixture
def pictures(s3: Server) -> Server:
    """Twelve pictures in a bucket."""
    found = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.jpg"))]
    s3.bucket.objects = {f"in/{n:02}.jpg": found[n % len(found)] for n in range(12)}
    return s3


def done(url: str = OUT) -> list[Outcome]:
    """What becomes of the pictures in shards of four."""
    model = context(warn=lambda _text: None).hub.pull("builtin")
    spec = replace(SPEC, source="s3://bucket/in", out=url, model=model, max_pixels=10**8)
    planned = Plan("b", {}, spec, 4, 1, grows=False)
    shards = plan.Ahead(plan.shards(planned, opened(spec.source), opened(url)), Stop())
    return list(map(partial(shard.work, spec), shards))


def rows(s3: Server) -> dict[str, str | None]:
    """Why images have no detections, by their keys."""
    found = {}
    for key, data in s3.bucket.objects.items():
        if key.startswith(f"rows/{layout.ROWS}/"):
            for row in map(json.loads, packed.lines(data)):
                assert row["path"] not in found
                found[row["path"]] = row["error"]
    return found


def test_a_batch_from_bucket_to_bucket(pictures: Server, offload: Offload) -> None:
    command = ("batch", "s3://bucket/in/", "--out", f"{OUT}/", "--model", "builtin")
    run = offload(*command, "--format", "jsonl,csv")
    assert run.returncode == 0, run.stderr
    assert rows(pictures) == {f"{n:02}.jpg": None for n in range(12)}
    assert pictures.bucket.objects["rows/detections.jsonl"].count(b"\n") == 12
    assert pictures.bucket.objects["rows/detections.csv"].startswith(b"path,")
    assert json.loads(pictures.bucket.objects["rows/index.json"])["complete"]
    assert offload(*command).returncode == 0


def test_refusals_that_pass_are_asked_again(pictures: Server) -> None:
    troubles = iter(["503", "429", "reset"] * 4)
    pictures.trouble = lambda method, key, before: (
        next(troubles, None) if method == "GET" and key.startswith("in/") and not before else None
    )
    outcomes = done()
    assert [each.error for each in outcomes] == [None, None, None]
    assert rows(pictures) == {f"{n:02}.jpg": None for n in range(12)}


def test_keys_that_are_gone_or_hold_another_version_are_rows_that_say_so(pictures: Server) -> None:
    pictures.bucket.hidden.add("in/03.jpg")

    def changing(method: str, key: str, before: int) -> None:
        if method == "GET" and key == "in/05.jpg" and not before:
            pictures.bucket.objects[key] += b"more"

    pictures.trouble = changing
    outcomes = done()
    assert sum(each.failed for each in outcomes) == 2
    failed = {key: why for key, why in rows(pictures).items() if why}
    assert failed == {
        "03.jpg": "it is gone since it was listed",
        "05.jpg": "it has changed since it was listed",
    }
    made = index.written(opened(OUT), {})
    assert (made.complete, made.images, made.failed) == (True, 12, 2)


def test_a_store_that_does_not_answer_fails_the_shard_and_no_image(pictures: Server) -> None:
    entries = list(opened("s3://bucket/in").list())
    pictures.trouble = lambda _method, key, _before: "503" if key == "in/01.jpg" else None
    store = Store("s3://bucket/in", access.connected("s3://bucket/in", retries=1))
    with ReadAhead(store, entries) as images:
        assert images.read("00.jpg").image.data
        with pytest.raises(PlaceUnavailable, match="503"):
            images.read("01.jpg")


def test_a_shard_of_which_all_is_refused_has_no_rows(pictures: Server) -> None:
    pictures.trouble = lambda method, key, _before: (
        "403" if method == "GET" and key.startswith("in/") else None
    )
    outcomes = done()
    assert all("is refused" in (each.error or "") for each in outcomes)
    assert rows(pictures) == {}
    pictures.trouble = lambda _method, _key, _before: None
    assert not any(each.error for each in done())
    assert len(rows(pictures)) == 12


def test_who_comes_second_has_done_nothing(pictures: Server) -> None:
    first = done()
    before = dict(pictures.bucket.objects)
    second = done()
    assert [each.wrote for each in (*first, *second)] == [True] * 3 + [False] * 3
    assert pictures.bucket.objects == before


def test_a_model_from_a_file_goes_with_the_batch(
    pictures: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builtin = context(warn=lambda _text: None).hub.pull("builtin")
    file = tmp_path / "mine.tflite"
    file.write_bytes(Path(builtin.path).read_bytes())
    identity = replace(builtin.identity, name="mine")
    spec = replace(SPEC, out=OUT, model=replace(builtin, identity=identity, path=str(file)))
    shard.share_model(spec, opened(OUT))
    file.unlink()
    found = shard.model_here(spec, opened(OUT))
    assert Path(found.path).read_bytes() == Path(builtin.path).read_bytes()
    assert (found.identity.name, found.labels) == ("mine", builtin.labels)


def test_images_are_read_in_advance_but_not_all(pictures: Server) -> None:
    entries = list(opened("s3://bucket/in").list())
    with ReadAhead(opened("s3://bucket/in"), entries, ahead=3) as images:
        for each in entries:
            assert images.read(each.key).etag == each.etag
            read = sum(
                n
                for (method, key), n in pictures.asked.items()
                if method == "GET" and key[-1] == "g"
            )
            assert read <= int(each.key[:2]) + 1 + 3
