"""Our pipeline against the bare interpreter on labelled photos, by COCO's own evaluation."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from offload.detectors import labels
from tests.conftest import Offload

Result = dict[str, Any]
CATEGORY_IDS = sorted(labels.COCO)


@pytest.fixture(scope="module")
def truth(photos: Path) -> COCO:
    """The photos' labels as a COCO data set, one image id per photo in order of name."""
    images: list[Result] = []
    annotations: list[Result] = []
    for number, photo in enumerate(sorted(photos.glob("*.jpg")), 1):
        with Image.open(photo) as picture:
            width, height = picture.size
        images.append({"id": number, "file_name": photo.name, "width": width, "height": height})
        file = photos / "labels" / f"{photo.stem}.txt"
        for line in file.read_text().splitlines() if file.exists() else []:
            kind, cx, cy, w, h = (float(word) for word in line.split())
            box = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORY_IDS[int(kind)],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    data_set = COCO()
    categories = [{"id": key, "name": name} for key, name in labels.COCO.items()]
    data_set.dataset = {"images": images, "annotations": annotations, "categories": categories}
    with contextlib.redirect_stdout(io.StringIO()):
        data_set.createIndex()
    return data_set


def mean_ap(truth: COCO, found: list[Result]) -> float:
    """AP averaged over classes and IoU 0.50..0.95, in points of 100."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]) * 100


def bare(model: Path) -> Callable[[Path], list[tuple[int, float, list[float]]]]:
    """The interpreter and Pillow, with nothing of ours: (class id, score, box) of a photo."""
    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    entrance = interpreter.get_input_details()[0]
    exits = [output["index"] for output in interpreter.get_output_details()]
    side_px = int(entrance["shape"][1])

    def detect(photo: Path) -> list[tuple[int, float, list[float]]]:
        with Image.open(photo) as picture:
            small = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
        interpreter.set_tensor(entrance["index"], np.asarray(small)[None])
        interpreter.invoke()
        boxes, classes, scores, count = (interpreter.get_tensor(index)[0] for index in exits)
        return [
            (int(classes[k]) + 1, float(scores[k]), boxes[k].tolist()) for k in range(int(count))
        ]

    return detect


def raw_yolox(model: Path) -> Callable[[Path], list[tuple[int, float, list[float]]]]:
    """A session of ONNX Runtime and its network's own convention, with nothing of ours."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    side_px, strides = 416, (8, 16, 32)
    grids = [np.mgrid[: side_px // s, : side_px // s][::-1].reshape(2, -1).T for s in strides]
    stride = np.concatenate([np.full((len(g), 1), s) for g, s in zip(grids, strides, strict=True)])
    grid = np.concatenate(grids)

    def detect(photo: Path) -> list[tuple[int, float, list[float]]]:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        ratio = side_px / max(picture.size)
        width, height = (round(side * ratio) for side in picture.size)
        framed = np.full((side_px, side_px, 3), 114, np.float32)
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        framed[:height, :width] = np.asarray(small)[..., ::-1]
        (rows,) = session.run(None, {"images": framed.transpose(2, 0, 1)[None]})[0]
        centres, sides = (rows[:, :2] + grid) * stride, np.exp(rows[:, 2:4]) * stride
        scores = rows[:, 5:] * rows[:, 4:5]
        found = []
        for k in np.argsort(-scores.max(axis=1))[:1000]:
            if scores[k].max() >= LEAST_SCORE:
                xmin, ymin = (centres[k] - sides[k] / 2) / (width, height)
                xmax, ymax = (centres[k] + sides[k] / 2) / (width, height)
                box = np.clip([ymin, xmin, ymax, xmax], 0, 1).tolist()
                category = CATEGORY_IDS[int(scores[k].argmax())]
                found.append((category, float(scores[k].max()), box))
        return found

    return detect


LEAST_SCORE = 0.05


@pytest.mark.soak  # half a minute beside others
def test_map_of_an_onnx_network_is_within_two_tenths_of_its_raw_sessions(
    truth: COCO, photos: Path, assets: Path, offload: Offload, tmp_path: Path
) -> None:
    model = assets / "models" / "yolox_nano.onnx"
    done = offload(
        "detect", photos, "-o", tmp_path, "--format", "coco", "--model", model, "--labels",
        "coco-80", "--min-score", LEAST_SCORE, "--iou", 1, "--max-detections", 1000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = json.loads((tmp_path / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in ours["images"]}
    numbers = {image["file_name"]: key for key, image in truth.imgs.items()}
    for annotation in ours["annotations"]:
        annotation["image_id"] = numbers[names[annotation["image_id"]]]
        annotation["category_id"] = CATEGORY_IDS[annotation["category_id"] - 1]
    reference = mean_ap(truth, _raw(truth, photos, raw_yolox(model)))
    assert reference > 15, "the reference itself must be a detector at work"
    assert mean_ap(truth, ours["annotations"]) == pytest.approx(reference, abs=0.2)


def _raw(
    truth: COCO, photos: Path, detect: Callable[[Path], list[tuple[int, float, list[float]]]]
) -> list[Result]:
    found = []
    for number, size in truth.imgs.items():
        for category, score, (ymin, xmin, ymax, xmax) in detect(photos / size["file_name"]):
            box = [xmin * size["width"], ymin * size["height"]]
            box += [(xmax - xmin) * size["width"], (ymax - ymin) * size["height"]]
            found.append({"image_id": number, "category_id": category, "bbox": box, "score": score})
    return found


def test_map_through_our_pipeline_is_within_two_tenths_of_the_bare_interpreters(
    truth: COCO, photos: Path, ssd: Path, ssd_labels: Path, offload: Offload, tmp_path: Path
) -> None:
    done = offload(
        "detect", photos, "-o", tmp_path, "--format", "coco", "--model", ssd, "--labels",
        ssd_labels, "--min-score", 0, "--iou", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = json.loads((tmp_path / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in ours["images"]}
    numbers = {image["file_name"]: key for key, image in truth.imgs.items()}
    for annotation in ours["annotations"]:
        annotation["image_id"] = numbers[names[annotation["image_id"]]]

    reference = mean_ap(truth, _raw(truth, photos, bare(ssd)))
    assert reference > 15, "the reference itself must be a detector at work"
    assert mean_ap(truth, ours["annotations"]) == pytest.approx(reference, abs=0.2)


def test_our_coco_document_is_one_that_cocos_own_tools_load(
    photos: Path, ssd: Path, ssd_labels: Path, offload: Offload, tmp_path: Path
) -> None:
    few = [str(photo) for photo in sorted(photos.glob("*.jpg"))[:5]]
    command = ("detect", *few, "-o", tmp_path, "--format", "coco", "-m", ssd, "--labels")
    assert offload(*command, ssd_labels).returncode == 0
    with contextlib.redirect_stdout(io.StringIO()):
        document = COCO(str(tmp_path / "coco.json"))
    assert len(document.imgs) == 5
    assert document.cats[1]["name"] == "person"
    assert all(annotation["score"] >= 0.25 for annotation in document.anns.values())
