"""What jobs are made of: photos of two sizes, and a detector that is slow."""

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from offload.detectors import native_chatter_muted

IMAGES = 200
_LARGE, _LARGE_PX = 40, (3648, 2736)
_LARGE_BYTES = (2_000_000, 4_000_000)
_GRAIN_PX = 512
_SLOW_LAYERS, _SLOW_PX, _SLOW_CHANNELS = 8, 320, 64


@dataclass(frozen=True)
class Model:
    """A detector: its files, none for the embedded one."""

    file: Path | None
    labels: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Those there are."""
        return [path for path in (self.file, self.labels) if path is not None]

    def options(self, folder: str | None = None) -> list[str]:
        """What names it on a command line, its files being in another `folder` if one is given."""
        if self.file is None:
            return ["--model", "builtin"]
        named = {"--model": self.file, "--labels": self.labels}
        paths = [(option, path) for option, path in named.items() if path is not None]
        return [
            word
            for option, path in paths
            for word in (option, f"{folder}/{path.name}" if folder else str(path.resolve()))
        ]


def folders(photos: Path, work: Path, seed: int) -> Mapping[str, Path]:
    """A folder of 200 photos of each size, as `job` cuts them short."""
    small = sorted(photos.glob("*.jpg"))
    random.Random(seed).shuffle(small)  # noqa: S311 - no secret
    large = [work / "large" / f"{number:03}.jpg" for number in range(_LARGE)]
    rng = np.random.default_rng(seed)
    for path, photo in zip(large, small, strict=False):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_enlarged(photo, rng))
    made = {"small": small, "large": [path for path in large if path.exists()]}
    return {size: linked(paths, IMAGES, work / f"{size}-{IMAGES}") for size, paths in made.items()}


def job(folder: Path, images: int) -> Path:
    """A folder with the first of its images."""
    paths = [path.resolve() for path in sorted(folder.iterdir())]
    return linked(paths, images, folder.with_name(folder.name.replace(str(IMAGES), str(images))))


def linked(paths: Sequence[Path], count: int, where: Path) -> Path:
    """A folder of `count` links to the files in turn."""
    where.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        link = where / f"{number:03}.jpg"
        if not link.exists():
            link.symlink_to(paths[number % len(paths)].resolve())
    return where


def _enlarged(photo: Path, rng: np.random.Generator) -> bytes:
    """The photo with 10 megapixels and a camera's grain, 2 to 4 MB of JPEG."""
    picture = Image.open(photo).convert("RGB").resize(_LARGE_PX, Image.Resampling.BICUBIC)
    grain = rng.normal(0, rng.uniform(3, 6), (_GRAIN_PX, _GRAIN_PX, 1)).astype(np.int16)
    width, height = _LARGE_PX
    tiles = np.tile(grain, (-(-height // _GRAIN_PX), -(-width // _GRAIN_PX), 1))[:height, :width]
    pixels = np.clip(np.asarray(picture, np.int16) + tiles, 0, 255).astype(np.uint8)
    noisy = Image.fromarray(pixels)
    for quality in (90, 85, 80, 95, 75, 70):
        stream = BytesIO()
        noisy.save(stream, "JPEG", quality=quality)
        if _LARGE_BYTES[0] <= stream.tell() <= _LARGE_BYTES[1]:
            break
    return stream.getvalue()


def slow_detector(path: Path) -> Path:
    """A `.tflite` detector that takes about 0.2 s of a core for an image: 320 pixels, float32, nine
    convolutions of random weights, always the same one object.
    """
    if path.exists():
        return path
    with native_chatter_muted(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf

        module = tf.Module()
        spec = tf.TensorSpec([1, _SLOW_PX, _SLOW_PX, 3], tf.float32, "images")
        module.answer = tf.function(_convolutions(tf)).get_concrete_function(spec)
        folder = path.with_suffix("")
        tf.saved_model.save(module, str(folder), {"serving_default": module.answer})
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    return path


def _convolutions(tf: Any) -> Any:
    rng = np.random.default_rng(0)

    def kernel(channels: int) -> Any:
        shape = (3, 3, channels, _SLOW_CHANNELS)
        return tf.constant(rng.normal(0, (2 / 9 / channels) ** 0.5, shape), tf.float32)

    kernels = [kernel(3), *(kernel(_SLOW_CHANNELS) for _ in range(_SLOW_LAYERS))]

    def answer(images: Any) -> Mapping[str, Any]:
        values = images
        for number, each in enumerate(kernels):
            values = tf.nn.relu(tf.nn.conv2d(values, each, 2 if number == 0 else 1, "SAME"))
        scores = 0.9 + 0.05 * tf.tanh(tf.reduce_mean(values, axis=[1, 2, 3]))[:, None]
        return {
            "detection_boxes": tf.zeros_like(scores)[..., None] + tf.constant([0.2, 0.2, 0.8, 0.8]),
            "detection_classes": tf.ones_like(scores),
            "detection_scores": scores,
            "num_detections": tf.ones_like(scores[:, 0]),
        }

    return answer
