"""Small models made on the spot, each answering by what its pixels are.

All find what is brighter than `BRIGHT`: one box around it, scored with the picture's mean, 0..1.
TensorFlow is imported by whoever builds one, not by whoever imports this.
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from offload.detectors import native_chatter_muted
from offload.domain.vision import Pixels

BRIGHT = 200
BUILTIN = Path(__file__).parents[1] / "offload" / "detectors" / "builtin" / "model.tflite"
ENTITY, CLASS_NAME, CLASS_LABEL = "Tree", "/m/07j7r", 7
_GARBAGE_ROWS = 2


def picture(
    box: tuple[float, float, float, float], side: int = 64, background: int = 0
) -> tuple[Pixels, float]:
    """A white rectangle, its edges as shares of the square picture, and the picture's mean 0..1."""
    pixels = np.full((side, side, 3), background, np.uint8)
    top, left, bottom, right = (round(edge * side) for edge in box)
    pixels[top:bottom, left:right] = 255
    return pixels, float(pixels.mean() / 255)


def zoo(folder: Path) -> Path:
    """As the TensorFlow 2 detection zoo exports: one uint8 picture of any size.

    Rows after `num_detections` are garbage with perfect scores. The object is a dog (18).
    """
    return _zoo(folder, [1, None, None, 3])


def batchable(folder: Path) -> Path:
    """As `zoo`, for any number of pictures of 64 x 64."""
    return _zoo(folder, [None, 64, 64, 3])


def fixed_batch(folder: Path) -> Path:
    """As `zoo`, for exactly four pictures of 64 x 64."""
    return _zoo(folder, [4, 64, 64, 3])


def open_images(folder: Path) -> Path:
    """As the Open Images modules answer: float32 in 0..1 in, one unbatched answer with names out.

    Its scores: the mean, the greatest and the smallest value that came in.
    """
    tf = _tensorflow()

    def answer(images: Any) -> Mapping[str, Any]:
        return _open_images_answer(images)

    spec = tf.TensorSpec([1, None, None, 3], tf.float32, "images")
    return _saved(folder, answer, spec, "default")


def hub_v1_open_images(folder: Path) -> Path:
    """As `open_images`, in the TensorFlow 1 module format that those modules really have."""
    tf = _tensorflow()
    v1 = tf.compat.v1
    with native_chatter_muted(), v1.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [1, None, None, 3], "images")
        one = v1.get_variable("one", initializer=1.0, use_resource=True)
        answer = _open_images_answer(images * one)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"images": v1.saved_model.build_tensor_info(images)},
            {name: v1.saved_model.build_tensor_info(value) for name, value in answer.items()},
            "default",
        )
        builder.add_meta_graph_and_variables(session, [], {"default": signature})
        builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return folder


def no_detector(folder: Path) -> Path:
    """A classifier: pictures in, one number out."""
    tf = _tensorflow()

    def answer(images: Any) -> Mapping[str, Any]:
        return {"logits": tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])}

    return _saved(folder, answer, tf.TensorSpec([1, None, None, 3], tf.uint8, "images"))


def takes_text(folder: Path) -> Path:
    """A detector by its outputs that takes no picture."""
    return _blind(folder, lambda tf: tf.TensorSpec([None], tf.string, "text"))


def takes_grey(folder: Path) -> Path:
    """A detector by its outputs that takes pictures of one channel."""
    return _blind(folder, lambda tf: tf.TensorSpec([1, None, None, 1], tf.uint8, "images"))


def no_signature(folder: Path) -> Path:
    """A SavedModel without anything to call."""
    tf = _tensorflow()
    with native_chatter_muted():
        tf.saved_model.save(tf.Module(), str(folder))
    return folder


def float_tflite(path: Path) -> Path:
    """A `.tflite` with a float32 input of 8 x 8 and outputs named in its signature.

    Its two scores are the greatest and the smallest value that came in, -1..1 brought to 0..1; its
    classes 3 and 5.
    """
    tf = _tensorflow()

    def answer(images: Any) -> Mapping[str, Any]:
        extremes = tf.stack([tf.reduce_max(images), tf.reduce_min(images)])
        scores = (extremes[None] + 1) / 2
        return {
            "detection_scores": scores,
            "num_detections": tf.ones_like(scores[:, 0]) * 2,
            "detection_classes": tf.zeros_like(scores) + tf.constant([[3.0, 5.0]]),
            "detection_boxes": tf.zeros_like(scores)[..., None] + tf.constant([0.0, 0.25, 0.5, 1]),
        }

    return _converted(path, answer, [1, 8, 8, 3])


