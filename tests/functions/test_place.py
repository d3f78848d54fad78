"""`--where lambda` against an account whose functions run: AWS' runtime client with our handler."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import offload
from offload import bootstrap
from offload.domain.errors import PlaceUnavailable
from offload.domain.ports import Coolable
from offload.domain.results import Row
from offload.domain.vision import Selection
from offload.drivers import settings
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from tests.conftest import Offload, Typed
from tests.functions.aws import NAME, Account, account
from tests.functions.troubled import END, FAIL, HANG

pytestmark = pytest.mark.xdist_group("functions")

AT: dict[str, Any] = {"where": "lambda", "model": "builtin"}


def rows(folder: Path, **wishes: Any) -> dict[str, Row]:
    """What came of a folder's pictures, by name."""
    return {row.path: row for row in offload.detect(str(folder), **wishes)}


@pytest.fixture
def photos(examples: Path, tmp_path: Path) -> Path:
    """Some pictures, of which each is there several times."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        for path in sorted(examples.glob("*.jpg"))[:3]:
            shutil.copy(path, folder / f"{number}-{path.name}")
    return folder


@pytest.fixture
def limit(aws: Account) -> Iterator[Account]:
    """The account, whose limit a test may change."""
    before = aws.service.most
    yield aws
    aws.service.most = before


def test_the_boxes_are_those_of_this_process_and_at_most_one_image_waits_for_a_start(
    here: Account, photos: Path
) -> None:
    there = rows(photos, concurrency=2, **AT)
    ours = rows(photos, model="builtin")
    assert {path: row.detections for path, row in there.items()} == {
        path: row.detections for path, row in ours.items()
    }
    assert {row.where for row in there.values()} == {"lambda"}
    spent = [row.durations for row in there.values()]
    assert all(each.decode_s > 0 and each.infer_s > 0 for each in spent)
    # The greeting started one environment, two images at a time another, where they met.
    assert sum(each.init_s > 0 for each in spent) <= 1
    assert all(row.sent_bytes == row.bytes for row in there.values())


def test_more_calls_than_the_account_runs_are_held_back_and_none_is_lost(
    here: Account, limit: Account, photos: Path
) -> None:
    limit.service.most, before = 1, limit.service.throttled
    there = rows(photos, concurrency=6, **AT)
    # What the account would tell of its limit is unknown to most who may only call.
    assert [row.error for row in there.values()] == [None] * 9
    assert limit.service.throttled >= before


def test_a_function_that_ends_or_fails_on_a_picture_is_a_failed_row_with_its_request(
    here: Account, photos: Path
) -> None:
    for name, data in {"end.jpg": END, "fail.jpg": FAIL}.items():
        (photos / name).write_bytes(data)
    found = rows(photos, concurrency=2, **AT)
    wrong = {path: row.error or "" for path, row in found.items() if row.error}
    assert wrong.keys() == {"end.jpg", "fail.jpg"}
    assert wrong["end.jpg"].startswith("the function ended on it: Runtime.ExitError")
    assert wrong["fail.jpg"].startswith("the function failed on it: RuntimeError")
    assert all("(request " in why for why in wrong.values())


def test_a_function_that_takes_too_long_is_a_failed_row_with_its_request(
    here: Account, tmp_path: Path
) -> None:
    (tmp_path / "hang.jpg").write_bytes(HANG)
    here.client("lambda").update_function_configuration(FunctionName=NAME, Timeout=3)
    [row] = rows(tmp_path, **AT).values()
    here.client("lambda").update_function_configuration(FunctionName=NAME, Timeout=60)
    assert (row.error or "").startswith("the function took longer on it than it may (request ")


def test_a_picture_that_is_too_large_for_a_call_waits_in_the_bucket_and_is_gone_afterwards(
    here: Account, examples: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.mkdir()
    data = next(examples.glob("*.jpg")).read_bytes()
    (large / "large.jpg").write_bytes(data + bytes(5_000_000))
    [refused] = rows(large, **AT).values()
    assert "--upload-max-side" in (refused.error or "")
    bucket, s3 = "staging", here.client("s3")
    s3.create_bucket(Bucket=bucket)
    variables = {"Variables": {"OFFLOAD_BUCKET": bucket}}
    configure = here.client("lambda").update_function_configuration
    configure(FunctionName=NAME, Environment=variables)
    [taken] = rows(large, **AT).values()
    configure(FunctionName=NAME, Environment={"Variables": {}})
    [ours] = rows(large, model="builtin").values()
    assert taken.error is None
    assert taken.detections == ours.detections
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_smaller_copies_may_be_sent(here: Account, photos: Path) -> None:
    there = rows(photos, upload_max_side=200, concurrency=1, **AT)
    assert all(0 < row.sent_bytes < (row.bytes or 0) for row in there.values())
    assert all(row.error is None for row in there.values())


def test_a_split_gives_each_image_one_row_from_here_or_there(
    here: Account, photos: Path, offload: Offload
) -> None:
    asked = ("--where", "split", "--with", "lambda", "--workers", 1, "-m", "builtin", "--yes")
    done = offload("detect", photos, *asked, "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["path"] for row in found) == sorted(path.name for path in photos.iterdir())
    assert {row["where"] for row in found} <= {"local", "lambda"}


def test_runs_are_measurements_from_which_advice_knows_cold_starts_and_dollars(
    here: Account, photos: Path, offload: Offload
) -> None:
    here.service.rest()
    asked = ("--where", "lambda", "-m", "builtin", "--concurrency", 1, "--yes")
    cold, warm = (offload("detect", photos, *asked, "--json") for _ in range(2))
    assert (cold.returncode, warm.returncode) == (0, 0), cold.stderr + warm.stderr
    done = offload("advise", photos, "--json", "--offline")
    options = json.loads(done.stdout)["options"]
    rows = {o["state"]: o for o in options if o["place"] == "lambda"}
    assert rows["cold"]["terms"]["startup_s"]["origin"] == "measured"
    assert rows["cold"]["seconds"] > rows["warm"]["seconds"]
    assert rows["cold"]["usd"] > rows["warm"]["usd"] > 9 * 2e-7
    assert rows["cold"]["choosable"]
    told = offload("advise", photos, "--explain", "--offline").stdout
    assert "A function's calls cost $0.20 a million" in " ".join(told.split())
    [outcome] = json.loads(offload("accuracy", "--json").stdout)["runs"]
    assert outcome["place"] == "lambda"
    assert outcome["actual_usd"] > 9 * 2e-7


def test_a_profile_measures_cold_and_warm_and_says_what_that_cost_and_advice_rests_on_it(
    here: Account, photos: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_OFFLINE", "true")
    asked = ("--where", "lambda", "-m", "builtin", "--concurrency", "2", "--budget", "3s")
    code, _, said = typed("profile", str(photos), *asked, "--yes")
    assert code == 0, said
    assert re.search(r"Measuring lambda cost about \$0\.0\d+", said)
    options = json.loads(typed("advise", "-n", "200", "--json", "--offline")[1])["options"]
    rows = {o["state"]: o for o in options if o["place"] == "lambda"}
    for state in ("warm", "cold"):
        origins = {name: term["origin"] for name, term in rows[state]["terms"].items()}
        assert "assumed" not in {origins[name] for name in ("startup_s", "service_s", "goodput")}
    assert rows["cold"]["seconds"] > rows["warm"]["seconds"]
    assert rows["cold"]["usd_per_1000_images"] > rows["warm"]["usd_per_1000_images"] > 2e-4


def test_a_profile_has_the_first_call_start_an_environment(here: Account, photos: Path) -> None:
    asked = bootstrap.context(configured=settings.load(os.environ))
    place = places.made(Request((str(photos),), **AT), asked, None)
    assert place.model.identity.name == "builtin"
    assert isinstance(place, Coolable)
    place.cool()
    again = places.made(Request((str(photos),), **AT), asked, None)
    with again.open(Selection(), 1) as session:
        assert session.phases["init"] > 0


def test_it_is_asked_about_before_money_flows(
    here: Account, photos: Path, offload: Offload
) -> None:
    refused = offload("detect", photos, "--where", "lambda", "-m", "builtin")
    assert refused.returncode == 2
    assert "lambda may cost money" in refused.stderr


def unavailable(photos: Path, **wishes: Any) -> PlaceUnavailable:
    """Why the place is not there."""
    with pytest.raises(PlaceUnavailable) as raised:
        rows(photos, **AT | wishes)
    return raised.value


def said(error: PlaceUnavailable) -> Sequence[str]:
    return str(error), error.hint


def test_a_function_that_is_not_there_is_one_sentence_and_a_command(
    here: Account, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_FUNCTION", "nobody")
    sentence, hint = said(unavailable(photos))
    assert sentence.startswith("There is no such function")
    assert "OFFLOAD_FUNCTION" in hint


def test_a_function_that_is_switched_off_is_one_sentence_and_a_command(
    here: Account, photos: Path
) -> None:
    client = here.client("lambda")
    client.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
    sentence, hint = said(unavailable(photos))
    client.delete_function_concurrency(FunctionName=NAME)
    assert sentence.endswith("its reserved concurrency is 0.")
    assert "delete-function-concurrency" in hint


def test_another_model_than_the_one_asked_for_is_one_sentence_and_a_command(
    here: Account, photos: Path, ssd: Path
) -> None:
    sentence, hint = said(unavailable(photos, model=str(ssd)))
    assert "serves builtin" in sentence
    assert hint.endswith("offload provision lambda")


def test_an_image_for_another_processor_is_one_sentence_and_a_command(
    home: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_variables: object) -> Any:
        raise RuntimeError("fork/exec /opt/offload/venv/bin/python: exec format error")

    with account(starting=lambda _function: refused) as elsewhere:
        for name, value in elsewhere.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OFFLOAD_FUNCTION", elsewhere.function("foreign"))
        sentence, hint = said(unavailable(photos))
    assert "its container image is for another processor than the function" in sentence
    assert hint.startswith("To see why: aws logs tail")
