"""Detection in images of stores and web servers."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import offload as package
from offload.domain.errors import OffloadError, UsageError
from offload.drivers import settings
from offload.usecases.detect import privacy
from offload.usecases.detect.request import Request
from offload.usecases.profile import images as profiled
from tests.conftest import Offload
from tests.contexts import context
from tests.stores.s3 import Bucket, Keys, Server, s3

__all__ = ["s3"]

MODEL: dict[str, Any] = {"model": "builtin", "workers": 1, "threads": 1}


@pytest.fixture
def dog(examples: Path) -> bytes:
    return (examples / "dog-on-lawn.webp").read_bytes()


def rows(*sources: str, **more: Any) -> dict[str, package.Row]:
    found = [*package.detect(sources, **(MODEL | more))]
    by_path = {row.path: row for row in found}
    assert len(by_path) == len(found)
    return by_path


def filled(s3: Server, data: bytes, *names: str) -> None:
    s3.bucket.objects = {f"photos/{name}": data for name in names}


def test_images_of_a_prefix_have_a_row_each_by_their_key_below_it(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp", "sub/deeper/b.webp", "notes.txt", "c.mov", "@eaDir/d.webp")
    found = rows("s3://bucket/photos/")
    assert set(found) == {"a.webp", "sub/deeper/b.webp"}
    row = found["a.webp"]
    assert [each.label for each in row.detections] == ["dog"]
    assert (row.bytes, row.etag) == (len(dog), s3.bucket.etag("photos/a.webp"))
    assert row.mtime_ns is None
    assert row.draw().size == (row.width, row.height)


def test_the_same_rows_come_from_a_store_as_from_a_folder(s3: Server, examples: Path) -> None:
    pictures = [path for path in examples.iterdir() if path.is_file()]
    s3.bucket.objects = {f"photos/{path.name}": path.read_bytes() for path in pictures}
    here, there = rows(str(examples)), rows("s3://bucket/photos")
    assert here.keys() == there.keys()
    for path, row in here.items():
        assert (row.detections, row.sha256) == (there[path].detections, there[path].sha256)


def test_a_run_goes_on_with_what_is_new_or_has_another_etag(
    s3: Server, dog: bytes, tmp_path: Path
) -> None:
    filled(s3, dog, "a.webp", "b.webp", "c.webp")
    out = str(tmp_path / "out")
    assert len(rows("s3://bucket/photos/", out=out)) == 3
    s3.asked.clear()
    s3.bucket.objects |= {"photos/b.webp": dog + b"\0", "photos/d.webp": dog}
    s3.bucket.etags["photos/c.webp"] = '"another"'
    assert set(rows("s3://bucket/photos", out=out)) == {"b.webp", "c.webp", "d.webp"}
    assert s3.asked["GET", "photos/a.webp"] == 0
    assert rows("s3://bucket/photos", out=out) == {}
    run = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert run["settings"]["root"] == "s3://bucket/photos"
    assert run["complete"]
    assert run["totals"]["kept"] == 1


def test_keys_that_no_folder_could_hold_are_rows_with_a_reason(
    s3: Server, dog: bytes, tmp_path: Path
) -> None:
    filled(s3, dog, "a.webp", "../up.webp", "/lead.webp", "b//c.webp", "line\nfeed.webp")
    found = rows("s3://bucket/photos", out=str(tmp_path / "out"), annotate=True)
    assert found.pop("a.webp").error is None
    assert {row.error for row in found.values()} == {"its key is no usable file name"}
    assert len(found) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_what_was_listed_and_is_gone_is_a_row_with_a_reason(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp")
    s3.bucket.hidden = {"photos/gone.webp"}
    found = rows("s3://bucket/photos")
    assert found["a.webp"].error is None
    assert found["gone.webp"].error == "there is no such object any more since it was listed"


def test_an_object_that_changed_after_it_was_listed_says_so(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp")

    def changed(method: str, key: str, _before: int) -> None:
        if (method, key) == ("GET", "photos/a.webp"):
            s3.bucket.etags[key] = '"newer"'

    s3.trouble = changed
    row = rows("s3://bucket/photos")["a.webp"]
    assert (row.etag, row.note) == ('"newer"', "the object changed after it was listed")


@pytest.mark.parametrize("wrong", ["503", "429", "reset"])
def test_trouble_that_passes_is_not_noticed(s3: Server, dog: bytes, wrong: str) -> None:
    filled(s3, dog, *(f"{number}.webp" for number in range(5)))
    s3.trouble = lambda _method, _key, before: wrong if before == 0 else None
    assert [row.error for row in rows("s3://bucket/photos").values()] == [None] * 5


def test_what_is_refused_is_a_row_and_the_others_are_done(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp", "b.webp")
    s3.trouble = lambda _method, key, _before: "403" if "a.webp" in key else None
    found = rows("s3://bucket/photos")
    assert found["b.webp"].error is None
    assert "refused: AccessDenied" in (found["a.webp"].error or "")


def test_a_share_of_failures_stops_a_run_whose_length_is_not_known_yet(s3: Server) -> None:
    s3.buckets["many"] = Bucket(keys=Keys(1_000_000), every=b"no picture")
    found = package.detect("s3://many", max_failures="1%", **MODEL)
    with pytest.raises(OffloadError, match="Stopped early"):
        for _ in found:
            pass
    assert found.total is None
    assert found.summary().failed < 5000


def test_the_first_row_comes_before_the_listing_has_ended(s3: Server, dog: bytes) -> None:
    s3.buckets["many"] = Bucket(keys=Keys(10_000_000), every=dog)
    with package.detect("s3://many", **MODEL) as found:
        assert next(found).path.endswith(".jpg")
        assert found.total is None
    assert s3.asked["GET", "?"] < 10


def test_the_number_of_images_is_known_in_the_end(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "a.webp", "b.webp")
    found = package.detect("s3://bucket/photos", **MODEL)
    assert len([*found]) == found.total == 2


def test_a_prefix_without_images_is_an_error(s3: Server) -> None:
    filled(s3, b"x", "a.mov")
    with pytest.raises(UsageError, match=re.escape("No images in s3://bucket/photos; 1 other")):
        rows("s3://bucket/photos")


def test_a_bucket_that_is_not_there_is_an_error(s3: Server) -> None:
    with pytest.raises(OffloadError, match="There is no bucket nobodys"):
        rows("s3://nobodys/photos")


def test_one_object_and_lists_of_objects_are_sources(
    s3: Server, dog: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(s3, dog, "a.webp", "sub/b.webp")
    monkeypatch.chdir(tmp_path)
    assert set(rows("s3://bucket/photos/a.webp")) == {"a.webp"}
    Path("list.txt").write_text(
        "s3://bucket/photos/a.webp\ns3://bucket/photos/sub/b.webp\n", encoding="utf-8"
    )
    assert set(rows("list.txt")) == {"a.webp", "sub/b.webp"}
    Path("c.webp").write_bytes(dog)
    found = rows("list.txt", "c.webp")
    assert set(found) == {"bucket/photos/a.webp", "bucket/photos/sub/b.webp", "c.webp"}
    assert not any(row.error for row in found.values())


def test_images_and_lists_at_web_servers_are_sources(
    s3: Server, dog: bytes, tmp_path: Path
) -> None:
    filled(s3, dog, "a b.webp", "sub/b.webp", "gone.webp")
    web = f"{s3.endpoint}/bucket/photos"
    s3.bucket.hidden = {"photos/gone.webp"}
    lines = f"a%20b.webp\n{web}/sub/b.webp?signature=secret\ngone.webp\n"
    s3.bucket.objects["photos/list.txt"] = lines.encode()
    out = str(tmp_path / "out")
    found = rows(f"{web}/list.txt", out=out)
    assert set(found) == {"a%20b.webp", "sub/b.webp", "gone.webp"}
    assert found["a%20b.webp"].etag == s3.bucket.etag("photos/a b.webp")
    assert (found["gone.webp"].error or "").endswith("answers 404 Not Found")
    assert "secret" not in "".join(
        path.read_text(encoding="utf-8") for path in Path(out).iterdir() if path.is_file()
    )
    assert set(rows(f"{web}/list.txt", out=out)) == {"gone.webp"}
    assert set(rows(f"{web}/sub/b.webp?token=1")) == {"b.webp"}


@pytest.mark.parametrize("wrong", ["503", "429", "reset"])
def test_a_web_server_in_passing_trouble_is_asked_again(s3: Server, dog: bytes, wrong: str) -> None:
    filled(s3, dog, "a.webp")
    s3.trouble = lambda _method, _key, before: wrong if before == 0 else None
    assert rows(f"{s3.endpoint}/bucket/photos/a.webp")["a.webp"].error is None


def test_a_folder_of_a_web_server_cannot_be_listed(s3: Server) -> None:
    with pytest.raises(UsageError, match="cannot be listed"):
        rows(f"{s3.endpoint}/bucket/")


def test_a_list_from_a_web_server_names_no_file_of_this_machine(
    s3: Server, dog: bytes, tmp_path: Path
) -> None:
    (tmp_path / "mine.webp").write_bytes(dog)
    s3.bucket.objects = {"l/list.txt": f"{tmp_path}/mine.webp\n../mine.webp\n".encode()}
    found = rows(f"{s3.endpoint}/bucket/l/list.txt")
    assert len(found) == 2
    assert all(row.error for row in found.values())


def test_patterns_keep_images_of_a_store_from_being_sent_on(s3: Server, dog: bytes) -> None:
    filled(s3, dog, "faces/a.webp", "b.webp")
    photos, url = ("s3://bucket/photos",), "http://127.0.0.1:9"
    for pattern in ("faces/**", "s3://bucket/photos/faces/**"):
        request = Request(photos, where="remote", url=url)
        here = context(settings.load({"OFFLOAD_KEEP_LOCAL": pattern}))
        with pytest.raises(UsageError, match="1 of 2 images may come to this machine only"):
            privacy.found(request, here)


def test_the_command_detects_in_a_store(s3: Server, dog: bytes, offload: Offload) -> None:
    filled(s3, dog, "a.webp", "b.webp")
    done = offload("detect", "s3://bucket/photos/", "--json", "--model", "builtin")
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["path"] for line in done.stdout.splitlines()} == {"a.webp", "b.webp"}
    assert "2 images, 0 failed" in done.stderr


def test_images_of_a_store_are_measured_with(s3: Server, dog: bytes, offload: Offload) -> None:
    filled(s3, dog, *(f"{number}.webp" for number in range(12)))
    done = offload("profile", "s3://bucket/photos/", "--model", "builtin", "--budget", "1s")
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stdout


def test_a_profile_lists_no_more_than_it_draws_from(s3: Server, dog: bytes) -> None:
    s3.bucket.keys, s3.bucket.every = Keys(10_000_000, "photos/"), dog
    request = Request(("s3://bucket/photos/",))
    found = profiled.folder(request, random.Random(1), 3)
    assert len(found.paths) == 10_000
    assert s3.asked["GET", "?"] <= 11


def test_a_study_of_images_that_are_not_here_is_refused(
    s3: Server, dog: bytes, offload: Offload, tmp_path: Path
) -> None:
    filled(s3, dog, "a.webp")
    done = offload("experiment", "s3://bucket/photos/", "--images", "1", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "is not on this machine" in done.stderr
