"""The first words with a server: is it there, is it ours, is it ready, has it what is asked for."""

import json
import os
import re
import shutil
import signal
import time
from contextlib import closing
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from offload import detect
from offload.detectors.catalogue import BUILTIN
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.ports import ModelIdentity
from offload.domain.typed import encoded, parse
from offload.drivers.folders.files import sha256_of
from offload.service.client.greeting import Address, ask
from offload.service.wire import Info
from tests.becoming import Done, spawner
from tests.conftest import Offload
from tests.drawing import saved
from tests.remote.flaky import Act, Flaky, info, never_ends, refuses, says

MODEL = str(resources.files("offload.detectors") / "builtin" / "model.tflite")
OURS = info(model=ModelIdentity(BUILTIN, "tflite", sha256_of(MODEL)), labels={1: "person"})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "photo.jpg")


def refusal(photo: Path, **wishes: Any) -> OffloadError:
    """Why the wishes cannot be had of a server."""
    with pytest.raises(OffloadError) as failure:
        list(detect(str(photo), where="remote", **wishes))
    return failure.value


def refused(done: Done, exit_code: int) -> str:
    """The one sentence, and what to type, of a command that ended so."""
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    return done.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "where='remote' needs a server's address"),
        ("", "where='remote' needs a server's address"),
        ("ftp://me:hunter2@host", "not a server's address"),
        ("http://me:hunter2@127.0.0.1:9", "holds more than an address"),
        ("http://127.0.0.1:9/?key=hunter2", "holds more than an address"),
        ("http://", "not a server's address"),
        ("http://[", "not a server's address"),
        ("http://127.0.0.1:hunter2", "not a server's address"),
        ("http://127.0.0.1:99999", "not a server's address"),
        ("http://me:hun/ter2@127.0.0.1", "not a server's address"),
        ("http://a..b", "not a server's address"),
        ("what is this", "not a server's address"),
    ],
)
def test_what_is_no_address_is_refused_unseen(photo: Path, url: str | None, sentence: str) -> None:
    error = refusal(photo, url=url)
    assert isinstance(error, UsageError)
    assert sentence in str(error)
    assert "http://HOST:8080" in error.hint
    assert "hun" not in f"{error} {error.hint}"


@pytest.mark.parametrize("url", [[], ["--url", "http://me:hun/ter2@127.0.0.1"]])
def test_what_is_no_address_is_wrong_usage(offload: Offload, photo: Path, url: list[str]) -> None:
    said = refused(offload("detect", photo, "--where", "remote", *url), 2)
    assert "http://HOST:8080" in said
    assert "hun" not in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--where", "remote", "--cpus", "2"], "--cpus has no effect with --where remote"),
        (["--where", "remote", "--keep"], "--keep has no effect with --where remote"),
        (["--url", "http://127.0.0.1"], "--url has no effect with --where local"),
        (["--timeout", "5"], "--timeout has no effect with --where local"),
        (["--fallback", "local"], "--fallback has no effect with --where local"),
        (["--where", "remote", "--fallback", "moon"], "--fallback takes local, not 'moon'"),
        (["--where", "remote", "--upload-quality", "80"], "--upload-max-side"),
        (["--where", "remote", "--url", "127.0.0.1:9", "--token", "ö"], "token cannot be sent"),
        (["--where", "remote", "--url", "127.0.0.1:9", "--token", "x "], "token cannot be sent"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    offload: Offload, photo: Path, options: list[str], sentence: str
) -> None:
    assert sentence in refused(offload("detect", photo, *options), 2)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("127.0.0.1:9", "refused"),
        ("http://no-such-host.invalid", "no-such-host.invalid"),
    ],
)
def test_a_server_that_is_not_there_is_named(
    offload: Offload, photo: Path, url: str, reason: str
) -> None:
    said = refused(offload("detect", photo, "--where", "remote", "--url", url), 4)
    assert "No server answers: http://" in said
    assert reason in said
    assert "offload serve" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (says(b"<html>It works!</html>"), "is not an offload server: /v1/info answers 200"),
        (says(b"{}"), "is not an offload server"),
        (says(b"[1]"), "is not an offload server"),
        (says(b'{"service": "other", "version": "0.1.0"}'), "is not an offload server"),
        (says(b'{"service": "offload"}'), "is not an offload server"),
        (says(json.dumps(asdict(info()) | {"labels": None}).encode()), "is not an offload server"),
        (refuses(404), "is not an offload server: /v1/info answers 404"),
        (
            refuses(301, Location="https://elsewhere"),
            "is not an offload server: /v1/info answers 301",
        ),
        (says(b'{"service": "offload", "version": "99.9"}'), "runs offload 99.9, this is offload "),
        (never_ends, "the answer does not end"),
        (refuses(401), "needs a token"),
    ],
)
def test_a_server_that_will_not_do_is_refused(photo: Path, greeting: Act, sentence: str) -> None:
    with Flaky(greetings=[greeting]) as server:
        error = refusal(photo, url=server.url)
    assert isinstance(error, PlaceUnavailable)
    assert re.search(f"{server.url}:? {sentence}", str(error))
    assert error.hint
    assert server.images == []


