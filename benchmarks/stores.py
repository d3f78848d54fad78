"""What reads stores fastest: obstore, s3fs and boto3 beside each other at one server.

    python benchmarks/stores.py [--keys 1000000] [--objects 2000] [--rounds 3]

The server is the tests' own, on this machine and in a process of its own, so its cost is part of
every figure and ratios are understated. Clients take turns. s3fs takes part if it is installed.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
OBJECT_BYTES, AT_A_TIME = 100_000, 32
SERVER = f"""
import sys, time
from tests.stores.s3 import Bucket, Keys, Server
server = Server()
server.buckets["many"] = Bucket(keys=Keys(int(sys.argv[1])))
server.bucket.objects = {{f"{{n:06}}.jpg": bytes({OBJECT_BYTES}) for n in range(int(sys.argv[2]))}}
with server.running():
    print(server.endpoint, flush=True)
    time.sleep(1e6)
"""


def main() -> None:
    """Measure every client at every task, in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help="what a process of its own measures")
    options = parser.parse_args()
    if options.one:
        client, task = options.one
        print(TASKS[task](CLIENTS[client](), options.objects))
        return
    names = [name for name in CLIENTS if importlib.util.find_spec(name)]
    with _server(options.keys, options.objects) as endpoint:
        for task in TASKS:
            rates: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(options.rounds):
                for name in names:
                    rates[name].append(_measured(name, task, options.objects, endpoint))
            for name, found in rates.items():
                over = [a / b for a, b in zip(found, rates["boto3"], strict=True)]
                print(
                    f"{task:<16} {name:<8} {statistics.median(found):>9.0f} /s, over boto3 "
                    f"{statistics.median(over):.2f} ({min(over):.2f}..{max(over):.2f})"
                )


def _measured(client: str, task: str, objects: int, endpoint: str) -> float:
    environment = os.environ | {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b", "PYTHONPATH": str(PROJECT),
    }  # fmt: skip
    command = [sys.executable, __file__, "--objects", str(objects), "--one", client, task]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


@contextmanager
def _server(keys: int, objects: int) -> Iterator[str]:
    command = [sys.executable, "-c", SERVER, str(keys), str(objects)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


class _Obstore:
    """Our own driver."""

    def __init__(self) -> None:
        from offload.drivers.objects.store import opened

        self._many, self._few = opened("s3://many"), opened("s3://bucket")

    def list(self) -> int:
        """How many keys there are."""
        return sum(1 for _ in self._many.list())

    def get(self, key: str) -> int:
        """How long one is."""
        return len(self._few.get(key, OBJECT_BYTES) or b"")

    def put_new(self, key: str) -> None:
        """Write one unless there is one."""
        self._few.put_new(key, bytes(1000))


class _Boto3:
    def __init__(self) -> None:
        import boto3
        from botocore.config import Config

        self._s3 = boto3.client("s3", config=Config(max_pool_connections=AT_A_TIME))

    def list(self) -> int:
        """How many keys there are."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket="many")
        return sum(len(page.get("Contents", ())) for page in pages)

    def get(self, key: str) -> int:
        """How long one is."""
        return len(self._s3.get_object(Bucket="bucket", Key=key)["Body"].read())

    def put_new(self, key: str) -> None:
        """Write one unless there is one."""
        self._s3.put_object(Bucket="bucket", Key=key, Body=bytes(1000), IfNoneMatch="*")


class _S3fs:
    def __init__(self) -> None:
        import s3fs

        self._s3: Any = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])

    def list(self) -> int:
        """How many keys there are."""
        return len(self._s3.find("many"))

    def get(self, key: str) -> int:
        """How long one is."""
        return len(self._s3.cat_file(f"bucket/{key}"))

    def put_new(self, key: str) -> None:
        """Write one unless there is one."""
        self._s3.pipe_file(f"bucket/{key}", bytes(1000), mode="create")


def _listing(client: Any, _objects: int) -> float:
    began_s = time.perf_counter()
    keys: int = client.list()
    return keys / (time.perf_counter() - began_s)


def _gets(client: Any, objects: int) -> float:
    return _in_threads(client.get, [f"{number:06}.jpg" for number in range(objects)])


def _puts(client: Any, objects: int) -> float:
    mark = time.time_ns()
    return _in_threads(client.put_new, [f"new/{mark}/{number}" for number in range(objects)])


def _in_threads(work: Callable[[str], Any], keys: list[str]) -> float:
    work(keys[0])
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        began_s = time.perf_counter()
        for _ in pool.map(work, keys[1:]):
            pass
        return (len(keys) - 1) / (time.perf_counter() - began_s)


CLIENTS: dict[str, Callable[[], Any]] = {"obstore": _Obstore, "s3fs": _S3fs, "boto3": _Boto3}
TASKS: dict[str, Callable[[Any, int], float]] = {
    "listing, keys": _listing, "gets of 100 kB": _gets, "conditional puts": _puts,
}  # fmt: skip


if __name__ == "__main__":
    main()
