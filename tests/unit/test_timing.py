import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.domain.timing import spread


def test_nothing_has_no_spread() -> None:
    assert spread([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_the_spread_is_what_the_standard_library_says(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.median == pytest.approx(statistics.median(values))
    percentiles = statistics.quantiles(values, n=100, method="inclusive")
    assert found.p95 == pytest.approx(percentiles[94])
