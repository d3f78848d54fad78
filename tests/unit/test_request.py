import dataclasses

import pytest
from typer.main import get_command

from offload.cli.commands import app
from offload.domain.errors import UsageError
from offload.wiring.request import Request, at_each

EVERYTHING = Request(
    sources=("photos",), recursive=True, where="container", model="a model", labels="coco",
    min_score=0.3, classes=("person", "dog"), max_detections=5, max_iou=0.5, max_pixels=1000,
    max_failures="5%", offline=True, workers=3, threads=2, concurrency=7, timeout_s=2.5,
    max_retries=1, fallback="local", upload_max_side=640, upload_quality=80, strip_metadata=True,
    image="mine", cpus=1.5, memory="512m", keep=True,
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
    }
    return Request(**given)


@pytest.mark.parametrize(
    "request_",
    [
        EVERYTHING,
        Request(("photos",)),
        Request(("photos",), where="remote", url="http://host:1", timeout_s=9),
        Request(("photos",), model="-odd"),
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
    with pytest.raises(UsageError, match="--cpus does nothing with --where local"):
        at_each(["local", "remote"], ["photos"], cpus=2.0)


@pytest.mark.parametrize("places", [[], ["moon"], ["local", "auto"]])
def test_places_that_cannot_be_measured_are_refused(places: list[str]) -> None:
    with pytest.raises(UsageError, match="There is no place"):
        at_each(places, ["photos"])
