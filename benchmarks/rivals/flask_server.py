"""The server of a course-work project: Flask, base64 in JSON, one interpreter behind a lock.

python benchmarks/rivals/flask_server.py MODEL PORT
"""

import logging
import os
import sys
import threading
from typing import Any

from flask import Flask, request
from interpreter import Detector


def main() -> None:
    """Serve until killed."""
    model, port = sys.argv[1], int(sys.argv[2])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    detector, lock = Detector(model, os.cpu_count() or 1), threading.Lock()
    app = Flask(__name__)

    @app.post("/api/object_detection")
    def detect() -> dict[str, Any]:
        asked = request.get_json()
        pixels, size = detector.decoded(asked["image"])
        with lock:
            return {"id": asked["id"], "objects": detector.objects(pixels, size)}

    app.run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    main()
