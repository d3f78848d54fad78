"""The interface of our own, with the real server and real pictures."""

import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

import offload
from offload.domain import typed
from offload.drivers.host import machine
from offload.service import wire
from tests.service.serving import Server, serving

pytestmark = pytest.mark.xdist_group("service")

BUS = "red-bus.jpg"
WALKERS = "three-people-walking.jpg"


def in_process(*sources: Path, model: str = "builtin", **wishes: Any) -> dict[str, offload.Row]:
    return {row.path: row for row in offload.detect(sources, model=model, **wishes)}


def like(row: offload.Row) -> Any:
    """What a server must find where `row` was found here."""
    return [
        {"label": d.label, "id": d.class_id, "score": pytest.approx(d.score, abs=1e-4),
         "box": pytest.approx(list(d.box), abs=1e-4)}
        for d in row.detections
    ]  # fmt: skip


def detect(client: httpx.Client, path: Path, **query: Any) -> httpx.Response:
    return client.post("/v1/detect", content=path.read_bytes(), params=query)


def test_every_example_is_answered_as_in_process_whether_sent_raw_or_in_a_form(
    client: httpx.Client, examples: Path
) -> None:
    here = in_process(examples)
    assert len(here) == 12
    for path, row in here.items():
        raw = detect(client, examples / path)
        file = {f"a field called {path}": (path, (examples / path).read_bytes())}
        form = client.post("/v1/detect", files=file)
        for answer in (raw.raise_for_status().json(), form.raise_for_status().json()):
            assert answer["detections"] == like(row)
            assert answer["detections"]
            assert (answer["width"], answer["height"]) == (row.width, row.height)
            assert answer["model_sha256"] == row.model_sha256
            assert answer["schema"] == 2


def test_a_detector_that_is_a_server_answers_for_arrays_as_one_in_this_process(
    server: Server, examples: Path
) -> None:
    with Image.open(examples / BUS) as picture:
        pixels = np.asarray(picture)
    with (
        offload.Detector("builtin") as here,
        offload.Detector(where="remote", url=server.url) as there,
    ):
        ours, (theirs,) = here(pixels), there.detect([pixels])
        assert there.model.sha256 == here.model.sha256
    assert theirs.detections == ours.detections
    assert theirs.where == "remote"
    assert 0 < theirs.sent_bytes < (ours.bytes or 0), "PNG there, plain pixels here"


def test_photos_are_answered_as_in_process_by_a_model_of_ones_own(
    photos: Path, ssd: Path, ssd_labels: Path, tmp_path: Path
) -> None:
    paths = sorted(photos.rglob("*.jpg"))[:12]
    here = in_process(*paths, model=str(ssd), labels=str(ssd_labels))
    with (
        serving(tmp_path, "--model", ssd, "--labels", ssd_labels) as server,
        server.client() as client,
        ThreadPoolExecutor(len(paths)) as threads,
    ):
        answers = threads.map(lambda path: detect(client, path).raise_for_status().json(), paths)
        found = {
            path.name: answer["detections"] for path, answer in zip(paths, answers, strict=True)
        }
    rows = {Path(path).name: row for path, row in here.items()}
    assert found == {name: like(row) for name, row in rows.items()}
    assert sum(map(len, found.values())) > len(paths)


def test_the_server_timing_header_repeats_the_durations(
    client: httpx.Client, examples: Path
) -> None:
    answer = detect(client, examples / BUS)
    entries = [entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", ")]
    assert [name for name, _ in entries] == ["recv", "queue", "decode", "infer"]
    header_s = {f"{name}_s": pytest.approx(float(ms) / 1000, abs=1e-9) for name, ms in entries}
    assert answer.json()["durations"] == header_s
    assert answer.json()["durations"]["infer_s"] > 0


@pytest.mark.parametrize(
    ("query", "wishes"),
    [
        ({"min_score": 0.05}, {"min_score": 0.05}),
        ({"min_score": 0.99}, {"min_score": 0.99}),
        ({"min_score": 0.05, "class": "person"}, {"min_score": 0.05, "classes": ("person",)}),
        ({"min_score": 0.05, "class": "1"}, {"min_score": 0.05, "classes": ("1",)}),
        ({"class": [" Person", "BUS"]}, {"classes": ("person", "bus")}),
        ({"min_score": 0.05, "max_detections": 1}, {"min_score": 0.05, "max_detections": 1}),
        ({"min_score": 0.01, "iou": 0}, {"min_score": 0.01, "iou": 0.0}),
        ({"min_score": 0.01, "iou": 1}, {"min_score": 0.01, "iou": 1.0}),
    ],
)
def test_wishes_in_the_query_work_as_in_process(
    client: httpx.Client, examples: Path, query: dict[str, Any], wishes: dict[str, Any]
) -> None:
    (row,) = in_process(examples / WALKERS, **wishes).values()
    answer = detect(client, examples / WALKERS, **query).raise_for_status()
    assert answer.json()["detections"] == like(row)


def test_wishes_make_a_difference(client: httpx.Client, examples: Path) -> None:
    def count(**query: Any) -> int:
        return len(detect(client, examples / WALKERS, **query).json()["detections"])

    all_of_them = count(min_score=0.01, iou=1)
    assert all_of_them > count(min_score=0.01, iou=0) > count(min_score=0.99) == 0
    assert count(min_score=0.01, max_detections=1) == 1
    assert count(**{"class": "dog"}) == 0


def test_a_picture_larger_than_wished_is_refused_as_such(
    client: httpx.Client, examples: Path
) -> None:
    answer = detect(client, examples / BUS, max_pixels=1000)
    assert answer.status_code == 413
    assert answer.json()["type"] == wire.TOO_MANY_PIXELS
    assert "--max-pixels" in answer.json()["detail"]
    assert detect(client, examples / BUS, max_pixels=10**18).status_code == 200


