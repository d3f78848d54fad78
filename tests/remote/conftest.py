"""One server for all who do it no harm."""

from collections.abc import Iterator

import pytest

from tests.remote.served import Served, served


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """It runs the embedded model."""
    with served() as ready:
        yield ready
