"""Which cells a study has, in which order, and who is ahead."""

from collections import Counter
from typing import Any

import pytest

from offload.domain.errors import UsageError
from offload.domain.studies import Cell, Design, StudyStatus, lane
from tests.measured import PLACES as KNOWN

PLACES = ("local", "container", "remote")


def named(cells: list[Cell]) -> list[tuple[str, str, int]]:
    return sorted((cell.number, cell.place, cell.images) for cell in cells)


def test_every_combination_is_there_as_often_as_it_is_to_be_repeated() -> None:
    design = Design(
        (1, 5), PLACES, concurrency=(1, 4), replicas=(1, 2, 3), cpus=(0.5,), repeats=2, known=KNOWN
    )
    cells = design.cells()
    counts = Counter(cell.place for cell in cells)
    assert counts == {"local": 2 * 2, "container": 2 * 2 * 2 * 3, "remote": 2 * 2 * 2}
    assert len({cell.number for cell in cells}) == len(cells)
    assert len({(cell.round, cell.images, lane(cell.place, cell.varied)) for cell in cells}) == len(
        cells
    )


def test_what_does_nothing_at_a_place_is_not_varied_there() -> None:
    design = Design(
        (1,),
        PLACES,
        (2, 8),
        (1, 3),
        (0.5,),
        upload_max_side_px=(640,),
        link_mbit=(10.0, 100.0),
        known=KNOWN,
    )
    varied = {place: set[str]() for place in PLACES}
    for cell in design.cells():
        varied[cell.place] |= set(cell.varied)
    assert varied == {
        "local": set(),
        "container": {"concurrency", "replicas", "cpus", "upload_max_side_px"},
        "remote": {"concurrency", "upload_max_side_px", "link_mbit"},
    }


def test_the_order_is_that_of_the_seed_and_each_round_is_shuffled_by_itself() -> None:
    design = Design(tuple(range(1, 11)), PLACES, repeats=3, seed=5, known=KNOWN)
    cells = design.cells()
    assert cells == Design(tuple(range(1, 11)), PLACES, repeats=3, seed=5, known=KNOWN).cells()
    assert [cell.round for cell in cells] == [1] * 30 + [2] * 30 + [3] * 30
    orders = [[(cell.place, cell.images) for cell in cells if cell.round == n] for n in (1, 2, 3)]
    assert orders[0] != orders[1] != orders[2]
    assert len({place for place, _ in orders[0][:10]}) > 1


def test_another_seed_gives_another_order_of_the_same_cells() -> None:
    one, other = (Design((1, 2, 5, 10), PLACES, seed=seed, known=KNOWN).cells() for seed in (0, 1))
    assert one != other
    assert named(one) == named(other)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"images": (), "places": ("local",)}, "A study needs --images."),
        ({"images": (1,), "places": ()}, "There is no place ''."),
        ({"images": (1,), "places": ("moon",)}, "There is no place 'moon'."),
        ({"images": (1,), "places": ("local",), "replicas": (2,)}, "--replicas has no effect"),
        ({"images": (1,), "places": ("local",), "concurrency": (2,)}, "--concurrency has"),
        ({"images": (1,), "places": ("remote",), "cpus": (0.5,)}, "--cpus has no effect"),
        ({"images": (1,), "places": ("container",), "link_mbit": (10,)}, "--link has no effect"),
        (
            {"images": (1,), "places": ("local",), "upload_max_side_px": (640,)},
            "--upload-max-side has no effect",
        ),
    ],
)
def test_a_design_that_cannot_be_meant_is_refused(wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Design(**wishes, known=KNOWN)


def test_nobody_is_ahead_until_two_have_done_as_many_images() -> None:
    standing = StudyStatus()
    assert standing.best() is None
    standing.add("local", 1, 0.1)
    standing.add("container", 2, 0.1)
    assert standing.best() is None
    standing.add("container", 1, 0.2)
    assert standing.best() == ("local", 1, 0.1)


def test_ahead_is_who_has_the_least_median_of_the_most_images_compared() -> None:
    standing = StudyStatus()
    for seconds in (3, 1, 9):
        standing.add("local", 50, seconds)
    for seconds in (2, 2, 30):
        standing.add("remote", 50, seconds)
    standing.add("local", 200, 1)
    assert standing.best() == ("remote", 50, 2)


def test_a_lane_is_called_the_same_before_and_after_it_was_written_down() -> None:
    cell = Cell("0000", 1, KNOWN["container"], 5, concurrency=4, cpus=0.5)
    line = {"place": "container", "concurrency": "4", "cpus": "0.5", "replicas": ""}
    assert lane(cell.place, cell.varied) == lane("container", line)
    assert lane("local", {}) == "local"