@pytest.mark.parametrize("unknown", ["dgo", "99", "", "person,bus"])
def test_a_class_the_model_does_not_have_is_named(
    client: httpx.Client, examples: Path, unknown: str
) -> None:
    answer = detect(client, examples / BUS, **{"class": ["person", unknown]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"The model has no class {unknown!r}."


def test_a_probe_says_how_much_came_and_how_long_it_took(client: httpx.Client) -> None:
    answer = client.post("/v1/probe", content=bytes(100_000)).raise_for_status()
    assert answer.json()["bytes"] == 100_000
    timing = re.fullmatch(r"recv;dur=([\d.]+)", answer.headers["Server-Timing"])
    assert timing
    assert float(timing[1]) / 1000 == pytest.approx(answer.json()["recv_s"], abs=1e-9)
    assert client.post("/v1/probe").json()["bytes"] == 0


def test_a_probe_of_the_way_back_brings_bytes_that_nothing_shortens(client: httpx.Client) -> None:
    for size_bytes in (0, 1, 100_000, wire.MOST_PROBE_BYTES):
        answer = client.get("/v1/probe", params={"bytes": size_bytes}).raise_for_status()
        assert len(answer.content) == size_bytes
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "Content-Encoding" not in answer.headers
        assert len(zlib.compress(answer.content)) >= size_bytes


@pytest.mark.parametrize("query", ["", "?bytes=-1", "?bytes=4194305", "?bytes=x", "?byte=1"])
def test_a_probe_of_the_way_back_says_how_much_is_wanted(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/probe{query}")
    assert answer.status_code == 422
    assert "byte" in answer.json()["detail"]


def test_the_server_says_what_it_is(client: httpx.Client, examples: Path) -> None:
    document = client.get("/v1/info").raise_for_status().content
    info = typed.parse(wire.Info, document)
    assert typed.encoded(info) == document
    (row,) = in_process(examples / BUS).values()
    assert info.identity.sha256 == row.model_sha256
    assert info.version == offload.__version__
    assert "person" in info.labels.values()
    assert info.machine["usable_cores"] == machine.usable_cores()
    assert all(seconds > 0 for seconds in asdict(info.startup).values())


def test_monitors_are_told_what_happened(client: httpx.Client, examples: Path) -> None:
    def samples() -> dict[str, float]:
        answer = client.get("/metrics").raise_for_status()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(answer.text))
        assert all(family.documentation for family in families)
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in families
            for sample in family.samples
        }

    detect(client, examples / BUS)
    client.get("/nowhere")
    before = samples()
    detect(client, examples / BUS)
    client.get("/nowhere")
    after = samples()
    grown = {name: after[name] - before[name] for name in after if name in before}
    assert grown["offload_images_total"] == 1
    assert grown["offload_responses_total 200"] == 2
    assert grown["offload_responses_total 404"] == 1
    for phase in wire.TIMINGS:
        assert grown[f"offload_image_seconds_count {phase}"] == 1
    assert grown["offload_image_seconds_sum infer"] > 0
    assert after["offload_requests_in_progress"] == after["offload_held_bytes"] == 0


def test_who_asks_whether_it_lives_and_is_ready_gets_a_word(client: httpx.Client) -> None:
    for path, word in (("/livez", "live\n"), ("/readyz", "ready\n")):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, word)
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_slashes_too_many_in_a_path_do_no_harm(client: httpx.Client, examples: Path) -> None:
    picture = (examples / BUS).read_bytes()
    expected = detect(client, examples / BUS).json()["detections"]
    for path in ("/v1/detect/", "//v1/detect", "/v1//detect//"):
        answer = client.post(client.base_url.copy_with(raw_path=path.encode()), content=picture)
        assert answer.raise_for_status().json()["detections"] == expected
    assert client.get("/v1/info/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/v1/info", "/v1/probe?bytes=9", "/metrics", "/docs"]
)
def test_what_can_be_read_can_be_asked_for_its_head_alone(client: httpx.Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
    if path != "/metrics":
        assert head.headers["Content-Length"] == str(len(whole.content))
    assert client.get(path).status_code == 200, "nothing is left on the connection"


def test_people_get_a_page(client: httpx.Client) -> None:
    answer = client.get("/").raise_for_status()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")


def test_the_documentation_of_the_interface_needs_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs").raise_for_status()
    assert "text/html" in page.headers["Content-Type"]
    needed = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert len(needed) >= 3
    for path in needed:
        assert path.startswith("/")
        client.get(path).raise_for_status()
    assert "://" not in page.text
    document = client.get("/openapi.json").raise_for_status().json()
    assert {wire.DETECT, wire.PROBE, wire.INFO, wire.METRICS} <= set(document["paths"])
    assert "servers" not in document


def test_who_offers_another_protocol_is_told_that_there_is_none(client: httpx.Client) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAQ"}
    answer = client.post("/v1/detect", content=b"x", headers=offer)
    assert answer.status_code == 400
    assert answer.headers["Connection"] == "close"
    assert answer.json()["detail"] == (
        "This server speaks only HTTP/1.1: send no Upgrade and no CONNECT."
    )


def test_many_at_once_get_the_answer_to_their_own_picture(
    server: Server, client: httpx.Client, examples: Path
) -> None:
    paths = sorted(path for path in examples.iterdir() if path.suffix != ".json") * 3
    alone = {path: detect(client, path).json()["detections"] for path in set(paths)}
    with ThreadPoolExecutor(len(paths)) as threads:
        together = threads.map(lambda path: detect(client, path).json()["detections"], paths)
        assert json.dumps(list(together)) == json.dumps([alone[path] for path in paths])
    assert server.process.poll() is None