def classifier_tflite(path: Path) -> Path:
    """A `.tflite` that is no detector."""
    tf = _tensorflow()

    def answer(images: Any) -> Mapping[str, Any]:
        return {"logits": tf.reduce_mean(images, axis=[1, 2])}

    return _converted(path, answer, [1, 8, 8, 3])


def grey_tflite(path: Path) -> Path:
    """A `.tflite` that takes pictures of one channel."""
    tf = _tensorflow()

    def answer(images: Any) -> Mapping[str, Any]:
        return {"logits": tf.reduce_mean(images, axis=[1, 2])}

    return _converted(path, answer, [1, 8, 8, 1])


def tflite_with_metadata(path: Path, labels: str = "zebra\n???\nlion\nape\nyak\n") -> Path:
    """The embedded model with labels packed behind it as TensorFlow Lite metadata packs them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("vocabulary.txt", "no labels")
        archive.writestr("labelmap.txt", labels)
    path.write_bytes(BUILTIN.read_bytes() + packed.getvalue())
    return path


def _zoo(folder: Path, shape: list[int | None]) -> Path:
    tf = _tensorflow()

    def answer(input_tensor: Any) -> Mapping[str, Any]:
        values = tf.cast(input_tensor, tf.float32)
        boxes = _bright_box(tf.reduce_mean(values, axis=3))[:, None]
        scores = tf.reduce_mean(values, axis=[1, 2, 3])[:, None] / 255
        garbage = tf.ones_like(scores) * tf.ones([1, _GARBAGE_ROWS])
        return {
            "detection_boxes": tf.concat([boxes, boxes * garbage[..., None]], 1),
            "detection_scores": tf.concat([scores, garbage], 1),
            "detection_classes": tf.concat([tf.ones_like(scores) * 18, garbage], 1),
            "num_detections": tf.ones_like(scores[:, 0]),
            "raw_detection_scores": garbage,
        }

    return _saved(folder, answer, tf.TensorSpec(shape, tf.uint8, "input_tensor"))


def _open_images_answer(images: Any) -> Mapping[str, Any]:
    tf = _tensorflow()
    scores = tf.stack([tf.reduce_mean(images), tf.reduce_max(images), tf.reduce_min(images)])
    box = _bright_box(tf.reduce_mean(images, axis=3) * 255)
    return {
        "detection_boxes": tf.tile(box, [3, 1]),
        "detection_scores": scores,
        "detection_class_entities": tf.fill([3], ENTITY),
        "detection_class_names": tf.fill([3], CLASS_NAME),
        "detection_class_labels": tf.fill([3], tf.constant(CLASS_LABEL, tf.int64)),
    }


def _bright_box(grey: Any) -> Any:
    """[N, height, width] -> the box [N, 4] around what is bright, as shares."""
    tf = _tensorflow()
    edges = []
    for across in (2, 1):
        line = tf.reduce_any(grey > BRIGHT, axis=across)
        length = tf.shape(line)[1]
        place = tf.range(length)[None]
        first = tf.reduce_min(tf.where(line, place, length), axis=1)
        last = tf.reduce_max(tf.where(line, place + 1, 0), axis=1)
        edges.append([tf.cast(edge / length, tf.float32) for edge in (first, last)])
    (top, bottom), (left, right) = edges
    return tf.stack([top, left, bottom, right], axis=1)


def _blind(folder: Path, spec: Callable[[Any], Any]) -> Path:
    tf = _tensorflow()

    def answer(_something: Any) -> Mapping[str, Any]:
        names = ("detection_boxes", "detection_scores", "detection_classes")
        return {name: tf.zeros([1, 1, 4][: 3 if name == names[0] else 2]) for name in names}

    return _saved(folder, answer, spec(tf))


def _saved(
    folder: Path, answer: Callable[[Any], Any], spec: Any, signature: str = "serving_default"
) -> Path:
    tf = _tensorflow()
    with _hushed():
        module = tf.Module()
        module.answer = tf.function(answer).get_concrete_function(spec)
        tf.saved_model.save(module, str(folder), {signature: module.answer})
    return folder


def _converted(path: Path, answer: Callable[[Any], Any], shape: list[int]) -> Path:
    tf = _tensorflow()
    folder = _saved(path.with_suffix(""), answer, tf.TensorSpec(shape, tf.float32, "images"))
    with _hushed():
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    return path


def _tensorflow() -> Any:
    with _hushed():
        import tensorflow as tf
    return tf


@contextmanager
def _hushed() -> Iterator[None]:
    with native_chatter_muted(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
