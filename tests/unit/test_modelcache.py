"""What the cache of models promises."""

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import pytest

from offload.domain.errors import ModelError
from offload.drivers.folders.files import sha256_of
from offload.drivers.http import web
from offload.drivers.model_cache import Cached, ModelCache
from tests import hub
from tests.hub import ModelHub

LITE = b"\x1c\x00\x00\x00TFL3" + os.urandom(600_000)
HUB = ModelHub(url="http://no-such-host.invalid")
HANDLE = "someone/detector/1"
FILE = f"/storage/{HANDLE}/model.tflite"


@pytest.fixture
def served() -> Iterator[ModelHub]:
    with hub.serving() as served:
        served.put_tflite(HANDLE, LITE)
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(str(tmp_path / "cache" / "models"))


def unwatched(_have_bytes: int, _total_bytes: int | None) -> None:
    pass


def fetch(
    cache: ModelCache, served: ModelHub, name: str = "detector", *, force: bool = False
) -> Cached:
    return cache.fetch(name, f"{served.url}/{HANDLE}{hub.LITE}", unwatched, force=force)


def fetch_archive(cache: ModelCache, served: ModelHub, data: bytes) -> Cached:
    path = served.put("/archive", data)
    return cache.fetch("detector", served.url + path, unwatched)


