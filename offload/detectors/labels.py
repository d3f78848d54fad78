"""What the numbers that models answer with are called."""

import os
import re
import zipfile
import zlib
from collections.abc import Mapping

from offload.domain.errors import ModelError, UsageError, meant
from offload.drivers.folders.files import why

Labels = Mapping[int, str]
"""Class id -> name."""

_MOST_BYTES = 2**20
_ID = "[0-9]{1,9}"
_DOCUMENTS = ".yaml", ".yml", ".json"
_NO_CLASS = {"???", "background", "__background__"}


def parse(text: str) -> Labels:
    """Labels from any of the forms that are about.

    - `id name` lines: the ids are the model's own, unless they count from an id 0 that is no
      background, as frigate's and Coral's do: ours count from 1;
    - one name a line: ids count from 1; a first line `???` or `background` stands for id 0, and
      `???` elsewhere for an id that is not used;
    - a TensorFlow label map (`item { id: 1 name: "cat" }`); `display_name` wins over `name`.
    """
    items = [_item(item) for item in re.findall(r"item\s*\{([^{}]*)\}", text)]
    if items:
        return dict(item for item in items if item)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    pairs = [re.fullmatch(rf"({_ID})[\s:,]+(.+)", line) for line in lines]
    if lines and all(pairs):
        return _from_one({int(pair[1]): pair[2] for pair in pairs if pair})
    if lines and lines[0].lower() in _NO_CLASS:
        lines = lines[1:]
    return {number: name for number, name in enumerate(lines, 1) if name not in _NO_CLASS}


def named(text: str) -> Labels:
    """Labels of a YAML or JSON document: a list or a table of names, which count from 0, or a
    document that has one as `names` (ultralytics), `id2label` (Hugging Face) or `labels`.

    Raises:
        ValueError: it has none.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError("it is damaged") from error
    for key in ("names", "id2label", "labels"):
        if isinstance(document, dict) and key in document:
            document = document[key]
            break
    if isinstance(document, list):
        found = dict(enumerate(document))
    elif isinstance(document, dict):
        found = {int(key): name for key, name in document.items()}
    else:
        raise ValueError("it has neither names, id2label nor labels")
    if not all(isinstance(name, str | int | float) for name in found.values()):
        raise ValueError("its names are no words")
    return _from_one({key: str(name) for key, name in found.items()})


def _from_one(found: dict[int, str]) -> Labels:
    """The same with ids that count from 1, where an id 0 that is no background counts from 0."""
    if found.get(0, "background").lower() in _NO_CLASS:
        return found
    return {key + 1: name for key, name in found.items()}


def read(file: str) -> Labels:
    """The labels in a file, or of the table of that name.

    Raises:
        UsageError: it cannot be read or holds no label.
    """
    if file in TABLES:
        return TABLES[file]
    try:
        with open(file, encoding="utf-8-sig") as stream:
            if len(text := stream.read(_MOST_BYTES + 1)) > _MOST_BYTES:
                raise ValueError("it is larger than 1 MB")
            labels = named(text) if file.lower().endswith(_DOCUMENTS) else parse(text)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"The labels file {file} cannot be read: {why(error)}.{meant(file, TABLES)}",
            hint=f"Use a file with one name per line, or one of {', '.join(TABLES)}.",
        ) from error
    if not labels:
        raise UsageError(f"The labels file {file} is empty.")
    return labels


def inside(model_file: str) -> Labels:
    """The labels packed into a `.tflite` file's metadata; empty if there are none.

    Metadata is appended to the model as a zip archive (TensorFlow Lite metadata specification).

    Raises:
        ModelError: they cannot be read.
    """
    if not zipfile.is_zipfile(model_file):
        return {}
    try:
        with zipfile.ZipFile(model_file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".txt")]
            names.sort(key=lambda name: "label" not in name.lower())
            return parse(_text(archive, names[0])) if names else {}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"The labels in {model_file} cannot be read: {error}.") from error


def beside(model: str) -> Labels:
    """The labels in the one file that is called so in a model's folder; empty if there is none.

    Raises:
        UsageError: they cannot be read.
    """
    folder = os.path.dirname(model)
    found = [
        n for n in os.listdir(folder) if "label" in n.lower() and n.endswith((".txt", ".pbtxt"))
    ]
    return read(os.path.join(folder, found[0])) if len(found) == 1 else {}


def _text(archive: zipfile.ZipFile, name: str) -> str:
    """A member that is small, whatever it says of itself."""
    if archive.getinfo(name).compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError("their compression is unknown")
    with archive.open(name) as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("they are larger than 1 MB")
    return data.decode("utf-8", "replace")


_FIELD = re.compile(r"""\b(id|name|display_name)\s*:\s*(?:"([^"]*)"|'([^']*)'|([^\s,;]+))""")


def _item(text: str) -> tuple[int, str] | None:
    found = {key: "".join(values).strip() for key, *values in _FIELD.findall(text)}
    number = found.get("id", "")
    if not re.fullmatch(_ID, number):
        return None
    return int(number), found.get("display_name") or found.get("name") or f"class {number}"


COCO: Labels = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train",
    8: "truck", 9: "boat", 10: "traffic light", 11: "fire hydrant", 13: "stop sign",
    14: "parking meter", 15: "bench", 16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep",
    21: "cow", 22: "elephant", 23: "bear", 24: "zebra", 25: "giraffe", 27: "backpack",
    28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase", 34: "frisbee", 35: "skis",
    36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat", 40: "baseball glove",
    41: "skateboard", 42: "surfboard", 43: "tennis racket", 44: "bottle", 46: "wine glass",
    47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl", 52: "banana", 53: "apple",
    54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza",
    60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed",
    67: "dining table", 70: "toilet", 72: "tv", 73: "laptop", 74: "mouse", 75: "remote",
    76: "keyboard", 77: "cell phone", 78: "microwave", 79: "oven", 80: "toaster", 81: "sink",
    82: "refrigerator", 84: "book", 85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear",
    89: "hair drier", 90: "toothbrush",
}  # fmt: skip
"""The 80 categories of COCO 2017 by their official ids, 1..90 with gaps."""

TABLES: Mapping[str, Labels] = {
    "coco": COCO, "coco-90": COCO, "coco-80": dict(enumerate(COCO.values(), 1)),
}  # fmt: skip
"""Those with a name: COCO's by official id, and by place among the 80, as YOLO's family counts."""
