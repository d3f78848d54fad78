import dataclasses
from typing import Any

import pytest
from typer.main import get_command

from offload.cli.commands import app
from offload.domain.errors import UsageError
from offload.usecases.detect.request import Request, alone, at, at_each, fitting

EVERYTHING = Request(
    sources=("photos",), recursive=True, where="container", model="a model", labels="coco",
    min_score=0.3, classes=("person", "dog"), max_detections=5, max_iou=0.5, max_pixels=1000,
    max_failures="5%", offline=True, workers=3, threads=2, concurrency=7, timeout_s=2.5,
    max_retries=1, fallback="local", upload_max_side=640, upload_quality=80, strip_metadata=True,
    container_image="mine", cpus=1.5, memory="512m", keep=True,
)  # fmt: skip
BOTH = Request(
    ("photos",), where="split", url="http://host:1", workers=2, concurrency=4, keep=True,
    deadline_s=300.0, max_cost_usd=0.1, keep_local=("faces/**", "-odd"),
)  # fmt: skip


def asked(options: list[str]) -> Request:
    """What `offload detect` would ask for with these options."""
    command = get_command(app).commands["detect"]  # type: ignore[attr-defined] # a group
    given = command.make_context("detect", ["photos", *options]).params
    known = {f.name for f in dataclasses.fields(Request)}
    given = {name: value for name, value in given.items() if name in known}
    given |= {
        "sources": tuple(given["sources"]),
        "classes": tuple(given["classes"] or ()),
        "formats": tuple(given["formats"].split(",")),
        "keep_local": tuple(given["keep_local"] or ()),
        "others": tuple(given["others"] or ()),
    }
    return Request(**given)


@pytest.mark.parametrize(
    "request_",
    [
        EVERYTHING,
        Request(("photos",)),
        Request(("photos",), where="remote", url="http://host:1", timeout_s=9),
        Request(("photos",), model="-odd"),
        BOTH,
        Request(("photos",), where="split", others=("container",)),
        Request(("photos",), where="fleet", deadline_s=300.0, max_cost_usd=0.1),
    ],
)
def test_a_request_as_options_asks_for_the_same(request_: Request) -> None:
    assert asked(request_.as_options()) == request_


def test_no_option_holds_the_token_or_where_results_go() -> None:
    request = Request(
        ("photos",), where="remote", token="sesame", out="out", annotate=True, overwrite=True
    )
    assert request.as_options() == ["--where=remote"]


def test_each_place_gets_the_options_that_do_something_there() -> None:
    local, remote = at_each(
        ["local", "remote"], ["photos"], url="http://host:1", workers=3, model="builtin"
    )
    assert (local.where, local.url, local.workers, local.model) == ("local", None, 3, "builtin")
    assert (remote.where, remote.url, remote.workers) == ("remote", "http://host:1", None)


def test_a_place_named_twice_is_one() -> None:
    assert len(at_each(["local", "local"], ["photos"])) == 1


