"""A worker that detects nothing: it writes a shard's rows. Objects have it wait, die or fail."""

import argparse
import json
import os
import signal
import sys
import time

from offload.drivers.objects.store import opened

MODULE = "tests.aws_batch.toy"


def main() -> None:
    """Do a shard as `offload batch worker` is asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--todo", required=True)
    parser.add_argument("--index", type=int, default=os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX"))
    asked = parser.parse_args(sys.argv[1:])
    store = opened(asked.out)
    number = json.loads(store.get(asked.todo, 10**6) or b"")[asked.index]
    while store.get(f"waits/{number}", 1) is not None:
        time.sleep(0.05)
    if store.get(f"dies/{number}", 1) is not None:
        store.delete(f"dies/{number}")
        sys.stderr.write(f"shard {number} dies\n")
        os.kill(os.getpid(), signal.SIGKILL)
    if store.get(f"fails/{number}", 1) is not None:
        sys.stderr.write(f"shard {number} fails\n")
        sys.exit(1)
    store.put_new(f"rows/{name(number)}.jsonl.zst", b"rows")


def name(number: int) -> str:
    """What a shard is called."""
    return f"{number:05}-toy"


if __name__ == "__main__":
    main()
