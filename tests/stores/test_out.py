"""Detection whose rows go to a store."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.results import Json, Row
from offload.drivers.objects import packed
from offload.drivers.objects import results as stored
from offload.drivers.objects.results import StoredResults
from offload.drivers.objects.store import opened
from offload.usecases.detect.request import Request
from tests.batch.test_local_engine import until
from tests.conftest import Offload
from tests.paced import Pace
from tests.stores.s3 import Server, s3
from tests.stores.test_detect import dog, filled, rows
from tests.stores.test_join import ROWS

__all__ = ["dog", "s3"]

OUT = "s3://bucket/rows/"
SETTINGS: Json = {"model_sha256": "abc", "min_score": 0.25}


def parts(s3: Server) -> list[str]:
    return sorted(key for key in s3.bucket.objects if key.startswith("rows/rows/"))


def written(s3: Server) -> list[str]:
    """The path of each row in the parts."""
    found: list[str] = []
    for key in parts(s3):
        lines = packed.lines(s3.bucket.objects[key])
        found += [json.loads(line)["path"] for line in lines]
    return found


def document(s3: Server, name: str) -> Json:
    found: Json = json.loads(s3.bucket.objects[f"rows/{name}"])
    return found


def row(path: str) -> Row:
    return replace(ROWS[0], path=path)


@pytest.fixture(params=["s3", "folder"])
def url(request: pytest.FixtureRequest, s3: Server, tmp_path: Path) -> str:
    del s3
    return OUT if request.param == "s3" else str(tmp_path / "store")


def paths(url: str, settings: Json = SETTINGS) -> list[str]:
    with stored.opened(url, settings, overwrite=False) as found:
        return [each.path for each in found.rows()]


def test_the_command_detects_from_a_store_into_one(
    s3: Server, dog: bytes, offload: Offload
) -> None:
    filled(s3, dog, "a.webp", "b.webp", "sub/c.webp")
    command = ["detect", "s3://bucket/photos/", "--out", OUT, "--format", "jsonl,parquet"]
    done = offload(*command, "--model", "builtin")
    assert done.returncode == 0, done.stderr
    assert sorted(written(s3)) == ["a.webp", "b.webp", "sub/c.webp"]
    lines = s3.bucket.objects["rows/detections.jsonl"].splitlines()
    assert [json.loads(line)["path"] for line in lines] == written(s3)
    table = pq.read_table(io.BytesIO(s3.bucket.objects["rows/detections.parquet"]))
    assert table.num_rows == 3
    run = document(s3, "run.json")
    assert run["complete"]
    assert run["in_folder"] == {"images": 3, "failed": 0}


def test_a_run_into_a_store_goes_on_with_what_is_new_or_changed(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp", "b.webp", "c.webp")
    s3.bucket.objects["rows/detections.csv"] = b"old"
    assert len(rows("s3://bucket/photos/", out=OUT)) == 3
    s3.asked.clear()
    s3.bucket.objects |= {"photos/b.webp": dog + b"\0", "photos/d.webp": dog}
    s3.bucket.etags["photos/c.webp"] = '"another"'
    again = rows("s3://bucket/photos/", out=OUT)
    assert set(again) == {"b.webp", "c.webp", "d.webp"}
    assert s3.asked["GET", "photos/a.webp"] == 0
    assert rows("s3://bucket/photos/", out=OUT) == {}
    assert document(s3, "run.json")["in_folder"]["images"] == 4
    csv = s3.bucket.objects["rows/detections.csv"].decode()
    assert "d.webp" in csv, "a document that is there is written anew"


def test_files_of_this_machine_are_done_unless_they_changed(
    s3: Server, dog: bytes, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.webp", "b.webp", "c.webp"):
        (photos / name).write_bytes(dog)
    assert len(rows(str(photos), out=OUT)) == 3
    os.utime(photos / "a.webp", ns=(1, 1))
    (photos / "b.webp").write_bytes(dog + b"\0")
    assert set(rows(str(photos), out=OUT)) == {"b.webp"}
    assert len(written(s3)) == 4


def test_failed_rows_are_done_again(s3: Server, dog: bytes) -> None:
    filled(s3, b"no picture", "a.webp")
    assert rows("s3://bucket/photos/", out=OUT)["a.webp"].error
    s3.bucket.objects["photos/a.webp"] = dog
    assert rows("s3://bucket/photos/", out=OUT)["a.webp"].error is None
    assert document(s3, "run.json")["in_folder"] == {"images": 1, "failed": 0}


def test_rows_below_the_images_are_no_images(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp")
    for count in (1, 0):
        assert len(rows("s3://bucket/photos/", out="s3://bucket/photos/rows/")) == count


def test_other_settings_are_refused_unless_all_is_replaced(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp")
    rows("s3://bucket/photos/", out=OUT)
    s3.bucket.objects |= {"rows/notes.txt": b"somebody else's", "rows/detections.json": b"{}"}
    with pytest.raises(UsageError, match=r"another run \(min_score: 0.5 then, 0.75 now\)") as no:
        rows("s3://bucket/photos/", out=OUT, min_score=0.75)
    assert no.value.hint is not None
    assert "overwrite" in no.value.hint
    before = set(s3.bucket.objects)
    found = rows("s3://bucket/photos/", out=OUT, min_score=0.75, overwrite=True)
    assert len(found) == 1
    assert written(s3) == ["a.webp"]
    gone = before - set(s3.bucket.objects)
    assert "rows/detections.json" in gone
    assert len(gone) == 2
    assert "rows/notes.txt" in s3.bucket.objects


def test_rows_without_a_readable_account_are_refused(url: str) -> None:
    with stored.opened(url, SETTINGS, overwrite=False) as found:
        found.append(row("a.jpg"))
    opened(url).put("run.json", b"{")
    with pytest.raises(UsageError, match=r"holds detections but no readable run\.json"):
        paths(url)
    opened(url).delete("run.json")
    for _ in range(2):
        with pytest.raises(UsageError, match=r"holds detections but no readable run\.json"):
            paths(url)


def test_the_rows_of_a_batch_are_left_alone(url: str) -> None:
    opened(url).put("rows/00000-0123456789abcdef.jsonl.zst", b"")
    for overwrite in (False, True):
        refused = pytest.raises(UsageError, match="holds the rows of a batch")
        with refused, stored.opened(url, SETTINGS, overwrite=overwrite):
            pass
    assert [each.key for each in opened(url).list("rows")] == [
        "rows/00000-0123456789abcdef.jsonl.zst"
    ]


def test_the_last_row_of_a_path_counts_in_whatever_part_it_is(url: str) -> None:
    with closing(StoredResults(opened(url), SETTINGS, most_rows=2)) as found:
        for path in ("a.jpg", "b.jpg", "a.jpg", "c.jpg", "c.jpg"):
            found.append(row(path))
        found.export(["jsonl"], {}, {})
        assert [each.path for each in found.rows()] == ["b.jpg", "a.jpg", "c.jpg"]
        assert found.index.counts() == {"images": 3, "failed": 0}
    assert len([*opened(url).list("rows")]) == 3
    assert paths(url) == ["b.jpg", "a.jpg", "c.jpg"]


def test_two_runs_at_once_write_beside_each_other(url: str) -> None:
    one = StoredResults(opened(url), SETTINGS)
    two = StoredResults(opened(url), SETTINGS)
    one.append(row("a.jpg"))
    two.append(row("b.jpg"))
    two.append(row("both.jpg"))
    one.append(row("both.jpg"))
    one.close()
    two.export(["jsonl"], {}, {})
    data = opened(url).get("detections.jsonl", 2**20) or b""
    names = ["a.jpg", "b.jpg", "both.jpg"]
    assert sorted(json.loads(line)["path"] for line in data.splitlines()) == names
    assert sorted(paths(url)) == names
    with pytest.raises(UsageError, match="another run"):
        StoredResults(opened(url), SETTINGS | {"min_score": 0.5})


def test_rows_wait_for_two_seconds_at_first_and_for_a_minute_at_most(tmp_path: Path) -> None:
    now_s = 0.0
    found = StoredResults(opened(str(tmp_path)), SETTINGS, clock=lambda: now_s)
    written_at_s: list[float] = []
    while now_s < 2200:
        found.append(row(f"{now_s}.jpg"))
        if len(written_at_s) < len([*(tmp_path / "rows").glob("*")]):
            written_at_s.append(now_s)
        now_s += 1
    assert written_at_s[:3] == [2, 7, 14]
    assert written_at_s[-1] - written_at_s[-2] == 61


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_what_waits_is_written_when_a_run_breaks_off(url: str, kind: type[BaseException]) -> None:
    with suppress(kind), stored.opened(url, SETTINGS, overwrite=False) as found:
        found.append(row("a.jpg"))
        raise kind
    assert paths(url) == ["a.jpg"]


def test_a_damaged_part_is_named(url: str) -> None:
    with stored.opened(url, SETTINGS, overwrite=False) as found:
        found.append(row("a.jpg"))
    (part,) = [each.key for each in opened(url).list("rows")]
    opened(url).put(part, b"damaged")
    with pytest.raises(OffloadError, match=f"{part} is damaged: remove it"):
        paths(url)
    opened(url).delete(part)
    assert paths(url) == []


@pytest.mark.parametrize("wrong", ["503", "429", "reset"])
def test_a_store_in_passing_trouble_gets_all_rows(s3: Server, dog: bytes, wrong: str) -> None:
    filled(s3, dog, "a.webp", "b.webp")
    s3.trouble = lambda _method, key, before: (
        wrong if before < 2 and key.startswith("rows/") else None
    )
    assert len(rows("s3://bucket/photos/", out=OUT)) == 2
    s3.trouble = lambda *_: None
    assert len(written(s3)) == 2
    assert rows("s3://bucket/photos/", out=OUT) == {}


def test_a_store_that_begins_to_refuse_ends_the_run_in_a_sentence(
    s3: Server, dog: bytes, offload: Offload
) -> None:
    filled(s3, dog, "a.webp")
    rows("s3://bucket/photos/", out=OUT)
    before = dict(s3.bucket.objects)
    filled(s3, dog, "a.webp", "b.webp")
    s3.bucket.objects |= before
    is_part = "rows/rows/"
    s3.trouble = lambda method, key, _: (
        "403 AccessDenied" if method == "PUT" and key.startswith(is_part) else None
    )
    done = offload("detect", "s3://bucket/photos/", "--out", OUT, "--model", "builtin")
    assert done.returncode == 1
    assert "is refused: AccessDenied" in done.stderr
    assert "Traceback" not in done.stderr
    assert written(s3) == ["a.webp"]
    s3.trouble = lambda *_: None
    assert set(rows("s3://bucket/photos/", out=OUT)) == {"b.webp"}
    assert sorted(written(s3)) == ["a.webp", "b.webp"]


def test_a_bucket_that_is_gone_is_said(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp")
    with pytest.raises(OffloadError, match="There is no bucket gone"):
        rows("s3://bucket/photos/", out="s3://gone/rows/")


def test_nothing_more_is_written_after_a_refusal(s3: Server) -> None:
    found = StoredResults(opened(OUT), SETTINGS)
    found.append(row("a.jpg"))
    s3.buckets.pop("bucket")
    with pytest.raises((OffloadError, PlaceUnavailable)):
        found.export(["jsonl"], {}, {})
    s3.asked.clear()
    found.export(["jsonl"], {}, {})
    found.write_run({})
    found.close()
    assert not s3.asked


def test_pictures_and_web_servers_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="--annotate takes a folder for --out"):
        Request(("photos",), out=OUT, annotate=True)
    with pytest.raises(UsageError, match=r"Nothing can be written to https://example\.org/rows"):
        Request(("photos",), out="https://example.org/rows")


def begun(pace: Pace) -> "subprocess.Popen[bytes]":
    """The command in a process, which takes some seconds."""
    pace(0.05)
    command = ["detect", "s3://bucket/photos/", "--out", OUT, "--model", "builtin"]
    return subprocess.Popen(
        [sys.executable, "-m", "offload", *command, "--workers", "1", "--threads", "1"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(pace.paths)}, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_run_that_is_killed_loses_the_last_rows_at_most(
    s3: Server, dog: bytes, pace: Pace
) -> None:
    names = [f"{number:03}.webp" for number in range(200)]
    filled(s3, dog, *names)
    process = begun(pace)
    until(lambda: process.poll() is not None or parts(s3))
    assert process.poll() is None, process.communicate()[1]
    process.kill()
    process.communicate()
    before = written(s3)
    assert 0 < len(before) < len(names)
    assert "rows/detections.jsonl" not in s3.bucket.objects
    again = rows("s3://bucket/photos/", out=OUT)
    assert set(again) == set(names) - set(before)
    assert sorted(written(s3)) == names
    lines = s3.bucket.objects["rows/detections.jsonl"].splitlines()
    assert sorted(json.loads(line)["path"] for line in lines) == names


def test_a_run_that_is_interrupted_loses_nothing(s3: Server, dog: bytes, pace: Pace) -> None:
    names = [f"{number:03}.webp" for number in range(200)]
    filled(s3, dog, *names)
    process = begun(pace)
    until(lambda: process.poll() is not None or parts(s3))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert b"the same command continues" in said
    before = written(s3)
    assert f"{len(before)} done".encode() in said
    lines = s3.bucket.objects["rows/detections.jsonl"].splitlines()
    assert [json.loads(line)["path"] for line in lines] == before
    assert set(rows("s3://bucket/photos/", out=OUT)) == set(names) - set(before)
