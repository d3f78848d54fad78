"""Boxes and labels, drawn on a picture: a hue for each class, a shade for each of its objects."""

import colorsys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont, features

from offload.domain.vision import Detection
from offload.drivers.images import fonts

Floats = NDArray[np.float64]
Edges = Floats
"""Left, top, right, bottom in pixels: [4], or [N,4] of several."""
RGB = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont

_GOLDEN = 0.6180339887
"""Its multiples, modulo 1, are as far apart as numbers that come one by one can be."""

_MOST_LABELS, _MOST_LETTERS = 500, 40
_REACH, _STEPS = 6, 24
"""How far from its box a label may be, in its heights; how many places across and down are tried.
"""


def draw(canvas: Pil.Image, detections: Sequence[Detection]) -> None:
    """Draw them, the best on top; of very many, the labels of the best."""
    pen, side = ImageDraw.Draw(canvas), max(canvas.size)
    line_px, text_px = max(2, round(side / 300)), max(13, side / 45)
    shares = np.array([d.box for d in detections]).reshape(-1, 4)[:, [1, 0, 3, 2]]
    edges = shares * (canvas.size * 2) - (0, 0, 1, 1)
    edges[:, 2:] = np.maximum(edges[:, :2], edges[:, 2:])
    colours = list(_colours(detections))
    for box, rgb in zip(edges[::-1], reversed(colours), strict=True):
        pen.rectangle(tuple(box), None, rgb, line_px)
    labels = [_label(d, text_px, line_px, canvas.width) for d in detections[:_MOST_LABELS]]
    places = label_places(edges, [label.size for label in labels], canvas.size)
    placed = [
        (label, place, box, rgb)
        for label, place, box, rgb in zip(labels, places, edges, colours, strict=False)
        if place is not None
    ]
    for label, place, box, rgb in placed:  # all lines first: none crosses a label
        end = ((place[:2] + place[2:]) / 2).clip(box[:2], box[2:])
        pen.line([tuple(end.clip(place[:2], place[2:])), tuple(end)], rgb, label.margin)
    for label, place, _, rgb in placed:
        _write(pen, label, place, rgb)


def _colours(detections: Sequence[Detection]) -> Iterator[RGB]:
    seen: Counter[int] = Counter()
    for d in detections:
        yield colour(d.class_id, seen[d.class_id])
        seen[d.class_id] += 1


def colour(class_id: int, number: int) -> RGB:
    """That of the object with this number among those of its class, the same in all pictures."""
    hue, lightness = class_id * _GOLDEN % 1, 0.36 + 0.4 * ((number * _GOLDEN + 0.25) % 1)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def ink(paper: RGB) -> str:
    """Black or white, whichever is easier to read (WCAG 2, with 2.2 as the gamma of sRGB)."""
    luminance = np.dot((np.array(paper) / 255) ** 2.2, (0.2126, 0.7152, 0.0722))
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


class _Label(NamedTuple):
    """Texts on a line, each with its font, and a margin around; all in pixels."""

    pieces: Sequence[tuple[str, _Font]]
    size: tuple[float, float]
    ascent: float
    margin: int


def _label(d: Detection, text_px: float, margin: int, most_px: float) -> _Label:
    plain = ImageFont.load_default(text_px)
    assert isinstance(plain, _Font)
    name, font = _legible(d, plain, text_px)
    name, score = name[:_MOST_LETTERS], f" {d.score:.2f}"
    room_px = most_px - 2 * margin - plain.getlength(score)
    while len(name) > 1 and font.getlength(name) > room_px:
        name = name[:-1]
    above, below = np.max([each.getmetrics() for each in (font, plain)], axis=0)
    width = font.getlength(name) + plain.getlength(score) + 2 * margin
    pieces = [(name, font), (score, plain)]
    return _Label(pieces, (width, above + below + 2 * margin), above, margin)


def _legible(d: Detection, plain: _Font, text_px: float) -> tuple[str, _Font]:
    """The name of a class and a font that has its letters, or its id where there is none."""
    if d.label.isascii() and d.label.isprintable():
        return d.label, plain
    kinds = {
        f(letter) for letter in d.label for f in (unicodedata.bidirectional, unicodedata.category)
    }
    plain_line = kinds.isdisjoint({"R", "AL", "BN", "Mn", "Mc", "Me"})
    if (file := fonts.having(d.label)) and (features.check("raqm") or plain_line):
        return d.label, ImageFont.truetype(file, text_px)
    return f"class {d.class_id}", plain


def label_places(
    boxes: Edges, sizes: Sequence[tuple[float, float]], canvas: tuple[int, int]
) -> Iterator[Edges | None]:
    """Where the labels of the first boxes go: above their own, below it, inside it, or near it.
    None covers another, nor, where it can be, a box that is smaller than it; None: no room.
    """
    boxes, taken = boxes[: len(sizes)], np.empty((0, 4))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for box, size in zip(boxes, sizes, strict=True):
        small = boxes[areas < size[0] * size[1]]
        tries = (
            _first_free(xs, ys, size, covered, order)
            for covered in (np.vstack([taken, small]), taken)
            for xs, ys, order in _corners(box, size, canvas)
        )
        place = next((place for place in tries if place is not None), None)
        if place is not None:
            taken = np.vstack([taken, place])
        yield place


def _corners(
    box: Edges, size: tuple[float, float], canvas: tuple[int, int]
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Where the left edge [X] and the top edge [Y] of a label may be, and in which order [Y,X] that
    is tried: the usual places; then, the nearest first, those around them.
    """
    (left, top, right, bottom), (width, height) = box, size
    edge_x, edge_y = np.maximum(0, np.subtract(canvas, size))
    ys = np.array([y for y in (top - height, bottom, top, bottom - height) if 0 <= y <= edge_y])
    yield np.clip([left, right - width], 0, edge_x), ys, np.arange(2.0 * len(ys)).reshape(-1, 2)
    reach = _REACH * height
    xs = np.linspace(left - width - reach, right + reach, _STEPS).clip(0, edge_x)
    ys = np.linspace(top - height - reach, bottom + reach, _STEPS).clip(0, edge_y)
    yield xs, ys, np.abs(ys[:, None] - (top - height)) + np.abs(xs - left)


def _first_free(
    xs: Floats, ys: Floats, size: tuple[float, float], covered: Edges, order: Floats
) -> Edges | None:
    """The first place at which a rectangle of that size covers none of others."""
    across = (xs[:, None] < covered[:, 2]) & (covered[:, 0] < xs[:, None] + size[0])
    down = (ys[:, None] < covered[:, 3]) & (covered[:, 1] < ys[:, None] + size[1])
    order = np.where(down @ across.T, np.inf, order)
    if np.isinf(order).all():
        return None
    row, column = np.unravel_index(order.argmin(), order.shape)
    x, y = xs[column], ys[row]
    return np.array([x, y, x + size[0], y + size[1]])


def _write(pen: ImageDraw.ImageDraw, label: _Label, place: Edges, rgb: RGB) -> None:
    pen.rectangle(tuple(place), rgb)
    x, y = place[:2] + label.margin
    for text, font in label.pieces:
        pen.text((x, y + label.ascent), text, ink(rgb), font, "ls")
        x += font.getlength(text)
