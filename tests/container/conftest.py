import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import START
from tests.testbed.registry import PROGRAM, Registry, registry


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Registry]:
    """A registry of container images that nobody pushed to."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"no {PROGRAM} here; to install it: {START}")
    with registry(tmp_path / "registry") as one:
        yield one
