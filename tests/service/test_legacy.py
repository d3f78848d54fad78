"""Three formats that other people's clients speak, each as those clients speak it."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from offload.service import wire
from tests.drawing import encoded, scene

pytestmark = pytest.mark.xdist_group("service")

BATCH, SINGLE, FORM = "/api/detect", "/api/object_detection", "/"
TURNED = "runner-turned-by-exif.jpg"


def text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def found(client: httpx.Client, path: Path) -> Any:
    """The answer of our own interface, which the others must agree with."""
    return client.post(wire.DETECT, content=path.read_bytes()).raise_for_status().json()


@pytest.fixture(scope="module")
def paths(examples: Path) -> list[Path]:
    return sorted(path for path in examples.iterdir() if path.suffix != ".json")


def test_a_batch_is_answered_image_by_image_with_the_totals(
    client: httpx.Client, paths: list[Path]
) -> None:
    names = [path.name for path in paths]
    body = json.dumps({"images": [text(path) for path in paths], "names": names})
    headers = {"Content-Type": "application/json"}
    answer = client.post(BATCH, content=body, headers=headers).raise_for_status()
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert set(document) == {
        "results", "total_images", "payload_bytes", "average_inference_s", "total_s",
    }  # fmt: skip
    results = document["results"]
    assert [entry["name"] for entry in results] == names
    for entry, path in zip(results, paths, strict=True):
        assert set(entry) == {"name", "detections", "inference_s", "error"}
        assert entry["error"] is None
        assert entry["inference_s"] > 0
        assert entry["detections"] == found(client, path)["detections"]
    assert document["total_images"] == len(paths)
    assert document["payload_bytes"] == len(body)
    seconds = [entry["inference_s"] for entry in results]
    assert document["average_inference_s"] == pytest.approx(sum(seconds) / len(seconds))
    assert document["total_s"] >= max(seconds)


def test_images_of_a_batch_without_names_are_numbered(
    client: httpx.Client, paths: list[Path]
) -> None:
    image = text(paths[0])
    for names in ({}, {"names": None}):
        answer = client.post(BATCH, json={"images": [image, image]} | names)
        results = answer.raise_for_status().json()["results"]
        assert [entry["name"] for entry in results] == ["0", "1"]


def test_a_batch_of_more_images_than_slots_counts_as_one_request(
    client: httpx.Client,
) -> None:
    image = base64.b64encode(encoded(scene())).decode()
    document = {"images": [image] * 200, "what the server does not know": 1}
    answer = client.post(BATCH, json=document).raise_for_status().json()
    assert answer["total_images"] == 200
    assert {entry["error"] for entry in answer["results"]} == {None}


@pytest.mark.parametrize("sent_id", ["a/b.jpg", "", 7, -1, None, "ä\u2028"])
def test_a_single_image_is_answered_in_pixels_under_its_id(
    client: httpx.Client, examples: Path, sent_id: str | int | None
) -> None:
    path = examples / TURNED
    answer = client.post(SINGLE, json={"id": sent_id, "image": text(path)}).raise_for_status()
    assert answer.headers["Content-Type"] == "application/json"
    ours = found(client, path)
    width, height = ours["width"], ours["height"]
    assert (height, width) == Image.open(io.BytesIO(path.read_bytes())).size, "it is turned"
    expected = []
    for d in ours["detections"]:
        ymin, xmin, ymax, xmax = d["box"]
        pixels = {
            "height": (ymax - ymin) * height, "left": xmin * width,
            "top": ymin * height, "width": (xmax - xmin) * width,
        }  # fmt: skip
        rectangle = pytest.approx(pixels, abs=0.011)
        expected.append({"label": d["label"], "accuracy": d["score"], "rectangle": rectangle})
    assert expected
    assert answer.json() == {"id": sent_id, "objects": expected}


def as_data_url(image: str) -> str:
    return f"data:image/jpeg;base64,{image}"


def in_lines(image: str) -> str:
    return base64.encodebytes(base64.b64decode(image)).decode()


def in_lines_of_windows(image: str) -> str:
    return in_lines(image).replace("\n", "\r\n")


def for_addresses(image: str) -> str:
    return image.replace("+", "-").replace("/", "_")


def as_python_shows_bytes(image: str) -> str:
    return str(image.encode())


@pytest.mark.parametrize(
    "written",
    [str, as_data_url, in_lines, in_lines_of_windows, for_addresses, as_python_shows_bytes],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_base64_comes_in_several_spellings(
    client: httpx.Client, examples: Path, written: Callable[[str], str], *, wrapped: bool
) -> None:
    path = examples / "red-bus.jpg"
    image = written(text(path))
    labels = [d["label"] for d in found(client, path)["detections"]]

    def post(url: str, document: Any) -> Any:
        body = json.dumps(document)
        return client.post(url, json=body if wrapped else document).raise_for_status().json()

    single = post(SINGLE, {"id": "x", "image": image})
    assert [d["label"] for d in single["objects"]] == labels
    batch = post(BATCH, {"images": [image], "names": ["x"]})
    assert [d["label"] for d in batch["results"][0]["detections"]] == labels


def test_a_form_is_answered_with_the_label_of_the_best_object(
    client: httpx.Client, paths: list[Path]
) -> None:
    for path in paths:
        best = found(client, path)["detections"][0]["label"]
        for name in ("myfile", "any name"):
            answer = client.post(FORM, files={name: (path.name, path.read_bytes())})
            assert answer.raise_for_status().text == best
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", [FORM, wire.DETECT])
def test_text_beside_the_file_of_a_form_is_left_out(
    client: httpx.Client, examples: Path, path: str
) -> None:
    photo = examples / "red-bus.jpg"
    files = {"image": (photo.name, photo.read_bytes())}
    alone = client.post(path, files=files).raise_for_status()
    beside = client.post(path, files=files, data={"min_confidence": "0.4", "api_key": ""})
    assert "bus" in beside.raise_for_status().text
    if path == wire.DETECT:
        assert beside.json()["detections"] == alone.json()["detections"]
    nameless = client.post(path, files={"image": (None, photo.read_bytes())})
    assert "bus" in nameless.raise_for_status().text


def test_a_form_whose_picture_shows_nothing_known_is_answered_with_none(
    client: httpx.Client,
) -> None:
    blank = encoded(Image.new("RGB", (64, 64)))
    answer = client.post(FORM, files={"myfile": ("blank.png", blank)})
    assert answer.raise_for_status().text == "none"


def test_what_an_id_holds_comes_back_unchanged(client: httpx.Client) -> None:
    image = base64.b64encode(encoded(scene())).decode()
    sent_id = "x" * 10_000 + '\0"\\\n🚌'
    answer = client.post(SINGLE, json={"id": sent_id, "image": image})
    assert answer.raise_for_status().json()["id"] == sent_id
