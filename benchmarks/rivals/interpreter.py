"""What both rivals share: base64 in, labelled boxes out, by a bare interpreter."""

import base64
import io
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


class Detector:
    """One interpreter with `threads` threads; not for several callers at a time."""

    def __init__(self, model: str, threads: int) -> None:
        self._interpreter = Interpreter(model_path=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self.side_px = int(self._input["shape"][1])

    def decoded(self, text: str) -> Any:
        """Base64 as the model's input [1, side, side, 3], and the picture's width and height."""
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            size = picture.size
            small = picture.convert("RGB").resize((self.side_px,) * 2, Image.Resampling.BILINEAR)
        return np.asarray(small)[None], size

    def objects(self, pixels: Any, size: tuple[int, int]) -> list[dict[str, Any]]:
        """What is found with a score of at least 0.25."""
        self._interpreter.set_tensor(self._input["index"], pixels)
        self._interpreter.invoke()
        boxes, classes, scores, _ = (self._interpreter.get_tensor(i)[0] for i in self._outputs)
        width, height = size
        return [
            {
                "label": str(int(kind)),
                "accuracy": float(score),
                "rectangle": {
                    "left": float(xmin) * width,
                    "top": float(ymin) * height,
                    "width": float(xmax - xmin) * width,
                    "height": float(ymax - ymin) * height,
                },
            }
            for (ymin, xmin, ymax, xmax), kind, score in zip(boxes, classes, scores, strict=True)
            if score >= 0.25
        ]
