"""Networks cut and flipped anywhere are refused, or answer with numbers."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from offload import detectors
from offload.detectors.source import ModelSource
from offload.domain.errors import ModelError
from offload.domain.ports import ModelIdentity
from offload.domain.vision import Selection, select
from offload.drivers.folders.files import sha256_of
from tests import onnxmodels, savedmodels
from tests.attack.conftest import Amount
from tests.attack.damage import damaged


@pytest.mark.parametrize(
    ("runtime", "made"),
    [
        ("onnx", lambda folder: onnxmodels.yolox(folder / "good.onnx")),
        ("tflite", lambda _folder: savedmodels.BUILTIN),
    ],
)
def test_a_damaged_network_is_refused_or_answers_with_numbers(
    tmp_path: Path, amount: Amount, runtime: str, made: Callable[[Path], Path]
) -> None:
    whole, path = made(tmp_path).read_bytes(), tmp_path / f"bad.{runtime}"
    for case in range(amount(150)):
        path.write_bytes(damaged(whole, random.Random(case)))
        model = ModelSource(ModelIdentity("bad", runtime, sha256_of(str(path))), str(path), {})
        try:
            (detector,) = detectors.load(model, 1, 1)
            grey = np.full((detector.input.height, detector.input.width, 3), 100, np.uint8)
            (answer,) = detector.detect([grey])
        except ModelError as error:
            assert str(path) in str(error), f"case {case}"
        else:
            for found in select(answer, {}, Selection(0.0)):
                assert np.isfinite([*found.box, found.score]).all(), f"case {case}"
                assert found.box.ymin <= found.box.ymax, f"case {case}"
                assert found.box.xmin <= found.box.xmax, f"case {case}"