def test_a_refused_token_is_not_shown(offload: Offload, photo: Path) -> None:
    with Flaky(greetings=[refuses(401)]) as server:
        where = ("--where", "remote", "--url", server.url)
        command = ("detect", photo, *where, "--token", "hunter3")
        said = refused(offload(*command), 4)
    assert f"{server.url} refuses the token" in said
    assert "hunter" not in said


def test_another_model_than_the_one_asked_for_is_refused(photo: Path, tmp_path: Path) -> None:
    mine = str(shutil.copy(MODEL, tmp_path / "mine.tflite"))
    ours = f"(SHA-256 {OURS.identity.sha256[:12]}…)"
    for asked, named in (
        ("builtin", f"not builtin {ours}"),
        (mine, f"not mine {ours}"),
        ("efficientdet-lite0", "not efficientdet-lite0"),
    ):
        with Flaky() as server:
            error = refusal(photo, url=server.url, model=asked)
        assert isinstance(error, PlaceUnavailable)
        assert f"{server.url} serves flaky (SHA-256 ffffffffffff…), {named}" in str(error)


def test_the_model_asked_for_may_be_named_or_given_as_its_bytes(
    photo: Path, tmp_path: Path
) -> None:
    mine = str(shutil.copy(MODEL, tmp_path / "mine.tflite"))
    for asked in ("builtin", mine):
        with Flaky(info=OURS) as server:
            (row,) = detect(str(photo), where="remote", url=server.url, model=asked)
            assert row.error is None
    elsewhere = replace(OURS.identity, name="efficientdet-lite0", sha256="a" * 64)
    with Flaky(info=replace(OURS, model=elsewhere)) as server:
        (row,) = detect(str(photo), where="remote", url=server.url, model="efficientdet-lite0")
        assert row.model == "efficientdet-lite0", "it need not be here to be asked for"


def test_the_address_may_lack_its_scheme_and_both_may_be_settings(
    offload: Offload, photo: Path
) -> None:
    with Flaky() as server:
        address, remote = server.url.removeprefix("http://"), ("detect", photo, "--where", "remote")
        assert offload(*remote, "--url", address).returncode == 0
        settings = os.environ | {"OFFLOAD_URL": address, "OFFLOAD_TOKEN": "sesame"}
        assert offload(*remote, env=settings).returncode == 0
        assert offload(*remote, "--token", "open", env=settings).returncode == 0
    asked = [seen.headers.get("authorization") for seen in server.images]
    assert asked == [None, "Bearer sesame", "Bearer open"]


