"""The same model behind LitServe: a worker process per core, one thread each.

python benchmarks/rivals/litserve_server.py MODEL PORT
"""

import os
import sys
from typing import Any

import litserve
from interpreter import Detector


class Api(litserve.LitAPI):
    """Base64 in JSON, as the others."""

    def setup(self, device: str) -> None:
        """Load the model, in the worker."""
        del device
        self.detector = Detector(sys.argv[1], 1)

    def decode_request(self, request: dict[str, Any]) -> Any:
        """The picture and the sender's id."""
        return request["id"], *self.detector.decoded(request["image"])

    def predict(self, asked: Any) -> Any:
        """Detect."""
        name, pixels, size = asked
        return name, self.detector.objects(pixels, size)

    def encode_response(self, found: Any) -> dict[str, Any]:
        """The document."""
        name, objects = found
        return {"id": name, "objects": objects}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(api_path="/api/object_detection"),
        accelerator="cpu",
        workers_per_device=os.cpu_count() or 1,
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error"
    )
