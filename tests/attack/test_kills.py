"""Whoever is killed, and whenever: nothing is lost, nothing is doubled, nothing traces back.

What always runs of it is in tests/cli/test_detect.py and tests/remote/test_split.py.
"""

import json
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.attack.conftest import Amount
from tests.becoming import spawner
from tests.conftest import Offload
from tests.drawing import saved, scene
from tests.remote.served import Served, served

IMAGES = 120
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("where", ["local", "remote", "split"])
def test_however_often_a_job_is_killed_it_comes_to_its_end_with_a_row_for_each_image(
    offload: Offload, tmp_path: Path, amount: Amount, where: str
) -> None:
    photos, out, luck = tmp_path / "photos", tmp_path / "out", random.Random(where)
    for number in range(IMAGES):
        saved(photos / f"{number}.jpg", scene(320, 240 + number))
    with ExitStack() as stack:
        server = stack.enter_context(served()) if where != "local" else None
        words = ["detect", photos, "-o", out, "--model", "builtin", "--where", where]
        if server is not None:
            words += ["--url", server.url, "--max-retries", "0"]
        for _ in range(amount(30)):
            server = _killed(words, server, luck, stack)
        done = offload(*words)
        assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]
    assert Counter(row["path"] for row in rows) == {f"{n}.jpg": 1 for n in range(IMAGES)}
    assert not [row for row in rows if row["error"]]


def _killed(
    words: list[object], server: Served | None, luck: random.Random, stack: ExitStack
) -> Served | None:
    """The server that is there after the client, or what it asks, was ended on the way."""
    with spawner().begin(words) as client:
        time.sleep(luck.uniform(0.05, 0.6))
        if server is not None and luck.random() < 0.5:
            server.kill()
            _, said = client.communicate(timeout=300)
            server = stack.enter_context(served(port=server.port))
        else:
            client.send_signal(how := luck.choice(ENDS))
            _, said = client.communicate(timeout=300)
            assert client.returncode in {0, 130, 143, -how}, said
    if client.returncode != -signal.SIGINT:  # that came before Python was up
        assert "Traceback" not in said, said
    return server