def test_a_token_goes_to_the_address_it_was_given_for_only(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Flaky() as server, Flaky() as other:
        monkeypatch.setenv("OFFLOAD_TOKEN", "sesame")
        monkeypatch.setenv("OFFLOAD_URL", f"{server.url}/")
        for url in (None, server.url.removeprefix("http://"), other.url):
            (row,) = detect(str(photo), where="remote", url=url)
            assert row.error is None
        monkeypatch.delenv("OFFLOAD_URL")
        (row,) = detect(str(photo), where="remote", url=other.url)
    asked = [
        [seen.headers.get("authorization") for seen in each.images] for each in (server, other)
    ]
    assert asked == [["Bearer sesame"] * 2, [None, "Bearer sesame"]]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_no_proxy_is_asked_for_what_is_on_this_machine(
    offload: Offload, photo: Path, host: str
) -> None:
    with Flaky() as server, Flaky() as proxy:
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy")
        environment = os.environ | dict.fromkeys(names, proxy.url) | {"no_proxy": ""}
        url = f"http://{host}:{server.port}"
        done = offload("detect", photo, "--where", "remote", "--url", url, env=environment)
    assert done.returncode == 0, done.stderr
    assert (len(server.images), proxy.seen) == (1, [])


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_is_asked_for_what_is_elsewhere(
    photo: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    url = "http://no-such-host.invalid:8080"
    with Flaky() as proxy:
        monkeypatch.setenv(variable, proxy.url.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "")
        (row,) = detect(str(photo), where="remote", url=url)
        assert row.error is None
        assert {seen.headers["host"] for seen in proxy.seen} == {"no-such-host.invalid:8080"}
        proxy.seen.clear()
        monkeypatch.setenv("no_proxy", ".invalid")
        assert isinstance(refusal(photo, url=url), PlaceUnavailable)
        assert proxy.seen == []


@pytest.mark.parametrize(
    "proxy", ["nonsense", "socks5://me:hunter2@127.0.0.1:9", "http://me:hunter2@127.0.0.1:9"]
)
def test_a_proxy_that_cannot_be_used_is_explained(
    photo: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    error = refusal(photo, url="http://no-such-host.invalid")
    assert isinstance(error, PlaceUnavailable)
    assert "http://no-such-host.invalid" in str(error)
    assert "hunter2" not in str(error)


def test_a_server_that_is_still_loading_is_waited_for() -> None:
    loading = refuses(503, "The model is still loading.", Retry_After="5")
    pauses_s: list[float] = []
    with Flaky(greetings=[loading, loading, refuses(503)]) as server:
        address = Address(server.url)
        with closing(address.connect(time.perf_counter)) as client:
            assert ask(client, address, pauses_s.append) == server.info
    assert pauses_s == [1.0, 1.0, 0.1]


def test_a_server_that_loads_forever_is_not() -> None:
    with Flaky(greetings=[refuses(503, "The model is still loading.")] * 2) as server:
        client = Address(server.url).connect(time.perf_counter)
        impatient = Address(server.url, timeout_s=0.0)
        with (
            closing(client),
            pytest.raises(PlaceUnavailable, match=r"is not ready: .*still loading"),
        ):
            ask(client, impatient)


def test_ctrl_c_ends_the_wait_for_a_server(photo: Path) -> None:
    with Flaky(greetings=[refuses(503)] * 100_000) as server:
        words = ("detect", photo, "--where", "remote", "--url", server.url)
        with spawner().begin(words) as process:
            while not server.seen:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "strange",
    [
        {"startup": {}},
        {"startup": {"load_s": 0, "warm_up_s": 0, "service_s": float("nan")}},
        {"workers": "two"},
        {"labels": []},
        {"min_score": None},
        {"model": {"name": "x"}},
    ],
)
def test_a_document_that_is_none_of_ours_is_told_from_one_that_is(strange: dict[str, Any]) -> None:
    assert parse(Info, encoded(info())) == info()
    with pytest.raises(ValueError, match=r"."):
        parse(Info, json.dumps(asdict(info()) | strange).encode())
