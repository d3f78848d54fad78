"""Measure AP50 per class of detectors, on photos with YOLO labels (indices of 80 COCO classes).

Average precision is COCO's at an IoU of 0.5 (101 points), by the same code for every model. Boxes
are (ymin, xmin, ymax, xmax) in 0..1 of the photo.
"""

import argparse
import glob
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

Photo = NDArray[np.uint8]
Boxes = NDArray[np.float64]

LARGE = 0.02
"""The share of the photo from which on an object counts as large."""

WORKING_SCORE = 0.4
"""Precision and recall are given for detections of at least this score."""

UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_IDS = [number for number in range(1, 91) if number not in UNUSED_IDS]
"""The COCO id of each of the 80 indices in YOLO labels."""

OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


class Detection(NamedTuple):
    """An object that a model found."""

    coco_id: int
    score: float
    box: list[float]


class Result(NamedTuple):
    """How well one class is found; None where there is nothing to divide by."""

    ap: float | None
    objects: int
    precision: float | None
    recall: float | None


Objects = dict[int, Boxes]
"""A photo's true boxes [K, 4] by COCO id."""


def load_objects(path: str) -> Objects:
    """Read a photo's label file: rows of class, x centre, y centre, width, height."""
    filled = os.path.exists(path) and os.path.getsize(path) > 0
    objects: dict[int, list[list[float]]] = {}
    for index, x, y, width, height in np.loadtxt(path, ndmin=2) if filled else ():
        box = [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
        objects.setdefault(COCO_IDS[int(index)], []).append(box)
    return {coco_id: np.array(boxes) for coco_id, boxes in objects.items()}


def area(boxes: Boxes) -> NDArray[np.float64]:
    """Return the areas [...] of boxes [..., 4]."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(box: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """Return the intersection over union [K] of a box [4] with boxes [K, 4]."""
    start = np.maximum(box[:2], boxes[:, :2])
    end = np.minimum(box[2:], boxes[:, 2:])
    intersection = np.clip(end - start, 0, None).prod(1)
    return intersection / (area(box) + area(boxes) - intersection + 1e-9)


def judge(
    found: list[list[Detection]], true_boxes: list[Boxes], coco_id: int, smallest: float
) -> tuple[list[float], list[bool]]:
    """Match one class's detections, best first, with true boxes; return their scores and hits.

    What has less than the area `smallest` is left out, be it right or wrong.
    """
    candidates = [
        (detection.score, photo, np.array(detection.box))
        for photo, detections in enumerate(found)
        for detection in detections
        if detection.coco_id == coco_id
    ]
    candidates.sort(key=lambda candidate: -candidate[0])
    free = [np.ones(len(boxes), bool) for boxes in true_boxes]
    scores, hits = [], []
    for score, photo, box in candidates:
        overlaps = iou(box, true_boxes[photo]) * free[photo]
        hit = overlaps.max(initial=0) >= 0.5
        judged = box
        if hit:
            match = overlaps.argmax()
            free[photo][match] = False
            judged = true_boxes[photo][match]
        if area(judged) >= smallest:
            scores.append(score)
            hits.append(bool(hit))
    return scores, hits


def measure(
    found: list[list[Detection]], truth: list[Objects], coco_id: int, smallest: float = 0.0
) -> Result:
    """Compute one class's average precision, and its precision and recall at WORKING_SCORE."""
    true_boxes = [objects.get(coco_id, np.zeros((0, 4))) for objects in truth]
    objects = sum(int((area(boxes) >= smallest).sum()) for boxes in true_boxes)
    if not objects:
        return Result(None, 0, None, None)
    scores, hits = judge(found, true_boxes, coco_id, smallest)
    right = np.cumsum(hits)
    recall = right / objects
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    ap = float(np.append(envelope, 0.0)[places].mean())
    sure = sum(score >= WORKING_SCORE for score in scores)
    if not sure:
        return Result(ap, objects, None, 0.0)
    return Result(ap, objects, float(precision[sure - 1]), float(recall[sure - 1]))


class Model:
    """A detector under test, with the seconds that its bare inference took per photo."""

    def __init__(
        self, infer: Callable[[Photo], list[Any]], size: tuple[int, int] | None, first_id: int = 0
    ) -> None:
        """Take the inference, its input size (width, height; None for any) and the id of class 0.

        `infer` maps a photo [1, H, W, 3] to boxes [1, N, 4], classes [1, N], scores [1, N] and
        the count [1].
        """
        self.infer = infer
        self.size = size
        self.first_id = first_id
        self.seconds: list[float] = []

    def detect(self, photo: Photo) -> list[Detection]:
        """Detect in a photo [H, W, 3], stretched to the model's size first."""
        if self.size:
            image = Image.fromarray(photo).resize(self.size, Image.Resampling.BILINEAR)
            photo = np.asarray(image)
        start = time.perf_counter()
        outputs = self.infer(photo[None])
        self.seconds.append(time.perf_counter() - start)
        boxes, classes, scores, count = (np.asarray(output)[0] for output in outputs)
        return [
            Detection(int(classes[k]) + self.first_id, float(scores[k]), boxes[k].tolist())
            for k in range(int(count))
        ]


def load_saved_model(path: str) -> Model:
    """Load a saved_model/ of export.py."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # imported here because a .tflite is measured without it
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    detect = tf.saved_model.load(path).signatures["serving_default"]

    def infer(photo: Photo) -> list[Any]:
        outputs = detect(input_tensor=tf.constant(photo))
        return [outputs[name] for name in OUTPUTS]

    return Model(infer, None)


def load_tflite(path: str) -> Model:
    """Load a model.tflite of export.py."""
    interpreter = Interpreter(path, num_threads=1)
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    detect = interpreter.get_signature_runner()

    def infer(photo: Photo) -> list[Any]:
        outputs = detect(image=photo)
        return [outputs[name] for name in OUTPUTS]

    return Model(infer, (width, height))


def load_teacher(path: str) -> Model:
    """Load a COCO .tflite that ends in TFLite_Detection_PostProcess, whose class 0 is person."""
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    _, height, width, _ = given["shape"]

    def infer(photo: Photo) -> list[Any]:
        interpreter.set_tensor(given["index"], photo)
        interpreter.invoke()
        return [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]

    return Model(infer, (width, height), first_id=1)


def evaluate(
    model: Model, photos: list[Photo], truth: list[Objects], names: dict[int, str]
) -> dict[str, Any]:
    """Run a model on all photos and collect its figures for the classes, named by COCO id."""
    model.detect(photos[0])  # the first run is slower than the rest
    model.seconds.clear()
    start = time.perf_counter()
    found = [model.detect(photo) for photo in photos]
    whole = (time.perf_counter() - start) / len(photos)
    classes = {}
    for coco_id, name in names.items():
        every = measure(found, truth, coco_id)
        large = measure(found, truth, coco_id, LARGE)
        classes[name] = {
            "ap50": every.ap,
            "n": every.objects,
            "p@0.4": every.precision,
            "r@0.4": every.recall,
            "ap50_big": large.ap,
            "n_big": large.objects,
        }
    report = {
        "ms_per_photo": whole * 1000,
        "invoke_ms": float(np.median(model.seconds) * 1000),
        "classes": classes,
    }
    for key in ("ap50", "ap50_big"):
        known = [figures[key] for figures in classes.values() if figures[key] is not None]
        report[f"m{key}"] = float(np.mean(known)) if known else None
    return report


def show(title: str, report: dict[str, Any]) -> None:
    """Print a model's figures."""

    def figure(value: float | None) -> str:
        return "  -  " if value is None else f"{value:5.3f}"

    print(
        f"== {title}: mAP50 {figure(report['map50'])}  (objects of >= {LARGE:.0%} of the photo: "
        f"{figure(report['map50_big'])})  {report['ms_per_photo']:.1f} ms/photo whole call, "
        f"{report['invoke_ms']:.1f} ms invoke"
    )
    for name, figures in report["classes"].items():
        print(
            f"   {name:12s} n={figures['n']:4d} AP50 {figure(figures['ap50'])} | "
            f"n>={LARGE:.0%}={figures['n_big']:3d} AP50 {figure(figures['ap50_big'])} | "
            f"at score {WORKING_SCORE}: precision {figure(figures['p@0.4'])} "
            f"recall {figure(figures['r@0.4'])}"
        )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--photos", required=True, help="folder of .jpg photos")
    add("--labels", required=True, help="folder with a YOLO .txt of the same name for each photo")
    add(
        "--classes",
        default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "labels.txt"),
        help="labels.txt with the COCO ids and names to measure (default: %(default)s)",
    )
    add("--saved-model", help="a saved_model/ of export.py (needs TensorFlow)")
    add("--tflite", nargs="*", default=[], help="files model.tflite of export.py")
    add("--teacher", help="a COCO SSD .tflite to compare with")
    add("--json", help="file to write all figures to")
    return parser.parse_args()


def load_models(options: argparse.Namespace) -> dict[str, Model]:
    """Load every model asked for, by the title to print."""
    models = {}
    if options.saved_model:
        models["saved_model"] = load_saved_model(options.saved_model)
    for path in options.tflite:
        models[path] = load_tflite(path)
    if options.teacher:
        models["teacher"] = load_teacher(options.teacher)
    return models


def main() -> None:
    """Measure the models, print and write the figures."""
    options = parse_arguments()
    with open(options.classes, encoding="utf-8") as file:
        rows = [line.strip().split(" ", 1) for line in file if line.strip()]
    names = {int(coco_id): name for coco_id, name in rows}
    paths = sorted(glob.glob(os.path.join(options.photos, "*.jpg")))
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    truth = [load_objects(os.path.join(options.labels, f"{stem}.txt")) for stem in stems]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    reports = {}
    for title, model in load_models(options).items():
        reports[title] = evaluate(model, photos, truth, names)
        show(title, reports[title])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(reports, file, indent=1)


if __name__ == "__main__":
    main()
