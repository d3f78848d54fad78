"""What is drawn on pictures: colours, labels, letters."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from offload.domain.vision import Box, Detection
from offload.drivers.images import boxes, fonts, pictures
from tests.drawing import encoded

NO_LETTER = "\U0010fffe"
"""What no font has, as it is none."""
WHITE = encoded(Image.new("RGB", (640, 480), "white"))


def meet(one: boxes.Edges, other: boxes.Edges) -> bool:
    return bool((one[:2] < other[2:]).all() and (other[:2] < one[2:]).all())


def test_no_label_covers_another_on_crowded_photos_and_none_is_left_out(photos: Path) -> None:
    crowded = 0
    for path in sorted(photos.glob("*.jpg")):
        with Image.open(path) as photo:
            canvas = photo.size
        if not (truth := photos / "labels" / f"{path.stem}.txt").exists():
            continue
        rows = np.loadtxt(truth, ndmin=2)
        crowded += len(rows) > 10
        middle, half = rows[:, 1:3] * canvas, rows[:, 3:5] * canvas / 2
        sizes = [(90.0, 20.0)] * len(rows)
        places = list(boxes.label_places(np.hstack([middle - half, middle + half]), sizes, canvas))
        there = [place for place in places if place is not None]
        assert len(there) == len(rows), path.stem
        assert not [pair for pair in combinations(there, 2) if meet(*pair)], path.stem
        assert all((p[:2] >= 0).all() and (p[2:] <= canvas).all() for p in there)
    assert crowded > 10


def test_a_label_hides_no_object_smaller_than_itself_where_there_is_room() -> None:
    people = np.array([[x, 240.0, x + 12, 270.0] for x in (300.0, 314.0, 328.0)])
    places = boxes.label_places(people, [(90.0, 20.0)] * 3, (640, 480))
    assert not [p for p in places if p is None or any(meet(p, person) for person in people)]


def test_where_there_is_no_room_labels_are_left_out_not_laid_over_others() -> None:
    crowd = np.tile([0.0, 0.0, 20.0, 20.0], (200, 1))
    places = list(boxes.label_places(crowd, [(90.0, 20.0)] * 200, (640, 480)))
    there = [place for place in places if place is not None]
    assert 5 < len(there) < 200
    assert not [pair for pair in combinations(there, 2) if meet(*pair)]


def test_objects_of_a_class_are_shades_of_its_hue_and_text_on_them_has_contrast() -> None:
    def luminance(rgb: boxes.RGB) -> float:
        shares = [value / 255 for value in rgb]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    for class_id in range(91):
        shades = [boxes.colour(class_id, number) for number in range(8)]
        hues = {Image.new("RGB", (1, 1), rgb).convert("HSV").tobytes()[0] for rgb in shades}
        assert max(hues) - min(hues) <= 2 or {0, 255} & hues
        assert min(sum(map(abs, np.subtract(*pair))) for pair in combinations(shades, 2)) > 15
        for rgb in shades:
            paper = luminance(rgb) + 0.05
            contrast = paper / 0.05 if boxes.ink(rgb) == "black" else 1.05 / paper
            assert contrast >= 4.5
    assert len({boxes.colour(class_id, 0) for class_id in range(91)}) == 91


def drawn(label: str) -> bytes:
    return pictures.drawn(WHITE, [Detection(label, 7, 0.9, Box(0.3, 0.3, 0.9, 0.9))])[0]


@pytest.mark.parametrize("word", ["façade", "собака", "Ελληνικά", "كلب", "שלום"])
def test_a_script_that_the_own_font_lacks_is_drawn_with_one_that_has_it(word: str) -> None:
    assert fonts.having(word)
    assert drawn(word) not in {drawn("class 7"), drawn(word[::-1])}


@pytest.mark.parametrize(
    "name", [NO_LETTER, f"dog {NO_LETTER}", "two\nlines", "\x1b[2J", "tag\U000e0001"]
)
def test_a_class_whose_letters_no_font_has_is_drawn_as_its_id(name: str) -> None:
    assert drawn(name) == drawn("class 7")


def test_of_a_very_long_name_the_beginning_is_drawn() -> None:
    assert drawn("x" * 5000) == drawn("x" * 40)
