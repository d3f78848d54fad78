"""Boxes and labels, drawn on a picture."""

from collections.abc import Sequence

from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

from offload.domain.vision import Detection

_PALETTE = ("#0b6e4f", "#b5179e", "#1d4ed8", "#c2410c", "#6d28d9", "#a16207", "#be123c", "#0f766e")


_MOST_LABELS = 500
"""More find no place of their own, and each is compared with all before it."""


def draw(canvas: Pil.Image, detections: Sequence[Detection]) -> None:
    """Draw them, the best on top."""
    side = max(canvas.size)
    line_px = max(2, round(side / 300))
    font = ImageFont.load_default(size=max(13, side / 45))
    pen = ImageDraw.Draw(canvas)
    labels: list[tuple[_Edges, str, str]] = []
    for number, d in enumerate(detections):
        colour = _PALETTE[d.class_id % len(_PALETTE)]
        left, top = d.box.xmin * canvas.width, d.box.ymin * canvas.height
        right = max(left, d.box.xmax * canvas.width - 1)
        bottom = max(top, d.box.ymax * canvas.height - 1)
        pen.rectangle((left, top, right, bottom), None, colour, line_px)
        if number >= _MOST_LABELS:
            continue
        text = f"{d.label} {d.score:.2f}"
        extent = pen.textbbox((0, 0), text, font)
        size = extent[2] + 2 * line_px, extent[3] + 2 * line_px
        taken = [edges for edges, _, _ in labels]
        labels.append(
            (_place_label((left, top, right, bottom), size, canvas.size, taken), text, colour)
        )
    # The best comes last, so that where labels must overlap it is the one that can be read.
    for edges, text, colour in reversed(labels):
        pen.rectangle(edges, colour)
        pen.text((edges[0] + line_px, edges[1] + line_px), text, "white", font)


_Edges = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def _place_label(
    box: _Edges, size: tuple[float, float], canvas: tuple[int, int], taken: Sequence[_Edges]
) -> _Edges:
    """Above the box, inside it, below it or at its foot: the first place free of other labels."""
    left, top, _, bottom = box
    width, height = size
    x = min(max(0.0, left), max(0.0, canvas[0] - width))
    places = [
        (x, y, x + width, y + height)
        for y in (top - height, top, bottom, bottom - height)
        if 0 <= y <= canvas[1] - height
    ] or [(x, 0.0, x + width, height)]
    return next((place for place in places if not any(_meet(place, t) for t in taken)), places[0])


def _meet(one: _Edges, other: _Edges) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
