"""The client against a server that misbehaves as its script says."""

import threading
from collections.abc import Callable
from dataclasses import astuple, replace
from types import SimpleNamespace
from typing import Any

import pytest

from offload.domain.errors import ImageError, PlaceUnavailable, Unanswered
from offload.domain.timing import Durations
from offload.domain.typed import encoded
from offload.domain.vision import Detections, Image, Selection
from offload.service import wire
from tests.remote.flaky import (
    DOG,
    DURATIONS,
    IDENTITY,
    Act,
    Flaky,
    after,
    answers,
    breaks_off,
    hangs_up,
    hangs_up_halfway,
    ignores,
    info,
    refuses,
    says,
    stalls,
)
from tests.remote.sessions import PHOTO, at_once, visit

LONG_S = 30.0
"""How long threads of a test wait for each other before it has failed."""


def test_an_answer_has_what_the_server_found_and_where_the_seconds_went() -> None:
    with Flaky() as server, visit(server) as here:
        found = here.detect()
    assert found.found == (DOG,)
    assert (found.width, found.height, found.sent_bytes) == (640, 480, len(PHOTO.data))
    d = found.durations
    assert replace(d, prepare_s=0, upload_wait_s=0, upload_s=0, download_s=0) == DURATIONS
    assert min(astuple(d)) >= 0
    assert min(d.prepare_s, d.upload_wait_s, d.download_s) > 0
    assert here.session.model == IDENTITY
    assert here.session.host == {"name": "flaky"}


def test_who_still_asks_when_the_connections_are_closed_gets_no_answer() -> None:
    with Flaky() as server:
        with visit(server) as here:
            here.detect()
        with pytest.raises(Unanswered, match="the connection was closed"):
            here.detect()


def test_a_server_that_claims_more_seconds_than_passed_leaves_none_for_the_way() -> None:
    slow = Detections((), 1, 1, Durations(infer_s=1000.0))
    claim = encoded(wire.Answer.of(slow, 0.0, IDENTITY.sha256))
    with Flaky([says(claim)]) as server, visit(server) as here:
        durations = here.detect().durations
    assert (durations.infer_s, durations.upload_s) == (1000.0, 0.0)


def test_a_request_says_what_is_wished_and_who_asks_and_carries_the_very_bytes() -> None:
    wishes = Selection(0.4, frozenset({"dog", "17"}), max_detections=7, max_iou=0.5)
    with Flaky() as server, visit(server, wishes, token="sesame") as here:
        here.detect()
    (seen,) = server.images
    assert seen.query == {
        "min_score": ["0.4"], "class": ["17", "dog"], "max_detections": ["7"], "iou": ["0.5"],
        "max_pixels": ["1000000"],
    }  # fmt: skip
    assert seen.headers["authorization"] == "Bearer sesame"
    assert seen.headers["content-length"] == str(len(PHOTO.data))
    assert seen.body == PHOTO.data


@pytest.mark.parametrize(
    "trouble",
    [*map(refuses, (429, 502, 503, 504)), hangs_up, hangs_up_halfway, breaks_off],
)
def test_what_may_pass_is_tried_again(trouble: Act) -> None:
    with Flaky([trouble, trouble, answers]) as server, visit(server) as here:
        assert here.detect().found == (DOG,)
    assert len(server.images) == 3
    assert 0.125 <= here.pauses_s[0] <= 0.25
    assert 0.25 <= here.pauses_s[1] <= 0.5


@pytest.mark.parametrize("trouble", [stalls, ignores])
def test_no_progress_in_time_is_tried_again(trouble: Act) -> None:
    photo = Image("large.jpg", bytes(2**23))
    with Flaky([trouble, answers]) as server, visit(server, timeout_s=1.0) as here:
        assert here.detect(photo).found == (DOG,)
    assert len(server.images) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_what_will_not_pass_is_never_tried_again(status: int) -> None:
    trouble = refuses(status, "because of something")
    with Flaky(then=trouble) as server, visit(server) as here:
        with pytest.raises(Unanswered, match=f"answers {status}: because of something"):
            here.detect()
        assert len(server.images) == 1
    assert here.pauses_s == []