def archive_of(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_first_download_records_what_came(cache: ModelCache, served: ModelHub) -> None:
    cached = fetch(cache, served)
    assert Path(cached.path).read_bytes() == LITE
    assert cached.sha256 == sha256_of(cached.path)
    assert cached.bytes == len(LITE)
    assert cached.url.startswith(served.url)
    assert cache.get("detector") == cached
    assert list(cache.all()) == [cached]


def test_a_model_that_is_here_is_not_fetched_again(cache: ModelCache, served: ModelHub) -> None:
    first = fetch(cache, served)
    served.asked.clear()
    assert fetch(cache, served) == first
    assert served.asked == []


def test_progress_counts_up_to_the_announced_total(cache: ModelCache, served: ModelHub) -> None:
    told: list[tuple[int, int | None]] = []
    url = f"{served.url}/{HANDLE}{hub.LITE}"
    cache.fetch("detector", url, lambda have, total: told.append((have, total)))
    assert told[0] == (0, len(LITE))
    assert told[-1] == (len(LITE), len(LITE))
    assert told == sorted(told)


def test_nothing_is_cached_before_it_came(cache: ModelCache) -> None:
    assert cache.get("detector") is None
    assert list(cache.all()) == []


def test_a_changed_byte_is_noticed_and_the_remedy_works(
    cache: ModelCache, served: ModelHub
) -> None:
    cached = fetch(cache, served)
    damaged = bytearray(LITE)
    damaged[-1] ^= 1
    Path(cached.path).write_bytes(damaged)
    with pytest.raises(ModelError, match="SHA-256 differs") as caught:
        cache.get("detector")
    assert caught.value.hint.endswith("offload models pull detector --force")
    assert fetch(cache, served, force=True).sha256 == cached.sha256
    assert cache.get("detector") is not None


def test_the_remedy_for_a_model_known_by_its_handle_names_the_handle(
    cache: ModelCache, served: ModelHub
) -> None:
    cached = fetch(cache, served, HANDLE)
    os.remove(cached.path)
    with pytest.raises(ModelError) as caught:
        cache.get(HANDLE)
    assert caught.value.hint.endswith(f"offload models pull {HANDLE} --force")
    assert [model.name for model in cache.all()] == [HANDLE]


def test_a_changed_file_of_a_folder_is_noticed(cache: ModelCache, served: ModelHub) -> None:
    members = {"saved_model.pb": b"graph", "variables/variables.index": b"weights"}
    cached = fetch_archive(cache, served, archive_of(**members))
    assert everything_below(Path(cached.path)) == {*members, "variables"}
    assert cached.bytes == len(b"graph") + len(b"weights")
    (Path(cached.path) / "variables" / "variables.index").write_bytes(b"Weights")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        cache.get("detector")


def test_other_bytes_than_the_first_time_are_refused_and_the_first_kept(
    cache: ModelCache, served: ModelHub
) -> None:
    first = fetch(cache, served)
    served.put_tflite(HANDLE, LITE + b"more")
    with pytest.raises(ModelError, match="different bytes than when detector was first") as caught:
        fetch(cache, served, force=True)
    assert "offload models pull detector" in caught.value.hint
    assert cache.get("detector") == first


def test_a_transfer_broken_off_twice_is_resumed_and_whole(
    cache: ModelCache, served: ModelHub
) -> None:
    served.break_off(after_bytes=200_000, times=2)
    cached = fetch(cache, served)
    assert Path(cached.path).read_bytes() == LITE
    first, second, third = served.ranges_asked(FILE)
    assert first is None
    assert (second, third) == ("bytes=200000-", "bytes=400000-")


def test_a_transfer_given_up_goes_on_in_the_next_attempt(
    cache: ModelCache, served: ModelHub
) -> None:
    served.break_off(after_bytes=150_000, times=3)
    with pytest.raises(web.Unreachable, match="cannot be reached"):
        fetch(cache, served)
    assert cache.get("detector") is None
    served.asked.clear()
    assert Path(fetch(cache, served).path).read_bytes() == LITE
    assert served.ranges_asked(FILE) == ["bytes=450000-"]


def test_a_file_that_changed_meanwhile_starts_again(cache: ModelCache, served: ModelHub) -> None:
    served.break_off(after_bytes=150_000, times=3)
    with pytest.raises(web.Unreachable):
        fetch(cache, served)
    changed = LITE[:8] + os.urandom(500_000)
    served.put_tflite(HANDLE, changed)
    assert Path(fetch(cache, served).path).read_bytes() == changed


def test_a_server_without_ranges_sends_everything_again(
    cache: ModelCache, served: ModelHub
) -> None:
    served.ranges = False
    served.break_off(after_bytes=200_000, times=2)
    assert Path(fetch(cache, served).path).read_bytes() == LITE


def test_a_download_that_was_whole_when_its_process_died_is_completed(
    cache: ModelCache, served: ModelHub
) -> None:
    part = Path(cache.folder) / "detector" / "download.part"
    part.parent.mkdir(parents=True)
    web.download(served.url + FILE, str(part), unwatched, len(LITE))
    assert Path(fetch(cache, served).path).read_bytes() == LITE
    assert served.ranges_asked(FILE)[1] == f"bytes={len(LITE)}-"
    assert not part.exists()


def test_two_processes_that_want_the_same_model_make_one_download(
    tmp_path: Path, served: ModelHub
) -> None:
    handle = "someone/lite-model/1"
    served.put_tflite(handle, LITE)
    served.delay_s = 1.0  # long enough for the other process to come and wait
    variables = os.environ | {"OFFLOAD_HUB": served.url, "OFFLOAD_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "offload", "models", "pull", handle]
    pullers = [
        subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ends = [(*puller.communicate(timeout=60), puller.returncode) for puller in pullers]
    assert ends[0] == ends[1]
    assert ends[0][1:] == ("", 0)
    assert len([asked for asked in served.asked if asked.path.startswith("/storage")]) == 1


@pytest.mark.parametrize("member", ["../evil", "../../evil", "variables/../../evil"])
def test_an_archive_that_would_write_elsewhere_is_refused_and_writes_nothing_there(
    tmp_path: Path, cache: ModelCache, served: ModelHub, member: str
) -> None:
    with pytest.raises(ModelError, match="damaged"):
        fetch_archive(cache, served, archive_of(**{"saved_model.pb": b"graph", member: b"evil"}))
    assert cache.get("detector") is None
    assert not list(tmp_path.rglob("evil"))


def test_an_absolute_name_in_an_archive_stays_below_the_models_folder(
    tmp_path: Path, cache: ModelCache, served: ModelHub
) -> None:
    evil = tmp_path / "evil"
    cached = fetch_archive(cache, served, archive_of(**{"saved_model.pb": b"", str(evil): b"evil"}))
    assert not evil.exists()
    assert (Path(cached.path) / str(evil).lstrip("/")).is_file()


def test_an_archive_without_a_saved_model_is_refused(cache: ModelCache, served: ModelHub) -> None:
    with pytest.raises(ModelError, match=r"it holds none"):
        fetch_archive(cache, served, archive_of(readme=b"no model"))


def test_an_archive_damaged_on_the_way_is_refused_and_fetched_afresh_next_time(
    cache: ModelCache, served: ModelHub
) -> None:
    whole = archive_of(**{"saved_model.pb": os.urandom(100_000)})
    compressed = archive_of(**{"saved_model.pb": b"graph" * 200_000})
    for damaged in (
        whole[:50_000],
        whole[:50_000] + bytes(1000) + whole[51_000:],
        compressed[:600] + b"\xff" * 200 + compressed[800:],
    ):
        with pytest.raises(ModelError, match="damaged"):
            fetch_archive(cache, served, damaged)
    assert fetch_archive(cache, served, whole).bytes == 100_000


@pytest.mark.parametrize("body", [b"<!doctype html><title>Log in</title>", b""])
def test_a_web_page_or_nothing_is_no_model(
    cache: ModelCache, served: ModelHub, body: bytes
) -> None:
    with pytest.raises(ModelError, match=r"neither a model nor an archive"):
        fetch_archive(cache, served, body)
    assert cache.get("detector") is None


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_an_error_status_is_named_and_not_asked_for_again(
    cache: ModelCache, served: ModelHub, status: HTTPStatus
) -> None:
    served.status = status
    with pytest.raises(web.Unreachable, match=f"answers {status.value} {status.phrase}"):
        fetch(cache, served)
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/model", "no-address", "http://[broken", "http://127.0.0.1:x/"]
)
def test_an_address_that_leads_nowhere_is_explained_in_one_sentence(
    cache: ModelCache, url: str
) -> None:
    with pytest.raises(web.Unreachable) as caught:
        cache.fetch("detector", url, unwatched)
    sentence = str(caught.value)
    assert sentence.startswith(f"{url} cannot be reached: ")
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert not web.answers(url, 1.0)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "ftp://me:hunter2@127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_explained(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    for ask in (lambda: web.text("http://no-such-host.invalid", 1.0), lambda: fetch(cache, HUB)):
        with pytest.raises(web.Unreachable, match="The proxy that is set cannot be used") as caught:
            ask()
        assert "hunter2" not in str(caught.value)
    assert not web.answers("http://no-such-host.invalid", 1.0)


def test_a_cache_that_cannot_be_written_is_explained(tmp_path: Path, served: ModelHub) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ModelCache(str(tmp_path / "file" / "models"))
    with pytest.raises(ModelError, match="cannot be written") as caught:
        fetch(cache, served)
    assert "OFFLOAD_CACHE" in caught.value.hint


def test_a_manifest_that_cannot_be_read_is_no_model(cache: ModelCache, served: ModelHub) -> None:
    cached = fetch(cache, served)
    manifest = Path(cached.path).with_name("model.json")
    for text in ("", "[]", "{}", '{"name": 1}', "\xff"):
        manifest.write_text(text, "latin-1")
        assert cache.get("detector") is None
    assert fetch(cache, served).sha256 == cached.sha256


def test_what_would_be_too_large_is_refused_before_a_byte_of_it_is_written(
    tmp_path: Path, served: ModelHub
) -> None:
    cache = ModelCache(str(tmp_path), most_bytes=len(LITE) - 1)
    with pytest.raises(web.Unreachable, match=r"/1 is larger than 1 MB\.$"):
        fetch(cache, served)
    assert not list(tmp_path.rglob("download.part"))


def test_an_answer_without_an_end_is_left_where_it_is_too_large(
    tmp_path: Path, served: ModelHub
) -> None:
    served.lengths = False
    told = [0]
    with pytest.raises(web.Unreachable, match="is larger than"):
        ModelCache(str(tmp_path), most_bytes=200_000).fetch(
            "detector", served.url + FILE, lambda have, _total: told.append(have)
        )
    assert max(told) <= 200_000
    assert not list(tmp_path.rglob("download.part"))


def test_an_archive_that_unpacks_to_more_than_a_model_leaves_nothing_behind(
    tmp_path: Path, served: ModelHub
) -> None:
    cache = ModelCache(str(tmp_path), most_bytes=1_000_000)
    bomb = archive_of(**{"saved_model.pb": b"graph", "weights": bytes(9_000_000)})
    assert len(bomb) < 10_000
    with pytest.raises(ModelError, match="it unpacks to more than 1 MB"):
        fetch_archive(cache, served, bomb)
    assert everything_below(tmp_path) <= {"detector", "detector.lock"}


def test_a_way_from_https_to_http_is_not_taken(
    tmp_path: Path, cache: ModelCache, served: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = hub.certificate(tmp_path / "hub.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with hub.serving(certificate) as secure:
        secure.redirects["/model"] = secure.put("/there", LITE)
        secure.redirects["/down"] = served.url + FILE
        assert cache.fetch("safe", f"{secure.url}/model", unwatched).bytes == len(LITE)
        with pytest.raises(web.Unreachable, match=r"it leads from https to http://127\.0\.0\.1\."):
            cache.fetch("unsafe", f"{secure.url}/down", unwatched)
        with pytest.raises(web.Unreachable, match="from https to http"):
            web.text(f"{secure.url}/down", 5.0)
        assert not web.answers(f"{secure.url}/down", 5.0)
    assert served.asked == []
    assert cache.get("unsafe") is None


def test_addresses_that_differ_at_all_are_different_models(
    cache: ModelCache, served: ModelHub
) -> None:
    names = ("x/a/b", "x/a--b", "http://x/a", "https://x/a", "https://x/a?v=1", "https://x/a?v=2")
    for number, name in enumerate(names):
        path = served.put(f"/{number}", LITE + bytes([number]))
        cache.fetch(name, served.url + path, unwatched)
    found = [cache.get(name) for name in names]
    assert len({model.sha256 for model in found if model}) == len(names)


def test_a_password_in_an_address_is_nowhere_in_the_cache(
    tmp_path: Path, cache: ModelCache, served: ModelHub
) -> None:
    path = served.put("/model.tflite?token=hunter2", LITE)
    address = served.url.replace("//", "//me:hunter2@") + path
    cached = cache.fetch(address, address, unwatched)
    assert cache.get(address) == cached
    assert cache.get(address.replace("hunter2@", "changed@")) == cached
    everything = everything_below(tmp_path)
    texts = [each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()]
    assert not [text for text in (*map(str.encode, everything), *texts) if b"hunter2" in text]
    Path(cached.path).write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        cache.get(address)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_what_the_version_before_kept_is_fetched_once_more(
    cache: ModelCache, served: ModelHub
) -> None:
    home = Path(cache.folder) / "detector"
    home.mkdir(parents=True)
    (home / "model.tflite").write_bytes(b"old")
    old = {"name": "detector", "path": "model.tflite", "url": served.url, "sha256": "0" * 64}
    (home / "manifest.json").write_text(json.dumps(old | {"bytes": 3, "fetched_at": ""}))
    assert cache.get("detector") is None
    assert list(cache.all()) == []
    assert fetch(cache, served).bytes == len(LITE)


def test_a_model_whose_sha256_is_known_is_never_another_one(
    cache: ModelCache, served: ModelHub
) -> None:
    fetch(cache, served)
    url = f"{served.url}/{HANDLE}{hub.LITE}"
    with pytest.raises(ModelError, match="SHA-256 differs"):
        cache.get("detector", "0" * 64)
    with pytest.raises(ModelError, match="different bytes than are known as detector"):
        cache.fetch("detector", url, unwatched, "0" * 64, force=True)
    served.put_tflite(HANDLE, LITE + b"as it should be")
    known = hashlib.sha256(LITE + b"as it should be").hexdigest()
    assert cache.fetch("detector", url, unwatched, known, force=True).sha256 == known


def test_no_two_folders_have_one_sha256(tmp_path: Path) -> None:
    whole, renamed = tmp_path / "whole", tmp_path / "renamed"
    for folder in (whole, renamed):
        folder.mkdir()
        (folder / "a").write_bytes(b"1")
    (whole / "b").write_bytes(b"2")
    second = hashlib.sha256(b"2").hexdigest()
    (renamed / "a").rename(renamed / f"a\n{second}  b")
    assert sha256_of(str(whole)) != sha256_of(str(renamed))
    os.rename(whole / "b", os.fsencode(whole) + b"/\xff")
    assert sha256_of(str(whole)) != sha256_of(str(renamed)), "a name need be no text"


def test_weights_in_a_linked_folder_count(tmp_path: Path) -> None:
    model, weights = tmp_path / "model", tmp_path / "weights"
    model.mkdir()
    weights.mkdir()
    (model / "variables").symlink_to(weights)
    (weights / "data").write_bytes(b"1")
    before = sha256_of(str(model))
    (weights / "data").write_bytes(b"2")
    assert sha256_of(str(model)) != before


def test_a_hub_that_answers_slowly_counts_as_silent(served: ModelHub) -> None:
    served.hanging = True
    assert not web.answers(served.url, 0.2)


def test_a_page_that_drips_is_left_in_time() -> None:
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not left.wait(0.05):  # each well within the time that a socket may be silent
                    connection.sendall(b"1")

        server = threading.Thread(target=drip)
        server.start()
        with pytest.raises(web.Unreachable, match=r"no answer within 0\.5 s\.$"):
            web.text(f"http://127.0.0.1:{listening.getsockname()[1]}", 0.5)
        left.set()
        server.join()


def test_silence_is_remembered_for_an_hour(cache: ModelCache) -> None:
    assert not cache.hub_is_silent()
    cache.note_hub(silent=True)
    assert cache.hub_is_silent()
    cache.note_hub(silent=False)
    cache.note_hub(silent=False)
    assert not cache.hub_is_silent()
    cache.note_hub(silent=True)
    (mark,) = Path(cache.folder).iterdir()
    long_ago_s = mark.stat().st_mtime - 3700
    os.utime(mark, (long_ago_s, long_ago_s))
    assert not cache.hub_is_silent()
