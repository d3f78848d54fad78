"""1,000,000 keys of a generated store cut into shards: seconds, memory, and when work can begin.

    python benchmarks/batch_plan.py [KEYS]

The targets: at most 60 s on two cores, at most 300 MB of memory, shards while the listing runs.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator

from offload.detectors.source import ModelSource
from offload.domain.events import Stop
from offload.domain.ports import ModelIdentity
from offload.domain.vision import Selection
from offload.drivers.objects.store import Entry, Store, opened
from offload.usecases.batch import plan
from offload.usecases.batch.layout import Plan, Spec


class Generated(Store):
    """A store with keys as cameras make them, which nobody keeps."""

    def __init__(self, keys: int) -> None:
        self.url, self._keys = "s3://generated/photos", keys

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Entry]:
        """All of them."""
        for number in range(self._keys):
            day, etag = number // 5000, f'"{number * 2654435761 % 2**128:032x}"'
            yield Entry(f"2026/{day:04}/camera-{number % 17:02}/{number:010}.jpg", 100_000, etag)


def main() -> None:
    """Print what it takes."""
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    model = ModelSource(ModelIdentity("m", "tflite", "0"), "", {})
    spec = Spec("s3://generated/photos", "", model, Selection(), 80_000_000)
    with tempfile.TemporaryDirectory() as folder:
        planned = Plan("b", {}, spec, 9_000, 8)
        began_s, first_s, shards = time.monotonic(), 0.0, 0
        for _ in plan.Ahead(plan.shards(planned, Generated(keys), opened(folder)), Stop()):
            first_s = first_s or time.monotonic() - began_s
            shards += 1
        took_s = time.monotonic() - began_s
        manifest = plan.manifest_of(opened(folder))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{manifest.images:,} keys, {shards} shards: {took_s:.1f} s, first after {first_s:.2f} s")
    print(f"memory at most {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
