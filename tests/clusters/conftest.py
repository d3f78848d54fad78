from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters.fake import FakeCluster, cluster


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A cluster that answers by hand, which is the current context."""
    with cluster() as one:
        monkeypatch.setenv("KUBECONFIG", str(one.kubeconfig(tmp_path)))
        yield one
