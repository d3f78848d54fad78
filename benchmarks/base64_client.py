"""A client as people write them: base64 in JSON over kept-alive connections, some in flight.

    python benchmarks/base64_client.py URL FOLDER IN_FLIGHT IMAGES

Prints images per second, and median and 99th percentile of the seconds a request took.
"""

import base64
import http.client
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


def main() -> None:
    """Send the folder's pictures in turn."""
    url, folder, in_flight, images = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pictures = [path.read_bytes() for path in sorted(Path(folder).glob("*.jpg"))]
    numbers, lock = iter(range(images)), threading.Lock()
    times_s: list[float] = []

    def work() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            began_s = time.perf_counter()
            text = base64.b64encode(pictures[number % len(pictures)]).decode()
            body = json.dumps({"id": str(number), "image": text})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/object_detection", body, headers)
            answer = json.loads(connection.getresponse().read())
            assert answer["id"] == str(number), answer
            times_s.append(time.perf_counter() - began_s)

    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began_s
    assert len(times_s) == images
    p99_s = statistics.quantiles(times_s, n=100)[98]
    median_s = statistics.median(times_s)
    print(f"{images / wall_s:.3f} images/s, median {median_s:.5f} s, p99 {p99_s:.5f} s")


if __name__ == "__main__":
    main()
