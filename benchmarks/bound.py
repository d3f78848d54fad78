"""The bound: decoding and inference in threads, and nothing else. Prints images per second.

    python benchmarks/bound.py tflite FOLDER FILE.tflite CALLERS THREADS
    python benchmarks/bound.py savedmodel FOLDER DIR CALLERS THREADS
    python benchmarks/bound.py onnx FOLDER FILE.onnx CALLERS THREADS

Loading and each thread's first inference are outside the measured time.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Infer = Callable[[Any], None]
_CHANNELS = 3


def main() -> None:
    """Measure what the command line asks for."""
    kind, folder, model, *setting = sys.argv[1:]
    callers, threads = (int(number) for number in setting)
    load = {"tflite": _tflite, "savedmodel": _saved_model, "onnx": _onnx}[kind]
    side_px, infers = load(model, callers, threads)
    paths = [str(path) for path in sorted(Path(folder).iterdir())]
    print(f"{_images_per_s(paths, side_px, infers):.3f} images/s")


def _images_per_s(paths: Sequence[str], side_px: int, infers: Sequence[Infer]) -> float:
    lock, todo = threading.Lock(), iter(paths)

    def work(infer: Infer) -> None:
        while True:
            with lock:
                path = next(todo, None)
            if path is None:
                return
            with Image.open(path) as picture:
                small = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
            infer(np.asarray(small)[None])

    workers = [threading.Thread(target=work, args=(infer,)) for infer in infers]
    started_s = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(paths) / (time.perf_counter() - started_s)


def _tflite(model: str, callers: int, threads: int) -> tuple[int, list[Infer]]:
    from ai_edge_litert.interpreter import Interpreter

    def one() -> tuple[int, Infer]:
        interpreter = Interpreter(model_path=model, num_threads=threads)
        interpreter.allocate_tensors()
        details = interpreter.get_input_details()[0]
        outputs = [output["index"] for output in interpreter.get_output_details()]
        is_float, is_first = details["dtype"] == np.float32, details["shape"][1] == _CHANNELS

        def infer(pixels: Any) -> None:
            if is_float:
                pixels = pixels.astype(np.float32)
            if is_first:
                pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
            interpreter.set_tensor(details["index"], pixels)
            interpreter.invoke()
            for output in outputs:
                interpreter.get_tensor(output)

        side_px = int(details["shape"][2])
        infer(np.zeros((1, side_px, side_px, 3), np.uint8))
        return side_px, infer

    made = [one() for _ in range(callers)]
    return made[0][0], [infer for _, infer in made]


def _saved_model(model: str, callers: int, threads: int) -> tuple[int, list[Infer]]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(callers)
    loaded = tf.saved_model.load(model)
    function = loaded.signatures["serving_default"]
    (argument,) = function.structured_input_signature[1]

    def infer(pixels: Any, keep: Any = loaded) -> None:
        del keep
        for tensor in function(**{argument: tf.constant(pixels)}).values():
            tensor.numpy()

    side_px = next(iter(function.structured_input_signature[1].values())).shape[1] or 640
    infer(np.zeros((1, side_px, side_px, 3), np.uint8))
    return side_px, [infer] * callers


def _onnx(model: str, callers: int, threads: int) -> tuple[int, list[Infer]]:
    """Networks that take floats, channels first."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1

    def one() -> tuple[int, Infer]:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (taken,) = session.get_inputs()

        def infer(pixels: Any) -> None:
            tensor = np.ascontiguousarray(pixels.astype(np.float32).transpose(0, 3, 1, 2))
            session.run(None, {taken.name: tensor})

        infer(np.zeros((1, taken.shape[2], taken.shape[2], _CHANNELS), np.uint8))
        return int(taken.shape[2]), infer

    made = [one() for _ in range(callers)]
    return made[0][0], [infer for _, infer in made]


if __name__ == "__main__":
    main()
