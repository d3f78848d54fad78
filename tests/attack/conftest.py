"""How much of an attack is tried."""

from collections.abc import Callable

import pytest

Amount = Callable[[int], int]


@pytest.fixture(scope="session")
def amount(pytestconfig: pytest.Config) -> Amount:
    """As many as are tried with --attack; else a tenth of them."""
    whole = pytestconfig.getoption("--attack")
    return lambda full: full if whole else -(-full // 10)
