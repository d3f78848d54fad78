"""The training photos: loading, and random zooming, shifting, mirroring, mosaics and colours.

A photo's labels are rows (class, x centre, y centre, width, height, weight), in 0..1 of the photo.
Once placed in a training picture they are rows (class, x0, y0, x1, y1, weight), in its pixels.
A weight of 0 marks an object that is unsure: not to be learned, nor punished.
"""

import math
import os
import random
from typing import NamedTuple

import cv2
import numpy as np
import torch
from common import CLASSES
from loss import Truth
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]

CACHED_SIZE = 320
"""Photos are kept in memory stretched to this many pixels square."""

GREY = 114


class Window(NamedTuple):
    """The part of a training picture that one photo fills, in pixels."""

    x: int
    y: int
    width: int
    height: int


class View(NamedTuple):
    """How a cached photo lies in a window: pixel * scale + shift, then mirrored if `mirror`."""

    scale: tuple[float, float]
    shift: tuple[float, float]
    mirror: bool


class Photos:
    """Photos and labels in memory, and the random draws from them."""

    def __init__(self, images: Pixels, labels: list[Rows], seed: int) -> None:
        """Take images [N, 320, 320, 3] and the label rows of each."""
        self.images = images
        self.labels = labels
        self.random = random.Random(seed)  # noqa: S311 (no secrets here)
        self.numbers = np.random.RandomState(seed)
        present = [{int(row[0]) for row in rows if row[5] > 0} for rows in labels]
        self.per_class = [sum(c in classes for classes in present) for c in range(len(CLASSES))]
        chances = np.array([self.repeat_factor(classes) for classes in present])
        self.cumulative = np.cumsum(chances / chances.sum())

    def repeat_factor(self, classes: set[int]) -> float:
        """Return how much more often than others a photo with these classes is drawn."""
        wanted = 0.15 * len(self.labels)
        rarity = [min(8.0, math.sqrt(wanted / self.per_class[c])) for c in classes]
        return max(1.0 if classes else 0.6, *rarity, 0.0)

    def draw(self, count: int) -> list[int]:
        """Draw indices of photos."""
        indices = np.searchsorted(self.cumulative, self.numbers.rand(count))
        return indices.clip(0, len(self.images) - 1).tolist()

    def batch(self, count: int, size: int, mosaics: float) -> tuple[Pixels, Truth]:
        """Draw pictures [count, size, size, 3], that share of them mosaics, and their objects."""
        pictures, rows = zip(
            *(self.picture(index, size, mosaics) for index in self.draw(count)), strict=True
        )
        return np.stack(pictures), pad(rows)

    def picture(self, index: int, size: int, mosaics: float) -> tuple[Pixels, Rows]:
        """Make a training picture of one photo or, by chance, of it and three others."""
        picture = np.full((size, size, 3), GREY, np.uint8)
        if self.random.random() >= mosaics:
            return picture, self.place(index, Window(0, 0, size, size), (0.35, 1.5), picture)
        x, y = (int(size * self.random.uniform(0.3, 0.7)) // 2 * 2 for _ in range(2))
        indices = [index, *self.draw(3)]
        self.random.shuffle(indices)
        windows = (
            Window(0, 0, x, y),
            Window(x, 0, size - x, y),
            Window(0, y, x, size - y),
            Window(x, y, size - x, size - y),
        )
        rows = [
            self.place(chosen, window, (0.5, 1.3), picture)
            for chosen, window in zip(indices, windows, strict=True)
        ]
        return picture, np.concatenate(rows)

    def place(self, index: int, window: Window, zoom: tuple[float, float], picture: Pixels) -> Rows:
        """Draw a random view of a photo into the window; return its objects there."""
        view = random_view(window, zoom, self.random)
        pixels = warp(self.images[index], view, window)
        picture[window.y : window.y + window.height, window.x : window.x + window.width] = pixels
        return place_rows(self.labels[index], view, window)


def random_view(window: Window, zoom: tuple[float, float], rng: random.Random) -> View:
    """Choose which part of a photo the window shows; `zoom` bounds the share of its side seen."""
    seen = math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    aspect = math.exp(rng.uniform(-0.25, 0.25))
    scale, shift = [], []
    for share, length in (
        (seen * math.sqrt(aspect), window.width),
        (seen / math.sqrt(aspect), window.height),
    ):
        room = abs(1 - share) * (1 if share < 1 else 0.9)
        centre = 0.5 + rng.uniform(-0.5, 0.5) * room
        scale.append(length / (share * CACHED_SIZE))
        shift.append(-(centre - share / 2) * CACHED_SIZE * scale[-1])
    return View((scale[0], scale[1]), (shift[0], shift[1]), rng.random() < 0.5)


def warp(photo: Pixels, view: View, window: Window) -> Pixels:
    """Return the window's pixels, grey where the photo does not reach."""
    (scale_x, scale_y), (shift_x, shift_y) = view.scale, view.shift
    if view.mirror:
        scale_x, shift_x = -scale_x, window.width - shift_x
    matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]], np.float32)
    if max(view.scale) < 0.6:
        # bilinear sampling alone would skip pixels
        half = CACHED_SIZE // 2
        photo = cv2.resize(photo, (half, half), interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([2, 2, 1]).astype(np.float32)
    return cv2.warpAffine(
        photo,
        matrix,
        (window.width, window.height),
        flags=cv2.INTER_LINEAR,
        borderValue=(GREY, GREY, GREY),
    )


def place_rows(rows: Rows, view: View, window: Window) -> Rows:
    """Move label rows from the photo to the picture; drop what is hardly visible there."""
    centre, extent = rows[:, 1:3], rows[:, 3:5]
    scale, shift = np.array(view.scale, np.float32), np.array(view.shift, np.float32)
    start = (centre - extent / 2) * CACHED_SIZE * scale + shift
    end = (centre + extent / 2) * CACHED_SIZE * scale + shift
    if view.mirror:
        start[:, 0], end[:, 0] = window.width - end[:, 0], window.width - start[:, 0]
    whole = (end - start).prod(1)
    bounds = (window.width, window.height)
    start, end = start.clip(0, bounds), end.clip(0, bounds)
    visible = (end - start).prod(1) / (whole + 1e-6)
    shortest = (end - start).min(1)
    # cut off or tiny: unsure
    weight = np.where((visible < 0.35) | (shortest < 6), 0, rows[:, 5])
    corner = (window.x, window.y)
    placed = np.column_stack([rows[:, 0], start + corner, end + corner, weight])
    return placed[(visible > 0.1) & (shortest > 2)].astype(np.float32)


def pad(rows: tuple[Rows, ...]) -> Truth:
    """Put the rows of B pictures into tensors."""
    longest = max(1, *(len(objects) for objects in rows))
    padded = torch.zeros(len(rows), longest, 6)
    padded[:, :, 5] = -1
    for picture, objects in enumerate(rows):
        padded[picture, : len(objects)] = torch.from_numpy(objects)
    return Truth(padded[..., 1:5], padded[..., 0].long(), padded[..., 5])


def recolour(pictures: Tensor) -> Tensor:
    """Vary contrast, colours and brightness of pictures [B, 3, H, W] in 0..255."""

    def uniform(reach: float, channels: int = 1) -> Tensor:
        return (torch.rand(len(pictures), channels, 1, 1) * 2 - 1) * reach

    grey = pictures.mean(1, keepdim=True)
    colourless = torch.rand(len(pictures), 1, 1, 1) < 0.08
    saturation = torch.where(colourless, 0.0, 1 + uniform(0.5))
    pictures = grey + (pictures - grey) * saturation
    contrast = (1 + uniform(0.4)) * (1 + uniform(0.1, channels=3))
    return (pictures * contrast + uniform(25)).clamp_(0, 255)


def load_labels(folder: str, count: int) -> list[Rows]:
    """Read the label files 0.txt, 1.txt, ...; a photo without objects needs none."""
    labels = []
    for index in range(count):
        path = os.path.join(folder, f"{index}.txt")
        filled = os.path.exists(path) and os.path.getsize(path) > 0
        rows = np.loadtxt(path, dtype=np.float32) if filled else np.zeros(0, np.float32)
        labels.append(rows.reshape(-1, 6))
    return labels


def load_images(paths: list[str], cache: str | None) -> Pixels:
    """Decode the photos to [N, 320, 320, 3], RGB, or take them from the cache file if it exists."""
    if cache and os.path.exists(cache):
        images = np.load(cache)
        if len(images) != len(paths):
            raise SystemExit(f"{cache} holds {len(images)} photos, the list has {len(paths)}")
        return images
    images = np.zeros((len(paths), CACHED_SIZE, CACHED_SIZE, 3), np.uint8)
    for index, path in enumerate(paths):
        photo = cv2.imread(path, cv2.IMREAD_COLOR)
        if photo is None:
            raise SystemExit(f"cannot read {path}")
        side = (CACHED_SIZE, CACHED_SIZE)
        images[index] = cv2.resize(photo[..., ::-1], side, interpolation=cv2.INTER_AREA)
    if cache:
        np.save(cache, images)
    return images
