"""A store of objects, at a server that speaks S3."""

import configparser
from pathlib import Path

import pytest

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, UsageError
from offload.drivers.objects import access
from offload.drivers.objects.store import Store, is_url, opened
from tests.stores.s3 import Bucket, Keys, Server, s3

__all__ = ["s3"]


def impatient(url: str = "s3://bucket/photos") -> Store:
    return Store(url, access.connected(url, retries=1))


def keys(store: Store, prefix: str = "", after: str | None = None) -> list[str]:
    return [each.key for each in store.list(prefix, after)]


def test_objects_are_listed_read_written_and_removed_below_the_prefix(s3: Server) -> None:
    store = opened("s3://bucket/photos/")
    store.put("b/c.jpg", b"two")
    store.put("a.jpg", b"one")
    assert [(each.key, each.size_bytes) for each in store.list()] == [("a.jpg", 3), ("b/c.jpg", 3)]
    assert keys(store, "b") == ["b/c.jpg"]
    assert keys(store, after="a.jpg") == ["b/c.jpg"]
    found = store.read("a.jpg")
    assert found is not None
    assert (found.data, found.etag) == (b"one", next(store.list()).etag)
    store.delete("a.jpg")
    store.delete("a.jpg")
    assert store.read("a.jpg") is None
    assert list(s3.bucket.objects) == ["photos/b/c.jpg"]


def test_of_two_that_write_the_same_key_anew_the_first_has_written_it(s3: Server) -> None:
    store = opened("s3://bucket/photos")
    assert store.put_new("a", b"first")
    assert not store.put_new("a", b"second")
    assert s3.bucket.objects == {"photos/a": b"first"}


def test_what_is_larger_than_memory_is_written_in_parts(s3: Server) -> None:
    with opened("s3://bucket").writer("big") as file:
        for number in range(7):
            file.write(bytes([number]) * 2**21)
    assert len(s3.bucket.objects["big"]) == 7 * 2**21


def test_keys_are_taken_as_they_are_written(s3: Server) -> None:
    odd = ["a%20b.jpg", "a b.jpg", "é?x#y.jpg", "a+b.jpg", "a&b.jpg"]
    s3.bucket.objects = {f"p%20/{key}": b"x" for key in odd}
    store = opened("s3://bucket/p%20/")
    assert keys(store) == sorted(odd, key=str.encode)
    assert all(store.get(key, 1) == b"x" for key in odd)
    listed = keys(store)
    assert keys(store, after=listed[2]) == listed[3:]


def test_keys_that_no_folder_could_hold_are_listed_and_not_read(s3: Server) -> None:
    odd = ["../up.jpg", "/lead.jpg", "a//b.jpg", "./c.jpg", "line\nfeed.jpg", "\x01.jpg"]
    s3.bucket.objects = {f"p/{key}": b"x" for key in (*odd, *Keys(2500, "a/"), *Keys(2500, "z/"))}
    store = opened("s3://bucket/p")
    listed = keys(store)
    assert len(listed) == len(set(listed)) == 5006
    assert set(odd) <= set(listed)
    for key in odd:
        with pytest.raises(ImageError, match="no usable file name"):
            store.read(key)


@pytest.mark.parametrize("wrong", ["503", "429", "500 InternalError", "reset"])
def test_what_goes_wrong_once_is_tried_again(s3: Server, wrong: str) -> None:
    s3.bucket.objects = {f"photos/{key}": b"x" * 100 for key in Keys(2500)}
    s3.trouble = lambda _method, _key, before: wrong if before in {0, 2} else None
    store = opened("s3://bucket/photos")
    listed = keys(store)
    assert listed == list(Keys(2500))
    assert store.get(listed[0], 100) == b"x" * 100
    assert s3.asked["GET", "?"] >= 4


@pytest.mark.parametrize(
    ("wrong", "said", "kind"),
    [
        ("403", "refused: AccessDenied", OffloadError),
        ("400 ExpiredToken", "refused: ExpiredToken", OffloadError),
        ("301 PermanentRedirect", "in another region than eu-north-1", OffloadError),
        ("503", "cannot be used now: it answers 503 SlowDown", PlaceUnavailable),
        ("404 NoSuchBucket", "There is no bucket bucket", OffloadError),
        ("reset", "cannot be reached", PlaceUnavailable),
    ],
)
def test_what_stays_wrong_is_explained(
    s3: Server, wrong: str, said: str, kind: type[OffloadError]
) -> None:
    s3.bucket.objects = {"photos/a": b"xx"}
    s3.trouble = lambda _method, _key, _before: wrong
    store = impatient()
    with pytest.raises(kind, match=said):
        list(store.list())
    with pytest.raises(kind, match=said):
        store.read("a")
    if wrong != "reset":  # of an answer that says nothing
        with pytest.raises(kind, match=said):
            store.put("a", b"")


def test_a_store_that_nothing_answers_at_is_unavailable(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PlaceUnavailable, match="s3://bucket/photos cannot be reached"):
        list(impatient().list())


def test_a_public_bucket_is_read_without_a_signature(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    s3.bucket.objects = {"a//b.jpg": b"", "a": b"x"}
    assert set(keys(opened("s3://bucket"))) == {"a", "a//b.jpg"}
    assert s3.signed == {False}


def test_the_endpoint_of_s3_alone_goes_before_that_of_all_services(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint)
    assert keys(impatient("s3://bucket")) == []


def test_credentials_of_a_profile_are_boto3s(
    s3: Server, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "theirs")
    written = configparser.ConfigParser()
    written["theirs"] = {"aws_access_key_id": "of-profile", "aws_secret_access_key": "x"}
    (home / ".aws").mkdir()
    with open(home / ".aws" / "credentials", "w", encoding="utf-8") as file:
        written.write(file)
    assert keys(opened("s3://bucket")) == []
    assert s3.accounts == {"of-profile"}


def test_without_credentials_it_says_how_to_read_what_is_public(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(OffloadError, match="no AWS credentials") as caught:
        opened("s3://bucket/photos")
    assert "AWS_SKIP_SIGNATURE=true" in caught.value.hint
    assert not s3.asked


def test_google_stores_are_read_at_the_emulator_that_is_named(
    s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", s3.endpoint)
    s3.bucket.objects = {"p/a.jpg": b"one"}
    store = opened("gs://bucket/p")
    assert keys(store) == ["a.jpg"]
    assert store.get("a.jpg", 3) == b"one"


def test_azures_own_variables_name_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=one;AccountKey=a2V5a2V5;")
    assert 'account_name="one"' in str(access.connected("az://container/p"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "two")
    assert 'account_name="two"' in str(access.connected("az://container/p"))


def test_what_is_too_large_is_not_read(s3: Server) -> None:
    s3.bucket.objects = {"a": b"xxxx"}
    with pytest.raises(ImageError, match="4 bytes is more"):
        opened("s3://bucket").get("a", 3)


def test_what_is_no_url_is_a_folder(tmp_path: Path) -> None:
    assert not is_url("photos/s3:/x")
    store = opened(str(tmp_path / "out"))
    assert store.put_new("a/b", b"x")
    assert not store.put_new("a/b", b"y")
    assert keys(store) == ["a/b"]


def test_a_url_without_a_bucket_is_refused() -> None:
    with pytest.raises(UsageError, match="names no bucket"):
        opened("s3://")


def test_many_keys_are_listed_as_they_come(s3: Server) -> None:
    s3.buckets["many"] = Bucket(keys=Keys(10_000_000, "p/"), every=b"x")
    listing = opened("s3://many/p").list()
    assert next(listing).key == "00000000.jpg"
    assert s3.asked["GET", "?"] <= 4
