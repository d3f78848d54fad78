"""A real server of ours at the end of a tunnel answers as it does without."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.ports import Dial
from offload.domain.results import Row
from offload.domain.vision import Selection
from offload.drivers.images import image_files
from offload.places.served import ServedPlace
from offload.providers import url as provider
from offload.providers.config import Endpoint, PlaceConfig
from offload.usecases.detect.rows import Job, detect
from tests.remote.served import Served, served
from tests.ssh.proxy import Proxy
from tests.ssh.sshd import Sshd

pytestmark = pytest.mark.xdist_group("ssh")

TOKEN = "sesame"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """It runs the embedded model."""
    with served(token=TOKEN) as ready:
        yield ready


def place(url: str, dial: Dial | None = None) -> ServedPlace:
    return ServedPlace(
        provider,
        PlaceConfig(
            asked=None,
            labels=None,
            resolve=_unused,
            here=lambda: None,
            cache="",
            load=_unused,
            max_pixels=80_000_000,
            clock=time.perf_counter,
            cores=1,
            endpoint=Endpoint(url, TOKEN, dial),
        ),
    )


def _unused(*_: object) -> Any:
    raise AssertionError("the server has the model")


def rows(place: ServedPlace, folder: Path) -> dict[str, Row]:
    paths = sorted(path.name for path in folder.glob("*.jpg"))
    job = Job(paths, partial(image_files.read, str(folder)))
    with place.open(Selection(), len(paths)) as session:
        found = list(detect(job, session, place.name, time.perf_counter, Stop()))
    assert len(found) == len(paths)
    return {row.path: row for row in found}


def test_every_picture_has_the_very_same_boxes_through_a_tunnel(
    sshd: Sshd, server: Served, examples: Path
) -> None:
    with Proxy(sshd.port) as proxy, closing(sshd.tunnel(server.port, proxy.port)) as tunnel:
        there = place("http://mine", tunnel.dial)
        assert there.model.identity.name == "builtin"
        through = rows(there, examples)
        assert proxy.connections == 1, "asking for the model and detecting share it"
    plain = rows(place(server.url), examples)
    assert through.keys() == plain.keys()
    for path, row in through.items():
        assert row.error is None
        assert (row.detections, row.width, row.height) == (
            plain[path].detections, plain[path].width, plain[path].height,
        )  # fmt: skip
    assert sum(len(row.detections) for row in through.values()) > 10


def test_a_tunnel_to_nowhere_makes_the_place_unavailable(sshd: Sshd) -> None:
    nothing = pytest.raises(PlaceUnavailable, match="nothing answers there")
    with closing(sshd.tunnel(9)) as tunnel, nothing:
        place("http://mine", tunnel.dial).model  # noqa: B018
