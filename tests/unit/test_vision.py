import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.domain.errors import UsageError
from offload.domain.vision import RawDetections, Selection, check_classes, iou, select

LABELS = {1: "person", 2: "dog"}
LEFT, LEFT_AGAIN, RIGHT = [0, 0, 1, 0.4], [0, 0, 1, 0.41], [0, 0.6, 1, 1]


def raw(*found: tuple[list[float], float, int]) -> RawDetections:
    boxes, scores, ids = zip(*found, strict=True)
    return RawDetections(
        np.array(boxes, np.float32), np.array(scores, np.float32), np.array(ids, np.int64)
    )


def test_detections_come_best_first_and_above_the_score() -> None:
    found = select(raw((LEFT, 0.3, 1), (RIGHT, 0.9, 2), (LEFT, 0.1, 2)), LABELS, Selection())
    assert [(d.label, d.class_id, d.score) for d in found] == [("dog", 2, 0.9), ("person", 1, 0.3)]


@pytest.mark.parametrize("wanted", ["person", "1"])
def test_a_class_is_asked_for_by_name_or_id(wanted: str) -> None:
    answer = raw((LEFT, 0.9, 1), (RIGHT, 0.9, 2))
    assert [d.label for d in select(answer, LABELS, Selection(classes=frozenset({wanted})))] == [
        "person"
    ]


def test_of_two_boxes_of_a_class_that_overlap_too_much_the_better_stays() -> None:
    answer = raw((LEFT, 0.5, 1), (LEFT_AGAIN, 0.9, 1), (LEFT, 0.4, 2))
    assert [d.score for d in select(answer, LABELS, Selection())] == [
        pytest.approx(0.9),
        pytest.approx(0.4),
    ]
    assert len(select(answer, LABELS, Selection(max_iou=1.0))) == 3


def test_a_class_filter_does_not_count_against_the_limit() -> None:
    answer = raw((LEFT, 0.9, 2), (RIGHT, 0.5, 1))
    selection = Selection(classes=frozenset({"person"}), max_detections=1)
    assert [d.label for d in select(answer, LABELS, selection)] == ["person"]


def test_boxes_of_a_padded_picture_are_relative_to_the_picture() -> None:
    (found,) = select(raw(([0.0, 0.0, 0.25, 0.5], 0.9, 1)), LABELS, Selection(), (0.5, 1.0))
    assert found.box == (0.0, 0.0, 0.5, 0.5)


def test_boxes_are_clipped_to_the_picture() -> None:
    (found,) = select(raw(([-0.1, -0.2, 1.3, 1.1], 0.9, 1)), LABELS, Selection())
    assert found.box == (0.0, 0.0, 1.0, 1.0)


def test_an_id_without_a_label_is_named_by_its_number() -> None:
    assert select(raw((LEFT, 0.9, 77)), LABELS, Selection())[0].label == "class 77"


def test_a_class_the_model_lacks_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UsageError, match="no class 'persn'") as caught:
        check_classes(Selection(classes=frozenset({"persn"})), LABELS)
    assert "person" in caught.value.hint


def test_any_class_may_be_asked_of_a_model_that_names_its_own() -> None:
    check_classes(Selection(classes=frozenset({"flower"})), {})


edges = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(edges, edges, edges, edges), min_size=1, max_size=8))
def test_iou_is_a_share_and_one_for_a_box_with_itself(corners: list[tuple[float, ...]]) -> None:
    points = np.array(corners)
    boxes = np.concatenate(
        [np.minimum(points[:, :2], points[:, 2:]), np.maximum(points[:, :2], points[:, 2:])], 1
    )
    shares = iou(boxes[0], boxes)
    assert ((shares >= 0) & (shares <= 1 + 1e-5)).all()
    if np.prod(boxes[0, 2:] - boxes[0, :2]) > 1e-6:
        assert shares[0] == pytest.approx(1)
