"""What every runtime promises, and how each reads its models."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from offload import detectors
from offload.detectors import DETECTORS, source
from offload.detectors import labels as label_files
from offload.detectors.labels import Labels
from offload.detectors.source import ModelSource
from offload.domain.errors import ModelError
from offload.domain.ports import Detector, ModelIdentity
from offload.domain.vision import Box, Image, InputSpec, Pixels, RawDetections, Selection
from offload.drivers.folders.files import sha256_of
from offload.drivers.images import pictures
from offload.drivers.model_cache import ModelCache
from offload.places.inprocess import InProcess, InProcessSession
from tests import onnxmodels, savedmodels
from tests.drawing import encoded, scene
from tests.fakes import FakeModel

pytestmark = pytest.mark.xdist_group("tensorflow")

BOX = (0.25, 0.5, 0.5, 1.0)
ALL = Selection(min_score=0.0, max_iou=1.0)

Builder = Callable[[Path], Path]


@dataclass(frozen=True)
class Models:
    """Models by what they show, each built when first asked for."""

    folder: Path
    ssd: Callable[[], Path]
    built: dict[str, ModelSource] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ModelSource:
        if name not in self.built:
            self.built[name] = self._build(name)
        return self.built[name]

    def _build(self, name: str) -> ModelSource:
        if name == "builtin":
            return at(savedmodels.BUILTIN)
        if name == "ssd":
            return at(self.ssd())
        if name in ONNX:
            return at(ONNX[name](self.folder / f"{name}.onnx"))
        if name == "float":
            return at(savedmodels.float_tflite(self.folder / "float.tflite"))
        folder = SAVED_MODELS[name](self.folder / name)
        return at(folder, input_spec=InputSpec(48, 64) if name != "batchable" else None)


SAVED_MODELS: Mapping[str, Builder] = {
    "zoo": savedmodels.zoo,
    "batchable": savedmodels.batchable,
    "fixed batch": savedmodels.fixed_batch,
    "open images": savedmodels.open_images,
    "open images v1": savedmodels.hub_v1_open_images,
}
ONNX: Mapping[str, Builder] = {"YOLOX": onnxmodels.yolox, "YOLOv8": onnxmodels.columns}
CASES: Mapping[str, Sequence[str]] = {
    "tflite": ("builtin", "ssd", "float"),
    "savedmodel": tuple(SAVED_MODELS),
    "onnx": tuple(ONNX),
}
"""Runtime -> the models to hold it to its promises with."""


def at(
    path: Path, labels: Labels | None = None, input_spec: InputSpec | None = None
) -> ModelSource:
    """A model on this disk."""
    runtime = "savedmodel" if path.is_dir() else "onnx" if path.suffix == ".onnx" else "tflite"
    identity = ModelIdentity(path.stem, runtime, sha256_of(str(path)))
    return ModelSource(identity, str(path), labels or {}, input_spec)


def loaded(model: ModelSource) -> Detector:
    (detector,) = detectors.load(model, 1, 1)
    return detector


def noise(spec: InputSpec, seed: int) -> Pixels:
    """Pixels that no two seeds share, brighter the higher the seed."""
    drawn = np.random.default_rng(seed).integers(0, 60, (spec.height, spec.width, 3))
    return (drawn + 20 * seed).astype(np.uint8)


def same(one: RawDetections, other: RawDetections) -> bool:
    return (
        np.allclose(one.boxes, other.boxes, atol=1e-6)
        and np.allclose(one.scores, other.scores, atol=1e-6)
        and np.array_equal(one.class_ids, other.class_ids)
        and one.names == other.names
    )


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"), lambda: request.getfixturevalue("ssd"))


@pytest.fixture(params=[name for names in CASES.values() for name in names])
def model(request: pytest.FixtureRequest, models: Models) -> ModelSource:
    name: str = request.param
    if name == "ssd":
        request.getfixturevalue("ssd")
    return models[name]


@pytest.fixture
def detector(model: ModelSource) -> Detector:
    return loaded(model)


@dataclass
class Watched:
    """A detector that notes what it is handed and takes its time."""

    real: Detector
    pause_s: float = 0.0
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def input(self) -> InputSpec:
        return self.real.input

    @property
    def max_batch(self) -> int:
        return self.real.max_batch

    @property
    def labels(self) -> Labels:
        return self.real.labels

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        self.shapes.append(np.stack(batch).shape)
        time.sleep(self.pause_s)
        return self.real.detect(batch)


def in_process(
    load: Callable[[], Sequence[Detector]], selection: Selection = ALL, name: str = "model"
) -> AbstractContextManager[InProcessSession]:
    place = InProcess(
        model=FakeModel(ModelIdentity(name, "", "")),
        load=lambda _images: load(),
        max_pixels=pictures.MAX_PIXELS,
        clock=time.perf_counter,
    )
    return place.open(selection, 1)


def test_every_runtime_is_held_to_the_contract() -> None:
    assert set(CASES) == set(DETECTORS.own)


def test_the_input_is_a_shape(detector: Detector) -> None:
    assert detector.input.height > 0
    assert detector.input.width > 0
    assert detector.max_batch >= 1


def test_each_picture_of_a_batch_gets_its_answer_in_order(detector: Detector) -> None:
    batch = [noise(detector.input, seed) for seed in range(min(3, detector.max_batch))]
    answers = detector.detect(batch)
    assert len(answers) == len(batch)
    for pixels, answer in zip(batch, answers, strict=True):
        (alone,) = detector.detect([pixels])
        assert same(answer, alone)


def test_an_answer_is_boxes_scores_and_ids_of_one_length(detector: Detector) -> None:
    for seed in range(3):
        (answer,) = detector.detect([noise(detector.input, seed)])
        count = len(answer.scores)
        assert answer.boxes.shape == (count, 4)
        assert answer.boxes.dtype == answer.scores.dtype == np.float32
        assert answer.class_ids.shape == answer.scores.shape == (count,)
        assert answer.class_ids.dtype == np.int64
        assert len(answer.names) in {0, count}
        assert np.all((answer.scores >= 0) & (answer.scores <= 1))


def test_the_same_pixels_get_the_same_answer(model: ModelSource, detector: Detector) -> None:
    pixels = noise(detector.input, 1)
    (first,) = detector.detect([pixels])
    detector.detect([noise(detector.input, 2)])
    (second,) = detector.detect([pixels])
    (other,) = loaded(model).detect([pixels])
    assert same(first, second)
    assert same(first, other)


def test_an_answer_outlives_the_next_one(detector: Detector) -> None:
    (first,) = detector.detect([noise(detector.input, 1)])
    kept = RawDetections(first.boxes.copy(), first.scores.copy(), first.class_ids.copy())
    detector.detect([noise(detector.input, 5)])
    assert np.array_equal(first.boxes, kept.boxes)
    assert np.array_equal(first.scores, kept.scores)


def test_two_threads_get_the_answers_that_one_gets(model: ModelSource) -> None:
    images = [
        Image(f"{side}.png", encoded(scene(side, 40 + side // 2))) for side in range(30, 110, 10)
    ]
    with in_process(lambda: detectors.load(model, 1, 1)) as session:
        expected = [session.detect(image).found for image in images]
    with (
        in_process(lambda: detectors.load(model, 2, 1)) as session,
        ThreadPoolExecutor(2) as pool,
    ):
        found = [answer.found for answer in pool.map(session.detect, images * 3)]
    assert found == expected * 3


def test_the_selection_is_what_comes_through(model: ModelSource) -> None:
    image = Image("scene.png", encoded(scene()))
    with in_process(lambda: detectors.load(model, 1, 1)) as session:
        everything = session.detect(image).found
    assert everything
    least = everything[0].score - 0.0001  # they are rounded
    chosen = Selection(min_score=least, max_detections=1, max_iou=1.0)
    with in_process(lambda: detectors.load(model, 1, 1), chosen) as session:
        assert session.detect(image).found == everything[:1]


def test_batches_form_under_load_and_everybody_gets_their_own_answer(models: Models) -> None:
    shares = [step / 8 for step in range(8)]
    images = [
        Image(f"{left}.png", encoded(Pil.fromarray(savedmodels.picture((0, left, 1, 1))[0])))
        for left in shares
    ]
    watched = Watched(loaded(models["batchable"]), pause_s=0.3)
    together = threading.Barrier(len(images))

    with (
        in_process(lambda: [watched]) as session,
        ThreadPoolExecutor(len(images)) as pool,
    ):

        def detect(image: Image) -> Box:
            together.wait()
            (best,) = (d for d in session.detect(image).found)
            return best.box

        boxes = list(pool.map(detect, images))
    assert session.concurrency == watched.max_batch
    assert boxes == [Box(0.0, left, 1.0, 1.0) for left in shares]
    sizes = [shape[0] for shape in watched.shapes]
    assert sum(sizes) == len(images)
    assert max(sizes) > 1
    assert len(sizes) <= 3


def test_pictures_of_every_size_are_handed_over_in_one_shape(models: Models) -> None:
    watched = Watched(loaded(models["zoo"]))
    with in_process(lambda: [watched]) as session:
        for width, height in ((64, 48), (48, 64), (500, 20), (1, 1), (1600, 1200)):
            found = session.detect(Image("scene.png", encoded(scene(width, height))))
            assert (found.width, found.height) == (width, height)
    assert set(watched.shapes) == {(1, 48, 64, 3)}


def test_a_shape_that_the_model_leaves_open_is_the_named_models_or_640(models: Models) -> None:
    zoo, batchable = models["zoo"].path, models["batchable"].path
    assert loaded(at(Path(zoo))).input == InputSpec(640, 640)
    assert loaded(at(Path(zoo), None, InputSpec(320, 240, 0))).input == InputSpec(320, 240, 0)
    assert loaded(at(Path(batchable), None, InputSpec(320, 320, 7))).input == InputSpec(64, 64, 7)


@pytest.mark.parametrize("name", ["zoo", "batchable", "fixed batch"])
def test_the_zoos_convention_is_read(models: Models, name: str) -> None:
    pixels, mean = savedmodels.picture(BOX)
    (answer,) = loaded(at(Path(models[name].path), None, InputSpec(64, 64))).detect([pixels])
    assert answer.boxes.tolist() == [list(BOX)]
    assert answer.scores.tolist() == pytest.approx([mean])
    assert answer.class_ids.tolist() == [18]
    assert answer.names == ()


@pytest.mark.parametrize("name", ["open images", "open images v1"])
def test_the_open_images_convention_is_read(models: Models, name: str) -> None:
    pixels, mean = savedmodels.picture(BOX, background=51)
    (answer,) = loaded(at(Path(models[name].path), None, InputSpec(64, 64))).detect([pixels])
    assert answer.boxes.tolist() == [list(BOX)] * 3
    # The mean, the greatest and the smallest value that the model was given: 0..1.
    assert answer.scores.tolist() == pytest.approx([mean, 1.0, 0.2])
    assert answer.names == (savedmodels.ENTITY,) * 3
    assert answer.class_ids.tolist() == [savedmodels.CLASS_LABEL] * 3


def test_a_models_own_names_are_the_labels_of_what_is_found(models: Models) -> None:
    pixels, mean = savedmodels.picture(BOX)
    image = Image("tree.png", encoded(Pil.fromarray(pixels)))
    model = at(Path(models["open images"].path), None, InputSpec(64, 64))
    tree = Selection(min_score=mean / 2, classes=frozenset({"tree"}))
    with in_process(lambda: detectors.load(model, 1, 1), tree) as session:
        (found,) = session.detect(image).found  # the three boxes are one: suppressed but the best
    assert found.label == savedmodels.ENTITY
    assert found.box == Box(*BOX)


def test_a_saved_model_is_loaded_once_for_all_workers(models: Models) -> None:
    first, second = detectors.load(models["zoo"], 2, 1)
    assert first is second


def test_the_post_processing_operators_ids_are_the_label_files(
    ssd: Path, ssd_labels: Path, photos: Path
) -> None:
    labels = label_files.read(str(ssd_labels))
    assert labels[1] == "person"
    photo, people = _most_people(photos)
    model = at(ssd, labels)
    with in_process(lambda: detectors.load(model, 1, 1), Selection(0.5)) as session:
        found = session.detect(Image(photo.name, photo.read_bytes())).found
    assert people >= 2
    assert found[0].label == "person"
    assert found[0].class_id == 1


def _most_people(photos: Path) -> tuple[Path, int]:
    """The photo whose ground truth names most people, and how many."""
    counts = {
        path: sum(line.startswith("0 ") for line in path.read_text().splitlines())
        for path in photos.rglob("*.txt")
    }
    best = max(sorted(counts), key=lambda path: counts[path])
    (photo,) = (path for path in photos.rglob(f"{best.stem}.*") if path.suffix != ".txt")
    return photo, counts[best]


def test_named_outputs_are_found_whatever_their_order_in_the_file(models: Models) -> None:
    from ai_edge_litert.interpreter import Interpreter

    first = Interpreter(models["builtin"].path).get_output_details()[0]
    assert first["shape"].tolist() == [1]  # by order, the number of detections would be the boxes
    model = source.chosen("builtin", _no_hub())
    (answer,) = loaded(model).detect([noise(loaded(model).input, 1)])
    assert len(answer.scores) > 0
    assert set(answer.class_ids.tolist()) <= set(model.labels)
    (answer,) = loaded(models["float"]).detect([np.zeros((8, 8, 3), np.uint8)])
    assert answer.class_ids.tolist() == [3, 5]
    assert answer.boxes.tolist() == [[0.0, 0.25, 0.5, 1.0]] * 2


def _no_hub() -> source.Hub:
    cache = ModelCache(os.devnull)
    return source.Hub("", cache, True, lambda _have, _total: None, lambda _line: None)


def test_a_float_input_is_handed_minus_one_to_one(models: Models) -> None:
    pixels = np.full((8, 8, 3), 51, np.uint8)
    pixels[0, 0] = 255
    (answer,) = loaded(models["float"]).detect([pixels])
    # The greatest and the smallest value, brought from -1..1 to 0..1.
    assert answer.scores.tolist() == pytest.approx([1.0, 0.2])
    (answer,) = loaded(models["float"]).detect([np.zeros((8, 8, 3), np.uint8)])
    assert answer.scores.tolist() == pytest.approx([0.0, 0.0])


def test_labels_packed_into_a_file_name_what_is_found(tmp_path: Path, examples: Path) -> None:
    names = "\n".join(f"thing {number}" for number in range(1, 21))
    file = savedmodels.tflite_with_metadata(tmp_path / "packed.tflite", names)
    model = source.chosen(str(file), _no_hub())
    photo = min(examples.glob("*.jpg"))
    with in_process(lambda: detectors.load(model, 1, 1)) as session:
        assert session.labels[17] == "thing 17"
        found = session.detect(Image(photo.name, photo.read_bytes())).found
    assert found
    assert all(d.label == f"thing {d.class_id}" for d in found)


DAMAGE: Mapping[str, Callable[[Path], Path]] = {
    "a file of another kind": lambda path: _written(path, b"<html>"),
    "an empty file": lambda path: _written(path, b""),
    "half a file": lambda path: _written(path, savedmodels.BUILTIN.read_bytes()[:900_000]),
    "noise after the magic number": lambda path: _written(path, b"\x1c\0\0\0TFL3" + b"\xff" * 999),
    "no file": lambda path: path,
    "a folder of another kind": lambda path: _folder(path, b"<html>" * 20),
    "an empty graph": lambda path: _folder(path, b""),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _folder(path: Path, graph: bytes) -> Path:
    path.mkdir()
    (path / "saved_model.pb").write_bytes(graph)
    return path


def explained(model: ModelSource) -> str:
    with pytest.raises(ModelError) as caught:
        detectors.load(model, 1, 1)
    sentence = str(caught.value)
    assert model.path in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_explained(tmp_path: Path, damage: str) -> None:
    sentence = explained(at(DAMAGE[damage](tmp_path / "model")))
    assert "cannot" in sentence


def test_weights_that_are_missing_are_explained(tmp_path: Path, models: Models) -> None:
    folder = savedmodels.hub_v1_open_images(tmp_path / "model")
    for file in (folder / "variables").iterdir():
        file.unlink()
    assert "cannot" in explained(at(folder))


@pytest.mark.parametrize(
    "build", [savedmodels.no_detector, savedmodels.no_signature, savedmodels.classifier_tflite]
)
def test_a_model_that_detects_nothing_is_explained(tmp_path: Path, build: Builder) -> None:
    sentence = explained(at(build(_place(tmp_path, build))))
    assert "not a detector that offload can read" in sentence or "no usable signature" in sentence


@pytest.mark.parametrize(
    "build", [savedmodels.takes_text, savedmodels.takes_grey, savedmodels.grey_tflite]
)
def test_a_model_that_takes_no_colour_pictures_is_explained(tmp_path: Path, build: Builder) -> None:
    assert "does not take" in explained(at(build(_place(tmp_path, build))))


def _place(folder: Path, build: Builder) -> Path:
    return folder / ("model.tflite" if "tflite" in build.__name__ else "model")


@pytest.mark.parametrize("name", ["builtin", "zoo"])
def test_a_model_that_is_no_longer_what_was_hashed_is_refused(models: Models, name: str) -> None:
    model = models[name]
    other = replace(model, identity=replace(model.identity, sha256="0" * 64))
    assert "has changed since it was chosen" in explained(other)


def test_a_model_file_cut_short_while_it_serves_ends_nothing(tmp_path: Path) -> None:
    file = _written(tmp_path / "model.tflite", savedmodels.BUILTIN.read_bytes())
    detector = loaded(at(file))
    pixels = noise(detector.input, 1)
    (before,) = detector.detect([pixels])
    os.truncate(file, 4096)  # of a file that is mapped, the next answer would be SIGBUS
    (after,) = detector.detect([pixels])
    assert same(before, after)


def test_tflite_detection_never_imports_tensorflow(examples: Path) -> None:
    program = """
import sys
from offload import detect
rows = list(detect(sys.argv[1], model="builtin"))
assert rows and not any(row.error for row in rows), rows
print(*sorted(name for name in sys.modules if name.split(".")[0] in {"tensorflow", "keras"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(examples)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("\n", "", 0)