@pytest.mark.parametrize("status", [413, 422])
def test_an_image_at_fault_fails_with_the_servers_very_words(status: int) -> None:
    fault = refuses(status, "damaged image: ends early.")
    with (
        Flaky(then=fault) as server,
        visit(server) as here,
        pytest.raises(ImageError) as failure,
    ):
        here.detect()
    assert str(failure.value) == "damaged image: ends early."
    assert not isinstance(failure.value, Unanswered), "no other place would do better"
    assert len(server.images) == 1


@pytest.mark.parametrize(
    ("asked", "least_s", "most_s"),
    [("7", 7, 7), ("3600", 60, 60)]
    + [
        (text, 0.125, 0.25)
        for text in ("0", "-5", "\u00b2", "soon", "Fri, 31 Dec 1999 23:59:59 GMT")
    ],
)
def test_the_server_says_how_long_to_wait_within_reason(
    asked: str, least_s: float, most_s: float
) -> None:
    with Flaky([refuses(429, Retry_After=asked)]) as server, visit(server) as here:
        assert here.detect().found == (DOG,)
    (pause_s,) = here.pauses_s
    assert least_s <= pause_s <= most_s


def test_pauses_double_up_to_four_seconds_and_end() -> None:
    with (
        Flaky(then=refuses(503, "asleep")) as server,
        visit(server, max_retries=8) as here,
        pytest.raises(Unanswered, match="no answer after 9 attempts: asleep"),
    ):
        here.detect()
    assert len(server.images) == 9
    for pause, longest in zip(here.pauses_s, [0.25, 0.5, 1, 2, 4, 4, 4, 4], strict=True):
        assert longest / 2 <= pause <= longest


def test_after_one_image_in_vain_the_others_try_once_until_one_is_answered() -> None:
    with (
        Flaky([hangs_up] * 5 + [answers, hangs_up]) as server,
        visit(server, max_retries=2) as here,
    ):
        for attempts in (3, 4, 5):
            with pytest.raises(Unanswered, match="no answer"):
                here.detect()
            assert len(server.images) == attempts
        here.detect()
        here.detect()
    assert len(server.images) == 8, "patient again"


def test_a_server_that_is_gone_is_named_with_the_reason() -> None:
    with Flaky() as server, visit(server, max_retries=2) as here:
        here.detect()
        server.stop()
        with pytest.raises(
            Unanswered, match=f"^no answer after 3 attempts: {server.url}: .+refused"
        ):
            here.detect()
        assert len(here.pauses_s) == 2


def test_a_busy_server_is_not_gone() -> None:
    busy = refuses(429, "All workers are busy")
    with Flaky([busy] * 5) as server, visit(server, max_retries=2) as here:
        with pytest.raises(Unanswered, match="All workers are busy"):
            here.detect()
        here.detect()
    assert len(server.images) == 6


def test_another_model_all_of_a_sudden_ends_the_run() -> None:
    with Flaky() as server, visit(server) as here:
        here.detect()
        server.info = info(model=replace(IDENTITY, sha256="e" * 64))
        with pytest.raises(PlaceUnavailable, match=f"another model now: .*{'e' * 12}.*{'f' * 12}"):
            here.detect()


@pytest.mark.parametrize(
    ("token", "words"), [("old", "refuses the token"), (None, "needs a token")]
)
def test_another_token_all_of_a_sudden_ends_the_run(token: str | None, words: str) -> None:
    with Flaky([answers, refuses(401)]) as server, visit(server, token=token) as here:
        here.detect()
        with pytest.raises(PlaceUnavailable, match=words):
            here.detect()
    assert len(server.images) == 2