def test_an_option_that_does_nothing_at_any_of_the_places_is_refused() -> None:
    with pytest.raises(UsageError, match="--cpus has no effect with --where local"):
        at_each(["local", "remote"], ["photos"], cpus=2.0)


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ("local", {"max_cost_usd": 0.1}, "--max-cost has no effect with --where local"),
        ("remote", {"deadline_s": 300.0}, "--deadline has no effect with --where remote"),
        ("container", {"max_cost_usd": 0.1}, "--max-cost has no effect with --where container"),
        ("local", {"keep_local": ("a",)}, "--keep-local has no effect with --where local"),
        ("container", {"keep_local": ("a",)}, "--keep-local has no effect with --where container"),
        ("fleet", {"keep_local": ("a",), "replicas": 2}, "--replicas has no effect with --where"),
        ("split", {"keep_local": ("a", "")}, "--keep-local is empty"),
        ("split", {"cpus": 1.0}, "--cpus has no effect with --where split"),
        ("split", {"replicas": 2}, "--replicas has no effect with --where split"),
        ("split", {"fallback": "local"}, "--where split falls back by itself"),
        ("split", {"url": "http://host:1", "machine": "big"}, "--url and --machine name two"),
        ("remote", {"keep": True}, "--keep has no effect with --where remote"),
        ("remote", {"others": ("container",)}, "--with has no effect with --where remote"),
        ("split", {"others": ("moon",)}, "There is no place 'moon'"),
        ("split", {"others": ("local",)}, "A split uses this process and one other place"),
        (
            "split",
            {"others": ("remote", "container")},
            "A split uses this process and one other place",
        ),
        ("split", {"others": ("container",), "url": "x"}, "--url has no effect with --where split"),
    ],
)
def test_what_does_nothing_at_a_place_is_refused(
    where: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Request(("photos",), where=where, **options)


def test_a_split_takes_what_either_of_its_places_takes() -> None:
    wishes: dict[str, Any] = {
        "workers": 2, "threads": 1, "labels": "coco", "machine": "big", "concurrency": 3,
        "timeout_s": 5.0, "upload_max_side": 640, "strip_metadata": True, "keep": True,
        "deadline_s": 300.0, "max_cost_usd": 0.1, "keep_local": ("a",), "token": "sesame",
    }  # fmt: skip
    both = Request(("photos",), where="split", **wishes)
    assert all(getattr(both, name) == value for name, value in wishes.items())


def test_a_split_is_with_the_place_that_is_named_and_takes_its_options() -> None:
    both = Request(("photos",), where="split", others=("container",), cpus=1.0, workers=2)
    assert both.members == ["local", "container"]
    assert not both.leaves_machine
    assert alone(both, both.members[1]) == Request(
        ("photos",), where="container", cpus=1.0, workers=2
    )
    usual = Request(("photos",), where="split")
    assert usual.members == ["local", "remote"]
    assert usual.leaves_machine


def test_auto_may_be_told_of_several_places() -> None:
    others = ("remote", "container")
    assert Request(("photos",), where="auto", others=others).others == others


def test_of_a_split_its_remote_place_gets_what_does_something_there() -> None:
    remote = at(
        "remote", ("local", "container", "remote", "split"), ["photos"], workers=2, labels="coco",
        machine="big", concurrency=3, deadline_s=300.0, max_cost_usd=0.1, keep=True, cpus=None,
    )  # fmt: skip
    assert remote == Request(("photos",), where="remote", machine="big", concurrency=3)


def test_where_auto_takes_all_and_hands_on_what_does_something_where_it_runs() -> None:
    wishes: dict[str, Any] = {"deadline_s": 300.0, "max_cost_usd": 0.1, "url": "http://host:1"}
    assert Request(("photos",), where="auto", **wishes).deadline_s == 300.0
    places = ("local", "container", "remote", "split")
    assert at("split", places, ["photos"], **wishes).deadline_s == 300.0
    here = at("local", places, ["photos"], **wishes)
    assert (here.url, here.deadline_s, here.max_cost_usd) == (None, 300.0, None)


@pytest.mark.parametrize("places", [[], ["moon"], ["local", "auto"]])
def test_places_that_cannot_be_measured_are_refused(places: list[str]) -> None:
    with pytest.raises(UsageError, match="There is no place"):
        at_each(places, ["photos"])


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("local", {"min_score", "memory"}),
        ("container", {"min_score", "upload_max_side", "upload_quality", "fallback", "memory"}),
        ("split", {"min_score", "upload_max_side", "upload_quality", "memory"}),
        ("auto", {"min_score", "upload_max_side", "upload_quality", "fallback", "memory"}),
    ],
)
def test_what_is_set_and_does_nothing_at_the_place_is_left_out(where: str, kept: set[str]) -> None:
    wishes = {
        "min_score": 0.4, "upload_max_side": 640, "upload_quality": 80, "fallback": "local",
        "memory": "512m",
    }  # fmt: skip
    loose = wishes.keys() - {"memory"}  # which was typed
    assert fitting([where], wishes, loose).keys() == kept
    if where != "container":
        return
    Request(("photos",), where=where, **fitting([where], wishes, loose))
    del wishes["upload_max_side"]
    assert "upload_quality" not in fitting([where], wishes, loose)
