import pytest

from offload.domain.measurements import Agreement, agreement, f1
from offload.domain.vision import Box, Detection


def dog(score: float = 0.9, left: float = 0.0, label: str = "dog") -> Detection:
    """A square of a tenth of the picture's width."""
    return Detection(label, 18, score, Box(0.0, left, 0.1, left + 0.1))


def test_the_same_findings_agree() -> None:
    found = (dog(), dog(left=0.5), dog(left=0.5, label="cat"))
    assert agreement(found, found) == Agreement(3, 0, 0)
    assert agreement((), ()) == Agreement(0, 0, 0)


def test_a_box_that_overlaps_by_half_is_the_same_object_and_one_that_does_less_is_not() -> None:
    full = (dog(),)
    assert agreement(full, (dog(left=0.033),)) == Agreement(1, 0, 0)  # 0.067 / 0.133 is half
    assert agreement(full, (dog(left=0.034),)) == Agreement(0, 1, 1)


def test_another_label_is_another_object() -> None:
    assert agreement((dog(),), (dog(label="cat"),)) == Agreement(0, 1, 1)


def test_each_object_is_matched_once_the_surest_first() -> None:
    full = (dog(),)
    smaller = (dog(0.5), dog(0.8, left=0.01))
    assert agreement(full, smaller) == Agreement(1, 0, 1)
    two = (dog(), dog(left=0.03))
    assert agreement(two, (dog(0.9, left=0.02), dog(0.8, left=0.01))) == Agreement(2, 0, 0)


def test_f1_is_of_all_images_together() -> None:
    assert f1([Agreement(1, 0, 0), Agreement(1, 1, 1)]) == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert f1([Agreement(0, 1, 0)]) == 0
    assert f1([Agreement(0, 0, 0)]) is None
    assert f1([]) is None
