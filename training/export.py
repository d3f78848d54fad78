"""Turn the weights.npz of train.py into saved_model/, model.tflite and labels.txt."""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from common import CLASSES, STRIDES
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]
Tensors = dict[str, tf.Tensor]

MOST_DETECTIONS = 50
IOU_THRESHOLD = 0.55
SCORE_THRESHOLD = 0.05


class Network:
    """The network of network.py in TensorFlow operators, on maps [B, H, W, channels]."""

    def __init__(self, weights: Tensors) -> None:
        self.weights = weights

    def predict(self, x: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        """Convolve and add the bias."""
        padding = "SAME"
        if stride == 2:
            # PyTorch pads both sides, "SAME" only the far one
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
            padding = "VALID"
        x = tf.nn.conv2d(x, self.weights[f"{name}/w"], stride, padding)
        return tf.nn.bias_add(x, self.weights[f"{name}/b"])

    def convolve(self, x: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        """Convolve, add the bias and rectify."""
        return tf.nn.relu(self.predict(x, name, stride))

    def stage(self, x: tf.Tensor, name: str, residual: bool = True) -> tf.Tensor:
        """Run a cross-stage block with as many pairs as there are weights for."""
        y = self.convolve(x, f"{name}.b")
        parts = [self.convolve(x, f"{name}.a"), y]
        pair = f"{name}.m.0"
        while f"{pair}.0/w" in self.weights:
            z = self.convolve(self.convolve(y, f"{pair}.0"), f"{pair}.1")
            y = y + z if residual else z
            parts.append(y)
            pair = f"{name}.m.{len(parts) - 2}"
        return self.convolve(tf.concat(parts, -1), f"{name}.out")

    def context(self, x: tf.Tensor) -> tf.Tensor:
        """Convolve the map beside its mean, without repeating the mean at every place.

        concat(x, mean) * w is x * w[first half] + mean * w[second half].
        """
        kernel = self.weights["ctx/w"]
        half = kernel.shape[2] // 2
        mean = tf.reduce_mean(x, [1, 2], keepdims=True)
        added = tf.nn.conv2d(mean, kernel[:, :, half:], 1, "SAME") + self.weights["ctx/b"]
        return tf.nn.relu(tf.nn.conv2d(x, kernel[:, :, :half], 1, "SAME") + added)

    def pyramid(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the feature maps, one for each stride."""
        x = self.stage(self.convolve(self.convolve(x, "stem", 2), "d2", 2), "s2")
        c3 = self.stage(self.convolve(x, "d3", 2), "s3")
        c4 = self.stage(self.convolve(c3, "d4", 2), "s4")
        c5 = self.context(self.stage(self.convolve(c4, "d5", 2), "s5"))
        u4 = self.stage(tf.concat([double(c5), c4], -1), "u4", residual=False)
        u3 = self.stage(tf.concat([double(u4), c3], -1), "u3", residual=False)
        q4 = self.stage(tf.concat([self.convolve(u3, "p4", 2), u4], -1), "q4", residual=False)
        q5 = self.stage(tf.concat([self.convolve(q4, "p5", 2), c5], -1), "q5", residual=False)
        return u3, q4, q5

    def heads(self, x: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Return class logits [B, G, G, C] and raw distances [B, G, G, 4], one for each stride."""
        maps = list(enumerate(self.pyramid(x)))
        logits = [self.predict(self.convolve(y, f"hc.{i}"), f"pc.{i}") for i, y in maps]
        distances = [self.predict(self.convolve(y, f"hr.{i}"), f"pr.{i}") for i, y in maps]
        return logits, distances

    def mirrored_heads(self, x: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Return the means of the heads for one photo [1, S, S, 3] and for its mirror image."""
        logits, distances = self.heads(tf.concat([x, tf.reverse(x, [2])], 0))
        return (
            [(y[:1] + tf.reverse(y[1:], [2])) * 0.5 for y in logits],
            # left and right change places
            [
                (y[:1] + tf.gather(tf.reverse(y[1:], [2]), [2, 1, 0, 3], axis=-1)) * 0.5
                for y in distances
            ],
        )

    def detect(self, photo: tf.Tensor, mirror: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Return boxes [1, A, 4] and scores [1, A, C] for a photo [1, S, S, 3] in 0..255.

        Boxes are (ymin, xmin, ymax, xmax) in 0..1.
        """
        x = (photo - 127.5) / 64.0
        logits, distances = self.mirrored_heads(x) if mirror else self.heads(x)
        boxes, scores = [], []
        for logit, distance, stride in zip(logits, distances, STRIDES, strict=True):
            _, height, width, classes = logit.shape
            scores.append(tf.sigmoid(tf.reshape(logit, [1, height * width, classes])))
            boxes.append(decode(distance, stride, photo.shape[1]))
        return tf.clip_by_value(tf.concat(boxes, 1), 0.0, 1.0), tf.concat(scores, 1)


def double(x: tf.Tensor) -> tf.Tensor:
    """Repeat every pixel twice in both directions."""
    return tf.compat.v1.image.resize_nearest_neighbor(x, [x.shape[1] * 2, x.shape[2] * 2])


def decode(distance: tf.Tensor, stride: int, size: int) -> tf.Tensor:
    """Turn raw distances [1, G, G, 4] into boxes [1, G * G, 4] in 0..1 of a photo of `size`."""
    cells = size // stride
    distance = tf.nn.softplus(tf.reshape(distance, [1, cells * cells, 4]))
    left, top, right, bottom = tf.split(distance * np.float32(stride / size), 4, -1)
    line = (np.arange(cells) + 0.5) * stride / size
    rows, columns = np.meshgrid(line, line, indexing="ij")
    yx = tf.constant(np.stack([rows.ravel(), columns.ravel()], 1)[None], tf.float32)
    edges = [yx[..., :1] - top, yx[..., 1:] - left, yx[..., :1] + bottom, yx[..., 1:] + right]
    return tf.concat(edges, -1)


class Served(tf.Module):
    """The detector for photos of any size, as saved_model/."""

    def __init__(self, weights: Weights, size: int, ids: list[int], mirror: bool) -> None:
        super().__init__()
        self.variables_by_name = {
            name: tf.Variable(value, trainable=False, name=name) for name, value in weights.items()
        }
        self.size = size
        self.ids = tf.constant(ids, tf.float32)
        self.mirror = mirror

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")])
    def detect(self, input_tensor: tf.Tensor) -> Tensors:
        """Detect in one RGB photo."""
        side = [self.size, self.size]
        photo = tf.image.resize(tf.cast(input_tensor, tf.float32), side, antialias=True)
        weights = {k: tf.convert_to_tensor(v) for k, v in self.variables_by_name.items()}
        boxes, scores = Network(weights).detect(photo, self.mirror)
        boxes, scores, classes, count = tf.image.combined_non_max_suppression(
            boxes[:, :, None],
            scores,
            MOST_DETECTIONS,
            100,
            iou_threshold=IOU_THRESHOLD,
            score_threshold=SCORE_THRESHOLD,
        )
        return {
            "detection_boxes": boxes,
            "detection_scores": scores,
            "detection_classes": tf.gather(self.ids, tf.cast(classes, tf.int32)),
            "num_detections": tf.cast(count, tf.float32),
        }


class Lite(tf.Module):
    """The detector for photos of the network's size, with builtin TFLite operators only."""

    def __init__(self, weights: Weights, size: int, ids: list[int], mirror: bool) -> None:
        super().__init__()
        self.numbers = weights
        self.ids = ids
        self.mirror = mirror
        spec = tf.TensorSpec([1, size, size, 3], tf.uint8, name="image")
        self.run = tf.function(self.detect, input_signature=[spec])

    def detect(self, image: tf.Tensor) -> Tensors:
        """Detect in one RGB photo."""
        weights = {name: tf.constant(value) for name, value in self.numbers.items()}
        boxes, scores = Network(weights).detect(tf.cast(image, tf.float32), self.mirror)
        boxes, scores = boxes[0], scores[0]
        classes = tf.cast(tf.argmax(scores, -1, output_type=tf.int32), tf.float32)
        scores = tf.reduce_max(scores, -1)
        kept, count = tf.raw_ops.NonMaxSuppressionV4(
            # one suppression for all classes: boxes of different classes are moved apart
            boxes=boxes + 2.0 * classes[:, None],
            scores=scores,
            max_output_size=MOST_DETECTIONS,
            iou_threshold=IOU_THRESHOLD,
            score_threshold=SCORE_THRESHOLD,
            pad_to_max_output_size=True,
        )
        valid = tf.cast(tf.range(MOST_DETECTIONS) < count, tf.float32)
        indices = tf.cast(tf.gather(classes, kept), tf.int32)
        ids = tf.gather(tf.constant(self.ids, tf.float32), indices)
        return {
            "detection_boxes": (tf.gather(boxes, kept) * valid[:, None])[None],
            "detection_classes": (ids * valid)[None],
            "detection_scores": (tf.gather(scores, kept) * valid)[None],
            "num_detections": tf.cast(count, tf.float32)[None],
        }


def to_tflite(model: Lite, mode: str) -> bytes:
    """Convert the detector to the contents of a .tflite file."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, signatures={"serving_default": model.run})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if mode != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "fp16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def load_weights(path: str, classes: list[str]) -> Weights:
    """Read the weights, stored in half precision, without the class outputs left out."""
    with np.load(path) as file:
        weights = {name: value.astype(np.float32) for name, value in file.items()}
    kept = [list(CLASSES).index(name) for name in classes]
    for level in range(len(STRIDES)):
        for key in (f"pc.{level}/w", f"pc.{level}/b"):
            weights[key] = weights[key][..., kept]
    return weights


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--weights", required=True, help="weights.npz of train.py")
    add("--out", required=True, help="folder to write to")
    add("--size", type=int, default=224, help="input side in pixels (default: %(default)s)")
    add(
        "--mode",
        default="dynamic",
        choices=["dynamic", "fp16", "float"],
        help="weights in model.tflite: 8-bit integers, 16 or 32-bit floats (default: %(default)s)",
    )
    add(
        "--flip",
        action="store_true",
        help="average with the mirror image (twice the time, a little better)",
    )
    add("--classes", default=",".join(CLASSES), help="classes to keep (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Write the three files."""
    options = parse_arguments()
    classes = [name for name in CLASSES if name in options.classes.split(",")]
    ids = [CLASSES[name] for name in classes]
    weights = load_weights(options.weights, classes)
    os.makedirs(options.out, exist_ok=True)
    served = Served(weights, options.size, ids, options.flip)
    folder = os.path.join(options.out, "saved_model")
    tf.saved_model.save(served, folder, signatures={"serving_default": served.detect})
    content = to_tflite(Lite(weights, options.size, ids, options.flip), options.mode)
    with open(os.path.join(options.out, "model.tflite"), "wb") as file:
        file.write(content)
    with open(os.path.join(options.out, "labels.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{CLASSES[name]} {name}\n" for name in classes)
    params = sum(value.size for value in weights.values())
    print("params", params, "tflite bytes", len(content))


if __name__ == "__main__":
    main()