def test_a_few_uploads_at_a_time_share_the_way_while_more_are_inferred() -> None:
    photo = Image("large.jpg", bytes(4 * 2**20))
    together = threading.Barrier(4, timeout=LONG_S)
    with Flaky([after(together.wait)] * 8) as server, visit(server, concurrency=8) as here:
        at_once(lambda: here.detect(photo), 8)
    for seen in server.images:
        # Written by the client, a body's last bytes may still be on their way.
        others = [missing for missing in seen.overlaps_bytes if missing > 2**19]
        assert len(others) < 4


def test_an_upload_that_breaks_off_lets_the_next_begin() -> None:
    photo = Image("large.jpg", bytes(2**20))
    acts = [hangs_up_halfway, answers, hangs_up_halfway, answers]
    with Flaky(acts) as server, visit(server) as here:
        at_once(lambda: here.detect(photo), 6)
    assert len(server.images) == 8
    assert len(here.pauses_s) == 2


def test_an_upload_that_waits_to_be_tried_again_does_not_keep_its_turn() -> None:
    other, calm = threading.Event(), threading.Event()

    def pause(_seconds: float) -> None:
        other.set()
        assert calm.wait(LONG_S)

    with Flaky([refuses(503), answers, answers]) as server, visit(server, pause=pause) as here:
        waiting = threading.Thread(target=here.detect)
        waiting.start()
        assert other.wait(LONG_S)
        assert here.detect().found == (DOG,)
        calm.set()
        waiting.join()
    assert len(server.images) == 3


def test_as_many_requests_are_in_flight_as_were_asked_for() -> None:
    together = threading.Barrier(70, timeout=LONG_S)
    with Flaky([after(together.wait)] * 70) as server, visit(server, concurrency=70) as here:
        assert here.session.concurrency == 70
        at_once(here.detect, 70)


def sending(prepare: Callable[[bytes], tuple[bytes, tuple[int, int] | None]]) -> Any:
    """An upload of what `prepare` makes of an image."""
    return SimpleNamespace(prepare=prepare)


def test_an_image_that_cannot_be_prepared_is_not_sent() -> None:
    def refuse(data: bytes) -> tuple[bytes, tuple[int, int] | None]:
        raise ImageError(f"damaged image: ends after {len(data)} bytes")

    with (
        Flaky() as server,
        visit(server, upload=sending(refuse)) as here,
        pytest.raises(ImageError, match="ends after"),
    ):
        here.detect()
    assert server.images == []


def test_a_copys_row_has_the_originals_size() -> None:
    smaller = sending(lambda data: (data[:4], (4000, 3000)))
    with Flaky() as server, visit(server, upload=smaller) as here:
        found = here.detect()
    assert (found.width, found.height, found.sent_bytes) == (4000, 3000, 4)
    assert server.images[0].body == PHOTO.data[:4]


def test_a_probe_sends_its_payload_and_says_how_long_it_took() -> None:
    with Flaky() as server, visit(server) as here:
        assert here.session.probe(bytes(100_000)) > 0
        assert server.seen[-1].path == wire.PROBE
        assert server.seen[-1].body == bytes(100_000)
    with Flaky() as server, visit(server) as here:
        server.stop()
        with pytest.raises(Unanswered, match="refused"):
            here.session.probe(b"x")


def test_a_probe_of_the_way_back_asks_for_its_bytes_and_says_how_long_they_took() -> None:
    with Flaky() as server, visit(server) as here:
        assert here.session.probe_down(100_000) > 0
        seen = server.seen[-1]
        assert (seen.method, seen.path, seen.query) == ("GET", wire.PROBE, {"bytes": ["100000"]})
        server.stop()
        with pytest.raises(Unanswered, match="refused"):
            here.session.probe_down(1)


def test_a_session_has_as_many_slots_as_its_server_has_workers() -> None:
    with Flaky(info=info(workers=3)) as server, visit(server) as here:
        assert here.session.slots == 3
